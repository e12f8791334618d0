"""A directory becomes a store in one step, or is refused by name; damage is never an answer."""

import asyncio
import lzma
import os
import random
import re
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import lmdb
import pytest

from kcpfast._core import engine
from kcpfast._core import writer as kernel
from kcpfast.server.consistency import problems
from kcpfast.store import check, opening
from kcpfast.store.contract import (
    Corrupted,
    Count,
    Index,
    Joining,
    Put,
    StoreError,
    Write,
    number,
    number_bytes,
)
from kcpfast.store.lmdb import LmdbStore
from kcpfast.store.opening import open_store

OLD = Path(__file__).parent / "data" / "format2.mdb.xz"
PAGE = 4096
FORM = Joining(b"v", b"<", lambda revision: (b"", b""))


def fill(folder: Path) -> None:
    """Make a store with something in each table."""
    opened = LmdbStore(folder)
    with asyncio.Runner() as runner:
        for at in range(60):
            key = b"/configmaps\0c\0n\0%02d" % at
            runner.run(opened.commit([Put(key, b"v" + b"x" * (at * 40)), Count(b"n", 1)]))
        runner.run(opened.commit([Put(b"/configmaps\0c\0n\0%02d" % 3, b"v new")]))
        runner.run(opened.commit([Put(b"/configmaps\0c\0n\0%02d" % 4, None), Index(b"i", b"x")]))
        for name in (b"one", b"two"):
            value = b"v" + b"alike " * 40 + name
            runner.run(opened.commit([Put(b"/namespaces\0c\0\0" + name, value)]))
    opened.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("made")
    fill(folder)
    return (folder / "data.mdb").read_bytes()


@pytest.fixture
def folder(tmp_path: Path, made: bytes) -> Path:
    (tmp_path / "data.mdb").write_bytes(made)
    return tmp_path


# ------------------------------------------------------------------------------- the old format


@pytest.fixture
def old(tmp_path: Path) -> Path:
    (tmp_path / "data.mdb").write_bytes(lzma.decompress(OLD.read_bytes()))
    return tmp_path


def content(folder: Path) -> dict[str, object]:
    """Return what a store of either format holds, as it was asked to hold it."""
    with lmdb.open(str(folder), max_dbs=8, readonly=True, lock=False) as env, env.begin() as txn:
        tables = {name: env.open_db(name, txn=txn) for name in opening.TABLES[:5]}
        rows = {name: list(txn.cursor(db)) for name, db in tables.items()}
    return {
        "objects": [(key, number(value[:8]), value[8:]) for key, value in rows[b"objects"]],
        "history": [(key, number(value[:8]), value[8:]) for key, value in rows[b"history"]],
        "log": [(key, value[:1], value[9:]) for key, value in rows[b"log"]],
        "index": rows[b"index"],
        "revision": number(dict(rows[b"meta"])[b"revision"]),
    }


def content_now(folder: Path) -> dict[str, object]:
    opened = LmdbStore(folder)
    env = opened._env
    found: dict[str, object] = {
        "objects": env.records(opened._objects, b"", b"", 0),
        "history": env.records(opened._history, b"", b"", 0),
        "log": [(key, value[:1], value[9:]) for key, value in env.range(opened._log, b"", b"", 0)],
        "index": opened.index_scan(b""),
        "revision": opened.revision(),
    }
    opened.close()
    return found


def test_a_store_of_before_is_written_anew(old: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = content(old)
    assert len(before["objects"]) > 100  # type: ignore[arg-type]
    assert check.examine(old) == check.Examination([], opening.BEFORE)
    assert content_now(old) == before
    entries = sum(map(len, (before[name] for name in ("objects", "history", "log", "index"))))  # type: ignore[arg-type]
    said = [record.getMessage() for record in caplog.records]
    assert [line for line in said if "'kcpfast 3'" in line and "entries in" in line] == said
    assert int(re.findall(r"(\d+) entries", said[0])[0]) >= entries
    seen = check.examine(old)
    assert (seen.problems, seen.format) == ([], opening.FORMAT)
    opened = LmdbStore(old)
    assert problems(opened) == []
    times = [number(entry[1:9]) for _, entry in opened._env.range(opened._log, b"", b"", 0)]
    assert times == sorted(times)
    assert times[-1] <= opened.clock()
    opened.close()
    assert sorted(os.listdir(old)) == ["data.mdb", "lock.mdb"]


def test_what_was_left_of_a_migration_is_no_harm(old: Path) -> None:
    """Killed before the last step; the rest of the steps are tried in tests/faults."""
    before = content(old)
    (old / "new.mdb").write_bytes(b"half of it")
    (old / "new.mdb-lock").write_bytes(b"")
    assert content_now(old) == before


# ------------------------------------------------------------------------------- refusals


def meta_of(page: int, field: int, change: Callable[[int], int]) -> Callable[[bytearray], None]:
    """Return what changes a number of 8 bytes in a meta page, behind the page's head."""

    def spoil(data: bytearray) -> None:
        place = page * PAGE + 16 + field
        value = struct.unpack_from("<Q", data, place)[0]
        struct.pack_into("<Q", data, place, change(value))

    return spoil


def cut(size: int) -> Callable[[bytearray], None]:
    def spoil(data: bytearray) -> None:
        del data[size:]

    return spoil


def overwritten(data: bytearray) -> None:
    data[:] = b"not a database " * 1000


SPOILED = {
    "nothing": (cut(0), "is empty"),
    "half a page": (cut(100), "does not begin like a store"),
    "a page": (cut(PAGE), "within its first two pages"),
    "two pages": (cut(2 * PAGE), "it was cut off"),
    "half of it": (cut(40 * PAGE), "it was cut off"),
    "of somebody else": (overwritten, "does not begin like a store"),
    "of a newer LMDB": (meta_of(0, 0, lambda _: 0xBEEFC0DE | 2 << 32), "LMDB's format 2"),
    "another mark": (meta_of(1, 0, lambda value: value ^ 4), "meta page 1 is none"),
    "another page size": (meta_of(1, 24, lambda value: value ^ 1 << 13), "meta page 1 is none"),
    "a later transaction": (meta_of(0, 128, lambda value: value + 2), "which cannot be"),
    "an earlier transaction": (meta_of(1, 128, lambda value: value - 8), "which cannot be"),
    "the same transaction": (meta_of(0, 128, lambda value: value + 1), "which cannot be"),
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_spoiled_file_is_refused_and_kept(folder: Path, what: str) -> None:
    spoil, said = SPOILED[what]
    data = bytearray((folder / "data.mdb").read_bytes())
    spoil(data)
    (folder / "data.mdb").write_bytes(data)
    with pytest.raises(StoreError, match=said):
        LmdbStore(folder)
    assert (folder / "data.mdb").read_bytes() == data
    assert check.examine(folder).problems


def test_a_file_that_is_gone_is_missed(folder: Path) -> None:
    LmdbStore(folder).close()
    (folder / "data.mdb").unlink()
    with pytest.raises(StoreError, match="is gone"):
        LmdbStore(folder)


@pytest.mark.parametrize("form", [b"kcpfast 4", b"kcpfast 1", b"", b"somebody's"])
def test_another_format_is_refused(folder: Path, form: bytes) -> None:
    with lmdb.open(str(folder), max_dbs=8) as env:
        meta = env.open_db(b"meta")
        with env.begin(write=True) as txn:
            txn.put(b"format", form, db=meta)
    with pytest.raises(StoreError, match="format"):
        LmdbStore(folder)


def test_wherever_a_file_is_cut_off(folder: Path, made: bytes) -> None:
    """It is refused, or nothing is missing: what is free behind the end LMDB need not write."""
    whole = content_now(folder)
    data = (folder / "data.mdb").read_bytes()
    for pages in range(1, len(data) // PAGE, 7):
        (folder / "data.mdb").write_bytes(data[: -pages * PAGE])
        if opening._problem(folder / "data.mdb"):
            with pytest.raises(StoreError, match="cut off"):
                LmdbStore(folder)
        else:
            assert content_now(folder) == whole


# ------------------------------------------------------------------------------- large values


def test_large_values_are_copied_a_few_at_a_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where there are few of them: what is read at once, and written at once, has a limit."""
    opened = LmdbStore(folder)
    with asyncio.Runner() as runner:
        for at in range(20):
            runner.run(opened.commit([Put(b"big%02d" % at, bytes(1 << 20))]))
    opened.close()
    before = content_now(folder)
    held: list[int] = []

    class Counting:
        def __init__(self, writer: kernel.Writer) -> None:
            self._writer = writer

        def __getattr__(self, name: str) -> Any:
            return getattr(self._writer, name)

        def put(self, table: int, entries: Iterable[tuple[bytes, bytes]], append: bool) -> None:
            rows = list(entries)
            held.append(sum(len(value) for _, value in rows))
            self._writer.put(table, rows, append)

    whole = opening._fill
    monkeypatch.setattr(
        opening,
        "_fill",
        lambda writer, *more: whole(Counting(writer), *more),  # type: ignore[arg-type]
    )
    check.rewrite(folder)
    assert max(held) < opening.CHUNK_BYTES + (2 << 20)
    assert sum(held) > 20 << 20
    assert content_now(folder) == before


# ------------------------------------------------------------------------------- damage


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({b"revision": None}, "does not tell its revision"),
        ({b"revision": b"short"}, "does not tell its revision"),
        ({b"compacted": None}, "its log begins at revision 31"),
        ({b"compacted": number_bytes(1000)}, "its log begins at revision 31"),
    ],
)
async def test_what_does_not_tell_its_age_is_refused(
    folder: Path, change: dict[bytes, bytes | None], said: str
) -> None:
    """It would be an empty server, or one whose watches get gaps."""
    opened = LmdbStore(folder)
    await opened.compact(30)
    given = [(key, value) for key, value in change.items() if value is not None]
    await opened._writer.do(lambda writer: writer.put(opened._meta, given))
    opened.close()
    with lmdb.open(str(folder), max_dbs=8) as env:
        meta = env.open_db(b"meta")
        with env.begin(write=True, db=meta) as txn:
            for key in change.keys() - dict(given).keys():
                txn.delete(key)
    with pytest.raises(StoreError, match=said):
        LmdbStore(folder)


KEYED: list[Callable[[LmdbStore, bytes], object]] = [
    lambda store, key: store.get(key),
    lambda store, key: store.get(key, 62),
    lambda store, key: store.scan(key[:-2]),
    lambda store, key: store.scan(key[:-1]),
    lambda store, key: store.join(key[:-2], b"", 0, FORM),
    lambda store, key: store.index_get(b"idx" + key),
    lambda store, key: store.index_scan(b"idx" + key[:-1]),
]


@pytest.mark.parametrize("at", [0, 12, 30, 59])
async def test_a_flipped_bit_of_a_key_is_never_a_missing_object(tmp_path: Path, at: int) -> None:
    """Neither for who asks for it, nor for who lists: wherever it seems to be sorted now."""
    key = b"/configmaps\0c\0n\0%02d" % at
    opened = LmdbStore(tmp_path)
    for each in range(60):
        name = b"/configmaps\0c\0n\0%02d" % each
        await opened.commit([Put(name, b"v" + b"x" * 30), Index(b"idx" + name, b"y")])
    opened.close()
    data = (tmp_path / "data.mdb").read_bytes()
    for place in range(len(key)):
        for bit in (1, 64):
            flipped = key[:place] + bytes([key[place] ^ bit]) + key[place + 1 :]
            (tmp_path / "data.mdb").write_bytes(data.replace(key, flipped))
            opened = LmdbStore(tmp_path)
            for read in KEYED:
                with pytest.raises(StoreError):
                    read(opened, key)
            with pytest.raises(StoreError):
                await opened.commit([Put(key, b"v new", 0)])
            assert not opened.state().failed
            opened.close()


@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_bit_is_never_an_answer(folder: Path, made: bytes, seed: int) -> None:
    """Wherever in a file: an answer is the truth, or an error; check sees what no answer tells."""
    whole = content_now(folder)
    data = bytearray((folder / "data.mdb").read_bytes())
    opened = LmdbStore(folder)
    keys = [item.key for item in opened.scan(b"").items]
    opened.close()
    chance = random.Random(seed)
    for _ in range(40):
        at, bit = data.rfind(chance.choice(keys)) + chance.randrange(60), chance.randrange(8)
        data[at] ^= 1 << bit
        (folder / "data.mdb").write_bytes(data)
        damaged = bool(check.examine(folder).problems)
        assert damaged or content_now(folder) == whole
        if damaged and not opening.verify(folder / "data.mdb"):
            with pytest.raises(Corrupted):
                content_now(folder)
        data[at] ^= 1 << bit


KEY = b"/configmaps\0c\0n\x0059"
READS: list[Callable[[LmdbStore], object]] = [
    lambda store: store.get(KEY),
    lambda store: store.get(KEY, 70),
    lambda store: store.scan(KEY[:-2]),
    lambda store: store.join(KEY[:-2], b"", 0, FORM),
    lambda store: store.changes(0),
]


def spoil_value(folder: Path, table: bytes, key: bytes) -> None:
    """Flip a bit of an entry's value behind the store's back."""
    with lmdb.open(str(folder), max_dbs=8) as env:
        db = env.open_db(table)
        with env.begin(write=True) as txn:
            value = bytearray(txn.get(key, db=db) or b"")
            value[-1] ^= 4
            txn.put(key, bytes(value), db=db)


@pytest.mark.parametrize("read", READS)
async def test_the_key_of_what_is_damaged_is_told(
    folder: Path, read: Callable[[LmdbStore], object]
) -> None:
    spoil_value(folder, b"objects", KEY)
    opened = LmdbStore(folder)
    with pytest.raises(Corrupted, match=r"'/configmaps\|c\|n\|59' is damaged") as raised:
        read(opened)
    assert raised.value.key == KEY
    assert opened.get(KEY[:-1] + b"8") is not None, "the others are served"
    opened.close()


async def test_what_is_damaged_is_not_built_upon(folder: Path) -> None:
    spoil_value(folder, b"objects", KEY)
    spoil_value(folder, b"index", b"n")
    opened = LmdbStore(folder)
    writes: tuple[list[Write], ...] = (
        [Put(KEY, b"v2")],
        [Put(b"a", b"1"), Count(b"n", 1)],
        [Put(b"b", b"1")],
    )
    done = await asyncio.gather(*map(opened.commit, writes), return_exceptions=True)
    assert [type(each) for each in done] == [Corrupted, Corrupted, int]
    assert [each.key for each in done if isinstance(each, Corrupted)] == [KEY, b"n"]
    assert opened.get(b"a") is None
    assert opened.state().failed == ""
    opened.close()


def test_check_names_all_that_is_damaged(folder: Path) -> None:
    spoil_value(folder, b"objects", KEY)
    spoil_value(folder, b"index", b"n")
    said = check.examine(folder).problems
    assert [line.partition(":")[0] for line in said] == ["objects", "index"]


def test_check_compares_tables(folder: Path) -> None:
    opened = open_store(folder, 1 << 30)
    opened.env.close()
    with lmdb.open(str(folder), max_dbs=8) as env:
        log, history = env.open_db(b"log"), env.open_db(b"history")
        with env.begin(write=True) as txn:
            with txn.cursor(log) as cursor:
                assert cursor.first()
                cursor.delete()
            with txn.cursor(history) as cursor:
                assert cursor.first()
                cursor.delete()
    said = "\n".join(check.examine(folder).problems)
    assert "the log does not tell of revision 1 of " in said
    assert "history does not tell what revision " in said


def test_space_is_given_back(folder: Path) -> None:
    opened = LmdbStore(folder)
    with asyncio.Runner() as runner:
        for at in range(30):
            runner.run(opened.commit([Put(b"big%d" % at, bytes(50_000))]))
        for at in range(30):
            runner.run(opened.commit([Put(b"big%d" % at, None)]))
        runner.run(opened.compact(opened.published()))
    opened.close()
    before = content_now(folder)
    large, small = check.rewrite(folder)
    assert small < large / 10
    assert content_now(folder) == before
    assert check.examine(folder).problems == []


# ------------------------------------------------------------------------------- digests


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        (b"", 0xEF46DB3751D8E999),
        (b"a", 0xD24EC4F1A98C6E5B),
        (b"abc", 0x44BC2CF5AD770999),
    ],
)
def test_digests_are_those_of_others(text: bytes, digest: int) -> None:
    """XXH64 with seed 0, as its reference implementation tells."""
    assert engine.digest(text) == digest


def test_digests_differ_with_each_bit() -> None:
    text = bytearray(random.Random(1).randbytes(133))
    seen = {engine.digest(bytes(text))}
    for at in range(len(text) * 8):
        text[at // 8] ^= 1 << at % 8
        seen.add(engine.digest(bytes(text)) & 0xFFFFFFFF)
        text[at // 8] ^= 1 << at % 8
    assert len(seen) == len(text) * 8 + 1
