"""What `top` shows: mapped pages of the store are given back, and nothing is read wrongly by it."""

import asyncio
from pathlib import Path

import pytest

from kcpfast.server import maintenance
from kcpfast.server.maintenance import Maintenance, _mapped
from kcpfast.store.contract import Put
from kcpfast.store.lmdb import LmdbStore
from tests.fix_inside import Inside


@pytest.mark.parametrize("backing", ["lmdb"], indirect=True)
async def test_pages_that_were_read_are_given_back(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "MAPPED_BYTES", 4 << 20)
    keeper, store = Maintenance(inside.store, inside.objects), inside.store
    await asyncio.gather(
        *(store.commit([Put(b"z\0%03d" % at, bytes(50_000))]) for at in range(400))
    )
    assert len(store.scan(b"z\0").items) == 400
    before = _mapped()
    await keeper.tick()
    assert before - _mapped() > 12 << 20, "most of the 20 MB that were read"
    assert store.scan(b"z\0").items[-1].value == bytes(50_000)
    await store.commit([Put(b"z\0%03d" % at, None) for at in range(400)])


async def test_pages_go_while_others_read_and_write(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, map_size=1 << 20)

    async def write(name: bytes) -> None:
        for at in range(20):
            await store.commit([Put(name + b"%02d" % at, bytes(20_000))])
            assert len(store.scan(name).items) == at + 1

    async def let_go() -> None:
        for _ in range(30):
            await store.let_go()

    await asyncio.gather(let_go(), *(write(b"%d\0" % each) for each in range(5)))
    store.close()
