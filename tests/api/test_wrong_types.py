"""Bodies of the wrong types: refused by the decoder, before anything looks inside."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kcpfast.api.answer import refusal
from kcpfast.meta.errors import ApiError, Cause
from tests.fix_inside import CONFIG_MAPS, JSON, MERGE, Inside, Json, config_map
from tests.kcp.provider import BINDINGS, EXPORTS, NAME, SCHEMAS, SLICES, binding, export, schema

APPLY = "application/apply-patch+yaml"
PATCH = "application/json-patch+json"
WORKSPACES = "/apis/tenancy.kcp.io/v1alpha1/workspaces"
TYPES = "/apis/tenancy.kcp.io/v1alpha1/workspacetypes"
SHARDS = "/apis/core.kcp.io/v1alpha1/shards"
TOKEN = "/api/v1/namespaces/default/serviceaccounts/default/token"
WRONG: tuple[Any, ...] = (None, True, 1, 1.5, "text", [], [None], ["a"], [[]], {}, {"a": []})


def kcps(kind: str, version: str = "tenancy.kcp.io/v1alpha1", **spec: Any) -> Json:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "a"}, "spec": spec}


# Every place of each of these is given every wrong value in turn.
BODIES: dict[str, tuple[str, Json]] = {
    "APIBinding": (BINDINGS, binding("a", "root", NAME, {"group": "", "resource": "secrets"})),
    "APIExport": (
        EXPORTS,
        export(permissionClaims=[{"group": "", "resource": "secrets", "verbs": ["get"]}]),
    ),
    "APIExportEndpointSlice": (
        SLICES,
        kcps(
            "APIExportEndpointSlice", "apis.kcp.io/v1alpha1", export={"path": "root", "name": "a"}
        ),
    ),
    "APIResourceSchema": (SCHEMAS, schema()),
    "ConfigMap": (CONFIG_MAPS, config_map("a", labels={"a": "b"}) | {"data": {"a": "b"}}),
    "Shard": (SHARDS, kcps("Shard", "core.kcp.io/v1alpha1", baseURL="https://a")),
    "TokenRequest": (
        TOKEN,
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {"name": "default"},
            "spec": {
                "audiences": ["a"],
                "expirationSeconds": 600,
                "boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": "a"},
            },
        },
    ),
    "Workspace": (
        WORKSPACES,
        kcps(
            "Workspace",
            type={"name": "universal", "path": "root"},
            location={"selector": {"matchLabels": {"a": "b"}}},
        ),
    ),
    "WorkspaceType": (
        TYPES,
        kcps(
            "WorkspaceType",
            extend={"with": [{"name": "universal", "path": "root"}]},
            defaultChildWorkspaceType={"name": "universal", "path": "root"},
            limitAllowedChildren={"types": [{"name": "universal", "path": "root"}]},
            defaultAPIBindings=[{"path": "root", "export": "a"}],
        ),
    ),
}


def spoiled(value: Any) -> list[tuple[Any, Any]]:
    """Return the places below a value: a container and a key in it, for each."""
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    found = []
    for key in keys:
        found += [(value, key), *spoiled(value[key])]
    return found


@pytest.mark.parametrize("kind", BODIES)
async def test_no_wrong_type_is_a_fault(inside: Inside, kind: str) -> None:
    path, body = BODIES[kind]
    obj = json.loads(json.dumps(body))
    for container, key in spoiled(obj):
        kept = container[key]
        for value in WRONG:
            container[key] = value
            for at in (inside.at, "/clusters/root"):
                got = await inside.send("POST", f"{at}{path}?dryRun=All", obj)
                assert got.status < 500, (value, key, got.body)
        container.pop(key)
        got = await inside.send("POST", f"{path}?dryRun=All", obj)
        assert got.status < 500, (key, got.body)
        if isinstance(container, dict):
            container[key] = kept
        else:
            container.insert(key, kept)


METADATA: tuple[Any, ...] = ("text", 1, True, [], ["a"])


@pytest.mark.parametrize("value", METADATA)
@pytest.mark.parametrize(
    ("method", "media", "body"),
    [
        ("PUT", JSON, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": "?"}),
        ("PATCH", APPLY, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": "?"}),
        ("PATCH", MERGE, {"metadata": "?"}),
        ("PATCH", PATCH, [{"op": "replace", "path": "/metadata", "value": "?"}]),
    ],
)
async def test_metadata_is_an_object(
    inside: Inside, method: str, media: str, body: Any, value: Any
) -> None:
    await inside.create(CONFIG_MAPS, config_map("a"))
    text = json.dumps(body).replace('"?"', json.dumps(value))
    path = f"{CONFIG_MAPS}/a?fieldManager=me"
    got = await inside.send(method, path, json.loads(text), media=media)
    assert got.status == (422 if media in (MERGE, PATCH) else 400)
    assert "into Go struct field ConfigMap.metadata of type ObjectMeta" in got.body["message"]


HEAD = (
    'Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; '
    'Kind string "json:\\"kind,omitempty\\"" }'
)
HEADS: list[tuple[Any, str]] = [
    ([], f"cannot unmarshal array into {HEAD}"),
    ("a", f"cannot unmarshal string into {HEAD}"),
    ({"apiVersion": 1}, "cannot unmarshal number into Go struct field .apiVersion of type string"),
    ({"kind": ["a"]}, "cannot unmarshal array into Go struct field .kind of type string"),
    ({"kind": {}}, "cannot unmarshal object into Go struct field .kind of type string"),
]


@pytest.mark.parametrize("path", [CONFIG_MAPS, WORKSPACES, TOKEN])
@pytest.mark.parametrize(("body", "text"), HEADS)
async def test_a_body_says_what_it_is(inside: Inside, path: str, body: Any, text: str) -> None:
    got = await inside.send("POST", path, body)
    whole = f"couldn't get version/kind; json parse error: json: {text}"
    kind = {CONFIG_MAPS: "ConfigMap", WORKSPACES: "Workspace"}.get(path)
    if kind is not None:
        sent = json.dumps(body).encode()
        shown = sent.decode() if isinstance(body, dict) else sent.hex()
        whole = f"the object provided is unrecognized (must be of type {kind}): {whole} ({shown})"
    assert (got.status, got.body["message"]) == (400, whole)


async def test_a_wrong_type_in_a_kind_of_kcp_is_worded_as_by_its_schema(inside: Inside) -> None:
    got = await inside.send("POST", WORKSPACES, kcps("Workspace", type=["universal"]))
    assert got.status == 422
    cause = got.body["details"]["causes"][0]
    assert (cause["reason"], cause["field"]) == ("FieldValueTypeInvalid", "spec.type")


@pytest.mark.parametrize("name", ["a\0b", "a/b", "a" * 300, "A", "\u0663"])
async def test_a_reference_names_what_can_be(inside: Inside, name: str) -> None:
    """Bindings and slices are filed under the export that they name."""
    made = kcps("APIExportEndpointSlice", "apis.kcp.io/v1alpha1", export={"name": name})
    for path, obj in ((SLICES, made), (BINDINGS, binding("a", "", name))):
        got = await inside.send("POST", path, obj, token="master")
        assert got.status == 403, got.body
        assert "export.name: Invalid value" in got.body["message"]


OWNER = "experimental.tenancy.kcp.io/owner"
OWNERS = ["", "text", "[]", "1", '{"username":1}', '{"a":' * 2000, '"\\ud800"']


@pytest.mark.parametrize("text", OWNERS)
async def test_an_owner_that_nobody_can_read_is_refused(inside: Inside, text: str) -> None:
    obj = kcps("Workspace")
    obj["metadata"]["annotations"] = {OWNER: text}
    got = await inside.send("POST", WORKSPACES, obj, token="master")
    assert got.status == 403
    assert f"metadata.annotations[{OWNER}] must hold a UserInfo" in got.body["message"]


@pytest.mark.parametrize("depth", [100, 199, 200, 201, 400])
@pytest.mark.parametrize("lists", [False, True])
async def test_a_deep_schema_is_answered(inside: Inside, depth: int, lists: bool) -> None:
    deep: Json = {"type": "string"}
    for _ in range(depth):
        deep = (
            {"type": "array", "items": deep}
            if lists
            else {
                "type": "object",
                "properties": {"a": deep},
            }
        )
    version = {"name": "v1", "served": True, "storage": True}
    top = {"type": "object", "properties": {"spec": deep}}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "lamps.x.example.com"},
        "spec": {
            "group": NAME,
            "scope": "Namespaced",
            "names": {"plural": "lamps", "singular": "lamp", "kind": "Lamp"},
            "versions": [version | {"schema": {"openAPIV3Schema": top}}],
        },
    }
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    made = schema(versions=[version | {"schema": top}])
    for path, obj in ((definitions, crd), (SCHEMAS, made)):
        got = await inside.send("POST", path, obj)
        assert got.status in (201, 400, 403, 422), got.body
    await inside.settle()
    for path in ("/openapi/v2", f"/openapi/v3/apis/{NAME}/v1", f"/apis/{NAME}/v1"):
        assert (await inside.send_raw("GET", inside.at + path)).status < 500  # type: ignore[union-attr]


QUERIES = [
    ("limit=9223372036854775808", 400),
    ("limit=%D9%A3", 400),
    ("limit=1_0", 400),
    ("limit=%201", 400),
    ("timeoutSeconds=%C2%B2&watch=1", 400),
    ("timeoutSeconds=99999999999999999999&watch=1", 400),
    ("resourceVersion=%D9%A3", 400),
    ("resourceVersion=18446744073709551616", 400),
    ("labelSelector=a%3E%D9%A3", 400),
    ("labelSelector=a%3E" + "9" * 30, 400),
    ("continue=%ED%A0%80", 400),
]


@pytest.mark.parametrize(("query", "status"), QUERIES)
async def test_a_number_of_the_query_is_gos(inside: Inside, query: str, status: int) -> None:
    got = await inside.send("GET", f"{CONFIG_MAPS}?{query}")
    assert got.status == status, got.body


UNSPEAKABLE: list[ApiError] = [
    ApiError("BadRequest", "half \ud800 of a character"),
    ApiError("BadRequest", "text", details={"name": "\udfff", "n": 1 << 70, "x": b"\xff"}),
    ApiError("Invalid", "text", causes=[Cause("r", "\ud800", "f\udc00")]),
    ApiError("", "text", details={"retryAfterSeconds": "soon"}, code=599),
    ApiError("", "text", details={"object": object()}, code=400),
    ApiError("BadRequest", 1),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("error", UNSPEAKABLE)
def test_a_refusal_cannot_fail(error: ApiError) -> None:
    answer = refusal(None, error)
    found = json.loads(answer.body)
    assert (found["kind"], found["code"], answer.status) == ("Status", error.code, error.code)


AMOUNTS = [
    "1e999",
    "1e-999",
    "9" * 4000,
    "9" * 30,
    "0.5",
    "-1",
    "٣",
    "1Ei",
    "99999999999999Ei",
    "x",
]


@pytest.mark.parametrize("backing", ["lmdb"], indirect=True)
async def test_no_quantity_is_a_fault(inside: Inside) -> None:
    quotas = CONFIG_MAPS.replace("configmaps", "resourcequotas")
    for number, amount in enumerate(AMOUNTS):
        quota = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": f"q{number}"},
            "spec": {"hard": {"configmaps": amount, "limits.cpu": amount}},
        }
        got = await inside.send("POST", quotas, quota)
        assert got.status in (201, 400, 422), (amount, got.body)
    await inside.settle()
    got = await inside.send("POST", CONFIG_MAPS, config_map("a"))
    assert got.status in (201, 403), got.body


async def test_nothing_is_stored_outside_of_a_logical_cluster(inside: Inside) -> None:
    made = kcps("APIExportEndpointSlice", "apis.kcp.io/v1alpha1", export={"name": "a"})
    for method, path in (("POST", SLICES), ("PATCH", f"{SLICES}/a?fieldManager=me")):
        inside.at = ""
        media = JSON if method == "POST" else APPLY
        got = await inside.send(method, path, made, token="master", media=media)
        assert (got.status, got.body["reason"]) == (400, "BadRequest"), got.body
