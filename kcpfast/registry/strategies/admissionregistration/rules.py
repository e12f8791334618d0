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


def one_of(spec: Spec, key: str, supported: Sequence[str], field: str) -> list[Cause]:
    """Check that a member, if it is there, has one of the values it may have."""
    value = spec.get(key)
    if value is None or value in supported:
        return []
    return [field_not_supported(f"{field}.{key}", value, supported)]


def needed_of(spec: Spec, key: str, supported: Sequence[str], field: str) -> list[Cause]:
    """Check that a member is there and has one of the values it may have."""
    if not spec.get(key):
        return [field_required(f"{field}.{key}")]
    return one_of(spec, key, supported, field)


def default_rules(rules: Iterable[dict[str, Any]] | None) -> None:
    """Give rules their scope."""
    for rule in rules or ():
        rule.setdefault("scope", "*")


def check_rule(rule: Spec, field: str) -> list[Cause]:
    """Check a rule with operations."""
    operations = rule.get("operations") or ()
    causes = [] if operations else [field_required(f"{field}.operations")]
    causes += _alone(operations, f"{field}.operations", "operations")
    for index, operation in enumerate(operations):
        if operation not in _OPERATIONS:
            operation_field = f"{field}.operations[{index}]"
            causes.append(field_not_supported(operation_field, operation, _OPERATIONS))
    for key, noun in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        values = rule.get(key) or ()
        causes += [] if values else [field_required(f"{field}.{key}")]
        causes += _alone(values, f"{field}.{key}", noun)
    causes += [
        field_required(f"{field}.apiVersions[{index}]")
        for index, version in enumerate(rule.get("apiVersions") or ())
        if not version
    ]
    causes += _check_resources(rule.get("resources") or (), f"{field}.resources")
    return causes + one_of(rule, "scope", _SCOPES, field)


def _alone(values: Sequence[str], field: str, noun: str) -> list[Cause]:
    if len(values) > 1 and "*" in values:
        message = f"if '*' is present, must not specify other {noun}"
        return [field_invalid(field, list(values), message)]
    return []


def _check_resources(resources: Sequence[str], field: str) -> list[Cause]:
    causes = [] if resources else [field_required(field)]
    # As upstream's validateResources, which looks back only: x/y is refused behind x/*, but x/* is
    # not refused behind x/y.
    of_all_subresources: set[str] = set()  # of x/*: x
    of_all_resources: set[str] = set()  # of */x: x
    for index, entry in enumerate(resources):
        resource, slash, subresource = entry.partition("/")
        entry_field = f"{field}[{index}]"
        if not entry:
            causes.append(field_required(entry_field))
        if not slash:
            continue
        if resource in of_all_subresources:
            message = f"if '{resource}/*' is present, must not specify {entry}"
            causes.append(field_invalid(entry_field, entry, message))
        if subresource in of_all_resources:
            message = f"if '*/{subresource}' is present, must not specify {entry}"
            causes.append(field_invalid(entry_field, entry, message))
        if subresource == "*":
            of_all_subresources.add(resource)
        if resource == "*":
            of_all_resources.add(subresource)
    if len(resources) > 1 and "*/*" in resources:
        message = "if '*/*' is present, must not specify other resources"
        causes.append(field_invalid(field, list(resources), message))
    named = [entry for entry in resources if "/" not in entry and entry not in ("", "*")]
    if "*" in resources and named:
        message = "if '*' is present, must not specify other resources without subresources"
        causes.append(field_invalid(field, list(resources), message))
    return causes


def check_conditions(listed: Sequence[Spec] | None, field: str, *, params: bool) -> list[Cause]:
    """Check match conditions."""
    conditions = listed or ()
    causes = []
    if len(conditions) > _MAX_CONDITIONS:
        causes.append(field_too_many(field, len(conditions), _MAX_CONDITIONS))
    names: set[str] = set()
    for index, condition in enumerate(conditions):
        condition_field, name = f"{field}[{index}]", condition.get("name") or ""
        source = (condition.get("expression") or "").strip()
        if not source:
            causes.append(field_required(f"{condition_field}.expression"))
        else:
            variables = expressions.declared(params=params)
            causes += expressions.check(source, f"{condition_field}.expression", variables, "bool")
        if not name:
            causes.append(field_required(f"{condition_field}.name"))
            continue
        causes += [
            field_invalid(f"{condition_field}.name", name, message)
            for message in qualified_name(name)
        ]
        if name in names:
            causes.append(field_duplicate(f"{condition_field}.name", name))
        names.add(name)
    return causes


def default_match(match: dict[str, Any] | None) -> None:
    """Fill in match resources."""
    if match is None:
        return
    match.setdefault("matchPolicy", "Equivalent")
    match.setdefault("namespaceSelector", {})
    match.setdefault("objectSelector", {})
    default_rules(match.get("resourceRules"))
    default_rules(match.get("excludeResourceRules"))


def check_match(match: Spec | None, field: str, *, mutates: bool) -> list[Cause]:
    """Check MatchResources; `mutates` is true for those of a MutatingAdmissionPolicy."""
    if match is None:
        return []
    causes = needed_of(match, "matchPolicy", ("Equivalent", "Exact"), field)
    for key in ("namespaceSelector", "objectSelector"):
        causes += check_object(match.get(key) or {}, f"{field}.{key}")
    for key in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(match.get(key) or ()):
            causes += _check_named(rule, f"{field}.{key}[{index}]")
    if mutates:
        causes += _check_mutable(match.get("resourceRules") or (), f"{field}.resourceRules")
    return causes


def _check_mutable(rules: Iterable[Spec], field: str) -> list[Cause]:
    """Refuse rules about deletions: there is no new object that a mutation could change."""
    supported = [operation for operation in _OPERATIONS if operation != "DELETE"]
    return [
        field_not_supported(f"{field}.operations", operation, supported)
        for rule in rules
        for operation in rule.get("operations") or ()
        if operation not in supported
    ]


def _check_named(rule: Spec, field: str) -> list[Cause]:
    causes = []
    seen: set[str] = set()
    for index, name in enumerate(rule.get("resourceNames") or ()):
        name_field = f"{field}.resourceNames[{index}]"
        causes += [field_invalid(name_field, name, message) for message in path_segment(name)]
        if name in seen:
            causes.append(field_duplicate(name_field, name))
        seen.add(name)
    return causes + check_rule(rule, field)
