"""What kcp's admission refuses, and in which words."""

import pytest

from tests.fix_inside import Inside, Json
from tests.kcp.provider import BINDINGS, EXPORTS, SCHEMAS, SLICES, export, schema

TYPES = "/apis/tenancy.kcp.io/v1alpha1/workspacetypes"
CLUSTERS = "/apis/core.kcp.io/v1alpha1/logicalclusters"


def kind(of: str, name: str, version: str, **spec: object) -> Json:
    return {"apiVersion": version, "kind": of, "metadata": {"name": name}, "spec": spec}


def binding(**reference: str) -> Json:
    spec = {"export": reference} if reference else {}
    return kind("APIBinding", "b", "apis.kcp.io/v1alpha2", reference=spec)


def workspace_type(name: str, **spec: object) -> Json:
    return kind("WorkspaceType", name, "tenancy.kcp.io/v1alpha1", **spec)


REFUSED = [
    (SCHEMAS, schema("1"), "must match ^[a-z]([-a-z0-9]*[a-z0-9])?$ in front of .lamps"),
    (SCHEMAS, schema(group="y.example.com"), "must end in .lamps.y.example.com"),
    (SCHEMAS, schema(group="short"), "must end in .lamps.short"),
    (SCHEMAS, schema(group="x.k8s.io"), "must end in .lamps.x.k8s.io"),
    (EXPORTS, export("e", "v1.cars") | {"spec": {"resources": [
        {"name": "lamps", "group": "x.example.com", "schema": "v1.cars.x.example.com"}]}},
     "spec.resources[0].schema: Invalid value"),
    (EXPORTS, export(permissionClaims=[{"group": "no.such", "resource": "ab", "verbs": ["*"]}]),
     "identityHash is required for API types that are not built-in"),
    (EXPORTS, export(permissionClaims=[{"resource": "selfsubjectreviews", "verbs": ["*"],
                                        "group": "authentication.k8s.io"}]),
     "identityHash is required"),
    (BINDINGS, binding(), "spec.reference.export: Required value"),
    (BINDINGS, binding(name="e", path="root:nosuch"),
     "unable to create APIBinding: no permission to bind to export root:nosuch:e"),
    (BINDINGS, binding(name="nosuch", path="root"),
     "unable to create APIBinding: no permission to bind to export root:nosuch"),
    (SLICES, kind("APIExportEndpointSlice", "s", "apis.kcp.io/v1alpha1",
                  export={"name": "e", "path": "root:nosuch"}),
     "unable to create APIExportEndpointSlice: no permission to bind"),
    (TYPES, workspace_type("root"), "root workspace type can only be created in root cluster"),
    (TYPES, workspace_type("t", defaultAPIBindings=[{"path": "root:nosuch", "export": "e"}]),
     "unable to create or update WorkspaceType: no permission to bind to export root:nosuch:e"),
    (CLUSTERS, kind("LogicalCluster", "cluster", "core.kcp.io/v1alpha1"),
     "LogicalCluster cannot be created"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "obj", "words"), REFUSED)
async def test_it_is_refused(inside: Inside, path: str, obj: Json, words: str) -> None:
    answer = await inside.send("POST", path, obj)
    assert answer.status == 403, answer.body
    assert words in answer.body["message"]
    assert (await inside.get(f"{path}/{obj['metadata']['name']}") is None) or path == CLUSTERS


async def test_a_logical_cluster_is_not_for_its_users_to_end(inside: Inside) -> None:
    refused = await inside.send("DELETE", f"{CLUSTERS}/cluster")
    assert (refused.status, refused.body["reason"]) == (403, "Forbidden")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spec": {"initializers": ["root:other"]}}, "spec.initializers is immutable"),
        ({"spec": {"terminators": ["root:other"]}}, "spec.terminators is immutable"),
    ],
)
async def test_who_prepares_a_cluster_is_settled(inside: Inside, change: Json, words: str) -> None:
    media = "application/merge-patch+json"
    refused = await inside.send("PATCH", f"{CLUSTERS}/cluster", change, media=media)
    assert refused.status == 403
    assert words in refused.body["message"]


async def test_paths_are_filled_in(inside: Inside) -> None:
    made = await inside.create(TYPES, workspace_type("t", extend={"with": [{"name": "other"}]}))
    path = made["metadata"]["annotations"]["kcp.io/path"]
    assert made["spec"]["extend"]["with"] == [{"name": "other", "path": path}]
