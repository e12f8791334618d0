"""What the store's kernel is worth beside py-lmdb doing the same, and commits one and many."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import lmdb
import pytest
import uvloop

from kcpfast._core.writer import Writer
from kcpfast.store.contract import Count, Put, PutRevision
from kcpfast.store.lmdb import LmdbStore
from kcpfast.store.opening import open_store
from kcpfast.store.writer import LAYOUT

HEAD = b'{"metadata":{"resourceVersion":"'
VALUE = b'v1\0","name":"a"},"data":{"k":"' + b"x" * 1000 + b'"}}'
PREFIX = b"/configmaps\0c\0n\0"
KEYS = [PREFIX + b"%06d" % at for at in range(1000)]
TABLES = (b"objects", b"history", b"log", b"index", b"meta")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbStore]:
    opened = LmdbStore(tmp_path)
    asyncio.run(opened.commit([Put(key, VALUE) for key in KEYS]))
    yield opened
    opened.close()


class Plain:
    """What the store does with its kernel, done with py-lmdb in the obvious way."""

    def __init__(self, folder: Path) -> None:
        self.env = lmdb.open(str(folder), max_dbs=8, map_size=1 << 30)
        self.objects, _, self.log, self.index, self.meta = map(self.env.open_db, TABLES)
        self.revision = 0
        self.put(KEYS)

    def put(self, keys: list[bytes]) -> None:
        with self.env.begin(write=True) as txn:
            for key in keys:
                assert txn.get(key, db=self.objects) is None
                self.revision += 1
                mark = self.revision.to_bytes(8, "big")
                txn.put(key, mark + VALUE, db=self.objects)
                txn.put(mark + bytes(4), b"c" + mark + key, db=self.log)
                counted = int.from_bytes(txn.get(b"count\0c", db=self.index) or b"", "big")
                txn.put(b"count\0c", (counted + 1).to_bytes(8, "big"), db=self.index)
                txn.put(b"mark\0c", mark, db=self.index)
            txn.put(b"revision", mark, db=self.meta)

    def get(self, key: bytes) -> bytes | None:
        with self.env.begin() as txn:
            found: bytes | None = txn.get(key, db=self.objects)
            return found and found[8:]

    def join(self) -> bytes:
        parts = []
        with self.env.begin() as txn:
            cursor = txn.cursor(self.objects)
            cursor.set_range(PREFIX)
            for key, raw in cursor:
                if not key.startswith(PREFIX):
                    break
                parts.append(b"%b%d%b" % (HEAD, int.from_bytes(raw[:8], "big"), raw[11:]))
        return b",".join(parts)


class Kernel:
    """The store's own kernel."""

    def __init__(self, folder: Path) -> None:
        self.env, self.tables = open_store(folder, 1 << 30)
        self.writer = Writer(self.env, LAYOUT)
        self.put(KEYS)

    def put(self, keys: list[bytes]) -> None:
        more = [Count(b"count\0c", 1), PutRevision(b"mark\0c")]
        writes = [[Put(key, VALUE, 0), *more] for key in keys]
        assert all(result[1] == -1 for result in self.writer.apply(writes, 1, True))

    def get(self, key: bytes) -> bytes | None:
        found = self.env.record(self.tables[0], key)
        return found and found[1]

    def join(self) -> bytes:
        found = self.env.splice(PREFIX, PREFIX, 0, b"v1\0", HEAD, b"", b"")
        assert found is not None
        return found[0]


BOTH = pytest.mark.parametrize("side", [Kernel, Plain], ids=["kernel", "twin"])


@BOTH
def test_get_of_one(benchmark: Any, side: Any, tmp_path: Path) -> None:
    """One object of 1 KB read."""
    assert benchmark(side(tmp_path).get, KEYS[500]) == VALUE


@BOTH
def test_list_of_a_thousand(benchmark: Any, side: Any, tmp_path: Path) -> None:
    """1,000 objects of 1 KB joined into a list."""
    assert benchmark(side(tmp_path).join).count(HEAD) == 1000


@BOTH
def test_batch(benchmark: Any, side: Any, tmp_path: Path) -> None:
    """100 creates of 1 KB in one durable transaction."""
    made, opened = count(), side(tmp_path)

    def keys() -> Any:
        return ([PREFIX + b"new%09d" % next(made) for _ in range(100)],), {}

    benchmark.pedantic(opened.put, setup=keys, rounds=30, warmup_rounds=2)


@pytest.mark.parametrize("at_once", [1, 16, 128])
def test_creates_at_once(benchmark: Any, store: LmdbStore, at_once: int) -> None:
    """Durable commits made at once, each."""
    made, loop = count(), uvloop.new_event_loop()
    benchmark.extra_info["times"] = at_once

    def commit() -> Any:
        key = PREFIX + b"new%09d" % next(made)
        return store.commit([Put(key, VALUE, 0), Count(b"count\0c", 1), PutRevision(b"mark\0c")])

    async def commit_all() -> None:
        await asyncio.gather(*(commit() for _ in range(at_once)))

    benchmark.pedantic(lambda: loop.run_until_complete(commit_all()), rounds=30, warmup_rounds=2)
    loop.close()


def test_scan(benchmark: Any, store: LmdbStore) -> None:
    """1,000 objects of 1 KB read one by one."""
    assert len(benchmark(store.scan, PREFIX).items) == 1000
