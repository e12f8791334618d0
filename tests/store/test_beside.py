"""What is read only because it lies beside, or before, what is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from kcpfast.store.contract import Corrupted, Put, Store, StoreError
from kcpfast.store.lmdb import LmdbStore


def spoil(folder: Path, value: bytes) -> None:
    with (folder / "data.mdb").open("r+b") as file:
        file.seek(file.read().rindex(value) + len(value) // 2)
        file.write(b"!")


@pytest.mark.parametrize(("size", "looks"), [(1000, 2), (64 * 1024, 1)])
@pytest.mark.parametrize("looked", [False, True])
async def test_who_misses_a_key_looks_once_at_a_large_one_beside(
    tmp_path: Path, size: int, looks: int, looked: bool
) -> None:
    store = LmdbStore(tmp_path)
    value = b"x" * size
    await store.commit([Put(b"a\0c\0n\0a", value)])
    if looked:
        assert store.get(b"a\0c\0n\0b") is None
    spoil(tmp_path, value)
    if looked and looks == 1:
        assert store.get(b"a\0c\0n\0b") is None
    else:
        with pytest.raises(StoreError):
            store.get(b"a\0c\0n\0b")
    with pytest.raises(Corrupted):
        store.get(b"a\0c\0n\0a")
    store.close()


async def test_a_snapshot_reads_only_the_values_that_it_shows(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path)
    for text in (b"one", b"two", b"three", b"four"):
        await store.commit([Put(b"a\0c\0n\0a", text * 400)])
    spoil(tmp_path, b"one" * 400)
    spoil(tmp_path, b"three" * 400)
    assert [item.value for item in store.scan(b"a\0", at_revision=2).items] == [b"two" * 400]
    with pytest.raises(Corrupted):
        store.scan(b"a\0", at_revision=3)
    store.close()


async def test_a_snapshot_of_many_that_changed_often(store: Store) -> None:
    keys = [b"a\0c\0n\0%d" % n for n in range(3)]
    for _ in range(400):  # more than is looked at in one go
        await store.commit([Put(key, b"v") for key in keys])
    for at in (1, 200, 399):
        items = store.scan(b"a\0", at_revision=at).items
        assert [(item.key, item.revision) for item in items] == [(key, at) for key in keys]
