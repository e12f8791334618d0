"""RBAC rules: does a rule allow a request. Whether rules cover others is in `covering`.

Semantics: https://kubernetes.io/docs/reference/access-authn-authz/rbac/ and
k8s.io/kubernetes/pkg/apis/rbac/v1/evaluation_helpers.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kcpfast.meta.user import Attributes

PolicyRule = Mapping[str, Any]


def _has(values: Sequence[str] | None, value: str) -> bool:
    return bool(values) and ("*" in values or value in values)  # type: ignore[operator]


def _has_resource(rule: PolicyRule, resource: str, subresource: str) -> bool:
    listed = rule.get("resources") or ()
    full = f"{resource}/{subresource}" if subresource else resource
    return "*" in listed or full in listed or (bool(subresource) and f"*/{subresource}" in listed)


def _has_path(paths: Sequence[str], path_asked: str) -> bool:
    return any(
        path in ("*", path_asked)
        or (path.endswith("*") and path_asked.startswith(path.rstrip("*")))
        for path in paths
    )


def allows(rule: PolicyRule, request: Attributes) -> bool:
    """Tell whether one rule allows a request, as RuleAllows of the RBAC authorizer does."""
    if not _has(rule.get("verbs"), request.verb):
        return False
    if not request.resource:
        return _has_path(rule.get("nonResourceURLs") or (), request.path)
    if not _has(rule.get("apiGroups"), request.group):
        return False
    if not _has_resource(rule, request.resource, request.subresource):
        return False
    names = rule.get("resourceNames")
    # "*" is no wildcard for names: ResourceNameMatches compares them only.
    return not names or request.name in names


def rule_text(rule: PolicyRule) -> str:
    """Return a rule as refusals of escalation print it."""
    parts = []
    for key, title in (
        ("apiGroups", "APIGroups"),
        ("resources", "Resources"),
        ("resourceNames", "ResourceNames"),
        ("nonResourceURLs", "NonResourceURLs"),
        ("verbs", "Verbs"),
    ):
        if rule.get(key):
            listed = " ".join(f'"{value}"' for value in rule[key])
            parts.append(f"{title}:[{listed}]")
    return "{" + ", ".join(parts) + "}"
