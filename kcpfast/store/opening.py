"""Opens the store of a directory: created in one step, migrated in one step, or refused.

A new file is written beside its place, made durable, and renamed into it: a start that is killed
at any moment leaves either nothing or all of it. What is there already is looked at before LMDB
gets to see it, because LMDB takes an empty file for a new one, and reads behind the end of one that
was cut off.

    data.mdb     the store
    lock.mdb     LMDB's; made when the store is opened, so a store was here if it is
    new.mdb      what was begun and not finished; removed
"""

from __future__ import annotations

import logging
import os
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import lmdb.cpython

from kcpfast import atomic
from kcpfast._core import records, tree
from kcpfast._core import writer as kernel
from kcpfast.store.contract import Corrupted, StoreError, number, number_bytes

LOG = logging.getLogger("kcpfast.store")
FORMAT, BEFORE = b"kcpfast 3", b"kcpfast 2"
TABLES = (b"objects", b"history", b"log", b"index", b"meta", b"shapes")
# Key beginnings and ends of the objects that every new workspace has: shapes (_core/records.pyx).
FAMILIES = (
    (b"/configmaps\0", b"\0kube-root-ca.crt"),
    (b"/namespaces\0", b""),
    (b"/serviceaccounts\0", b"\0default"),
    (b"apis.kcp.io/apibindings\0", b""),
    (b"core.kcp.io/logicalclusters\0", b""),
    (b"rbac.authorization.k8s.io/clusterrolebindings\0", b"\0workspace-admin"),
    (b"tenancy.kcp.io/workspaces:", b""),
)
DATA, LOCK, NEW = "data.mdb", "lock.mdb", "new.mdb"
# Entries, and bytes, that are read and written in one transaction while a file is rewritten.
CHUNK, CHUNK_BYTES = 5000, 4 << 20
# A larger file is not verified at start: it takes 2 ms for 1 MB.
LOOKED_THROUGH = 256 << 20
_LOCK_SIZE = 8192
_Beside = tuple[tree.Environment, kernel.Writer, list[int]]
Chunk = list[tuple[bytes, bytes]]
Read = Callable[[int, bytes], Chunk]
ConvertEntry = Callable[[bytes, bytes], bytes]
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_META_FLAG = 8
# Page number, padding, flags, bounds; magic, version, address, map size; two tables; last page and
# transaction. See MDB_page and MDB_meta in LMDB's mdb.c (0.9).
_PAGE = struct.Struct("<QHHI" + "IIQQ" + 2 * "IHHQQQQQ" + "QQ")
tree.load(lmdb.cpython.__file__)


class Opened(NamedTuple):
    """An open environment and its tables, by their numbers."""

    env: tree.Environment
    tables: list[int]


class _Meta(NamedTuple):
    """The fields of a meta page that are compared."""

    number: int
    flags: int
    magic: int
    version: int
    page_size: int
    last_page: int
    transaction: int


def open_store(directory: Path, map_size: int) -> Opened:
    """Open the store of a directory; made if there is none, migrated if it is of before.

    StoreError if something else is there, or what is there is damaged.
    """
    data = directory / DATA
    for left in (NEW, f"{NEW}-lock"):
        (directory / left).unlink(missing_ok=True)
    if not data.exists():
        if (directory / LOCK).exists():
            raise StoreError(f"{directory} held a store, but {DATA} is gone")
        _make(directory)
    look_at(data)
    size = max(map_size, 2 * data.stat().st_size)
    try:
        _allocate(directory / LOCK)
        env = tree.Environment(str(directory), size, Corrupted)
    except OSError as error:
        raise StoreError(f"cannot open the store in {directory}: {error}") from error
    try:
        if format_of(env) == BEFORE:
            _migrate(directory, env)
            env.close()
            env = tree.Environment(str(directory), size, Corrupted)
        tables = use(env)
        _check_heads(env, tables)
        return Opened(env, tables)
    except (LookupError, OSError, ValueError) as error:
        env.close()
        reason = f"{DATA} is damaged: a table cannot be opened ({error})"
        raise StoreError(f"cannot open the store in {directory}: {reason}") from error
    except BaseException:
        env.close()
        raise


# --------------------------------------------------------------------------- looking at a file


def look_at(data: Path) -> None:
    """Look at the meta pages of a data file; StoreError if it is no whole file of LMDB's."""
    problem = _problem(data)
    if problem:
        raise StoreError(f"cannot open the store in {data.parent}: {data.name} {problem}")


def _problem(data: Path) -> str:
    """Return why a data file cannot be opened ("" = it can)."""
    size = data.stat().st_size
    if size == 0:
        return "is empty: it was cut off, there is nothing left in it"
    with data.open("rb") as file:
        first = _meta_at(file.read(_PAGE.size))
        if first is None or first.magic != _MAGIC:
            return "does not begin like a store"
        if first.version != _VERSION:
            return f"is of LMDB's format {first.version}, not {_VERSION}"
        file.seek(first.page_size)
        second = _meta_at(file.read(_PAGE.size))
    if second is None:
        return "is damaged: it was cut off within its first two pages"
    problem = _disagreement(first, second)
    if problem:
        return f"is damaged: {problem}"
    last = max(first, second, key=lambda meta: meta.transaction).last_page
    whole = (last + 1) * first.page_size
    # What is missing at the end may be free.
    if whole > size and verify(data):
        return f"is damaged: it was cut off, {size} bytes of {whole} are left"
    return ""


def _meta_at(head: bytes) -> _Meta | None:
    if len(head) < _PAGE.size:
        return None
    page = _PAGE.unpack(head)
    return _Meta(page[0], page[2], page[4], page[5], page[8], page[-2], page[-1])


def _disagreement(first: _Meta, second: _Meta) -> str:
    """Return what is wrong with two meta pages ("" = nothing); transactions write them by turns."""
    for index, meta in enumerate((first, second)):
        sound = meta.number == index and meta.flags == _META_FLAG and meta.magic == _MAGIC
        if not sound or meta.version != _VERSION or meta.page_size != first.page_size:
            return f"its meta page {index} is none"
    # mdb.c: transaction n writes the meta page n modulo 2, so their numbers are neighbours.
    even, odd = first.transaction, second.transaction
    if (even, odd) != (0, 0) and (even % 2 or not odd % 2 or abs(even - odd) != 1):
        return f"its meta pages are of transactions {even} and {odd}, which cannot be"
    return ""


def verify(data: Path) -> list[str]:
    """Return what is wrong with the pages of a data file; all of it is read."""
    from lmdb.verify import VerifyError, verify  # noqa: PLC0415 - hardly ever needed

    try:
        problems: list[str] = verify(str(data))  # type: ignore[no-untyped-call]
        return problems
    except VerifyError as error:
        return [str(error)]


def look_through(directory: Path) -> None:
    """Look at all pages of a store whose last server did not stop; StoreError if one is damaged.

    LMDB does not check its pages: one that is damaged may have ended that server, by a signal, and
    would end each that follows. Large files are not looked at: it takes 2 ms for 1 MB.
    """
    data = directory / DATA
    if not data.exists() or data.stat().st_size > LOOKED_THROUGH:
        return
    look_at(data)
    problems = verify(data)
    if problems:
        raise StoreError(f"cannot open the store in {directory}: {DATA} is damaged: {problems[0]}")


def format_of(env: tree.Environment) -> bytes:
    """Return the format of a store; StoreError if this program cannot read it."""
    try:
        meta = env.table(b"meta")
    except LookupError as error:
        raise StoreError("the directory holds an LMDB file of another program") from error
    seen = dict(env.raw(meta, b"", 0)).get(b"format", b"")
    if seen[4:] == FORMAT or seen == BEFORE:
        return FORMAT if seen[4:] == FORMAT else BEFORE
    spelled = seen[4:] if b"kcpfast" in seen[4:] else seen
    raise StoreError(f"the store has format {spelled!r}, this program reads {FORMAT!r}")


def use(env: tree.Environment) -> list[int]:
    """Open the tables of an environment, take up its shapes; return the tables."""
    tables = [env.table(name) for name in TABLES]
    shapes = records.Shapes(FAMILIES)
    for key, value in env.range(tables[-1], b"", b"", 0):
        shapes.add(key[1], value)
    env.use(tables, shapes)
    return tables


def _check_heads(env: tree.Environment, tables: list[int]) -> None:
    """Raise StoreError unless a store has its revision, and a log without a gap at its beginning.

    Without a revision it would be taken for a new store; with a gap, watches would miss events.
    """
    log, meta = (tables[TABLES.index(name)] for name in (b"log", b"meta"))
    revision, compacted = env.get(meta, b"revision"), number(env.get(meta, b"compacted"))
    if revision is None or len(revision) != 16:
        raise StoreError(f"{DATA} is damaged: it does not tell its revision")
    newest, first = number(revision[:8]), env.raw(log, b"", 1)
    oldest = number(first[0][0][:8]) if first else newest + 1
    if not compacted <= newest or oldest > max(compacted, 0) + 1:
        raise StoreError(f"{DATA} is damaged: its log begins at revision {oldest}")


# --------------------------------------------------------------------------- making files


def _make(directory: Path) -> None:
    """Make an empty store."""
    clock = number_bytes(time.time_ns() // 1_000_000)
    with _beside(directory) as (_, writer, tables):
        head = [(b"format", FORMAT), (b"revision", number_bytes(0) + clock)]
        writer.put(tables[TABLES.index(b"meta")], head)


@contextmanager
def _beside(directory: Path, size: int = 1 << 30) -> Iterator[_Beside]:
    """Let a new file be filled while a `with` lasts, then put it into its place."""
    path = directory / NEW
    if (directory / DATA).is_symlink():
        raise StoreError(f"{directory / DATA} is a link: it cannot be written anew in its place")
    try:
        _allocate(directory / f"{NEW}-lock")
        env = tree.Environment(str(path), max(size, 1 << 30), Corrupted, single=True)
        try:
            writer = kernel.Writer(env, {})
            yield env, writer, writer.tables(TABLES)
        finally:
            env.close()
        # In this order: the name must never point at a file whose bytes are not on the disk, and
        # the new name is durable only when the directory is.
        atomic.sync(path)
        path.rename(directory / DATA)
        atomic.sync(directory)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StoreError(f"cannot make the store in {directory}: {error}") from error
    finally:
        (directory / f"{NEW}-lock").unlink(missing_ok=True)


def _same(_key: bytes, value: bytes) -> bytes:
    return value


def _fill(
    writer: kernel.Writer,
    source: Read,
    pairs: Sequence[tuple[int, int]],
    converts: Sequence[ConvertEntry],
) -> int:
    """Copy tables, entry by entry in key order, which packs their pages full; return how many."""
    count = 0
    for (old, new), convert in zip(pairs, converts, strict=True):
        start = b""
        while chunk := source(old, start):
            writer.put(new, ((key, convert(key, value)) for key, value in chunk), append=True)
            start = chunk[-1][0] + b"\0"
            count += len(chunk)
    return count


def compact(directory: Path, opened: Opened) -> None:
    """Write an open store anew, without the space that is free in it, and close it.

    Corrupted if an entry is damaged; the store is as it was then.
    """
    size = 2 * (directory / DATA).stat().st_size
    with _beside(directory, size) as (_, writer, tables):
        pairs = list(zip(opened.tables, tables, strict=True))

        def read(table: int, start: bytes) -> Chunk:
            return opened.env.range(table, start, b"", CHUNK, CHUNK_BYTES)

        _fill(writer, read, pairs, [_same] * len(pairs))
        opened.env.close()


def _allocate(path: Path) -> None:
    """Have the disk keep space for LMDB's lock file; OSError if it has none.

    LMDB writes to it through memory, and where the disk is full then, the process is killed.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(handle, 0, max(os.fstat(handle).st_size, _LOCK_SIZE))
    finally:
        os.close(handle)


def _migrate(directory: Path, env: tree.Environment) -> None:
    """Write a store of the format before anew.

    There values had no seals, records no form, and the log told the time of day: those times are
    made to rise and not to lie in the future.
    """
    now, begun = time.time_ns() // 1_000_000, time.monotonic()
    latest = 0

    def record(_key: bytes, value: bytes) -> bytes:
        return value[:8] + b"\0" + value[8:]

    def logged(_key: bytes, value: bytes) -> bytes:
        nonlocal latest
        latest = min(max(latest, number(value[1:9])), now)
        return value[:1] + number_bytes(latest) + value[9:]

    def noted(key: bytes, value: bytes) -> bytes:
        fresh = {b"format": FORMAT, b"revision": value + number_bytes(now)}
        return fresh.get(key, value)

    old = [env.table(name) for name in TABLES[:-1]]
    size = 2 * (directory / DATA).stat().st_size
    with _beside(directory, size) as (_, writer, tables):
        pairs = list(zip(old, tables, strict=False))

        def read(table: int, start: bytes) -> Chunk:
            return env.raw(table, start, CHUNK, CHUNK_BYTES)

        count = _fill(writer, read, pairs, (record, record, logged, _same, noted))
    took, form = time.monotonic() - begun, FORMAT.decode()
    LOG.warning("the store was written anew as %r: %d entries in %.1f s", form, count, took)
