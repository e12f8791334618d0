"""What has owners goes with the last of them."""

import asyncio
from typing import Any

import pytest

from kcpfast.registry import index
from tests.fix_inside import CONFIG_MAPS, Inside, Json, config_map


def ref(owner: Json, **more: Any) -> Json:
    named = {"apiVersion": owner["apiVersion"], "kind": owner["kind"]}
    meta = owner["metadata"]
    return named | {"name": meta["name"], "uid": meta["uid"]} | more


async def make(inside: Inside, name: str, *owners: Json, **meta: Any) -> Json:
    if owners:
        meta["ownerReferences"] = list(owners)
    return await inside.create(CONFIG_MAPS, config_map(name, **meta))


async def names(inside: Inside) -> list[str]:
    found = await inside.get(CONFIG_MAPS)
    assert found is not None
    return [each["metadata"]["name"] for each in found["items"] if "kube" not in str(each)]


async def owners_of(inside: Inside, name: str) -> list[str]:
    found = await inside.get(f"{CONFIG_MAPS}/{name}")
    assert found is not None
    return [each["name"] for each in found["metadata"].get("ownerReferences", ())]


def marks(inside: Inside) -> list[bytes]:
    return [key for key, _ in inside.store.index_scan(index.WORK_ITEMS)]


@pytest.mark.parametrize("backing", ["memory", "lmdb"], indirect=True)
async def test_a_chain_goes_with_its_head(inside: Inside) -> None:
    a = await make(inside, "a")
    b = await make(inside, "b", ref(a))
    await make(inside, "c", ref(b))
    await inside.settle()
    assert await names(inside) == ["a", "b", "c"]
    await inside.delete(f"{CONFIG_MAPS}/a")
    assert await names(inside) == []
    assert marks(inside) == []
    assert inside.store.index_scan(b"owner\0" + inside.at[10:].encode()) == []


async def test_the_last_owner_counts(inside: Inside) -> None:
    a, b = await make(inside, "a"), await make(inside, "b")
    await make(inside, "c", ref(a), ref(b))
    await inside.delete(f"{CONFIG_MAPS}/a")
    assert await owners_of(inside, "c") == ["b"]
    await inside.delete(f"{CONFIG_MAPS}/b")
    assert await names(inside) == []


@pytest.mark.parametrize(
    ("reference", "stays"),
    [
        ({"name": "a"}, True),
        ({"name": "a", "uid": "other"}, False),
        ({"name": "never"}, False),
        ({"name": "a", "kind": "configmap"}, True),
        ({"name": "a", "kind": "Secret"}, False),
        ({"name": "a", "kind": "Unheard"}, True),
        ({"name": "a", "apiVersion": "v7"}, True),
        ({"name": "x" * 253}, False),
    ],
)
async def test_an_owner_is_kind_name_and_uid(
    inside: Inside, reference: Json, *, stays: bool
) -> None:
    a = await make(inside, "a")
    await make(inside, "b", ref(a) | reference)
    await inside.settle()
    assert await names(inside) == (["a", "b"] if stays else ["a"])
    if stays:
        assert await owners_of(inside, "b") == ["a"]


async def test_a_dead_reference_is_dropped_where_an_owner_lives(inside: Inside) -> None:
    a = await make(inside, "a")
    await make(inside, "b", ref(a), ref(a, name="never", uid="nobody"))
    await inside.settle()
    assert await owners_of(inside, "b") == ["a"]


@pytest.mark.parametrize("name", ["x\0y", "\0", "x" * 600, "\u00e9" * 300])
async def test_an_owner_of_an_impossible_name_is_not_there(inside: Inside, name: str) -> None:
    await make(inside, "b", {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": "x"})
    await asyncio.wait_for(inside.settle(), 5)
    assert await names(inside) == []
    assert marks(inside) == []


async def test_an_unknown_kind_holds_what_it_may_own(inside: Inside) -> None:
    a = await make(inside, "a")
    unknown = {"apiVersion": "x.example.com/v1", "kind": "X", "name": "x", "uid": "x"}
    await make(inside, "b", unknown, ref(a))
    await inside.delete(f"{CONFIG_MAPS}/a")
    assert await owners_of(inside, "b") == ["x"]


async def test_orphans_stay_without_their_owner(inside: Inside) -> None:
    a = await make(inside, "a")
    for number in range(70):
        await make(inside, f"b{number:02}", ref(a, blockOwnerDeletion=True))
    got = await inside.delete(f"{CONFIG_MAPS}/a?propagationPolicy=Orphan")
    assert got.body["metadata"]["finalizers"] == ["orphan"]
    left = await names(inside)
    assert left == [f"b{number:02}" for number in range(70)]
    assert await owners_of(inside, "b69") == []
    assert marks(inside) == []


@pytest.mark.parametrize("option", ["orphanDependents=true", "propagationPolicy=Orphan"])
async def test_both_ways_to_say_orphan(inside: Inside, option: str) -> None:
    a = await make(inside, "a")
    await make(inside, "b", ref(a))
    await inside.delete(f"{CONFIG_MAPS}/a?{option}")
    assert await names(inside) == ["b"]


@pytest.mark.parametrize("backing", ["memory", "lmdb"], indirect=True)
@pytest.mark.parametrize("blocks", [True, False])
async def test_foreground_waits_for_what_blocks(inside: Inside, *, blocks: bool) -> None:
    a = await make(inside, "a")
    await make(inside, "b", ref(a, blockOwnerDeletion=blocks), finalizers=["example.com/hold"])
    await make(inside, "c", ref(a, blockOwnerDeletion=True))
    got = await inside.delete(f"{CONFIG_MAPS}/a?propagationPolicy=Foreground")
    assert got.body["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert await names(inside) == (["a", "b"] if blocks else ["b"])
    await inside.patch(f"{CONFIG_MAPS}/b", {"metadata": {"finalizers": None}})
    await inside.settle()
    assert await names(inside) == []
    assert marks(inside) == []
    assert inside.store.index_scan(b"awaits\0") == []


async def test_a_dependent_that_blocks_no_more_lets_its_owner_go(inside: Inside) -> None:
    a = await make(inside, "a")
    await make(inside, "b", ref(a, blockOwnerDeletion=True), finalizers=["example.com/hold"])
    await inside.delete(f"{CONFIG_MAPS}/a?propagationPolicy=Foreground")
    assert await names(inside) == ["a", "b"]
    await inside.patch(f"{CONFIG_MAPS}/b", {"metadata": {"ownerReferences": [ref(a)]}})
    await inside.settle()
    assert await names(inside) == ["b"]


async def test_foreground_leaves_what_another_owns(inside: Inside) -> None:
    a, b = await make(inside, "a"), await make(inside, "b")
    await make(inside, "c", ref(a, blockOwnerDeletion=True), ref(b))
    await inside.delete(f"{CONFIG_MAPS}/a?propagationPolicy=Foreground")
    assert await names(inside) == ["b", "c"]
    assert await owners_of(inside, "c") == ["b"]


async def test_foreground_goes_down_the_chain(inside: Inside) -> None:
    a = await make(inside, "a")
    b = await make(inside, "b", ref(a, blockOwnerDeletion=True))
    await make(inside, "c", ref(b, blockOwnerDeletion=True), finalizers=["example.com/hold"])
    await inside.delete(f"{CONFIG_MAPS}/a?propagationPolicy=Foreground")
    assert await names(inside) == ["a", "b", "c"]
    held = await inside.get(f"{CONFIG_MAPS}/b")
    assert held is not None
    assert held["metadata"]["finalizers"] == ["foregroundDeletion"]
    await inside.patch(f"{CONFIG_MAPS}/c", {"metadata": {"finalizers": None}})
    await inside.settle()
    assert await names(inside) == []


async def test_a_circle_in_the_foreground_is_cut(inside: Inside) -> None:
    a = await make(inside, "a")
    b = await make(inside, "b", ref(a, blockOwnerDeletion=True))
    await inside.patch(
        f"{CONFIG_MAPS}/a", {"metadata": {"ownerReferences": [ref(b, blockOwnerDeletion=True)]}}
    )
    await inside.delete(f"{CONFIG_MAPS}/a?propagationPolicy=Foreground")
    assert await names(inside) == []


async def test_a_second_delete_changes_the_policy(inside: Inside) -> None:
    a = await make(inside, "a")
    await make(inside, "b", ref(a, blockOwnerDeletion=True), finalizers=["example.com/hold"])
    await inside.delete(f"{CONFIG_MAPS}/a?propagationPolicy=Foreground")
    await inside.delete(f"{CONFIG_MAPS}/a?propagationPolicy=Background")
    assert await names(inside) == ["b"]


async def test_finalizers_of_policies_do_not_pile_up(inside: Inside) -> None:
    await make(inside, "a", finalizers=["example.com/hold"])
    for _ in range(2):
        await inside.delete(f"{CONFIG_MAPS}/a?propagationPolicy=Foreground")
        held = await inside.get(f"{CONFIG_MAPS}/a")
        assert held is not None
        assert held["metadata"]["finalizers"] == ["example.com/hold"]


async def test_an_orphaning_link_ends_the_chain(inside: Inside) -> None:
    a = await make(inside, "a")
    b = await make(inside, "b", ref(a), finalizers=["orphan"])
    await make(inside, "c", ref(b))
    await inside.delete(f"{CONFIG_MAPS}/a")
    assert await names(inside) == ["c"]
    assert await owners_of(inside, "c") == []


async def test_clusters_are_worlds_of_their_own(inside: Inside) -> None:
    here = inside.at
    a = await make(inside, "a")
    await make(inside, "b", ref(a))
    inside.at = await inside.workspace("other")
    await make(inside, "a")
    await make(inside, "b", ref(a))
    await inside.settle()
    assert await names(inside) == ["a"], "the owner is in another workspace"
    inside.at = here
    assert await names(inside) == ["a", "b"]


ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"


def role(name: str, *owners: Json) -> Json:
    meta = {"name": name, "ownerReferences": list(owners)}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": meta,
        "rules": [],
    }


async def test_scopes_of_owners_and_dependents(inside: Inside) -> None:
    a = await make(inside, "a")
    top = await inside.create(ROLES, role("top"))
    await inside.create(ROLES, role("under", ref(top)))
    await inside.create(ROLES, role("astray", ref(a)))
    await make(inside, "b", ref(top))
    await inside.settle()
    assert await names(inside) == ["a", "b"]
    assert await inside.get(f"{ROLES}/astray"), "nobody can tell where its owner would be"
    await inside.delete(f"{ROLES}/top")
    assert await names(inside) == ["a"]
    assert await inside.get(f"{ROLES}/under") is None
    assert await inside.get(f"{ROLES}/astray")


async def test_a_namespace_that_is_owned_ends_as_namespaces_do(inside: Inside) -> None:
    a = await inside.create(ROLES, role("a"))
    space = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "n", "ownerReferences": [ref(a)]},
    }
    await inside.create("/api/v1/namespaces", space)
    held = config_map("held", finalizers=["example.com/hold"])
    await inside.create("/api/v1/namespaces/n/configmaps", held)
    await inside.delete(f"{ROLES}/a")
    found = await inside.get("/api/v1/namespaces/n")
    assert found is not None
    assert found["status"]["phase"] == "Terminating"
    await inside.patch("/api/v1/namespaces/n/configmaps/held", {"metadata": {"finalizers": None}})
    await inside.settle()
    assert await inside.get("/api/v1/namespaces/n") is None


async def test_a_reference_into_another_namespace_is_told_of(inside: Inside) -> None:
    await inside.create(
        "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}
    )
    a = await make(inside, "a")
    await make(inside, "b", ref(a))
    for number, wrong in enumerate((ref(a), ref(a, kind="Secret", name="invalid"))):
        obj = config_map(f"astray{number}", ownerReferences=[wrong])
        await inside.create("/api/v1/namespaces/n/configmaps", obj)
    await inside.settle()
    assert await names(inside) == ["a", "b"]
    events = await inside.get("/api/v1/namespaces/n/events")
    assert events is not None
    told = {event["involvedObject"]["name"]: event for event in events["items"]}
    assert sorted(told) == ["astray0", "astray1"]
    assert await inside.get("/api/v1/namespaces/n/configmaps/astray0") is None
    event = told["astray1"]
    assert (event["type"], event["reason"]) == ("Warning", "OwnerRefInvalidNamespace")
    assert event["involvedObject"]["kind"] == "ConfigMap"
    assert event["message"].endswith('does not exist in namespace "n"')


CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def crd(plural: str, kind: str, *, namespaced: bool = True) -> Json:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced" if namespaced else "Cluster",
            "names": {"plural": plural, "kind": kind},
            "versions": [
                {
                    "name": name,
                    "served": True,
                    "storage": name == "v1",
                    "schema": {"openAPIV3Schema": schema},
                }
                for name in ("v1", "v2")
            ],
        },
    }


def custom(name: str, *owners: Json, version: str = "v1") -> Json:
    meta = {"name": name, "ownerReferences": list(owners)}
    return {"apiVersion": f"example.com/{version}", "kind": "Thing", "metadata": meta}


THINGS = "/apis/example.com/v1/namespaces/default/things"


async def test_custom_kinds_own_and_are_owned(inside: Inside) -> None:
    await inside.create(CRDS, crd("things", "Thing"))
    await inside.settle()
    a = await inside.create(THINGS, custom("a"))
    b = await inside.create(THINGS, custom("b", ref(a, apiVersion="example.com/v2")))
    await make(inside, "c", ref(b))
    await inside.settle()
    assert await inside.get(f"{THINGS}/b")
    await inside.delete(f"{THINGS}/a?propagationPolicy=Foreground")
    for path in (f"{THINGS}/a", f"{THINGS}/b", f"{CONFIG_MAPS}/c"):
        assert await inside.get(path) is None


async def test_what_a_crd_takes_along_takes_its_own_along(inside: Inside) -> None:
    await inside.create(CRDS, crd("things", "Thing"))
    await inside.settle()
    a, b = await inside.create(THINGS, custom("a")), await inside.create(THINGS, custom("b"))
    await make(inside, "c", ref(a), ref(b))
    await inside.delete(f"{CRDS}/things.example.com")
    await inside.settle(hurry=True)
    assert await names(inside) == []


async def test_owners_that_go_while_nobody_looks(inside: Inside) -> None:
    a = await make(inside, "a")
    await make(inside, "b", ref(a))
    await inside.settle()
    await inside.running.controllers.stop()
    await inside.send("DELETE", f"{CONFIG_MAPS}/a")
    await make(inside, "c", ref(a))
    assert await names(inside) == ["b", "c"]
    inside.running.controllers.start()
    await inside.settle()
    assert await names(inside) == []


@pytest.mark.parametrize("policy", ["", "Background", "Foreground"])
async def test_a_workspace_has_no_owner_that_ends_it(inside: Inside, policy: str) -> None:
    """What an administrator may not delete, nobody deletes for them."""
    path = "/apis/core.kcp.io/v1alpha1/logicalclusters/cluster"
    owner = await make(inside, "a")
    if not policy:
        owner["metadata"]["uid"] = "another"
    await inside.patch(path, {"metadata": {"ownerReferences": [ref(owner)]}})
    await inside.settle()
    if policy:
        await inside.delete(f"{CONFIG_MAPS}/a?propagationPolicy={policy}")
    found = await inside.get(path)
    assert found is not None
    assert "deletionTimestamp" not in found["metadata"]
    assert await names(inside) == ([] if policy else ["a"])
    assert marks(inside) == []
