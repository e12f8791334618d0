"""Namespaces: born with content, ended with all of it."""

import pytest

from tests.fix_inside import Inside, Json, config_map

SPACES = "/api/v1/namespaces"


def namespace(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


@pytest.mark.parametrize("backing", ["memory", "lmdb"], indirect=True)
async def test_an_end_waits_for_finalizers_and_tells(inside: Inside) -> None:
    await inside.create(SPACES, namespace("n"))
    content = f"{SPACES}/n/configmaps"
    await inside.create(content, config_map("held", finalizers=["example.com/hold"]))
    for name in ("free", "orphaning"):
        meta = {"finalizers": ["orphan"]} if name == "orphaning" else {}
        await inside.create(content, config_map(name, **meta))
    got = await inside.send("DELETE", f"{SPACES}/n")
    meta = got.body["metadata"]
    assert (got.body["status"]["phase"], meta.get("deletionGracePeriodSeconds")) == (
        "Terminating",
        None,
    )
    await inside.settle()
    left = await inside.get(content)
    assert left is not None
    assert [each["metadata"]["name"] for each in left["items"]] == ["held"]
    found = await inside.get(f"{SPACES}/n")
    assert found is not None
    said = {each["type"]: each["message"] for each in found["status"]["conditions"]}
    assert said["NamespaceContentRemaining"] == (
        "Some resources are remaining: configmaps. has 1 resource instances"
    )
    assert "example.com/hold in 1 resource instances" in said["NamespaceFinalizersRemaining"]
    late = await inside.send("POST", content, config_map("late"))
    assert (late.status, late.body["details"]["causes"][0]["reason"]) == (
        403,
        "NamespaceTerminating",
    )
    await inside.patch(f"{content}/held", {"metadata": {"finalizers": None}})
    await inside.settle()
    assert await inside.get(f"{SPACES}/n") is None


@pytest.mark.parametrize("name", ["default", "kube-system"])
async def test_some_stay_as_long_as_their_workspace(inside: Inside, name: str) -> None:
    got = await inside.send("DELETE", f"{SPACES}/{name}")
    assert (got.status, got.body["message"]) == (
        403,
        f'namespaces "{name}" is forbidden: this namespace may not be deleted',
    )


async def test_they_go_with_their_workspace(inside: Inside) -> None:
    at, inside.at = inside.at, "/clusters/root"
    await inside.delete("/apis/tenancy.kcp.io/v1alpha1/workspaces/ws")
    cluster = at.removeprefix("/clusters/").encode()
    assert [key for key, _ in inside.store.index_scan(b"") if cluster in key] == []


@pytest.mark.parametrize("name", ["one.two", "A", "x" * 64])
async def test_names_are_labels(inside: Inside, name: str) -> None:
    got = await inside.send("POST", SPACES, namespace(name))
    assert (got.status, got.body["details"]["causes"][0]["field"]) == (422, "metadata.name")


async def test_finalize_is_how_others_hold_a_namespace(inside: Inside) -> None:
    made = await inside.create(SPACES, namespace("n"))
    made["spec"]["finalizers"].append("example.com/mine")
    assert (await inside.send("PUT", f"{SPACES}/n/finalize", made)).status == 200
    await inside.delete(f"{SPACES}/n")
    found = await inside.get(f"{SPACES}/n")
    assert found is not None
    assert found["spec"]["finalizers"] == ["example.com/mine"]
    found["spec"]["finalizers"] = []
    assert (await inside.send("PUT", f"{SPACES}/n/finalize", found)).status == 200
    assert await inside.get(f"{SPACES}/n") is None


async def test_what_every_namespace_holds_comes_back(inside: Inside) -> None:
    await inside.create(SPACES, namespace("n"))
    for path in ("serviceaccounts/default", "configmaps/kube-root-ca.crt"):
        assert await inside.get(f"{SPACES}/n/{path}")
        await inside.delete(f"{SPACES}/n/{path}")
        assert await inside.get(f"{SPACES}/n/{path}")
