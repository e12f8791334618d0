"""What the server checks or fills in holds of what policies and webhooks have made of an object."""

from __future__ import annotations

from typing import Any

import pytest

from kcpfast.kcp.claims import LABEL
from tests.admission.test_rewriting import patched_by_policy
from tests.auth.test_impersonation import Tenant
from tests.fix_inside import CONFIG_MAPS, Inside, Json, config_map
from tests.kcp.provider import BINDINGS, EXPORTS, SCHEMAS, Market, binding, export, schema

ANN = "ann"  # may do anything in a workspace of hers, and nothing elsewhere
SECRETS = "/api/v1/namespaces/default/secrets"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_NAME = "kubernetes.io/service-account.name"


def token(account: str) -> Json:
    meta = {"name": "t", "annotations": {_NAME: account}}
    kind = "kubernetes.io/service-account-token"
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": kind}


def definition(group: str) -> Json:
    version = {"name": "v1", "served": True, "storage": True,
               "schema": {"openAPIV3Schema": {"type": "object"}}}  # fmt: skip
    spec = {"group": group, "scope": "Namespaced", "versions": [version],
            "names": {"plural": "toys", "kind": "Toy"}}  # fmt: skip
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"toys.{group}"}, "spec": spec}  # fmt: skip


CLAIMS = ", ".join(
    f"{{'group': '', 'resource': 'r{at}', 'identityHash': 'x'}}" for at in range(1001)
)
CASES: dict[str, tuple[str, Json, list[str], int, str]] = {
    "a binding to a private export": (
        BINDINGS, binding("b", "root:ws", "own"),
        ["path: '/spec/reference/export/path', value: 'root:shop'",
         "path: '/spec/reference/export/name', value: 'x.example.com'"],
        403, "no permission to bind to export root:shop:x.example.com",
    ),
    "lists that are too long": (
        EXPORTS, export("e", "v1.toys"), [f"path: '/spec/permissionClaims', value: [{CLAIMS}]"],
        422, "Too many",
    ),
    "a group of the server's": (
        CRDS, definition("toys.example.com"),
        ["path: '/spec/group', value: 'y.apis.kcp.io'",
         "path: '/metadata/name', value: 'toys.y.apis.kcp.io'"],
        403, "is a reserved group",
    ),
    "a reserved annotation": (
        CRDS, definition("toys.example.com"),
        ["path: '/metadata/annotations', value: {'y.apis.kcp.io/a': 'b'}"],
        403, "is a reserved annotation",
    ),
    "the token of another account": (
        SECRETS, token("default"),
        ["path: '/metadata/annotations/kubernetes.io~1service-account.name', value: 'other'"],
        422, "service-account.name",
    ),
}  # fmt: skip


@pytest.fixture
async def ann(inside: Inside) -> str:
    everything: Json = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    await Tenant(inside, ANN, inside.at).may(everything)
    await inside.create(SCHEMAS, schema(plural="toys"))
    await inside.create(EXPORTS, export("own", "v1.toys"))
    await Market(inside).open()
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "other"}}
    await inside.create("/api/v1/namespaces/default/serviceaccounts", account)
    return ANN


@pytest.mark.parametrize("case", CASES)
async def test_no_policy_leads_around_a_check(inside: Inside, ann: str, case: str) -> None:
    path, obj, patches, code, why = CASES[case]
    kept = await inside.send("POST", f"{path}?dryRun=All", obj, user=ann)
    assert kept.status == 201, kept.body
    plural = path.rpartition("/")[2]
    group = path.split("/")[2] if path.startswith("/apis") else ""
    await patched_by_policy(inside, group, plural, *patches)
    got = await inside.send("POST", path, obj, user=ann)
    assert (got.status, why in got.body["message"]) == (code, True), got.body


async def test_no_policy_changes_what_is_published(inside: Inside, ann: str) -> None:
    path = f"{SCHEMAS}/v1.toys.x.example.com"
    await patched_by_policy(
        inside, "apis.kcp.io", "apiresourceschemas", "path: '/spec/names/kind', value: 'Secret'"
    )
    body: Any = {"metadata": {"labels": {"a": "b"}}}
    media = "application/merge-patch+json"
    got = await inside.send("PATCH", path, body, user=ann, media=media)
    assert (got.status, "is immutable" in got.body["message"]) == (403, True)


@pytest.mark.parametrize(("given", "made", "seen"), [("b", "c", False), ("c", "b", True)])
async def test_claims_are_about_what_becomes_of_labels(
    inside: Inside, given: str, made: str, seen: bool
) -> None:
    market, claim = Market(inside), {"group": "", "resource": "configmaps", "verbs": ["*"]}
    await market.open(claim)
    await market.bind(inside.at, "lamps", claim | {"selector": {"matchLabels": {"a": "b"}}})
    await patched_by_policy(
        inside, "", "configmaps", f"path: '/metadata/labels/a', value: '{made}'"
    )
    labels = (await inside.create(CONFIG_MAPS, config_map("m", labels={"a": given})))["metadata"]
    assert any(key.startswith(LABEL) for key in labels["labels"]) is seen
    listed = await inside.send("GET", market.seen("*", "/api/v1/configmaps"))
    assert [each["metadata"]["name"] for each in listed.body["items"]] == ["m"] * seen
