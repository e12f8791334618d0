"""What the server itself believes of an object is not for tenants to write, in whatever way."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from kcpfast.kcp.admit.owned import OWNED_FIELDS, SETTLED, OwnedField
from kcpfast.kcp.creation import OWNER_ANNOTATION
from tests.auth.test_impersonation import Tenant
from tests.fix_inside import MERGE, Answer, Inside, Json
from tests.kcp.provider import BINDINGS, EXPORTS, SCHEMAS, Market, binding, export, schema
from tests.kcp.test_admission import CLUSTERS, TYPES, workspace_type

SPACES = "/apis/tenancy.kcp.io/v1alpha1/workspaces"
JSON, JSON_PATCH = "application/json", "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
ADMIN = "ann"  # admin of one workspace, which she made
PATHS = {
    ("core.kcp.io", "logicalclusters"): f"{CLUSTERS}/cluster",
    ("tenancy.kcp.io", "workspaces"): f"{SPACES}/child",
    ("apis.kcp.io", "apibindings"): f"{BINDINGS}/lamps",
}
FORGED: dict[tuple[str, ...], Any] = {
    ("spec", "createdBy"): {"username": "x", "groups": ["system:masters"]},
    ("spec", "owner"): {
        "apiVersion": "tenancy.kcp.io/v1alpha1", "resource": "workspaces", "cluster": "root",
        "name": "other", "uid": "1",
    },
    ("spec", "directlyDeletable"): True,
    ("spec", "initializers"): ["root:x"],
    ("spec", "terminators"): ["root:x"],
    ("status", "phase"): "Inactive",
    ("status", "URL"): "https://elsewhere",
    ("status", "initializers"): ["root:x"],
    ("status", "terminators"): ["root:x"],
}  # fmt: skip


@pytest.fixture
async def home(inside: Inside) -> str:
    """A workspace made by its admin, with one below it and a binding."""
    market = Market(inside)
    await market.open()
    space = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace"}
    await Tenant(inside, ADMIN, "/clusters/root").may(
        {"apiGroups": ["tenancy.kcp.io"], "resources": ["workspaces"], "verbs": ["create"]}
    )
    made = await inside.create(
        f"/clusters/root{SPACES}", space | {"metadata": {"name": "mine"}}, user=ADMIN
    )
    where = f"/clusters/{made['spec']['cluster']}"
    await inside.create(where + SPACES, space | {"metadata": {"name": "child"}}, user=ADMIN)
    await inside.create(where + BINDINGS, binding("lamps", "root:shop"))
    await inside.settle()
    return where


def key_of(row: OwnedField) -> str:
    return row.path[-1].replace("*", "x") if row.path[0] == "metadata" else ""


def text_of(row: OwnedField) -> str:
    """Return what may stand in a label, or what an owner is told by."""
    return "forged" if row.path[1] == "labels" else '{"username":"forged"}'


def forged(row: OwnedField, obj: Json) -> Json:
    """Return an object in which the field of a row says what its writer would like."""
    new: Json = copy.deepcopy(obj)
    key = key_of(row)
    if row.path[1] == "finalizers":
        new["metadata"]["finalizers"] = []
    elif key:
        new["metadata"].setdefault(row.path[1], {})[key] = text_of(row)
    else:
        new.setdefault(row.path[0], {})[row.path[1]] = FORGED[row.path]
    return new


def change(row: OwnedField) -> Json:
    """Return the same as a merge patch."""
    if row.path[1] == "finalizers":
        return {"metadata": {"finalizers": None}}
    key = key_of(row)
    if key:
        return {"metadata": {row.path[1]: {key: text_of(row)}}}
    return {row.path[0]: {row.path[1]: FORGED[row.path]}}


def ways(row: OwnedField, obj: Json) -> list[tuple[str, str, Any]]:
    """Return methods, media types and bodies that would change a field."""
    new = forged(row, obj)
    part = change(row)
    applied = {"apiVersion": obj["apiVersion"], "kind": obj["kind"]} | copy.deepcopy(part)
    applied.setdefault("metadata", {})["name"] = obj["metadata"]["name"]
    whole = [{"op": "replace", "path": f"/{each}", "value": new[each]}
             for each in ("spec", "status") if each in new]  # fmt: skip
    whole.append({"op": "add", "path": "/metadata", "value": new["metadata"]})
    found = [("PUT", JSON, new), ("PATCH", MERGE, part), ("PATCH", JSON_PATCH, whole)]
    # An apply takes nothing away that it did not bring.
    return found if row.path[1] == "finalizers" else [*found, ("PATCH", APPLY, applied)]


def said(row: OwnedField, obj: Json) -> Any:
    """Return what an object says of a row."""
    holder: Any = obj
    for each in row.path[:-1]:
        holder = (holder or {}).get(each)
    last = row.path[-1]
    if row.path[1] == "finalizers":
        return last in (holder or ())
    if last.endswith("*"):
        return {key: value for key, value in (holder or {}).items() if key.startswith(last[:-1])}
    return (holder or {}).get(last)


async def send(inside: Inside, method: str, path: str, media: str, body: Any) -> Answer:
    more = "?fieldManager=a&force=true" if media == APPLY else ""
    return await inside.send(method, path + more, body, media=media, user=ADMIN)


@pytest.mark.parametrize(
    "row", OWNED_FIELDS, ids=lambda row: f"{row.place[1]} {'.'.join(row.path)}"
)
async def test_a_tenant_changes_nothing_of_it(inside: Inside, home: str, row: OwnedField) -> None:
    path = home + PATHS[row.place]
    before = await inside.get(path)
    assert before is not None
    for method, media, body in ways(row, before):
        for part in ("", "/status"):
            got = await send(inside, method, path + part, media, body)
            assert got.status in (200, 403, 404, 409, 422), (method, media, part, got.body)
            after = await inside.get(path)
            assert after is not None
            assert said(row, after) == said(row, before), (method, media, part, got.status)
    gone = copy.deepcopy(before)
    for section in ("spec", "status"):
        gone.pop(section, None)
    gone["metadata"] = {"name": before["metadata"]["name"]}
    gone["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"]
    await send(inside, "PUT", path, JSON, gone)
    after = await inside.get(path)
    assert after is not None
    assert said(row, after) == said(row, before), "what is left out"


@pytest.mark.parametrize(
    "row", OWNED_FIELDS, ids=lambda row: f"{row.place[1]} {'.'.join(row.path)}"
)
async def test_nor_while_it_is_being_deleted(inside: Inside, home: str, row: OwnedField) -> None:
    path = home + PATHS[row.place]
    wait = {"metadata": {"finalizers": ["example.com/wait"]}}
    if row.place[1] == "logicalclusters":
        await inside.patch(path, {"spec": {"directlyDeletable": True}})
    await inside.send("PATCH", path, wait, media=MERGE, token="master")
    if row.path[1] == "finalizers":
        return  # it is gone already; those who may take it off did
    await inside.delete(path, token="master")
    before = await inside.get(path)
    assert before is not None
    for method, media, body in ways(row, before):
        await send(inside, method, path, media, body)
        after = await inside.get(path)
        assert after is not None
        assert said(row, after) == said(row, before), (method, media)


async def test_a_new_workspace_says_what_the_server_says(inside: Inside, home: str) -> None:
    spec: Json = {"type": {"name": "universal", "path": "root"}}
    body = {
        "apiVersion": "tenancy.kcp.io/v1alpha1",
        "kind": "Workspace",
        "metadata": {
            "name": "fresh",
            "annotations": {
                OWNER_ANNOTATION: json.dumps({"username": "x", "groups": ["system:masters"]}),
                "authorization.kcp.io/required-groups": "mine",
                "internal.tenancy.kcp.io/cluster": "root",
                "internal.tenancy.kcp.io/x": "y",
                "core.kcp.io/shard": "z",
                "note": "kept",
            },
            "labels": {"tenancy.kcp.io/phase": "Deleting"},
        },
        "spec": spec,
        "status": {"phase": "Ready", "terminators": ["a"]},
    }
    made = await inside.create(home + SPACES, body, user=ADMIN)
    annotations, cluster = made["metadata"]["annotations"], made["spec"]["cluster"]
    assert json.loads(annotations[OWNER_ANNOTATION]) == {"username": ADMIN}
    assert annotations["internal.tenancy.kcp.io/cluster"] == cluster
    assert annotations["core.kcp.io/shard"] == "root"
    assert annotations["note"] == "kept"
    assert "internal.tenancy.kcp.io/x" not in annotations
    assert "authorization.kcp.io/required-groups" not in annotations
    assert made["metadata"]["labels"]["tenancy.kcp.io/phase"] == "Ready"
    assert made["status"].get("terminators") is None
    inner = await inside.get(f"/clusters/{cluster}{CLUSTERS}/cluster")
    assert (inner or {})["spec"]["createdBy"]["username"] == ADMIN


@pytest.mark.parametrize(("method", "media"), [("POST", JSON), ("PATCH", APPLY)])
async def test_what_is_new_has_no_status_of_its_own(
    inside: Inside, home: str, method: str, media: str
) -> None:
    """Neither identity nor what is bound is told by who makes an object, in whatever way."""
    await inside.create(home + SCHEMAS, schema(), user=ADMIN)
    bound = {"group": "", "resource": "secrets",
             "schema": {"name": "a", "UID": "b", "identityHash": "c"}}  # fmt: skip
    binds = {"phase": "Bound", "apiExportClusterName": "root", "boundResources": [bound]}
    for path, obj, status in (
        (EXPORTS, export(), {"identityHash": "f" * 64}),
        (BINDINGS, binding("b", "root:shop"), binds),
        (TYPES, workspace_type("t"), {"virtualWorkspaces": [{"url": "https://x"}]}),
    ):
        name = f"/{obj['metadata']['name']}?fieldManager=me" if method == "PATCH" else ""
        body = obj | {"status": status}
        made = await inside.send(method, home + path + name, body, user=ADMIN, media=media)
        assert made.status in (201, 403), made.body
        text = json.dumps(made.body.get("status") or {})
        assert not any(each in text for each in ("f" * 64, "secrets", "https://x")), path


POLICY = "/apis/admissionregistration.k8s.io/v1"


# The expression of the policy writes annotations and labels.
TEXTS = [row for row in (*OWNED_FIELDS, *SETTLED) if row.path[1] in ("annotations", "labels")]


@pytest.mark.parametrize("row", TEXTS, ids=lambda row: f"{row.place[1]} {'.'.join(row.path)}")
async def test_no_policy_of_a_workspace_changes_it(
    inside: Inside, home: str, row: OwnedField
) -> None:
    """A mutating policy that its admin has registered runs behind the server's own plugins."""
    group, plural = row.place
    key = key_of(row)
    expression = (
        "[JSONPatch{op: 'add', path: '/metadata/" + row.path[1] + "/' + "
        f"jsonpatch.escapeKey('{key}'), value: '{text_of(row)}'}}]"
    )
    mutation = {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}
    rule = {"apiGroups": [group], "apiVersions": ["*"], "resources": [plural],
            "operations": ["UPDATE", "CREATE"]}  # fmt: skip
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": "p"},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "mutations": [mutation],
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
        },
    }
    bound = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": "p"},
        "spec": {"policyName": "p"},
    }
    path = home + PATHS.get(row.place, "")
    if row.place not in PATHS:
        obj = export() if plural == "apiexports" else workspace_type("t")
        if plural == "apiexports":
            await inside.create(home + SCHEMAS, schema())
        base = home + (EXPORTS if plural == "apiexports" else TYPES)
        path = f"{base}/{(await inside.create(base, obj))['metadata']['name']}"
    await inside.settle()
    marked = {"metadata": {"labels": {"a": "b"}, "annotations": {"a": "b"}}}
    await inside.patch(path, marked)
    before = await inside.get(path)
    # Of what is bound, the policies of its provider hold.
    there = "/clusters/root" if group == "tenancy.kcp.io" else home
    await inside.create(f"{there}{POLICY}/mutatingadmissionpolicies", policy)
    await inside.create(f"{there}{POLICY}/mutatingadmissionpolicybindings", bound)
    got = await inside.send("PATCH", path, {"metadata": {"labels": {"a": "c"}}}, media=MERGE)
    assert (got.status, "may not be changed by admission" in got.body["message"]) == (403, True)
    after = await inside.get(path)
    assert before is not None
    assert after is not None
    assert said(row, after) == said(row, before)
