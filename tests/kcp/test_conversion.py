"""What one version of exports and bindings cannot say is not lost in the other."""

import copy
import json

import pytest

from kcpfast.kcp import conversion
from kcpfast.kcp.kinds import SYSTEM
from tests.fix_inside import Json


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
    resource = SYSTEM["apis.kcp.io", "v1alpha1", plural]
    older, newer = resource.from_storage, resource.to_storage
    assert older is not None
    assert newer is not None
    steps = (older, newer) if newer_first else (newer, older)
    return steps[1](steps[0](copy.deepcopy(found)))


@pytest.mark.parametrize(("plural", "found"), NEWER)
def test_v1alpha2_comes_back_through_v1alpha1(plural: str, found: Json) -> None:
    back = both(plural, found, newer_first=True)
    assert without(back, conversion.PREFIX + "v1alpha1") == found


@pytest.mark.parametrize(("plural", "found"), OLDER)
def test_v1alpha1_comes_back_through_v1alpha2(plural: str, found: Json) -> None:
    assert both(plural, found, newer_first=False) == found


@pytest.mark.parametrize("text", ["{", "3", '["a"]', json.dumps([{"name": "no schema"}])], ids=str)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    wrong = obj({}, {conversion.PREFIX + "resource-schemas": text})
    with pytest.raises(conversion.Malformed):
        conversion.check("apiexports", wrong)
