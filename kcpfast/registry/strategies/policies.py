"""Admission policies and their bindings.

Defaults and rules: k8s.io/kubernetes/pkg/apis/admissionregistration. See
https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kcpfast.meta.errors import (
    Cause,
    field_duplicate,
    field_forbidden,
    field_invalid,
    field_not_supported,
    field_required,
    field_too_many,
)
from kcpfast.meta.names import dns_subdomain, qualified_name
from kcpfast.meta.selectors import check_object
from kcpfast.registry.strategies.admissionregistration import (
    GROUP,
    check_choice,
    check_conditions,
    check_expression,
    check_rule,
    check_selectors,
    default_matching,
    default_rules,
    dns_1035_label,
)
from kcpfast.registry.strategies.base import Strategy, default
from kcpfast.resources.resource import Object

if TYPE_CHECKING:
    from kcpfast.registry.expressions import Scope

REASONS = {"Forbidden": 403, "Invalid": 422, "RequestEntityTooLarge": 413, "Unauthorized": 401}
ACTIONS = ("Audit", "Deny", "Warn")
_MAX_ANNOTATIONS = 20
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")


def variables_of(spec: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return name and expression of a policy's variables."""
    found = spec.get("variables") or ()
    return tuple((each.get("name") or "", each.get("expression") or "") for each in found)


def scope_of(spec: Mapping[str, Any], *, authorizer: bool = True) -> Scope:
    """Return what the expressions of a policy may use."""
    from kcpfast.registry.expressions import Scope  # noqa: PLC0415 - few workspaces have policies

    return Scope(spec.get("paramKind") is not None, authorizer, variables_of(spec))


# ------------------------------------------------------------------------- defaults


def _prepare_policy(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    default(spec, failurePolicy="Fail")
    if obj["kind"].startswith("Mutating"):
        default(spec, reinvocationPolicy="Never")
    else:
        obj.setdefault("status", {})
    _prepare_matching(spec.get("matchConstraints"))


def _prepare_new_policy(obj: Object) -> None:
    obj.pop("status", None)
    _prepare_policy(obj)


def _prepare_binding(obj: Object) -> None:
    _prepare_matching((obj.get("spec") or {}).get("matchResources"))


def _prepare_matching(found: dict[str, Any] | None) -> None:
    if found is not None:
        default_matching(found)
        for key in ("resourceRules", "excludeResourceRules"):
            default_rules(found.get(key) or ())


# ------------------------------------------------------------------------- policies


def _check_common(spec: Mapping[str, Any]) -> list[Cause]:
    causes = check_choice(spec, "failurePolicy", ("Fail", "Ignore"), "spec")
    causes += _check_param_kind(spec.get("paramKind"))
    matching = spec.get("matchConstraints")
    if matching is None:
        causes.append(field_required("spec.matchConstraints"))
    else:
        causes += _check_matching(matching, "spec.matchConstraints")
        if not matching.get("resourceRules"):
            causes.append(field_required("spec.matchConstraints.resourceRules"))
    causes += _check_variables(spec)
    conditions = spec.get("matchConditions") or ()
    return causes + check_conditions(conditions, "spec.matchConditions", scope_of(spec))


def _check_param_kind(kind: Mapping[str, Any] | None) -> list[Cause]:
    if kind is None:
        return []
    field, causes = "spec.paramKind", []
    version = kind.get("apiVersion") or ""
    group, _, name = version.rpartition("/")
    if not version:
        causes.append(field_required(f"{field}.apiVersion"))
    else:
        wrong = (dns_subdomain(group) if group else []) + dns_1035_label(name)
        causes += [field_invalid(f"{field}.apiVersion", version, text) for text in wrong]
    if not kind.get("kind"):
        causes.append(field_required(f"{field}.kind"))
    else:
        wrong = dns_1035_label(kind["kind"].lower())
        causes += [
            field_invalid(f"{field}.kind", kind["kind"], "may have mixed case, but should "
                          f"otherwise match: {text}")
            for text in wrong
        ]  # fmt: skip
    return causes


def _check_matching(found: Mapping[str, Any], field: str) -> list[Cause]:
    causes = check_choice(found, "matchPolicy", ("Equivalent", "Exact"), field)
    causes += check_selectors(found, field)
    for key in ("resourceRules", "excludeResourceRules"):
        for number, rule in enumerate(found.get(key) or ()):
            where = f"{field}.{key}[{number}]"
            causes += check_rule(rule, where)
            names = list(rule.get("resourceNames") or ())
            causes += [
                field_duplicate(f"{where}.resourceNames[{place}]", name)
                for place, name in enumerate(names)
                if name in names[:place]
            ]
    return causes


def _check_variables(spec: Mapping[str, Any]) -> list[Cause]:
    causes = []
    scope = scope_of(spec)
    listed = variables_of(spec)
    for number, (name, source) in enumerate(listed):
        field = f"spec.variables[{number}]"
        if not name:
            causes.append(field_required(f"{field}.name", "name is not specified"))
        elif not _IDENTIFIER.fullmatch(name):
            causes.append(
                field_invalid(f"{field}.name", name, "name is not a valid CEL identifier")
            )
        if name in [each for each, _ in listed[:number]]:
            causes.append(field_duplicate(f"{field}.name", name))
        before = scope._replace(variables=listed[:number])
        causes += check_expression(source, f"{field}.expression", (), before)
    return causes


def _check_validating(obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = _check_common(spec)
    validations, annotations = spec.get("validations") or (), spec.get("auditAnnotations") or ()
    if not validations and not annotations:
        causes += [
            field_required(f"spec.{key}", "validations or auditAnnotations must be non-empty")
            for key in ("validations", "auditAnnotations")
        ]
    if any(cause.field.startswith("spec.variables") for cause in causes):
        return causes  # what leans on them would only be called wrong once more
    for number, each in enumerate(validations):
        causes += _check_validation(each, f"spec.validations[{number}]", spec)
    return causes + _check_annotations(annotations, spec)


def _check_validation(found: Mapping[str, Any], field: str, spec: Mapping[str, Any]) -> list[Cause]:
    from kcpfast.registry.expressions import BOOL, STRING  # noqa: PLC0415 - few have policies

    expression = found.get("expression") or ""
    causes = check_expression(expression, f"{field}.expression", (BOOL,), scope_of(spec))
    source = found.get("messageExpression")
    if source is not None:
        where, scope = f"{field}.messageExpression", scope_of(spec, authorizer=False)
        if not source.strip():
            causes.append(field_invalid(where, source, "must be non-empty if specified"))
        else:
            causes += check_expression(source, where, (STRING,), scope)
    causes += _check_message(found.get("message") or "", expression, f"{field}.message")
    return causes + check_choice(found, "reason", sorted(REASONS), field)


def _check_message(message: str, expression: str, field: str) -> list[Cause]:
    if message and not message.strip():
        return [field_invalid(field, message, "message must be non-empty if specified")]
    if "\n" in message.strip():
        return [field_invalid(field, message, "message must not contain line breaks")]
    if not message and "\n" in expression.strip():
        why = "message must be specified if expression contains line breaks"
        return [field_required(field, why)]
    return []


def _check_annotations(found: Sequence[Mapping[str, Any]], spec: Mapping[str, Any]) -> list[Cause]:
    from kcpfast.registry.expressions import NULL, STRING  # noqa: PLC0415 - few have policies

    if len(found) > _MAX_ANNOTATIONS:
        return [field_too_many("spec.auditAnnotations", len(found), _MAX_ANNOTATIONS)]
    causes = []
    keys = [each.get("key") or "" for each in found]
    for number, each in enumerate(found):
        field, key = f"spec.auditAnnotations[{number}]", keys[number]
        if not key:
            causes.append(field_required(f"{field}.key"))
        else:
            causes += [field_invalid(f"{field}.key", key, text) for text in qualified_name(key)]
        if key in keys[:number]:
            causes.append(field_duplicate(f"{field}.key", key))
        source, where = each.get("valueExpression"), f"{field}.valueExpression"
        causes += check_expression(source, where, (STRING, NULL), scope_of(spec))
    return causes


def _check_mutating(obj: Object) -> list[Cause]:
    from kcpfast.registry.expressions import CONFIGURATION, JSON_PATCH  # noqa: PLC0415 - few

    spec = obj.get("spec") or {}
    causes = _check_common(spec)
    causes += check_choice(spec, "reinvocationPolicy", ("IfNeeded", "Never"), "spec", needed=True)
    mutations = spec.get("mutations") or ()
    if not mutations:
        causes.append(field_required("spec.mutations", "mutations must contain at least one item"))
    if any(cause.field.startswith("spec.variables") for cause in causes):
        return causes
    kinds = {
        "ApplyConfiguration": ("applyConfiguration", CONFIGURATION),
        "JSONPatch": ("jsonPatch", JSON_PATCH),
    }
    for number, each in enumerate(mutations):
        field, kind = f"spec.mutations[{number}]", each.get("patchType") or ""
        if kind not in kinds:
            causes += [
                field_not_supported(f"{field}.patchType", kind, sorted(kinds))
                if kind
                else field_required(f"{field}.patchType")
            ]
            continue
        wanted, result = kinds[kind]
        causes += [
            field_forbidden(f"{field}.{other}", f"{other} is forbidden when patchType is {kind}")
            for other, _ in kinds.values()
            if other != wanted and each.get(other) is not None
        ]
        if each.get(wanted) is None:
            why = f"must be specified when patchType is {kind}"
            causes.append(field_required(f"{field}.{wanted}", why))
            continue
        source = each[wanted].get("expression")
        where = f"{field}.{wanted}.expression"
        causes += check_expression(source, where, (result,), scope_of(spec))
    return causes


# ------------------------------------------------------------------------- bindings


def _check_binding(obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    name = spec.get("policyName") or ""
    causes = [field_required("spec.policyName")] if not name else []
    if name:
        causes += [field_invalid("spec.policyName", name, text) for text in dns_subdomain(name)]
    causes += _check_param_ref(spec.get("paramRef"), "spec.paramRef")
    if spec.get("matchResources") is not None:
        causes += _check_matching(spec["matchResources"], "spec.matchResources")
    return causes


def _check_param_ref(found: Mapping[str, Any] | None, field: str) -> list[Cause]:
    if found is None:
        return []
    causes = []
    name, selector = found.get("name") or "", found.get("selector")
    if name:
        causes += [field_invalid(f"{field}.name", name, text) for text in dns_subdomain(name)]
        if selector is not None:
            why = "name and selector are mutually exclusive"
            causes += [field_forbidden(f"{field}.{key}", why) for key in ("name", "selector")]
    elif selector is None:
        causes.append(field_required(field, "one of name or selector must be specified"))
    else:
        causes += check_object(selector, f"{field}.selector")
    return causes + check_choice(
        found, "parameterNotFoundAction", ("Allow", "Deny"), field, needed=True
    )


def _check_validating_binding(obj: Object) -> list[Cause]:
    actions = (obj.get("spec") or {}).get("validationActions") or []
    field = "spec.validationActions"
    causes = _check_binding(obj)
    if not actions:
        causes.append(field_required(field, "at least one validation action is required"))
    for number, each in enumerate(actions):
        if each not in ACTIONS:
            causes.append(field_not_supported(f"{field}[{number}]", each, ACTIONS))
        if each in actions[:number]:
            causes.append(field_duplicate(f"{field}[{number}]", each))
    if {"Deny", "Warn"} <= set(actions):
        why = "must not contain both Deny and Warn (repeating the same validation failure "
        why += "information in the API response and headers serves no purpose)"
        causes.append(field_invalid(field, actions, why))
    return causes


Check = Callable[[Object], list[Cause]]


def _of_policies(check: Check) -> Strategy:
    return Strategy(
        prepare_create=_prepare_new_policy,
        prepare_update=lambda new, _old: _prepare_policy(new),
        validate=check,
        validate_update=lambda new, _old: check(new),
    )


def _of_bindings(check: Check) -> Strategy:
    return Strategy(
        prepare_create=_prepare_binding,
        prepare_update=lambda new, _old: _prepare_binding(new),
        validate=check,
        validate_update=lambda new, _old: check(new),
    )


STRATEGIES = {
    (GROUP, "mutatingadmissionpolicies"): _of_policies(_check_mutating),
    (GROUP, "mutatingadmissionpolicybindings"): _of_bindings(_check_binding),
    (GROUP, "validatingadmissionpolicies"): _of_policies(_check_validating),
    (GROUP, "validatingadmissionpolicybindings"): _of_bindings(_check_validating_binding),
}
