"""RBAC rules: does a rule allow a request, and does one set of rules cover another.

Semantics: https://kubernetes.io/docs/reference/access-authn-authz/rbac/ and
k8s.io/kubernetes/pkg/apis/rbac/v1/evaluation_helpers.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from kcpfast.meta.user import Attributes

Rule = Mapping[str, Any]


def _has(values: Sequence[str] | None, wanted: str) -> bool:
    return bool(values) and ("*" in values or wanted in values)  # type: ignore[operator]


def _has_resource(rule: Rule, resource: str, subresource: str) -> bool:
    listed = rule.get("resources") or ()
    full = f"{resource}/{subresource}" if subresource else resource
    return "*" in listed or full in listed or (bool(subresource) and f"*/{subresource}" in listed)


def _has_path(paths: Sequence[str], wanted: str) -> bool:
    return any(
        path in ("*", wanted) or (path.endswith("*") and wanted.startswith(path.rstrip("*")))
        for path in paths
    )


def allows(rule: Rule, wanted: Attributes) -> bool:
    """Tell whether one rule allows a request."""
    if not _has(rule.get("verbs"), wanted.verb):
        return False
    if not wanted.resource:
        return _has_path(rule.get("nonResourceURLs") or (), wanted.path)
    if not _has(rule.get("apiGroups"), wanted.group):
        return False
    if not _has_resource(rule, wanted.resource, wanted.subresource):
        return False
    names = rule.get("resourceNames")
    return not names or wanted.name in names


def _singles(rule: Rule) -> Iterable[Attributes]:
    """Yield what a rule grants as single requests: covering each of them is covering the rule."""
    verbs = rule.get("verbs") or ()
    for verb, path in product(verbs, rule.get("nonResourceURLs") or ()):
        yield Attributes(verb, path=path)
    names = rule.get("resourceNames") or ("",)
    resources = product(verbs, rule.get("apiGroups") or (), rule.get("resources") or (), names)
    for verb, group, resource, name in resources:
        kind, _, subresource = resource.partition("/")
        yield Attributes(verb, group, "", kind, subresource, "", name)


def _covers(owned: Rule, single: Attributes) -> bool:
    if not single.resource:
        if not _has(owned.get("verbs"), single.verb):
            return False
        paths = owned.get("nonResourceURLs") or ()
        return _has_path(paths, single.path) or single.path in paths
    if single.resource == "*" and not single.subresource:
        listed = owned.get("resources") or ()
        if "*" not in listed:
            return False
    names = owned.get("resourceNames")
    if names and not single.name:
        return False
    return allows(owned, single)


def uncovered(owned: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """Return the single rights among `wanted` that `owned` does not cover, as compact rules."""
    singles = (single for rule in wanted for single in _singles(rule))
    return [
        _compact(single) for single in singles if not any(_covers(each, single) for each in owned)
    ]


def _compact(single: Attributes) -> Rule:
    if not single.resource:
        return {"nonResourceURLs": [single.path], "verbs": [single.verb]}
    rule: dict[str, Any] = {"apiGroups": [single.group], "resources": [single.full_resource()]}
    if single.name:
        rule["resourceNames"] = [single.name]
    return rule | {"verbs": [single.verb]}


def rule_text(rule: Rule) -> str:
    """Return a rule as refusals of escalation print it."""
    parts = []
    for key, shown in (
        ("apiGroups", "APIGroups"),
        ("resources", "Resources"),
        ("resourceNames", "ResourceNames"),
        ("nonResourceURLs", "NonResourceURLs"),
        ("verbs", "Verbs"),
    ):
        if rule.get(key):
            listed = " ".join(f'"{value}"' for value in rule[key])
            parts.append(f"{shown}:[{listed}]")
    return "{" + ", ".join(parts) + "}"
