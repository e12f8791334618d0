"""Whether a store that nobody works on is whole: its pages, its seals, and what belongs together.

Nothing is trusted before it was looked at: the pages are walked by a verifier that never gives the
file to LMDB, then every entry of every table is compared with its seal, then the tables with
each other. What the index must say of objects is known above (server/consistency.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kcpfast._core import engine, tree
from kcpfast.store.contract import Corrupted, StoreError, number, number_bytes
from kcpfast.store.opening import (
    BEFORE,
    CHUNK,
    CHUNK_BYTES,
    DATA,
    FORMAT,
    TABLES,
    Opened,
    compact,
    format_of,
    look_at,
    use,
    verify,
)

_SEAL = 4


class Examination(NamedTuple):
    """What a look at a store came to: problems, the format, and how many entries each table has."""

    problems: list[str]
    format: bytes = b""
    entries: dict[str, int] = {}  # noqa: RUF012 - never changed


def examine(directory: Path) -> Examination:
    """Look at the store of a directory that nobody works on."""
    data = directory / DATA
    if not data.exists():
        return Examination([f"there is no store in {directory}"])
    try:
        look_at(data)
    except StoreError as error:
        return Examination([str(error)])
    broken = [f"{data.name}: {problem}" for problem in verify(data)]
    if broken:
        return Examination(broken)
    env = tree.Environment(str(directory), _map_size(data), Corrupted)
    try:
        form = format_of(env)
        if form == BEFORE:
            return Examination([], form)
        return _examine(env)
    except StoreError as error:
        return Examination([str(error)])
    finally:
        env.close()


def rewrite(directory: Path) -> tuple[int, int]:
    """Write a store anew without its free space; return its size before and after, in bytes.

    StoreError if it cannot be read or written; nothing has changed then.
    """
    data = directory / DATA
    before = data.stat().st_size
    env = tree.Environment(str(directory), _map_size(data), Corrupted)
    try:
        compact(directory, Opened(env, use(env)))
    finally:
        env.close()
    return before, data.stat().st_size


def _map_size(data: Path) -> int:
    return max(1 << 30, 2 * data.stat().st_size)


def _examine(env: tree.Environment) -> Examination:
    tables = dict(zip(TABLES, (env.table(name) for name in TABLES), strict=True))
    problems: list[str] = []
    entries: dict[str, int] = {}
    for name, table in tables.items():
        count = 0
        for key, value in _all(env, table):
            count += 1
            if not engine.sound(key, value):
                problems.append(f"{name.decode()}: {Corrupted(key)}")
        entries[name.decode()] = count
    if not problems:
        use(env)
        problems += _unlike(env, tables)
    return Examination(problems, FORMAT, entries)


def _all(env: tree.Environment, table: int) -> Iterator[tuple[bytes, bytes]]:
    start = b""
    while chunk := env.raw(table, start, CHUNK, CHUNK_BYTES):
        yield from chunk
        start = chunk[-1][0] + b"\0"


def _unlike(env: tree.Environment, tables: dict[bytes, int]) -> Iterator[str]:
    """Yield where objects, history and log disagree."""
    objects, history, log, meta = (
        tables[name] for name in (b"objects", b"history", b"log", b"meta")
    )
    newest = number((env.get(meta, b"revision") or b"")[:8])
    compacted = number(env.get(meta, b"compacted"))
    written = set()
    for place, sealed in _all(env, log):
        revision, entry = number(place[:8]), sealed[_SEAL:]
        key = entry[9:]
        written.add((key, revision))
        if revision > newest:
            yield f"the log tells of revision {revision}, the newest is {newest}"
        replaces = revision > compacted and entry[:1] != b"c"
        if replaces and env.record(history, key + b"\0" + number_bytes(revision)) is None:
            yield f"history does not tell what revision {revision} of {key!r} replaced"
    for table in (objects, history):
        for key, _ in _all(env, table):
            row = env.record(table, key)
            assert row is not None
            own = key[:-9] if table == history else key
            if row[0] > newest:
                yield f"{own!r} is of revision {row[0]}, the newest is {newest}"
            if row[0] > compacted and (own, row[0]) not in written:
                yield f"the log does not tell of revision {row[0]} of {own!r}"
