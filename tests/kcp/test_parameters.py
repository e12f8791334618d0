"""Whoever names the parameters of a policy may read them without it, too."""

from typing import Any

import pytest

from tests.admission.registering import binding, path_of, policy, register
from tests.auth.test_impersonation import Tenant
from tests.fix_inside import MERGE, Inside, Json

KINDS: dict[str, Json] = {
    "Validating": {"validations": [{"expression": "true"}]},
    "Mutating": {
        "mutations": [
            {"patchType": "JSONPatch", "jsonPatch": {"expression": "[JSONPatch{op: 'test'}]"}}
        ],
        "reinvocationPolicy": "Never",
    },
}
SECRETS: Json = {"paramKind": {"apiVersion": "v1", "kind": "Secret"}}
UNKNOWN: Json = {"paramKind": {"apiVersion": "v1", "kind": "Unheard"}}
ONE = {"name": "s", "namespace": "default", "parameterNotFoundAction": "Deny"}
ALL = {"selector": {}, "parameterNotFoundAction": "Deny"}


def reads(*verbs: str, resource: str = "secrets", **more: Any) -> Json:
    return {"apiGroups": [""], "resources": [resource], "verbs": list(verbs), **more}


WRITES = {"apiGroups": ["admissionregistration.k8s.io"], "resources": ["*"], "verbs": ["*"]}


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize(
    ("spec", "rule", "code"),
    [
        ({}, None, 201),
        (SECRETS, None, 422),
        (SECRETS, reads("list", "watch"), 422),
        (SECRETS, reads("get", resource="configmaps"), 422),
        (SECRETS, reads("get", resourceNames=["s"]), 422),
        (SECRETS, reads("get"), 201),
        (UNKNOWN, reads("get"), 422),
        (UNKNOWN, reads("get", resource="*"), 201),
    ],
)
async def test_a_policy(
    inside: Inside, kind: str, spec: Json, rule: Json | None, code: int
) -> None:
    await Tenant(inside, "guest", inside.at).may(WRITES, *([rule] if rule else []))
    path = path_of(policy(kind))
    made = await inside.send("POST", path, policy(kind, **KINDS[kind], **spec), user="guest")
    assert made.status == code, made.body
    await inside.create(path, policy(kind, "plain", **KINDS[kind]))
    patched = await inside.send("PATCH", f"{path}/plain", {"spec": spec}, media=MERGE, user="guest")
    assert (patched.status == 200) is (code == 201), patched.body


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize(
    ("of", "reference", "rule", "code"),
    [
        ("p", None, None, 201),
        ("p", ONE, None, 422),
        ("p", ONE, reads("get", resourceNames=["t"]), 422),
        ("p", ONE, reads("get", resourceNames=["s"]), 201),
        ("p", ALL, reads("get"), 422),
        ("p", ALL, reads("list"), 201),
        ("none", ONE, reads("get"), 422),
    ],
)
async def test_a_binding(
    inside: Inside, kind: str, of: str, reference: Json | None, rule: Json | None, code: int
) -> None:
    await Tenant(inside, "guest", inside.at).may(WRITES, *([rule] if rule else []))
    await register(inside, policy(kind, **KINDS[kind], **SECRETS))
    more: Json = {"paramRef": reference} if reference else {}
    path = path_of(binding(kind))
    made = await inside.send("POST", path, binding(kind, of=of, **more), user="guest")
    assert made.status == code, made.body
    # What stands there already may stay as it is, and is moved to no other policy.
    await inside.create(path, binding(kind, "theirs", **more))
    moved = 422 if reference else 200
    for change, same in (
        ({"metadata": {"labels": {"a": "b"}}}, 200),
        ({"spec": {"policyName": "none"}}, moved),
    ):
        got = await inside.send("PATCH", f"{path}/theirs", change, media=MERGE, user="guest")
        assert got.status == same, got.body
