"""Which kinds a PUT creates, and what it and an apply may say of an object that is not there."""

from __future__ import annotations

import json

import pytest

from kcpfast.registry.strategies import STRATEGIES
from tests.api.test_verbs import answer
from tests.fix_inside import Inside

RBAC = "rbac.authorization.k8s.io"
UID = "0b0c0d0e-1111-4222-8333-944444444444"
ROLE = {"kind": "ClusterRole", "name": "a", "apiGroup": RBAC}
EVENT = {"involvedObject": {"namespace": "default"}, "reason": "a", "type": "Normal"}
NEW_EVENT = {
    "eventTime": "2026-01-02T03:04:05.000000Z", "type": "Normal", "reason": "a", "action": "a",
    "reportingController": "a.b/c", "reportingInstance": "d", "regarding": {"namespace": "default"},
}  # fmt: skip
# As upstream's strategies say (AllowCreateOnUpdate).
CREATED: dict[tuple[str, str], tuple[str, str, object]] = {
    ("coordination.k8s.io", "leases"): ("v1", "Lease", {}),
    ("", "events"): ("v1", "Event", EVENT),
    ("events.k8s.io", "events"): ("v1", "Event", NEW_EVENT),
    (RBAC, "roles"): ("v1", "Role", {}),
    (RBAC, "rolebindings"): ("v1", "RoleBinding", {"roleRef": ROLE}),
    (RBAC, "clusterroles"): ("v1", "ClusterRole", {}),
    (RBAC, "clusterrolebindings"): ("v1", "ClusterRoleBinding", {"roleRef": ROLE}),
}
NOT_CREATED: dict[tuple[str, str], tuple[str, str, object]] = {
    ("", "configmaps"): ("v1", "ConfigMap", {}),
    ("", "secrets"): ("v1", "Secret", {}),
    ("", "serviceaccounts"): ("v1", "ServiceAccount", {}),
    ("", "resourcequotas"): ("v1", "ResourceQuota", {}),
    ("", "namespaces"): ("v1", "Namespace", {}),
}


def place(group: str, version: str, plural: str, name: str) -> str:
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    inner = "" if plural.startswith("cluster") or plural == "namespaces" else "/namespaces/default"
    return f"{root}{inner}/{plural}/{name}"


def body(group: str, version: str, kind: str, rest: object, **meta: str) -> bytes:
    api = f"{group}/{version}" if group else version
    head = {"apiVersion": api, "kind": kind, "metadata": {"name": "put", **meta}}
    return json.dumps({**head, **rest}).encode()  # type: ignore[dict-item]


def test_every_such_kind_is_tried() -> None:
    creating = {kind for kind, strategy in STRATEGIES.items() if strategy.created_by_update}
    assert creating == set(CREATED)


@pytest.mark.parametrize("kind", CREATED, ids="/".join)
async def test_a_put_creates(inside: Inside, kind: tuple[str, str]) -> None:
    group, plural = kind
    version, name, rest = CREATED[kind]
    where = place(group, version, plural, "put")
    made = await answer(inside, "PUT", where, body(group, version, name, rest, uid=UID))
    assert made.status == 409
    assert f"UID in precondition: {UID}, UID in object meta: " in made.body.decode()
    made = await answer(inside, "PUT", f"{where}?dryRun=All", body(group, version, name, rest))
    assert made.status == 201
    codes = [
        (await answer(inside, "PUT", where, body(group, version, name, rest))).status
        for _ in range(2)
    ]
    assert codes == [201, 200]
    other = place(group, version, plural, "other")
    assert (await answer(inside, "PUT", other, body(group, version, name, rest))).status == 400


@pytest.mark.parametrize("kind", NOT_CREATED, ids="/".join)
async def test_a_put_creates_nothing_else(inside: Inside, kind: tuple[str, str]) -> None:
    group, plural = kind
    version, name, rest = NOT_CREATED[kind]
    where = place(group, version, plural, "put")
    got = await answer(inside, "PUT", where, body(group, version, name, rest))
    assert got.status == 404


async def test_an_apply_with_a_uid_is_for_what_is_there(inside: Inside) -> None:
    where = place("", "v1", "configmaps", "put") + "?fieldManager=a"
    media = "application/apply-patch+yaml"
    sent = body("", "v1", "ConfigMap", {}, uid=UID)
    got = await answer(inside, "PATCH", where, sent, content_type=media)
    assert (got.status, json.loads(got.body)["message"]) == (
        409,
        'Operation cannot be fulfilled on configmaps "put": uid mismatch: the provided object '
        f"specified uid {UID}, and no existing object was found",
    )
    sent = body("", "v1", "ConfigMap", {})
    assert (await answer(inside, "PATCH", where, sent, content_type=media)).status == 201
    sent = body("", "v1", "ConfigMap", {}, uid=UID)
    got = await answer(inside, "PATCH", where, sent, content_type=media)
    assert got.status == 422
    assert "metadata.uid" in got.body.decode()


@pytest.mark.parametrize("part", ["finalize", "status"])
async def test_a_namespace_keeps_its_label(inside: Inside, part: str) -> None:
    where = "/api/v1/namespaces"
    sent = body("", "v1", "Namespace", {})
    assert (await answer(inside, "POST", where, sent)).status == 201
    sent = body("", "v1", "Namespace", {"status": {"phase": "Active"}})
    got = await answer(inside, "PUT", f"{where}/put/{part}", sent)
    labels = json.loads(got.body)["metadata"]["labels"]
    assert (got.status, labels) == (200, {"kubernetes.io/metadata.name": "put"})
