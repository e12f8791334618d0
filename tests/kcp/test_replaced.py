"""An export that is made anew by somebody else inherits nobody's trust."""

from __future__ import annotations

import pytest

from kcpfast.registry import index
from kcpfast.store.contract import PutRevision
from tests.fix_inside import CONFIG_MAPS, Inside, Json, config_map
from tests.kcp.provider import (
    BINDINGS,
    EXPORTS,
    LAMPS,
    NAME,
    READ,
    SCHEMAS,
    Market,
    condition,
    export,
    lamp,
    schema,
)

SPACES = "/clusters/root/apis/tenancy.kcp.io/v1alpha1/workspaces"


@pytest.fixture
async def market(inside: Inside) -> Market:
    market = Market(inside)
    await market.open(READ)
    return market


async def again(market: Market, *, elsewhere: bool, key: bool) -> None:
    """Make the export anew: in the same workspace, with the same key or another, or in another
    workspace at the same path."""
    inside = market.inside
    if elsewhere:
        await inside.delete(f"{SPACES}/shop", token="master")
        await inside.settle(hurry=True)
        market.shop = await inside.workspace("shop")
        await inside.create(market.shop + SCHEMAS, schema())
    else:
        await inside.delete(f"{market.shop}{EXPORTS}/{NAME}")
        if not key:
            await inside.delete(f"{market.shop}/api/v1/namespaces/kcp-system/secrets/{NAME}")
    await inside.create(market.shop + EXPORTS, export(permissionClaims=[READ]))
    await inside.settle(hurry=True)


@pytest.mark.parametrize(
    ("elsewhere", "key", "trusted"),
    [(False, True, True), (False, False, False), (True, False, False)],
    ids=["same key", "another key", "another workspace"],
)
async def test_a_binding_stays_with_whom_it_was_made_with(
    market: Market, inside: Inside, elsewhere: bool, key: bool, trusted: bool
) -> None:
    home = await market.consumer("home", READ)
    await inside.create(home + LAMPS, lamp("desk"))
    await inside.create(home + CONFIG_MAPS, config_map("mine"))
    await again(market, elsewhere=elsewhere, key=key)
    mark = index.work_item("apibinding", home.rpartition("/")[2], "lamps")
    await inside.store.commit([PutRevision(mark)])
    await inside.settle(hurry=True)
    found = await inside.get(f"{home}{BINDINGS}/lamps")
    assert found is not None
    assert condition(found, "APIExportValid")[1] == ("" if trusted else "APIExportReplaced")
    asked = (
        market.seen(home, CONFIG_MAPS + "/mine"),
        market.seen(home, LAMPS + "/desk"),
        market.seen(home, BINDINGS),
    )
    statuses = [(await inside.send("GET", path)).status for path in asked]
    assert statuses == [200 if trusted else 403] * 3
    everything = await inside.send("GET", market.seen("*", "/api/v1/configmaps"))
    names = [each["metadata"]["name"] for each in everything.body["items"]]
    assert ("mine" in names) is trusted
    # What was bound goes on as it was.
    assert (await inside.send("GET", f"{home}{LAMPS}/desk")).status == 200
    labels: Json = (await inside.get(f"{home}{CONFIG_MAPS}/mine") or {})["metadata"]
    claimed = [key for key in labels.get("labels") or {} if key.startswith("claimed.")]
    assert bool(claimed) is trusted


async def test_who_trusts_the_new_one_binds_anew(market: Market, inside: Inside) -> None:
    home = await market.consumer("home", READ)
    await again(market, elsewhere=True, key=False)
    await inside.delete(f"{home}{BINDINGS}/lamps")
    await inside.settle(hurry=True)
    found = await market.bind(home, "lamps", READ)
    assert found["status"]["phase"] == "Bound"
    assert (await inside.send("GET", market.seen(home, CONFIG_MAPS))).status == 200
