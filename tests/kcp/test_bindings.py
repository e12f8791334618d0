"""Binding, following the export, unbinding: what becomes of a binding and of its resources."""

import pytest

from kcpfast.kcp.claims import LABEL
from tests.fix_inside import CONFIG_MAPS, Inside, Json, config_map
from tests.kcp.provider import (
    ALL_LAMPS,
    BINDINGS,
    EXPORTS,
    LAMPS,
    NAME,
    READ,
    SCHEMAS,
    SLICES,
    Market,
    binding,
    condition,
    export,
    lamp,
    schema,
)

APPLY = "application/apply-patch+yaml"


@pytest.fixture
def market(inside: Inside) -> Market:
    return Market(inside)


async def test_an_export_is_served_where_it_is_bound(market: Market, inside: Inside) -> None:
    await market.open()
    home = await market.consumer("home")
    found = await inside.get(f"{home}{BINDINGS}/lamps")
    assert found is not None
    assert found["status"]["phase"] == "Bound"
    assert condition(found, "Ready") == ("True", "")
    await inside.create(home + LAMPS, lamp("desk"))
    assert (await inside.send("GET", market.shop + LAMPS)).status == 404
    wrong = await inside.send("POST", home + LAMPS, lamp("big", 10))
    assert (wrong.status, wrong.body["details"]["causes"][0]["field"]) == (422, "spec.size")


async def test_a_slice_has_a_url_while_somebody_is_bound(market: Market, inside: Inside) -> None:
    async def urls() -> object:
        found = await inside.get(f"{market.shop}{SLICES}/{NAME}")
        assert found is not None
        return [each["url"] for each in found["status"].get("endpoints") or ()]

    await market.open()
    assert await urls() == []
    home, away = await market.consumer("home"), await market.consumer("away")
    assert await urls() == ["https://here" + market.view]
    await inside.delete(f"{home}{BINDINGS}/lamps")
    assert await urls() == ["https://here" + market.view]
    await inside.delete(f"{away}{BINDINGS}/lamps")
    assert await urls() == []


async def test_unbinding_takes_objects_along(market: Market, inside: Inside) -> None:
    await market.open()
    home, away = await market.consumer("home"), await market.consumer("away")
    for where in (home, away):
        await inside.create(where + LAMPS, lamp("desk"))
    await inside.delete(f"{home}{BINDINGS}/lamps")
    assert (await inside.send("GET", home + LAMPS)).status == 404
    left = await inside.send("GET", market.seen("*", ALL_LAMPS))
    assert [each["metadata"]["name"] for each in left.body["items"]] == ["desk"]
    again = await market.bind(home, "again")
    assert again["status"]["phase"] == "Bound"
    assert (await inside.send("GET", home + LAMPS)).body["items"] == []


async def test_unbinding_waits_for_finalizers(market: Market, inside: Inside) -> None:
    await market.open()
    home = await market.consumer("home")
    held = lamp("desk")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await inside.create(home + LAMPS, held)
    await inside.send("DELETE", f"{home}{BINDINGS}/lamps")
    await inside.settle(hurry=True)
    found = await inside.get(f"{home}{BINDINGS}/lamps")
    assert found is not None
    why = condition(found, "BindingResourceDeleteSuccess")
    assert why == ("False", "ResourceFinalizersRemain")
    assert (await inside.send("POST", home + LAMPS, lamp("new"))).status == 405
    applied = f"{home}{LAMPS}/new?fieldManager=me"
    assert (await inside.send("PATCH", applied, lamp("new"), media=APPLY)).status == 405
    await inside.patch(f"{home}{LAMPS}/desk", {"metadata": {"finalizers": None}})
    await inside.settle(hurry=True)
    assert await inside.get(f"{home}{BINDINGS}/lamps") is None


async def test_a_name_is_bound_once_and_inherited(market: Market, inside: Inside) -> None:
    await market.open()
    home = await market.consumer("home")
    await inside.create(home + LAMPS, lamp("desk"))
    second = await market.bind(home, "second")
    assert condition(second, "InitialBindingCompleted") == ("False", "NamingConflicts")
    await inside.delete(f"{home}{BINDINGS}/lamps")
    found = await inside.get(f"{home}{BINDINGS}/second")
    assert found is not None
    assert found["status"]["phase"] == "Bound"
    # The same schema under the same identity: the objects have only changed hands.
    assert (await inside.send("GET", f"{home}{LAMPS}/desk")).status == 200


async def test_no_status_takes_a_name_away(market: Market, inside: Inside) -> None:
    """Tenants write the status of CRDs; what is bound stays bound."""
    await market.open()
    home = await market.consumer("home")
    await inside.create(home + LAMPS, lamp("desk"))
    version = {"name": "v1", "served": True, "storage": True}
    names = {"plural": "lamps", "kind": "Lamp"}
    crd: Json = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"lamps.{NAME}"},
        "spec": {
            "group": NAME,
            "scope": "Namespaced",
            "names": names,
            "versions": [version | {"schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    }
    crds = f"{home}/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    await inside.create(crds, crd)
    await inside.settle()
    path = f"{crds}/lamps.{NAME}"
    said = [{"type": kind, "status": "True"} for kind in ("Established", "NamesAccepted")]
    status = {"conditions": said, "acceptedNames": names}
    await inside.patch(f"{path}/status", {"status": status})
    await inside.patch(path, {"spec": {"names": {"shortNames": ["lm"]}}})
    await inside.settle()
    assert await inside.get(f"{home}{LAMPS}/desk") is not None
    assert (await inside.send("GET", market.seen(home, f"{LAMPS}/desk"))).status == 200


async def test_an_export_that_changes_takes_bindings_along(market: Market, inside: Inside) -> None:
    await market.open()
    home = await market.consumer("home")
    await inside.create(market.shop + SCHEMAS, schema("v2", "bulbs"))
    both = export(NAME, "v1.lamps", "v2.bulbs")["spec"]["resources"]
    await inside.patch(f"{market.shop}{EXPORTS}/{NAME}", {"spec": {"resources": both}})
    await inside.settle()
    found = await inside.get(f"{home}{BINDINGS}/lamps")
    assert found is not None
    assert sorted(each["resource"] for each in found["status"]["boundResources"]) == [
        "bulbs",
        "lamps",
    ]
    assert (await inside.send("GET", home + LAMPS.replace("lamps", "bulbs"))).status == 200


async def test_bindings_outlive_their_export(market: Market, inside: Inside) -> None:
    await market.open()
    home = await market.consumer("home")
    await inside.delete(f"{market.shop}{EXPORTS}/{NAME}")
    found = await inside.get(f"{home}{BINDINGS}/lamps")
    assert found is not None
    assert condition(found, "APIExportValid") == ("False", "APIExportNotFound")
    await inside.create(home + LAMPS, lamp("desk"))


async def test_a_binding_waits_for_a_schema(market: Market, inside: Inside) -> None:
    await market.open()
    later = export("later", "v9.bulbs")
    await inside.create(market.shop + EXPORTS, later)
    home = await inside.workspace("home")
    await inside.create(home + BINDINGS, binding("later", "root:shop", "later"))
    await inside.settle()
    found = await inside.get(f"{home}{BINDINGS}/later")
    assert found is not None
    assert condition(found, "APIExportValid")[0] == "False"
    await inside.create(market.shop + SCHEMAS, schema("v9", "bulbs"))
    await inside.settle()
    found = await inside.get(f"{home}{BINDINGS}/later")
    assert found is not None
    assert found["status"]["phase"] == "Bound"


async def test_consumers_share_what_is_compiled(market: Market, inside: Inside) -> None:
    await market.open()
    homes = [await market.consumer(f"home-{at}") for at in range(5)]
    found = {
        id(served.resource)
        for home in homes
        if (served := inside.catalog.find(home.rpartition("/")[2], NAME, "v1", "lamps"))
    }
    assert len(found) == 1
    prints = {inside.catalog.fingerprint(home.rpartition("/")[2]) for home in homes}
    assert len(prints) == 1


# ------------------------------------------------------------------------- claims


def claim_labels(obj: Json | None) -> int:
    assert obj is not None
    return sum(key.startswith(LABEL) for key in obj["metadata"].get("labels") or {})


async def test_labels_come_and_go_with_a_claim(market: Market, inside: Inside) -> None:
    await market.open(READ)
    home = await inside.workspace("home")
    await inside.create(home + CONFIG_MAPS, config_map("before"))
    await market.bind(home, "lamps", READ)
    await inside.create(home + CONFIG_MAPS, config_map("after"))
    for name in ("before", "after", "kube-root-ca.crt"):
        assert claim_labels(await inside.get(f"{home}{CONFIG_MAPS}/{name}")) == 1
    forged = {"metadata": {"labels": {LABEL + "other": "x", "own": "kept"}}}
    kept = await inside.patch(f"{home}{CONFIG_MAPS}/after", forged)
    assert claim_labels(kept) == 1
    assert kept["metadata"]["labels"]["own"] == "kept"
    rejected = READ | {"state": "Rejected", "selector": {"matchAll": True}}
    await inside.patch(f"{home}{BINDINGS}/lamps", {"spec": {"permissionClaims": [rejected]}})
    await inside.settle()
    for name in ("before", "after", "kube-root-ca.crt"):
        assert claim_labels(await inside.get(f"{home}{CONFIG_MAPS}/{name}")) == 0


@pytest.mark.parametrize("part", ["", "/status", "/finalize"])
async def test_labels_follow_whatever_writes_labels(
    market: Market, inside: Inside, part: str
) -> None:
    claim: Json = {"group": "", "resource": "namespaces", "verbs": ["*"]}
    await market.open(claim)
    home = await market.consumer("home", claim | {"selector": {"matchLabels": {"a": "b"}}})
    path = f"{home}/api/v1/namespaces"
    body: Json = {"apiVersion": "v1", "kind": "Namespace"}
    for own, more, seen in (("c", LABEL + market.hash, 0), ("b", "x", 1)):
        meta: Json = {"name": f"{own}-space", "labels": {"a": "b" if own == "c" else "c"}}
        made = await inside.create(path, body | {"metadata": meta})
        made["metadata"]["labels"] |= {"a": own, more: "y"}
        got = await inside.send("PUT", f"{path}/{meta['name']}{part}", made)
        assert (got.status, claim_labels(got.body)) == (200, seen)
    listed = await inside.send("GET", market.seen("*", "/api/v1/namespaces"))
    assert [each["metadata"]["name"] for each in listed.body["items"]] == ["b-space"]


async def test_labels_go_with_the_binding(market: Market, inside: Inside) -> None:
    await market.open(READ)
    home = await market.consumer("home", READ)
    path = f"{home}{CONFIG_MAPS}/kube-root-ca.crt"
    assert claim_labels(await inside.get(path)) == 1
    await inside.delete(f"{home}{BINDINGS}/lamps")
    assert claim_labels(await inside.get(path)) == 0


async def test_a_selector_limits_what_is_claimed(market: Market, inside: Inside) -> None:
    everything = READ | {"verbs": ["*"]}
    await market.open(everything)
    some = everything | {"selector": {"matchLabels": {"for": "shop"}}}
    home = await market.consumer("home", some)
    await inside.create(home + CONFIG_MAPS, config_map("in", labels={"for": "shop"}))
    await inside.create(home + CONFIG_MAPS, config_map("out"))
    seen = market.seen(home, CONFIG_MAPS)
    listed = await inside.send("GET", seen)
    assert [each["metadata"]["name"] for each in listed.body["items"]] == ["in"]
    assert (await inside.send("GET", f"{seen}/out")).status == 404
    made = await inside.create(seen, config_map("made"))
    assert made["metadata"]["labels"]["for"] == "shop"
    wrong = await inside.send("POST", seen, config_map("w", labels={"for": "me"}))
    assert wrong.status == 403
    assert "protected label for must have value shop" in wrong.body["message"]


async def test_accepting_what_nobody_claims_is_told(market: Market, inside: Inside) -> None:
    await market.open()
    home = await inside.workspace("home")
    found = await market.bind(home, "lamps", READ)
    assert condition(found, "PermissionClaimsValid") == ("False", "InvalidPermissionClaims")
    assert found["status"]["phase"] == "Bound"
