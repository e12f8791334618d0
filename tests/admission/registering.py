"""Policies, bindings and webhooks as objects, and the shortest way to register them."""

from __future__ import annotations

from typing import Any

from tests.fix_inside import Inside, Json

BASE = "/apis/admissionregistration.k8s.io/v1"
API = "admissionregistration.k8s.io/v1"


def rule(plural: str = "configmaps", group: str = "", **more: Any) -> Json:
    usual = {
        "apiGroups": [group],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": [plural],
    }
    return usual | more


def policy(kind: str, name: str = "p", **spec: Any) -> Json:
    usual = {"matchConstraints": {"resourceRules": [rule()]}}
    return {
        "apiVersion": API,
        "kind": f"{kind}AdmissionPolicy",
        "metadata": {"name": name},
        "spec": usual | spec,
    }


def validating(*validations: Json | str, **spec: Any) -> Json:
    listed = [each if isinstance(each, dict) else {"expression": each} for each in validations]
    return policy("Validating", validations=listed, **spec)


def binding(kind: str, name: str = "b", of: str = "p", **spec: Any) -> Json:
    usual: Json = {"policyName": of}
    if kind == "Validating":
        usual["validationActions"] = ["Deny"]
    return {
        "apiVersion": API,
        "kind": f"{kind}AdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": usual | spec,
    }


def path_of(obj: Json) -> str:
    plural = obj["kind"].lower() + "s"
    return f"{BASE}/{plural.replace('policys', 'policies')}"


async def register(inside: Inside, *objects: Json, at: str = "") -> None:
    for obj in objects:
        await inside.create(at + path_of(obj), obj)


def hooks(kind: str, *found: Json, name: str = "hooks") -> Json:
    return {
        "apiVersion": API,
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": list(found),
    }
