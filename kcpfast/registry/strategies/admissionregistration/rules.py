"""What webhooks and policies have in common: which requests they are about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kcpfast.meta.errors import (
    Cause,
    field_duplicate,
    field_invalid,
    field_not_supported,
    field_required,
    field_too_many,
)
from kcpfast.meta.names import path_segment, qualified_name
from kcpfast.meta.selectors import check_object
from kcpfast.registry.strategies.admissionregistration import expressions

Spec = Mapping[str, Any]
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")
_MAX_CONDITIONS = 64


def one_of(found: Spec, key: str, supported: Sequence[str], field: str) -> list[Cause]:
    """Check that a member, if it is there, has one of the values it may have."""
    value = found.get(key)
    if value is None or value in supported:
        return []
    return [field_not_supported(f"{field}.{key}", value, supported)]


def needed_of(found: Spec, key: str, supported: Sequence[str], field: str) -> list[Cause]:
    """Check that a member is there and has one of the values it may have."""
    if not found.get(key):
        return [field_required(f"{field}.{key}")]
    return one_of(found, key, supported, field)


def default_rules(rules: Iterable[dict[str, Any]] | None) -> None:
    """Give rules their scope."""
    for rule in rules or ():
        rule.setdefault("scope", "*")


def check_rule(rule: Spec, field: str) -> list[Cause]:
    """Check a rule with operations."""
    operations = rule.get("operations") or ()
    causes = [] if operations else [field_required(f"{field}.operations")]
    causes += _alone(operations, f"{field}.operations", "operations")
    causes += [
        field_not_supported(f"{field}.operations[{index}]", each, _OPERATIONS)
        for index, each in enumerate(operations)
        if each not in _OPERATIONS
    ]
    for key, shown in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        values = rule.get(key) or ()
        causes += [] if values else [field_required(f"{field}.{key}")]
        causes += _alone(values, f"{field}.{key}", shown)
    causes += [
        field_required(f"{field}.apiVersions[{index}]")
        for index, each in enumerate(rule.get("apiVersions") or ())
        if not each
    ]
    causes += _check_resources(rule.get("resources") or (), f"{field}.resources")
    return causes + one_of(rule, "scope", _SCOPES, field)


def _alone(values: Sequence[str], field: str, shown: str) -> list[Cause]:
    if len(values) > 1 and "*" in values:
        why = f"if '*' is present, must not specify other {shown}"
        return [field_invalid(field, list(values), why)]
    return []


def _check_resources(resources: Sequence[str], field: str) -> list[Cause]:
    causes = [] if resources else [field_required(field)]
    whole: set[str] = set()  # of x/*: x
    everywhere: set[str] = set()  # of */x: x
    for index, each in enumerate(resources):
        resource, slash, sub = each.partition("/")
        where = f"{field}[{index}]"
        if not each:
            causes.append(field_required(where))
        if not slash:
            continue
        if resource in whole:
            why = f"if '{resource}/*' is present, must not specify {each}"
            causes.append(field_invalid(where, each, why))
        if sub in everywhere:
            why = f"if '*/{sub}' is present, must not specify {each}"
            causes.append(field_invalid(where, each, why))
        if sub == "*":
            whole.add(resource)
        if resource == "*":
            everywhere.add(sub)
    if len(resources) > 1 and "*/*" in resources:
        why = "if '*/*' is present, must not specify other resources"
        causes.append(field_invalid(field, list(resources), why))
    if "*" in resources and any("/" not in each and each not in ("", "*") for each in resources):
        why = "if '*' is present, must not specify other resources without subresources"
        causes.append(field_invalid(field, list(resources), why))
    return causes


def check_conditions(found: Sequence[Spec] | None, field: str, *, params: bool) -> list[Cause]:
    """Check match conditions."""
    conditions = found or ()
    causes = []
    if len(conditions) > _MAX_CONDITIONS:
        causes.append(field_too_many(field, len(conditions), _MAX_CONDITIONS))
    names: set[str] = set()
    for index, each in enumerate(conditions):
        where, name = f"{field}[{index}]", each.get("name") or ""
        source = (each.get("expression") or "").strip()
        if not source:
            causes.append(field_required(f"{where}.expression"))
        else:
            variables = expressions.declared(params=params)
            causes += expressions.check(source, f"{where}.expression", variables, "bool")
        if not name:
            causes.append(field_required(f"{where}.name"))
            continue
        causes += [field_invalid(f"{where}.name", name, why) for why in qualified_name(name)]
        if name in names:
            causes.append(field_duplicate(f"{where}.name", name))
        names.add(name)
    return causes


def default_match(found: dict[str, Any] | None) -> None:
    """Fill in match resources."""
    if found is None:
        return
    found.setdefault("matchPolicy", "Equivalent")
    found.setdefault("namespaceSelector", {})
    found.setdefault("objectSelector", {})
    default_rules(found.get("resourceRules"))
    default_rules(found.get("excludeResourceRules"))


def check_match(found: Spec | None, field: str, *, mutates: bool) -> list[Cause]:
    """Check match resources; nothing can be changed by who sees it deleted."""
    if found is None:
        return []
    causes = needed_of(found, "matchPolicy", ("Equivalent", "Exact"), field)
    for key in ("namespaceSelector", "objectSelector"):
        causes += check_object(found.get(key) or {}, f"{field}.{key}")
    for key in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(found.get(key) or ()):
            causes += _check_named(rule, f"{field}.{key}[{index}]")
    if mutates:
        supported = [each for each in _OPERATIONS if each != "DELETE"]
        causes += [
            field_not_supported(f"{field}.resourceRules.operations", each, supported)
            for rule in found.get("resourceRules") or ()
            for each in rule.get("operations") or ()
            if each not in supported
        ]
    return causes


def _check_named(rule: Spec, field: str) -> list[Cause]:
    causes = []
    seen: set[str] = set()
    for index, name in enumerate(rule.get("resourceNames") or ()):
        where = f"{field}.resourceNames[{index}]"
        causes += [field_invalid(where, name, why) for why in path_segment(name)]
        if name in seen:
            causes.append(field_duplicate(where, name))
        seen.add(name)
    return causes + check_rule(rule, field)
