"""What every workspace has is not brought into one a second time, under another version."""

from __future__ import annotations

import pytest

from tests.fix_inside import Inside, Json
from tests.kcp.provider import BINDINGS, EXPORTS, SCHEMAS, binding

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
APPROVED = {"api-approved.kubernetes.io": "https://github.com/kubernetes/kubernetes/pull/1"}
# Group and plural of what is built in, and whether it has a namespace.
BUILT_IN = [
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", False),
    ("rbac.authorization.k8s.io", "clusterroles", False),
    ("core.kcp.io", "logicalclusters", False),
    ("core.kcp.io", "shards", False),
    ("tenancy.kcp.io", "workspaces", False),
    ("tenancy.kcp.io", "workspacetypes", False),
    ("topology.kcp.io", "partitions", False),
    ("", "secrets", True),
    ("", "configmaps", True),
]
KINDS = {
    "mutatingwebhookconfigurations": "MutatingWebhookConfiguration",
    "clusterroles": "ClusterRole",
    "secrets": "Secret",
    "configmaps": "ConfigMap",
}


def defined(group: str, plural: str, *, namespaced: bool) -> Json:
    """Return the spec of a schema, or of a CRD, that takes a name."""
    version: Json = {"name": "v9", "served": True, "storage": True}
    return {
        "group": group,
        "scope": "Namespaced" if namespaced else "Cluster",
        "names": {"plural": plural, "singular": "zed", "kind": "Zed", "listKind": "ZedList"},
        "versions": [version | {"schema": {"type": "object"}}],
    }


def schema_of(group: str, plural: str, *, namespaced: bool) -> Json:
    meta = {"name": f"v1.{plural}.{group or 'core'}", "annotations": APPROVED}
    spec = defined(group, plural, namespaced=namespaced)
    return {
        "apiVersion": "apis.kcp.io/v1alpha1",
        "kind": "APIResourceSchema",
        "metadata": meta,
        "spec": spec,
    }


@pytest.mark.parametrize(("group", "plural", "namespaced"), BUILT_IN)
async def test_tenants_do_not_define_what_is_built_in(
    inside: Inside, group: str, plural: str, *, namespaced: bool
) -> None:
    got = await inside.send("POST", SCHEMAS, schema_of(group, plural, namespaced=namespaced))
    assert (got.status, "is built in" in str(got.body)) == (403, True)
    if group:
        spec = defined(group, plural, namespaced=namespaced)
        spec["versions"][0]["schema"] = {"openAPIV3Schema": {"type": "object"}}
        meta = {"name": f"{plural}.{group}", "annotations": APPROVED}
        crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
        got = await inside.send("POST", CRDS, {**crd, "metadata": meta, "spec": spec})
        assert (got.status, "is built in" in str(got.body)) == (403, True)


@pytest.mark.parametrize(("group", "plural"), [(g, p) for g, p, _ in BUILT_IN if p in KINDS])
async def test_what_is_bound_in_one_version_grants_nothing_in_another(
    inside: Inside, group: str, plural: str
) -> None:
    """An export brings v9 of a built-in name, and claims the built-in, which nobody accepts."""
    namespaced = not group
    made = await inside.create(
        "/clusters/root" + SCHEMAS, schema_of(group, plural, namespaced=namespaced)
    )
    offered = {"name": plural, "group": group, "schema": made["metadata"]["name"]}
    claim = {"group": group, "resource": plural, "verbs": ["*"]}
    spec = {"resources": [offered], "permissionClaims": [claim]}
    export: Json = {"apiVersion": "apis.kcp.io/v1alpha2", "kind": "APIExport"}
    export |= {"metadata": {"name": "zeds"}, "spec": spec}
    await inside.create("/clusters/root" + EXPORTS, export)
    await inside.settle()
    await inside.create(BINDINGS, binding("zeds", "root", "zeds"))
    await inside.settle()
    seen = f"/services/apiexport/root/zeds{inside.at}"
    below = f"/apis/{group}" if group else "/api"
    place = ("/namespaces/default/" if namespaced else "/") + plural
    version = f"{group}/" if group else ""
    obj = {"apiVersion": f"{version}v1", "kind": KINDS[plural], "metadata": {"name": "forged"}}
    for method, path, body in (
        ("GET", f"{below}/v1{place}", None),
        ("GET", f"{below}/v1{place}/forged", None),
        ("POST", f"{below}/v1{place}", obj),
        ("DELETE", f"{below}/v1{place}", None),
    ):
        got = await inside.send(method, seen + path, body)
        assert got.status == 403, (method, got.body)
    got = await inside.send("GET", f"{seen}{below}/v9{place}")
    assert got.status == 200, got.body
