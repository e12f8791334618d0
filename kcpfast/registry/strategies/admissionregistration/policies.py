"""Admission policies and their bindings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kcpfast.meta.errors import (
    Cause,
    field_duplicate,
    field_forbidden,
    field_invalid,
    field_not_supported,
    field_required,
    field_too_many,
)
from kcpfast.meta.names import dns_1035_label, dns_subdomain, path_segment, qualified_name
from kcpfast.meta.selectors import check_object
from kcpfast.registry.strategies.admissionregistration import expressions
from kcpfast.registry.strategies.admissionregistration.rules import (
    Spec,
    check_conditions,
    check_match,
    default_match,
    needed_of,
    one_of,
)
from kcpfast.registry.strategies.base import Strategy
from kcpfast.resources.resource import Object
from kcpfast.schema import cel

ADMISSION_GROUP = "admissionregistration.k8s.io"
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_ACTIONS = ("Audit", "Deny", "Warn")
_MAX_ANNOTATIONS = 20
_MAX_ANNOTATION = 5 * 1024
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
# fmt: off
_RESERVED = frozenset((
    "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in",
    "let", "loop", "namespace", "null", "package", "return", "true", "var", "void", "while",
))
# fmt: on
_PATCHES = {
    # patch type: its member, and the type of its expression
    "ApplyConfiguration": ("applyConfiguration", "Object"),
    "JSONPatch": ("jsonPatch", "list(JSONPatch)"),
}


# ------------------------------------------------------------------------- policies


def _prepare(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("failurePolicy", "Fail")
    default_match(spec.get("matchConstraints"))


def _prepare_validating(obj: Object) -> None:
    _prepare(obj)
    obj["status"] = {}


def _check_common(spec: Spec, *, mutates: bool) -> tuple[list[Cause], dict[str, cel.CelType]]:
    """Return what is wrong with what all policies have, and the variables they compute."""
    causes = needed_of(spec, "failurePolicy", ("Fail", "Ignore"), "spec")
    params = spec.get("paramKind") is not None
    if params:
        causes += _check_param_kind(spec["paramKind"], "spec.paramKind")
    match = spec.get("matchConstraints")
    if match is None:
        causes.append(field_required("spec.matchConstraints"))
    else:
        causes += check_match(match, "spec.matchConstraints", mutates=mutates)
        if not match.get("resourceRules"):
            causes.append(field_required("spec.matchConstraints.resourceRules"))
    conditions_field = "spec.matchConditions"
    causes += check_conditions(spec.get("matchConditions"), conditions_field, params=params)
    computed: dict[str, cel.CelType] = {}
    for index, variable in enumerate(spec.get("variables") or ()):
        causes += _check_variable(variable, f"spec.variables[{index}]", computed, params)
    return causes, computed


def _check_param_kind(param_kind: Spec, field: str) -> list[Cause]:
    version, kind = param_kind.get("apiVersion") or "", param_kind.get("kind") or ""
    causes = []
    group, _, name = version.rpartition("/")
    if not version:
        causes.append(field_required(f"{field}.apiVersion"))
    elif "/" in group:
        message = f"unexpected GroupVersion string: {version}"
        causes.append(field_invalid(f"{field}.apiVersion", version, message))
    else:
        for value, wrong in ((group, dns_subdomain(group) if group else []),
                             (name, dns_1035_label(name))):  # fmt: skip
            if wrong:
                causes.append(field_invalid(f"{field}.apiVersion", value, ",".join(wrong)))
    if not kind:
        causes.append(field_required(f"{field}.kind"))
    elif dns_1035_label(kind.lower()):
        message = "may have mixed case, but should otherwise match: "
        message += ",".join(dns_1035_label(kind.lower()))
        causes.append(field_invalid(f"{field}.kind", kind, message))
    return causes


def _check_variable(
    variable: Spec, field: str, computed: dict[str, cel.CelType], params: bool
) -> list[Cause]:
    """Check a variable, and add it to those that the following expressions may use."""
    name, source = variable.get("name") or "", variable.get("expression") or ""
    causes = []
    if not name.strip():
        causes.append(field_required(f"{field}.name", "name is not specified"))
    elif not _IDENTIFIER.fullmatch(name) or name in _RESERVED:
        causes.append(field_invalid(f"{field}.name", name, "must be a valid CEL identifier"))
    expression_field = f"{field}.expression"
    if not source.strip():
        return [*causes, field_required(expression_field, "expression is not specified")]
    variables = expressions.declared(params=params, computed=computed)
    try:
        computed[name] = expressions.compiled(source, variables, ()).result_type
    except cel.CelError as error:
        causes.append(field_invalid(expression_field, source, error.message))
    return causes


def _check_validating(obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes, computed = _check_common(spec, mutates=False)
    params = spec.get("paramKind") is not None
    validations, notes = spec.get("validations") or (), spec.get("auditAnnotations") or ()
    if not validations and not notes:
        message = "validations or auditAnnotations must contain at least one item"
        causes += [
            field_required(f"spec.{key}", message) for key in ("validations", "auditAnnotations")
        ]
    variables = expressions.declared(params=params, computed=computed)
    # Message expressions may not ask the authorizer: upstream's validateMessageExpression compiles
    # them with HasAuthorizer false.
    without_authorizer = expressions.declared(params=params, authorizer=False, computed=computed)
    for index, validation in enumerate(validations):
        field = f"spec.validations[{index}]"
        causes += _check_validation(validation, field, variables, without_authorizer)
    return causes + _check_annotations(obj, notes, "spec.auditAnnotations", variables)


def _check_validation(
    validation: Spec,
    field: str,
    variables: Mapping[str, cel.CelType],
    without_authorizer: Mapping[str, cel.CelType],
) -> list[Cause]:
    """Check one validation; `without_authorizer` are the variables of a message expression."""
    source, source_field = validation.get("expression") or "", f"{field}.expression"
    if not source.strip():
        causes = [field_required(source_field, "expression is not specified")]
    else:
        causes = expressions.check(source, source_field, variables, "bool")
    spoken, spoken_field = validation.get("messageExpression") or "", f"{field}.messageExpression"
    if spoken and not spoken.strip():
        causes.append(field_invalid(spoken_field, spoken, "must be non-empty if specified"))
    elif spoken:
        causes += expressions.check(spoken, spoken_field, without_authorizer, "string")
    text, text_field = validation.get("message") or "", f"{field}.message"
    if text and not text.strip():
        causes.append(field_invalid(text_field, text, "message must be non-empty if specified"))
    elif re.search(r"[\n\r]", text.strip()):
        causes.append(field_invalid(text_field, text, "message must not contain line breaks"))
    return causes + one_of(validation, "reason", _REASONS, field)


def _check_annotations(
    obj: Object, notes: Sequence[Spec], field: str, variables: Mapping[str, cel.CelType]
) -> list[Cause]:
    causes = []
    if len(notes) > _MAX_ANNOTATIONS:
        causes.append(field_too_many(field, len(notes), _MAX_ANNOTATIONS))
    seen: set[str] = set()
    policy = obj["metadata"].get("name") or ""
    for index, annotation in enumerate(notes):
        key, key_field = annotation.get("key") or "", f"{field}[{index}].key"
        # The key is recorded with the policy's name in front, so both together are checked.
        full_key = f"{policy}/{key}"
        causes += [field_invalid(key_field, full_key, text) for text in qualified_name(full_key)]
        if key in seen:
            causes.append(field_duplicate(key_field, key))
        seen.add(key)
        source = (annotation.get("valueExpression") or "").strip()
        source_field = f"{field}[{index}].valueExpression"
        if not source:
            causes.append(field_required(source_field, "valueExpression is not specified"))
        elif len(source) > _MAX_ANNOTATION:
            # Upstream reports a text that is too long as a required one, too.
            message = f"must not exceed {_MAX_ANNOTATION} bytes in length"
            causes.append(field_required(source_field, message))
        else:
            causes += expressions.check(source, source_field, variables, "string|null_type")
    return causes


def _check_mutating(obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes, computed = _check_common(spec, mutates=True)
    mutations = spec.get("mutations") or ()
    if not mutations:
        message = "mutations must contain at least one item"
        causes.append(field_required("spec.mutations", message))
    params = spec.get("paramKind") is not None
    variables = expressions.declared(params=params, computed=computed)
    for index, mutation in enumerate(mutations):
        causes += _check_mutation(mutation, f"spec.mutations[{index}]", variables)
    return causes + needed_of(spec, "reinvocationPolicy", ("Never", "IfNeeded"), "spec")


def _check_mutation(
    mutation: Spec, field: str, variables: Mapping[str, cel.CelType]
) -> list[Cause]:
    kind = mutation.get("patchType") or ""
    if kind not in _PATCHES:
        return needed_of(mutation, "patchType", tuple(_PATCHES), field)
    causes = []
    for patch_type, (member, result) in _PATCHES.items():
        patch, patch_field = mutation.get(member), f"{field}.{member}"
        if patch_type != kind:
            if patch is not None:
                message = f"must not be specified when patchType is {kind}"
                causes.append(field_invalid(patch_field, f"{{{member}}}", message))
            continue
        if patch is None:
            message = f"must be specified when patchType is {kind}"
            causes.append(field_required(patch_field, message))
            continue
        source, source_field = patch.get("expression") or "", f"{patch_field}.expression"
        if not source.strip():
            causes.append(field_required(source_field, "expression is not specified"))
            continue
        types = expressions.mutation_types()
        causes += expressions.check(source, source_field, variables, result, types)
    return causes


# ------------------------------------------------------------------------- bindings


def _prepare_binding(obj: Object) -> None:
    default_match((obj.get("spec") or {}).get("matchResources"))


def _check_binding(obj: Object, *, mutates: bool) -> list[Cause]:
    spec = obj.get("spec") or {}
    name = spec.get("policyName") or ""
    causes = [] if name else [field_required("spec.policyName")]
    if name:
        causes += [
            field_invalid("spec.policyName", name, message) for message in dns_subdomain(name)
        ]
    causes += _check_param_ref(spec.get("paramRef"), "spec.paramRef")
    # The field is spelt so by Kubernetes, too.
    match_field = "spec.matchResources" if mutates else "spec.matchResouces"
    return causes + check_match(spec.get("matchResources"), match_field, mutates=mutates)


def _check_param_ref(param_ref: Spec | None, field: str) -> list[Cause]:
    if param_ref is None:
        return []
    name, selector = param_ref.get("name") or "", param_ref.get("selector")
    causes = []
    if name:
        causes += [field_invalid(f"{field}.name", name, message) for message in path_segment(name)]
    if selector is not None:
        causes += check_object(selector, f"{field}.selector")
    if name and selector is not None:
        message = "name and selector are mutually exclusive"
        causes += [field_forbidden(f"{field}.{key}", message) for key in ("name", "selector")]
    if not name and selector is None:
        causes.append(field_required(field, "one of name or selector must be specified"))
    return causes + needed_of(param_ref, "parameterNotFoundAction", ("Deny", "Allow"), field)


def _check_actions(actions: Sequence[Any], field: str) -> list[Cause]:
    causes = []
    for index, action in enumerate(actions):
        if action not in _ACTIONS:
            causes.append(field_not_supported(f"{field}[{index}]", action, _ACTIONS))
        if action in actions[:index]:
            causes.append(field_duplicate(f"{field}[{index}]", action))
    if "Deny" in actions and "Warn" in actions:
        message = (
            "must not contain both Deny and Warn (repeating the same validation failure "
            "information in the API response and headers serves no purpose)"
        )
        causes.append(field_invalid(field, list(actions), message))
    if not actions:
        causes.append(field_required(field, "at least one validation action is required"))
    return causes


def _check_validating_binding(obj: Object) -> list[Cause]:
    actions = (obj.get("spec") or {}).get("validationActions") or ()
    causes = _check_binding(obj, mutates=False)
    return causes + _check_actions(actions, "spec.validationActions")


def _check_mutating_binding(obj: Object) -> list[Cause]:
    return _check_binding(obj, mutates=True)


STRATEGIES = {
    (ADMISSION_GROUP, "mutatingadmissionpolicies"): Strategy(
        qualified_finalizers=False,
        prepare_create=_prepare,
        prepare_update=lambda new, _old: _prepare(new),
        validate=_check_mutating,
        validate_update=lambda new, _old: _check_mutating(new),
    ),
    (ADMISSION_GROUP, "mutatingadmissionpolicybindings"): Strategy(
        qualified_finalizers=False,
        prepare_create=_prepare_binding,
        prepare_update=lambda new, _old: _prepare_binding(new),
        validate=_check_mutating_binding,
        validate_update=lambda new, _old: _check_mutating_binding(new),
    ),
    (ADMISSION_GROUP, "validatingadmissionpolicies"): Strategy(
        qualified_finalizers=False,
        prepare_create=_prepare_validating,
        prepare_update=lambda new, _old: _prepare(new),
        validate=_check_validating,
        validate_update=lambda new, _old: _check_validating(new),
    ),
    (ADMISSION_GROUP, "validatingadmissionpolicybindings"): Strategy(
        qualified_finalizers=False,
        prepare_create=_prepare_binding,
        prepare_update=lambda new, _old: _prepare_binding(new),
        validate=_check_validating_binding,
        validate_update=lambda new, _old: _check_validating_binding(new),
    ),
}
