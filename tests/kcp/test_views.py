"""Who sees what through a virtual workspace."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from kcpfast.kcp.bindings import EXPORT_LABEL
from kcpfast.kcp.claims import LABEL
from kcpfast.meta.cluster import export_hash
from kcpfast.registry.values import labels
from kcpfast.store.contract import Page
from kcpfast.store.keys import place
from kcpfast.transport.messages import Stream
from tests.api.test_verbs import Lines
from tests.fix_inside import CONFIG_MAPS, MERGE, Inside, Json, config_map
from tests.kcp.provider import (
    ALL_LAMPS,
    BINDINGS,
    EXPORTS,
    LAMPS,
    NAME,
    READ,
    Market,
    export,
    lamp,
)

CONTROLLER = "system:serviceaccount:default:controller"


@pytest.fixture
async def market(inside: Inside) -> Market:
    market = Market(inside)
    await market.open(READ)
    return market


async def grant(inside: Inside, where: str, user: str, *verbs: str) -> None:
    """Let a user of the provider see the content of its export."""
    rbac = f"{where}/apis/rbac.authorization.k8s.io/v1/"
    version = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    rules = [
        {"apiGroups": ["apis.kcp.io"], "resources": ["apiexports/content"], "verbs": list(verbs)},
        {"nonResourceURLs": ["/"], "verbs": ["access"]},
    ]
    meta = {"metadata": {"name": "content"}}
    await inside.create(
        rbac + "clusterroles", {**version, "kind": "ClusterRole", **meta, "rules": rules}
    )
    subject = {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
    reference = {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "content",
    }
    bound = {"kind": "ClusterRoleBinding", **meta, "roleRef": reference, "subjects": [subject]}
    await inside.create(rbac + "clusterrolebindings", {**version, **bound})


async def test_what_is_claimed_is_seen_as_far_as_it_is_granted(
    market: Market, inside: Inside
) -> None:
    home, away = await market.consumer("home", READ), await market.consumer("away")
    await inside.create(home + LAMPS, lamp("desk"))
    other = await inside.workspace("other")
    status = {
        ("GET", "*", ALL_LAMPS): 200,
        ("GET", "*", "/api/v1/configmaps"): 200,
        ("GET", "*", "/api/v1/secrets"): 404,
        ("GET", "*", f"{LAMPS}/desk"): 404,
        ("GET", home, f"{LAMPS}/desk"): 200,
        ("DELETE", home, f"{LAMPS}/desk"): 200,
        ("GET", home, CONFIG_MAPS): 200,
        ("DELETE", home, f"{CONFIG_MAPS}/kube-root-ca.crt"): 403,
        ("GET", home, "/api/v1/namespaces/default/secrets"): 403,
        ("GET", home, BINDINGS): 200,
        ("DELETE", home, f"{BINDINGS}/lamps"): 403,
        ("GET", away, CONFIG_MAPS): 403,
        ("GET", away, LAMPS): 200,
        ("GET", other, LAMPS): 403,
        ("GET", market.shop, LAMPS): 403,
    }
    found = {
        asked: (await inside.send(asked[0], market.seen(asked[1], asked[2]))).status
        for asked in status
    }
    assert found == status


async def test_only_bindings_to_the_export_are_shown(market: Market, inside: Inside) -> None:
    await market.consumer("home")
    found = await inside.send("GET", market.seen("*", BINDINGS))
    assert [each["metadata"]["name"] for each in found.body["items"]] == ["lamps"]


def shown(items: Iterable[Json]) -> list[str]:
    """Return where and what objects are."""
    metas = (each["metadata"] for each in items)
    return [f"{meta['annotations']['kcp.io/cluster']} {meta['name']}" for meta in metas]


async def pages(inside: Inside, path: str, limit: int) -> list[str]:
    """Return what a list shows, fetched so many at a time."""
    found: list[str] = []
    more: str | None = ""
    while more is not None:
        got = await inside.send("GET", f"{path}?limit={limit}&continue={more}")
        found += shown(got.body["items"])
        more = got.body["metadata"].get("continue") or None
    return found


async def watched(inside: Inside, path: str) -> list[str]:
    """Return what a watch begins with."""
    got = await inside.send_raw("GET", path + "?watch=1")
    assert isinstance(got, Stream)
    lines = Lines()
    got.start(lines)()
    return shown(each for _, each in lines.events())


@pytest.mark.parametrize(
    ("path", "storage", "label", "many"),
    [
        ("/api/v1/configmaps", b"/configmaps", LABEL, 9),
        (BINDINGS, b"apis.kcp.io/apibindings", EXPORT_LABEL, 4),
    ],
)
async def test_all_consumers_and_nobody_else_are_seen(
    market: Market, inside: Inside, path: str, storage: bytes, label: str, many: int
) -> None:
    """As somebody sees who looks at every object of the server."""
    homes = [await market.consumer(f"home{at}", READ) for at in range(3)]
    for where in (*homes, await market.consumer("away"), await inside.workspace("other")):
        await inside.create(where + CONFIG_MAPS, config_map("mine"))
    gone = await market.consumer("gone", READ)
    await inside.delete(f"{gone}{BINDINGS}/lamps")
    own = export_hash(market.shop.rpartition("/")[2], NAME)
    slow = [
        f"{place(item.key).cluster} {place(item.key).name}"
        for item in inside.store.scan(storage + b"\0").items
        if own in (labels(item.value).get(label), f"{label}{own}" in labels(item.value) and own)
    ]
    assert len(slow) == many
    for limit in (0, 1, 2):
        assert await pages(inside, market.seen("*", path), limit) == slow
    assert await watched(inside, market.seen("*", path)) == slow


def spied(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the clusters of which objects are read from now on."""
    read: set[str] = set()
    scan = inside.store.scan

    def counting(*args: Any, **more: Any) -> Page:
        found = scan(*args, **more)
        read.update(place(item.key).cluster for item in found.items)
        return found

    monkeypatch.setattr(inside.store, "scan", counting)
    return read


@pytest.mark.parametrize("path", ["/api/v1/configmaps", BINDINGS])
async def test_other_workspaces_are_not_read(
    market: Market, inside: Inside, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    home = await market.consumer("home", READ)
    await inside.workspace("other")
    read = spied(inside, monkeypatch)
    await pages(inside, market.seen("*", path), 1)
    await watched(inside, market.seen("*", path))
    assert read == {home.rpartition("/")[2]}


@pytest.mark.parametrize(
    ("verbs", "status"), [(("get", "list"), (200, 200, 403)), (("*",), (200, 200, 201)), ((), None)]
)
async def test_the_content_of_an_export_is_granted_by_verb(
    market: Market, inside: Inside, verbs: tuple[str, ...], status: tuple[int, ...] | None
) -> None:
    home = await market.consumer("home")
    if verbs:
        await grant(inside, market.shop, "dora", *verbs)
    asked = (("GET", "*", ALL_LAMPS), ("GET", home, LAMPS), ("POST", home, LAMPS))
    found = [
        (
            await inside.send(
                method,
                market.seen(where, path),
                lamp("new") if method == "POST" else None,
                user="dora",
            )
        ).status
        for method, where, path in asked
    ]
    assert tuple(found) == (status or (403, 403, 403))


async def test_an_export_that_is_not_there_has_no_view(inside: Inside) -> None:
    for path in ("/services/apiexport/root/nosuch/clusters/*/api", "/services/apiexport/x"):
        assert (await inside.send("GET", path)).status == 404


SLEEP = {"metadata": {"annotations": {"core.kcp.io/inactive": "true"}}}
ITSELF = "/apis/core.kcp.io/v1alpha1/logicalclusters/cluster"


@pytest.mark.parametrize("rejected", [False, True])
async def test_a_watch_ends_with_the_right_to_look(inside: Inside, *, rejected: bool) -> None:
    """Whether the claim was rejected in between or not; others go on."""
    look, market = READ | {"verbs": ["get", "list", "watch"]}, Market(inside)
    await market.open(look)
    home, away = await market.consumer("home", look), await market.consumer("away", look)
    watched = {
        market.seen("*", "/api/v1/configmaps"): True,
        market.seen(home, CONFIG_MAPS): True,
        market.seen(away, CONFIG_MAPS): False,
        f"{home}{CONFIG_MAPS}": False,
    }
    sinks = {path: Lines() for path in watched}
    for path, lines in sinks.items():
        got = await inside.send_raw("GET", f"{path}?watch=1", token="master")
        assert isinstance(got, Stream), got
        got.start(lines)
    await asyncio.sleep(0)
    for answer in [{"state": "Rejected"}] * rejected + [{"verbs": ["get"], "state": "Accepted"}]:
        claim = READ | {"selector": {"matchAll": True}} | answer
        await inside.patch(f"{home}{BINDINGS}/lamps", {"spec": {"permissionClaims": [claim]}})
        await inside.settle()
    await inside.create(home + CONFIG_MAPS, config_map("hidden"))
    await asyncio.sleep(0)
    assert {path: lines.closed for path, lines in sinks.items()} == watched
    for path in (each for each, ends in watched.items() if ends):
        kind, last = list(sinks[path].events())[-1]
        assert (kind, last["code"]) == ("ERROR", 410)
    assert (await inside.send("GET", market.seen(home, CONFIG_MAPS))).status == 403


async def test_what_sleeps_is_not_watched(market: Market, inside: Inside) -> None:
    home, away = await market.consumer("home", READ), await market.consumer("away", READ)
    other = await inside.workspace("other")
    watched = {
        f"{home}{CONFIG_MAPS}": True,
        f"{home}{CONFIG_MAPS}?fieldSelector=metadata.name%3Da": True,
        market.seen("*", "/api/v1/configmaps"): True,
        market.seen("*", ALL_LAMPS): True,
        market.seen(home, LAMPS): True,
        "/clusters/*/api/v1/secrets": True,
        f"{away}{CONFIG_MAPS}": False,
        market.seen(away, LAMPS): False,
        f"{other}/api/v1/secrets": False,
    }
    sinks = {path: Lines() for path in watched}
    for path, lines in sinks.items():
        begin = f"{path}{'&' if '?' in path else '?'}watch=1"
        got = await inside.send_raw("GET", begin, token="master")
        assert isinstance(got, Stream), got
        got.start(lines)
    await inside.patch(other + ITSELF, SLEEP)
    closed = {path for path, lines in sinks.items() if lines.closed}
    assert closed == {f"{other}/api/v1/secrets", "/clusters/*/api/v1/secrets"}
    await inside.patch(home + ITSELF, SLEEP)
    ended = {path: lines.closed for path, lines in sinks.items() if path not in closed}
    assert ended == {path: watched[path] for path in ended}
    for path in (market.seen(home, CONFIG_MAPS), market.seen(home, LAMPS)):
        assert (await inside.send("GET", path)).status == 403
    assert (await inside.send("GET", market.seen("*", "/api/v1/configmaps"))).status == 200


@pytest.mark.parametrize(("claimed", "name"), [("apiexports", NAME), ("apibindings", "lamps")])
async def test_what_the_server_acts_upon_is_written_through_no_view(
    inside: Inside, claimed: str, name: str
) -> None:
    """The identity of an export stands in its status: who could write it would be somebody else."""
    claim = {"group": "apis.kcp.io", "resource": claimed, "verbs": ["*"]}
    market = Market(inside)
    await market.open(claim)
    home = await market.consumer("home", claim)
    await grant(inside, market.shop, "dora", "*")
    await inside.create(home + EXPORTS, export(NAME))
    await inside.settle()
    path = market.seen(home, f"/apis/apis.kcp.io/v1alpha2/{claimed}/{name}")
    touch = {"metadata": {"annotations": {"a": "b"}}}
    forged = {"status": {"identityHash": "0" * 64, "phase": "Binding"}}
    asked = (
        ("PATCH", path, touch, 200),
        ("PATCH", f"{path}/status", forged, 403),
        ("PUT", f"{path}/status", forged, 403),
        ("GET", f"{path}/status", None, 200),
    )
    for method, where, body, status in asked:
        got = await inside.send(method, where, body, user="dora", media=MERGE)
        assert got.status == status, got.body
