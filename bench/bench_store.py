"""What the store's kernel is worth: lists joined in C and in Python, single commits and many."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kcpfast.store.contract import Count, Put, Stamp
from kcpfast.store.lmdb import LmdbStore

HEAD = b'{"metadata":{"resourceVersion":"'
VALUE = b'v1\0","name":"a"},"data":{"k":"' + b"x" * 1000 + b'"}}'
PREFIX = b"/configmaps\0c\0n\0"
OBJECTS = 1000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbStore]:
    opened = LmdbStore(tmp_path)
    writes = [Put(PREFIX + b"%06d" % at, VALUE) for at in range(OBJECTS)]
    asyncio.run(opened.commit(writes))
    yield opened
    opened.close()


def joined_in_python(store: LmdbStore) -> bytes:
    items = store.scan(PREFIX).items
    return b",".join(b"%b%d%b" % (HEAD, item.revision, item.value[3:]) for item in items)


def joined_in_c(store: LmdbStore) -> bytes:
    found = store.join(PREFIX, b"", 0, b"v1\0", HEAD)
    assert found is not None
    return found.body


@pytest.mark.parametrize("join", [joined_in_python, joined_in_c])
def test_list_of_a_thousand(benchmark: Any, store: LmdbStore, join: Any) -> None:
    assert benchmark(join, store) == joined_in_python(store)


@pytest.mark.parametrize("at_once", [1, 16, 128])
def test_creates_at_once(benchmark: Any, store: LmdbStore, at_once: int) -> None:
    made = iter(range(10**9))

    async def commit_all() -> None:
        await asyncio.gather(
            *(
                store.commit(
                    [
                        Put(PREFIX + b"new%09d" % next(made), VALUE, 0),
                        Count(b"count\0c", 1),
                        Stamp(b"mark\0c"),
                    ]
                )
                for _ in range(at_once)
            )
        )

    benchmark.pedantic(lambda: asyncio.run(commit_all()), rounds=30, warmup_rounds=2)


def test_get(benchmark: Any, store: LmdbStore) -> None:
    assert benchmark(store.get, PREFIX + b"000500") is not None
