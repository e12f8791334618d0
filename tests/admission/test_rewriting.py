"""Policies and webhooks of a workspace change no more than the request that they look at could."""

from __future__ import annotations

from typing import Any

import pytest

from tests.admission.test_certificates import REQUESTS, request
from tests.fix_inside import CONFIG_MAPS, Inside, Json, config_map
from tests.kcp.provider import EXPORTS, SCHEMAS, export, schema

POLICY = "/apis/admissionregistration.k8s.io/v1"
VERSION = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": "p"}}
NAMESPACES = "/api/v1/namespaces"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"


async def patched_by_policy(inside: Inside, group: str, resource: str, *patches: str) -> None:
    """Have a mutating policy apply JSON patches (path, value in CEL) to a resource."""
    listed = ", ".join(f"JSONPatch{{op: 'add', {each}}}" for each in patches)
    rule = {"apiGroups": [group], "apiVersions": ["*"], "resources": [resource],
            "operations": ["CREATE", "UPDATE"]}  # fmt: skip
    spec: Json = {
        "matchConstraints": {"resourceRules": [rule]},
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": f"[{listed}]"}}],
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
    }
    policy = {**VERSION, "kind": "MutatingAdmissionPolicy", "spec": spec}
    await inside.create(f"{POLICY}/mutatingadmissionpolicies", policy)
    bound = {**VERSION, "kind": "MutatingAdmissionPolicyBinding", "spec": {"policyName": "p"}}
    await inside.create(f"{POLICY}/mutatingadmissionpolicybindings", bound)


async def test_no_export_is_given_the_identity_of_another(inside: Inside) -> None:
    await inside.create(SCHEMAS, schema())
    await inside.create(EXPORTS, export())
    await inside.settle()
    before = await inside.get(f"{EXPORTS}/x.example.com")
    forged = "path: '/status', value: {'identityHash': 'f'}"
    await patched_by_policy(inside, "apis.kcp.io", "apiexports", forged)
    after = await inside.patch(f"{EXPORTS}/x.example.com", {"metadata": {"labels": {"a": "b"}}})
    assert before is not None
    assert after["status"] == before["status"]
    made = await inside.create(EXPORTS, export("other"))
    assert "f" not in str((made.get("status") or {}).get("identityHash"))
    assert made["metadata"]["name"] == "other"


META: list[tuple[str, Any]] = [
    ("uid", "00000000-0000-4000-8000-000000000001"),
    ("creationTimestamp", "2001-01-01T00:00:00Z"),
    ("deletionTimestamp", "2001-01-01T00:00:00Z"),
    ("resourceVersion", "1"),
    ("generation", 77),
    ("namespace", "kube-system"),
    ("name", "other"),
]


@pytest.mark.parametrize(("key", "value"), META, ids=[key for key, _ in META])
async def test_what_the_server_says_of_an_object_stays(
    inside: Inside, key: str, value: Any
) -> None:
    made = await inside.create(CONFIG_MAPS, config_map("m"))
    shown = repr(value)
    await patched_by_policy(
        inside, "", "configmaps",
        f"path: '/metadata/{key}', value: {shown}",
        "path: '/metadata/labels', value: {'seen': 'yes'}",
    )  # fmt: skip
    after = await inside.patch(f"{CONFIG_MAPS}/m", {"data": {"a": "b"}})
    assert after["metadata"]["labels"] == {"seen": "yes"}
    if key == "resourceVersion":
        assert int(after["metadata"][key]) > int(made["metadata"][key])
    else:
        assert after["metadata"].get(key) == made["metadata"].get(key)
    fresh = await inside.create(CONFIG_MAPS, config_map("n"))
    if key != "name":
        assert fresh["metadata"].get(key) != value


ASKED: list[tuple[str, Any]] = [
    ("username", "kcp-root"),
    ("uid", "7"),
    ("groups", ["system:masters"]),
    ("extra", {"a": ["b"]}),
]


@pytest.mark.parametrize(("key", "value"), ASKED, ids=[key for key, _ in ASKED])
async def test_who_asks_for_a_certificate_is_not_a_question_of_policy(
    inside: Inside, key: str, value: Any
) -> None:
    forged = f"path: '/spec/{key}', value: {value!r}"
    made = await inside.create(REQUESTS, request())
    parts = [{"spec": {key: value}}, {"spec": {key: None}}]
    for part in ("", "/status", "/approval"):
        for body in parts:
            after = await inside.patch(f"{REQUESTS}/c{part}", body)
            assert after["spec"] == made["spec"]
    await patched_by_policy(inside, "certificates.k8s.io", "certificatesigningrequests", forged)
    other = request()
    other["metadata"]["name"] = "d"
    got = await inside.send("POST", REQUESTS, other)
    assert got.status == 403
    assert "may not be changed by admission" in got.body["message"]


async def test_an_object_stays_in_its_workspace(inside: Inside) -> None:
    made = await inside.create(CONFIG_MAPS, config_map("m"))
    await patched_by_policy(
        inside, "", "configmaps", "path: '/metadata/annotations', value: {'kcp.io/cluster': 'root'}"
    )
    after = await inside.patch(f"{CONFIG_MAPS}/m", {"data": {"a": "b"}})
    where = made["metadata"]["annotations"]["kcp.io/cluster"]
    assert after["metadata"]["annotations"]["kcp.io/cluster"] == where != "root"


async def test_a_subresource_writes_its_part_alone(inside: Inside) -> None:
    await inside.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace",
                                     "metadata": {"name": "n"}})  # fmt: skip
    await patched_by_policy(
        inside, "", "namespaces/status", "path: '/spec', value: {'finalizers': ['a.example.com/b']}"
    )
    body = {"status": {"conditions": [{"type": "T", "status": "True"}]}}
    after = await inside.patch(f"{NAMESPACES}/n/status", body)
    assert after["spec"] == {"finalizers": ["kubernetes"]}
