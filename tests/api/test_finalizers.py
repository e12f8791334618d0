"""Which kinds want a domain in front of finalizers, and what custom resources are warned of."""

from __future__ import annotations

import json

import pytest

from tests.api.test_verbs import answer, warnings
from tests.fix_inside import Inside

RULE = {"apiGroups": [""], "resources": ["a"], "verbs": ["get"]}
# Kinds of pkg/apis that check metadata as core does, and those that check it as apimachinery does.
STRICT = [
    ("/api/v1/namespaces/default/configmaps", "v1", "ConfigMap"),
    ("/api/v1/namespaces", "v1", "Namespace"),
    ("/apis/rbac.authorization.k8s.io/v1/clusterroles", "rbac.authorization.k8s.io/v1",
     "ClusterRole"),
]  # fmt: skip
LAX = [
    ("/apis/coordination.k8s.io/v1/namespaces/default/leases", "coordination.k8s.io/v1", "Lease"),
    ("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
     "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
]  # fmt: skip
KINDS = [*((*kind, 422) for kind in STRICT), *((*kind, 201) for kind in LAX)]


@pytest.mark.parametrize(("path", "version", "kind", "status"), KINDS)
@pytest.mark.parametrize("name", ["cleanup.example.org", "cleanup"])
async def test_kinds_that_are_built_in(
    inside: Inside, path: str, version: str, kind: str, status: int, name: str
) -> None:
    meta = {"name": "a", "finalizers": [name]}
    sent = json.dumps({"apiVersion": version, "kind": kind, "metadata": meta}).encode()
    got = await answer(inside, "POST", f"{path}?dryRun=All", sent)
    assert got.status == status, got.body
    detail = "name is neither a standard finalizer name nor is it fully qualified"
    assert (detail in got.body.decode()) is (status == 422)
    assert warnings(got) == []


ADVICE = "to avoid accidental conflicts with other finalizer writers"
PLAIN = f"prefer a domain-qualified finalizer name {ADVICE}"
DOTTED = f"prefer a domain-qualified finalizer name including a path (/) {ADVICE}"
WARNED = [
    # finalizers, then those of an update, status of the create, warnings of both
    (["a.example.org"], ["a.example.org"], 201, [f'"a.example.org": {DOTTED}'], []),
    (["b", "a"], ["b", "a", "c"], 201, [f'"a": {PLAIN}', f'"b": {PLAIN}'], [f'"c": {PLAIN}']),
    (["a.example.org/b", "orphan", "kubernetes"], [], 201, [], []),
    (["no spaces"], [], 422, [], []),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "status", "created", "updated"), WARNED)
async def test_custom_resources_are_warned(
    inside: Inside,
    first: list[str],
    second: list[str],
    status: int,
    created: list[str],
    updated: list[str],
) -> None:
    where = "/apis/tenancy.kcp.io/v1alpha1/workspacetypes"
    kind = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "WorkspaceType"}
    meta: dict[str, object] = {"name": "a", "finalizers": first}
    got = await answer(inside, "POST", where, json.dumps({**kind, "metadata": meta}).encode())
    assert (got.status, warnings(got)) == (status, [_line(text) for text in created])
    if status == 201:
        meta = {"metadata": {"finalizers": second}}
        media = "application/merge-patch+json"
        patch = json.dumps(meta).encode()
        got = await answer(inside, "PATCH", f"{where}/a", patch, content_type=media)
        assert (got.status, warnings(got)) == (200, [_line(text) for text in updated])


def _line(text: str) -> str:
    escaped = f"metadata.finalizers: {text}".replace('"', '\\"')
    return f'299 - "{escaped}"'
