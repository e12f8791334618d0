"""Discovery is of one moment, whatever is written while it is made."""

from __future__ import annotations

import asyncio

import pytest

from kcpfast.registry import index
from kcpfast.registry.catalog import Catalog
from kcpfast.store.contract import Index
from kcpfast.store.lmdb import LmdbStore
from kcpfast.store.writer import Commit
from tests.fix_inside import Inside
from tests.kcp.provider import NAME, Market


@pytest.mark.parametrize("backing", ["lmdb"], indirect=True)
@pytest.mark.parametrize("path", ["/apis", "/openapi/v3", "/openapi/v2"])
async def test_what_is_kept_is_what_its_fingerprint_says(
    inside: Inside, backing: LmdbStore, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """A resource goes between the look at the catalog and the making of the answer."""
    market = Market(inside)
    await market.open()
    home, away = await market.consumer("home"), await market.consumer("away")
    fingerprint, loop = Catalog.fingerprint, asyncio.get_running_loop()
    row = index.resource(home.rpartition("/")[2], NAME, "lamps")
    filed = backing.index_get(row)

    def write(value: bytes | None) -> None:
        backing._writer.outcomes([Commit([Index(row, value)], loop, loop.create_future())])

    def racing(catalog: Catalog, cluster: str) -> bytes:
        found = fingerprint(catalog, cluster)
        if home.endswith(cluster):
            write(None)
        return found

    async def is_shown(at: str) -> bool:
        return NAME in str((await inside.send("GET", at + path)).body)

    monkeypatch.setattr(Catalog, "fingerprint", racing)
    assert await is_shown(home), "the state that was looked at first"
    monkeypatch.undo()
    assert [await is_shown(home), await is_shown(away)] == [False, True]
    write(filed)
