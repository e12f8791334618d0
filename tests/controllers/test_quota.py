"""Quotas hold exactly, and say what is used."""

import asyncio
from typing import Any

import pytest

from tests.fix_inside import CONFIG_MAPS, Inside, Json, config_map

QUOTAS = "/api/v1/namespaces/default/resourcequotas"
SPACES = "/api/v1/namespaces"


def quota(name: str = "q", *, whole: bool = False, **hard: Any) -> Json:
    meta: Json = {"name": name}
    if whole:
        meta["annotations"] = {"experimental.quota.kcp.io/cluster-scoped": "true"}
    limits = {key.replace("__", "/").replace("_", "."): value for key, value in hard.items()}
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": meta,
        "spec": {"hard": limits},
    }


async def used(inside: Inside, path: str = f"{QUOTAS}/q") -> Json:
    await inside.settle()
    found = await inside.get(path)
    assert found is not None
    assert found["status"]["hard"] == found["spec"]["hard"]
    counted: Json = found["status"]["used"]
    return counted


async def status(inside: Inside, name: str, path: str = CONFIG_MAPS, **meta: Any) -> int:
    return (await inside.send("POST", path, config_map(name, **meta))).status


async def test_a_quota_counts_and_refuses(inside: Inside) -> None:
    made = await inside.create(QUOTAS, quota(count__configmaps="2", secrets="1k", pods=3))
    assert made["status"] == {}
    assert await used(inside) == {"count/configmaps": "1", "secrets": "0"}
    await inside.create(CONFIG_MAPS, config_map("a"))
    got = await inside.send("POST", CONFIG_MAPS, config_map("b"))
    assert (got.status, got.body["message"]) == (
        403,
        'configmaps "b" is forbidden: exceeded quota: q, requested: count/configmaps=1, '
        "used: count/configmaps=2, limited: count/configmaps=2",
    )
    assert await used(inside) == {"count/configmaps": "2", "secrets": "0"}
    await inside.delete(f"{CONFIG_MAPS}/a")
    assert await used(inside) == {"count/configmaps": "1", "secrets": "0"}
    assert await status(inside, "b") == 201


@pytest.mark.parametrize("backing", ["memory", "lmdb"], indirect=True)
async def test_a_crowd_cannot_exceed_it(inside: Inside) -> None:
    await inside.create(QUOTAS, quota(configmaps="5"))
    got = await asyncio.gather(*(status(inside, f"a{number}") for number in range(20)))
    assert sorted(got) == [201] * 4 + [403] * 16
    assert await used(inside) == {"configmaps": "5"}


async def test_every_quota_must_agree(inside: Inside) -> None:
    await inside.create(QUOTAS, quota("wide", configmaps="5"))
    await inside.create(QUOTAS, quota("narrow", count__configmaps="1"))
    assert await status(inside, "a") == 403
    await inside.patch(f"{QUOTAS}/narrow", {"spec": {"hard": {"count/configmaps": "2"}}})
    assert await status(inside, "a") == 201
    assert await status(inside, "b") == 403
    await inside.delete(f"{QUOTAS}/narrow")
    assert await status(inside, "b") == 201


async def test_places_are_counted_apart(inside: Inside) -> None:
    await inside.create(
        SPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}
    )
    await inside.create(QUOTAS, quota(configmaps="1"))
    assert await status(inside, "a", f"{SPACES}/n/configmaps") == 201
    assert await status(inside, "a") == 403
    inside.at = await inside.workspace("other")
    assert await status(inside, "a") == 201


async def test_scopes_leave_counts_alone(inside: Inside) -> None:
    scoped = quota(pods="1")
    scoped["spec"]["scopes"] = ["BestEffort"]
    scoped["spec"]["hard"]["configmaps"] = "0"
    got = await inside.send("POST", QUOTAS, scoped)
    assert got.status == 422, "config maps have no such scope"
    scoped["spec"]["hard"] = {"pods": "1", "count/configmaps": "0"}
    await inside.create(QUOTAS, scoped)
    assert await status(inside, "a") == 201
    assert await used(inside) == {"count/configmaps": "0"}


async def test_one_for_the_whole_workspace(inside: Inside) -> None:
    for name in ("admin", "n"):
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await inside.create(SPACES, space)
    here = f"{SPACES}/admin/resourcequotas"
    hard = {"count__configmaps": "5", "count__workspaces_tenancy_kcp_io": "1"}
    await inside.create(here, quota(whole=True, **hard))
    assert await used(inside, f"{here}/q") == {
        "count/configmaps": "4",
        "count/workspaces.tenancy.kcp.io": "0",
    }
    assert await status(inside, "a", f"{SPACES}/n/configmaps") == 201
    assert await status(inside, "b") == 403
    child: Json = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace"}
    path = "/apis/tenancy.kcp.io/v1alpha1/workspaces"
    for name, expected in (("one", 201), ("two", 403)):
        got = await inside.send("POST", path, child | {"metadata": {"name": name}})
        assert got.status == expected
    elsewhere = quota("other", whole=True, configmaps="9")
    await inside.create(QUOTAS, elsewhere)
    assert await used(inside, f"{QUOTAS}/other") == {"configmaps": "1"}, "only in `admin`"


async def test_kinds_of_crds_are_counted_once_they_are_there(inside: Inside) -> None:
    await inside.create(QUOTAS, quota(count__things_example_com="1"))
    assert await used(inside) == {}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    names = {"plural": "things", "kind": "Thing"}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": names,
            "versions": [version],
        },
    }
    await inside.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    assert await used(inside) == {"count/things.example.com": "0"}
    things = "/apis/example.com/v1/namespaces/default/things"
    for name, expected in (("a", 201), ("b", 403)):
        thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name}}
        assert (await inside.send("POST", things, thing)).status == expected


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"hard": {"bananas": "1"}}, "spec.hard[bananas]"),
        ({"hard": {"pods": "-1"}}, "spec.hard[pods]"),
        ({"hard": {"pods": "500m"}}, "spec.hard[pods]"),
        ({"hard": {"count/configmaps": "1.5"}}, "spec.hard[count/configmaps]"),
        ({"scopes": ["Nearby"]}, "spec.scopes"),
        ({"scopes": ["BestEffort", "NotBestEffort"]}, "spec.scopes"),
        ({"hard": {"cpu": "1"}, "scopes": ["BestEffort"]}, "spec.scopes"),
        (
            {"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass",
                                                     "operator": "In"}]}},
            "spec.scopeSelector.matchExpressions.values",
        ),
        (
            {"scopeSelector": {"matchExpressions": [{"scopeName": "Terminating",
                                                     "operator": "In", "values": ["x"]}]}},
            "spec.scopeSelector.matchExpressions.operator",
        ),
    ],
)  # fmt: skip
async def test_what_is_no_quota(inside: Inside, spec: Json, field: str) -> None:
    got = await inside.send("POST", QUOTAS, quota() | {"spec": spec})
    assert got.status == 422
    assert [cause["field"] for cause in got.body["details"]["causes"]] == [field]


LOGICAL = "/apis/core.kcp.io/v1alpha1/logicalclusters/cluster"


async def limit(inside: Inside, value: str | None) -> None:
    body = {"metadata": {"annotations": {"core.kcp.io/max-total-objects": value}}}
    await inside.patch(LOGICAL, body, token="master")


async def fill(inside: Inside, most: int) -> list[str]:
    made: list[str] = []
    while len(made) < most and await status(inside, f"a{len(made)}") == 201:
        made.append(f"a{len(made)}")
    return made


async def test_a_workspace_holds_so_many_objects(inside: Inside) -> None:
    await limit(inside, "30")
    made = await fill(inside, 30)
    assert 5 < len(made) < 30
    got = await inside.send("POST", CONFIG_MAPS, config_map("late"))
    cluster = inside.at.removeprefix("/clusters/")
    assert got.body["message"] == (
        f'configmaps "late" is forbidden: logical cluster "{cluster}" has reached its total object '
        "count limit (30/30 objects); delete objects to free up capacity"
    )
    about = {"kind": "ConfigMap", "name": "a", "namespace": "default"}
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}}
    await inside.create(f"{SPACES}/default/events", event | {"involvedObject": about})
    await inside.delete(f"{CONFIG_MAPS}/{made[0]}")
    assert await status(inside, "late") == 201
    assert await status(inside, "later") == 403
    for value in ("0", "-1", None, "many"):
        await limit(inside, value)
        assert await status(inside, f"free{value}".lower()) == 201
