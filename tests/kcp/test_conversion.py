"""What one version of exports and bindings cannot say is not lost in the other."""

import copy
import json
from typing import Any

import pytest

from kcpfast.kcp import conversion
from kcpfast.kcp.kinds import system_kinds
from tests.fix_inside import Inside, Json
from tests.kcp.provider import BINDINGS, READ, Market


def obj(spec: Json, annotations: dict[str, str] | None = None, status: Json | None = None) -> Json:
    meta: Json = {"name": "x"} | ({"annotations": annotations} if annotations else {})
    return {"metadata": meta, "spec": spec} | ({"status": status} if status else {})


RESOURCE = {"group": "a.b", "name": "c", "schema": "v1.c.a.b", "storage": {"crd": {}}}
VIRTUAL = {
    "group": "a.b",
    "name": "d",
    "schema": "v1.d.a.b",
    "storage": {"virtual": {"reference": {"kind": "K", "name": "n"}, "identityHash": "1"}},
}
PLAIN = {"group": "", "identityHash": "", "resource": "secrets", "verbs": ["*"]}
LABELS = {"matchLabels": {"a": "b"}}
NEWER = [
    ("apiexports", obj({})),
    ("apiexports", obj({"resources": [RESOURCE]})),
    ("apiexports", obj({"resources": [RESOURCE, VIRTUAL]}, {"own": "kept"})),
    ("apiexports", obj({"permissionClaims": [PLAIN | {"verbs": ["get"]}]})),
    ("apiexports", obj({"permissionClaims": [PLAIN | {"defaultSelector": LABELS}]})),
    (
        "apibindings",
        obj(
            {"permissionClaims": [PLAIN | {"selector": LABELS, "state": "Accepted"}]},
            status={
                "appliedPermissionClaims": [PLAIN | {"selector": LABELS}],
                "exportPermissionClaims": [PLAIN | {"verbs": ["get"]}],
            },
        ),
    ),
]
OLD_CLAIM = {"group": "g", "resource": "r", "all": True, "state": "Rejected"}
OLDER = [
    ("apiexports", obj({"latestResourceSchemas": ["v1.c.a.b", "v1.pods.core"]})),
    ("apiexports", obj({"permissionClaims": [{"resource": "secrets", "all": True}]})),
    (
        "apiexports",
        obj({"permissionClaims": [{"resource": "secrets", "resourceSelector": [{"name": "a"}]}]}),
    ),
    (
        "apibindings",
        obj(
            {
                "permissionClaims": [
                    {"group": "g", "resource": "r", "all": True, "state": "Rejected"}
                ]
            }
        ),
    ),
]


def without(found: Json, prefix: str) -> Json:
    """Return an object without the annotations that record what it was written as."""
    given = found["metadata"].get("annotations") or {}
    kept = {key: value for key, value in given.items() if not key.startswith(prefix)}
    meta = {key: value for key, value in found["metadata"].items() if key != "annotations"}
    return found | {"metadata": meta | ({"annotations": kept} if kept else {})}


def both(plural: str, found: Json, *, newer_first: bool) -> Json:
    resource = system_kinds()["apis.kcp.io", "v1alpha1", plural]
    older, newer = resource.from_storage, resource.to_storage
    assert older is not None
    assert newer is not None
    steps = (older, newer) if newer_first else (newer, older)
    return steps[1](steps[0](copy.deepcopy(found)))


@pytest.mark.parametrize(("plural", "found"), NEWER)
def test_v1alpha2_comes_back_through_v1alpha1(plural: str, found: Json) -> None:
    back = both(plural, found, newer_first=True)
    assert without(back, conversion.V1ALPHA2_PREFIX + "v1alpha1") == found


@pytest.mark.parametrize(("plural", "found"), OLDER)
def test_v1alpha1_comes_back_through_v1alpha2(plural: str, found: Json) -> None:
    assert both(plural, found, newer_first=False) == found


def claim(**more: Any) -> list[Json]:
    return [{"group": "", "resource": "secrets", **more}]


NO_LISTS = ["{", "3", '["a"]']
TEXTS: dict[tuple[str, str], list[Any]] = {
    ("apiexports", "resource-schemas"): [
        [{"name": "no schema"}],
        [RESOURCE | {"group": 5}],
        [RESOURCE | {"storage": 7}],
        [RESOURCE | {"storage": {"virtual": 5}}],
    ],
    ("apiexports", "permission-claims"): [
        claim(verbs=5),
        claim(verbs="abc"),
        claim(verbs=[["get"]]),
        claim(group=["x"]),
        claim(identityHash={}),
        claim(defaultSelector=5),
        claim(defaultSelector={"matchLabels": {"a": 5}}),
        claim(defaultSelector={"matchExpressions": [{"key": 5}]}),
    ],
    ("apibindings", "acceptable-permission-claims"): [
        claim(selector={"matchAll": "x"}),
        claim(state=[]),
    ],
    ("apibindings", "v1alpha1-permission-claims"): [
        claim(group=["x"]),
        claim(resourceSelector=[5]),
    ],
    ("apibindings", "status-applied-permission-claims"): [claim(verbs=[None])],
}
ROWS = [
    (plural, key, text)
    for (plural, key), values in TEXTS.items()
    for text in (*NO_LISTS, *map(json.dumps, values))
]


@pytest.mark.parametrize(("plural", "key", "text"), ROWS)
def test_what_cannot_be_read_is_refused(plural: str, key: str, text: str) -> None:
    """It is not only refused: of what is stored already, the other version can be shown."""
    spec: Json = {"permissionClaims": claim(all=True)}
    wrong = obj(
        spec, {conversion.V1ALPHA2_PREFIX + key: text}, {"appliedPermissionClaims": claim()}
    )
    with pytest.raises(conversion.MalformedAnnotation):
        conversion.check(plural, wrong)
    both(plural, wrong, newer_first=False)
    both(plural, wrong, newer_first=True)


EXPORT = {"apiVersion": "apis.kcp.io/v1alpha1", "kind": "APIExport"}
BINDING = {"apiVersion": "apis.kcp.io/v1alpha1", "kind": "APIBinding"}
MANY = [RESOURCE | {"name": f"c{at}", "schema": f"v1.c{at}.a.b"} for at in range(1001)]
ACCEPTED = {"all": True, "state": "Accepted"}
PARKED: list[tuple[Json, str, list[Json], Json, int, str]] = [
    (EXPORT, "resource-schemas", MANY, {}, 422, "Too many"),
    (EXPORT, "resource-schemas", [RESOURCE | {"group": "A B", "schema": "v1.c.A B"}],
     {}, 422, "spec.resources[0].group"),
    (EXPORT, "resource-schemas", [RESOURCE | {"schema": "v1.d.a.b"}], {}, 403, "must end in"),
    (
        EXPORT, "permission-claims", claim(verbs=["get", "get"]),
        {"permissionClaims": claim(all=True)}, 422, "Duplicate value",
    ),
    (
        BINDING, "acceptable-permission-claims",
        claim(selector={"matchAll": True, "matchLabels": {"a": "b"}}),
        {"permissionClaims": claim(**ACCEPTED)}, 403, "exactly one of matchAll",
    ),
    (
        BINDING, "acceptable-permission-claims", claim(selector={"matchLabels": {"!": "b"}}),
        {"permissionClaims": claim(**ACCEPTED)}, 403, "matchLabels",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("head", "key", "parked", "spec", "code", "why"), PARKED)
async def test_what_is_parked_obeys_the_rules_of_its_version(
    inside: Inside, head: Json, key: str, parked: list[Json], spec: Json, code: int, why: str
) -> None:
    market = Market(inside)
    await market.open()
    reference = {"export": {"path": "root:shop", "name": "x.example.com"}}
    if head is BINDING:
        spec = spec | {"reference": reference}
    meta = {"name": "x", "annotations": {conversion.V1ALPHA2_PREFIX + key: json.dumps(parked)}}
    path = f"/apis/apis.kcp.io/v1alpha1/{head['kind'].lower()}s"
    got = await inside.send("POST", path, head | {"metadata": meta, "spec": spec})
    assert (got.status, why in got.body["message"]) == (code, True), got.body


async def test_no_annotation_speaks_for_the_status(inside: Inside) -> None:
    market = Market(inside)
    await market.open(READ)
    await market.bind(inside.at, "lamps", READ)
    key = conversion.V1ALPHA2_PREFIX + "status-applied-permission-claims"
    forged = json.dumps(claim(resource="configmaps", verbs=["delete"]))
    older = "/apis/apis.kcp.io/v1alpha1/apibindings/lamps"
    await inside.patch(older, {"metadata": {"annotations": {key: forged}}})
    found = await inside.get(f"{BINDINGS}/lamps")
    assert found is not None
    assert [each["verbs"] for each in found["status"]["appliedPermissionClaims"]] == [READ["verbs"]]
    got = await inside.send("GET", market.seen("*", "/apis/apis.kcp.io/v1alpha1/apibindings"))
    assert got.status == 200
