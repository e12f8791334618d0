"""Names that kcp keeps to itself."""

import pytest

from tests.fix_inside import Inside, Json


def crd(group: str, **annotations: str) -> Json:
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"lamps.{group}",
            "annotations": {key.replace("__", "/").replace("_", "."): "x" for key in annotations},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "lamps", "kind": "Lamp"},
            "versions": [version],
        },
    }


@pytest.mark.parametrize(
    ("obj", "why"),
    [
        (crd("apis.kcp.io"), "apis.kcp.io is a reserved group"),
        (crd("x.apis.kcp.io"), "x.apis.kcp.io is a reserved group"),
        (crd("xapis.kcp.io"), ""),
        (crd("a.b", apis_kcp_io__bound="x"), "apis.kcp.io/bound is a reserved annotation"),
        (crd("a.b", x_apis_kcp_io__y="x"), "x.apis.kcp.io/y is a reserved annotation"),
        (crd("a.b", kcp_io__y="x"), ""),
    ],
)
async def test_crds(inside: Inside, obj: Json, why: str) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    got = await inside.send("POST", path, obj)
    assert got.status == (403 if why else 201)
    assert got.body.get("message", "").endswith(why)


@pytest.mark.parametrize("name", ["any", "system"])
async def test_workspace_types(inside: Inside, name: str) -> None:
    obj = {
        "apiVersion": "tenancy.kcp.io/v1alpha1",
        "kind": "WorkspaceType",
        "metadata": {"name": name},
        "spec": {},
    }
    got = await inside.send("POST", "/apis/tenancy.kcp.io/v1alpha1/workspacetypes", obj)
    assert (got.status, got.body["message"].rpartition(": ")[2]) == (403, "name is reserved")
