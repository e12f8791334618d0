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


ODD = ["a\0b", "\0", "a\nb", "\x7f", "\u202e", "\ud7ff\ue000"]


@pytest.mark.parametrize("backing", ["memory", "lmdb"], indirect=True)
@pytest.mark.parametrize("identity", ODD)
async def test_an_identity_that_cannot_be_printed_is_refused(inside: Inside, identity: str) -> None:
    """It becomes part of keys: a NUL in it would make one the key of something else."""
    claim = {"group": "y.example.com", "resource": "ab", "verbs": ["*"], "identityHash": identity}
    answer = await inside.send("POST", EXPORTS, export("e", permissionClaims=[claim]))
    assert answer.status == 403, answer.body
    words = "spec.permissionClaims[0].identityHash: Invalid value"
    assert words in answer.body["message"]
    assert "must be the identity of an APIExport" in answer.body["message"]


@pytest.mark.parametrize("backing", ["memory", "lmdb"], indirect=True)
@pytest.mark.parametrize("prefix", [*ODD, "a" * 100_000, "\U0001f600" * 200, "../", "%00", " "])
async def test_a_schema_of_an_impossible_name_is_none(inside: Inside, prefix: str) -> None:
    """The export is stored, as in kcp, and who binds it waits; nothing fails."""
    resource = {"name": "lamps", "group": "x.example.com"}
    resource["schema"] = f"{prefix}v1.lamps.x.example.com"
    obj = export("e") | {"spec": {"resources": [resource]}}
    await inside.create(EXPORTS, obj)
    path = {"export": {"name": "e"}}
    await inside.create(BINDINGS, kind("APIBinding", "b", "apis.kcp.io/v1alpha2", reference=path))
    await inside.settle()
    bound = await inside.get(f"{BINDINGS}/b")
    assert bound is not None
    assert bound["status"]["phase"] == "Binding"
    await inside.delete(f"{BINDINGS}/b")
    assert await inside.get(f"{BINDINGS}/b") is None


@pytest.mark.parametrize("backing", ["memory", "lmdb"], indirect=True)
@pytest.mark.parametrize(("export_name", "own_name", "status"), [
    (250, 150, 201), (150, 250, 201), (250, 250, 403), (200, 201, 403),
])  # fmt: skip
async def test_names_that_make_no_key_together_are_refused(
    inside: Inside, export_name: int, own_name: int, status: int
) -> None:
    """A binding and a slice are filed under both names; that could never be written."""
    await inside.create(SCHEMAS, schema())
    await inside.create(EXPORTS, export("e" * export_name))
    await inside.settle()
    path = {"export": {"name": "e" * export_name, "path": "root:ws"}}
    name = "b" * own_name
    for where, obj in (
        (BINDINGS, kind("APIBinding", name, "apis.kcp.io/v1alpha2", reference=path)),
        (SLICES, kind("APIExportEndpointSlice", name, "apis.kcp.io/v1alpha1", **path)),
    ):
        answer = await inside.send("POST", where, obj)
        assert answer.status == status, answer.body
        if status == 403:
            assert "must be at most 400 characters" in answer.body["message"]
            continue
        await inside.settle()
        made = await inside.get(f"{where}/{name}")
        assert made is not None
        assert made["status"].get("phase") in ("Bound", None)
