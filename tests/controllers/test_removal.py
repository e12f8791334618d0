"""Trees of workspaces: what is in them goes with them, and nothing is left behind."""

from collections.abc import Iterator

import pytest

from kcpfast.controllers import workspaces
from kcpfast.controllers.removal import sweep
from kcpfast.store.contract import Conflict
from tests.fix_inside import CONFIG_MAPS, Inside, Json, config_map
from tests.kcp.provider import (
    BINDINGS,
    EXPORTS,
    LAMPS,
    NAME,
    SCHEMAS,
    SLICES,
    binding,
    export,
    lamp,
    schema,
)
from tests.models.consistency import problems, unfinished

WORKSPACES = "/apis/tenancy.kcp.io/v1alpha1/workspaces"
SPACES = f"/clusters/root{WORKSPACES}"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
EVENT = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "e"},
    "involvedObject": {"namespace": "default"},
}


def crd() -> Json:
    names = {"plural": "bulbs", "singular": "bulb", "kind": "Bulb"}
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "bulbs.crd.example.com"},
        "spec": {
            "group": "crd.example.com",
            "names": names,
            "scope": "Cluster",
            "versions": [version],
        },
    }


def slices(path: str) -> Json:
    return {
        "apiVersion": "apis.kcp.io/v1alpha1",
        "kind": "APIExportEndpointSlice",
        "metadata": {"name": "mine"},
        "spec": {"export": {"path": path, "name": NAME}},
    }


async def populate(inside: Inside) -> tuple[str, str]:
    """Fill root:ws (a provider) and a workspace in it with one of all that reaches far."""
    outer = inside.at
    name = outer.rpartition("/")[2]
    await inside.create(outer + SCHEMAS, schema())
    await inside.create(outer + EXPORTS, export())
    await inside.settle()
    inner = await inside.workspace("inner", name)
    for at in (outer, inner):
        await inside.create(f"{at}{BINDINGS}", binding("lamps", name))
        await inside.create(f"{at}{CRDS}", crd())
        await inside.settle()
        await inside.create(at + LAMPS, lamp("one"))
        await inside.create(f"{at}/apis/crd.example.com/v1/bulbs", bulb())
        await inside.create(f"{at}/api/v1/namespaces/default/events", EVENT)
        await inside.create(f"{at}{SLICES}", slices(name))
    await inside.settle()
    return outer, inner


def bulb() -> Json:
    return {"apiVersion": "crd.example.com/v1", "kind": "Bulb", "metadata": {"name": "b"}}


def traces(inside: Inside, *clusters: str) -> Iterator[bytes]:
    """Yield what speaks of clusters; when events expire is looked at in its minute."""
    names = [each.rpartition("/")[2].encode() for each in clusters]
    store = inside.store
    keys = [key for key, _ in store.index_scan(b"")] + [item.key for item in store.scan(b"").items]
    for key in keys:
        if any(name in key for name in names) and not key.startswith(b"expires\0"):
            yield key


@pytest.mark.parametrize("backing", ["memory", "lmdb"], indirect=True)
@pytest.mark.parametrize("swept", [400, 1], ids=["swept", "bit by bit"])
async def test_nothing_is_left_of_a_tree(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, swept: int
) -> None:
    monkeypatch.setattr(workspaces, "_SWEPT", swept)
    outer, inner = await populate(inside)
    other = await inside.workspace("other")
    await inside.create(f"{other}{BINDINGS}", binding("lamps", outer.rpartition("/")[2]))
    await inside.settle()
    await inside.delete(f"{SPACES}/ws")
    assert await inside.get(f"{SPACES}/ws") is None
    of_others = f"{outer.rpartition('/')[2]}\0{NAME}\0{other.rpartition('/')[2]}".encode()
    left = [key for key in traces(inside, outer, inner) if of_others not in key]
    assert left == [], "but a consumer elsewhere is there still"
    assert (problems(inside.store, settled=True), unfinished(inside.store)) == ([], [])
    found = await inside.get(f"{other}{BINDINGS}/lamps")
    assert found is not None
    told = {each["type"]: each["status"] for each in found["status"]["conditions"]}
    assert told["APIExportValid"] == "False"


@pytest.mark.parametrize("path", [CONFIG_MAPS, LAMPS, "workspace"])
async def test_a_tree_waits_for_finalizers_deep_in_it(inside: Inside, path: str) -> None:
    outer, inner = await populate(inside)
    await inside.create(inner + CONFIG_MAPS, config_map("one"))
    held = f"{inner}{path}/one" if path != "workspace" else f"{outer}{WORKSPACES}/inner"
    found = await inside.get(held)
    assert found is not None
    finalizers = found["metadata"].get("finalizers") or []
    await inside.patch(held, {"metadata": {"finalizers": [*finalizers, "example.com/hold"]}})
    await inside.delete(f"{SPACES}/ws")
    found = await inside.get(f"{SPACES}/ws")
    assert found is not None
    assert found["status"]["phase"] == "Deleting"
    told = {each["type"]: each for each in found["status"]["conditions"]}["WorkspaceContentDeleted"]
    assert "workspaces.tenancy.kcp.io has 1 resource instances" in told["message"]
    await inside.patch(held, {"metadata": {"finalizers": None}})
    await inside.settle()
    assert await inside.get(f"{SPACES}/ws") is None
    assert list(traces(inside, outer, inner)) == []


@pytest.mark.parametrize("path", [CONFIG_MAPS, "/api/v1/namespaces/default/events"])
async def test_a_sweep_fails_if_something_comes_in_between(inside: Inside, path: str) -> None:
    writes = sweep(inside.objects, inside.at.rpartition("/")[2], lambda _: False)
    assert writes is not None
    await inside.create(path, config_map("late") if path == CONFIG_MAPS else EVENT)
    with pytest.raises(Conflict):
        await inside.store.commit(writes)
    await inside.delete(f"{SPACES}/ws")
    assert await inside.get(f"{SPACES}/ws") is None


async def test_what_is_swept_is_told_to_watches(inside: Inside) -> None:
    seen: list[bytes] = []
    outer, inner = await populate(inside)
    there = {item.key for item in inside.store.scan(b"").items}
    doomed = {
        key
        for key in there
        if any(name.rpartition("/")[2].encode() in key for name in (outer, inner))
    }
    inside.store.subscribe(
        lambda batch: seen.extend(event.key for event in batch.events if event.value is None)
    )
    await inside.delete(f"{SPACES}/ws")
    assert set(seen) == doomed | {each for each in there if each.endswith(b"\0root\0\0ws")}
    assert len(seen) == len(set(seen))
