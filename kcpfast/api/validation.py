"""Validation of objects: metadata, schema, the strategy of the kind, CEL rules."""

from __future__ import annotations

from kcpfast.meta.errors import Cause, invalid
from kcpfast.meta.objectmeta import (
    check_kube_finalizers,
    check_meta,
    check_meta_update,
    finalizer_warnings,
)
from kcpfast.registry.strategies import strategy
from kcpfast.resources.resource import Object, Resource
from kcpfast.schema.program import Program
from kcpfast.schema.ratchet import Ratchet

# While one of these stands, CEL rules are not looked at: they may lean on what is missing.
_BLOCKING = (
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
)
_NOT_CHECKED = Cause(
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
    "<nil>",
)


def check_new(resource: Resource, obj: Object) -> list[str]:
    """Raise Invalid for a new object that is not valid; return warnings for one that is."""
    meta = obj["metadata"]
    causes = check_meta(meta, resource.name_rule, namespaced=resource.namespaced)
    causes += _check_finalizers(resource, meta)
    body_causes, warnings = _check_body(resource, obj, None)
    causes += body_causes
    causes += strategy(resource).validate(obj)
    _raise(resource, obj, causes)
    return warnings + _warn(resource, obj, None)


def check_changed(resource: Resource, obj: Object, old: Object) -> list[str]:
    """Raise Invalid for an updated object that is not valid; return warnings for one that is.

    What was wrong already and has not been touched is let through (KEP-4008, ratcheting).
    """
    causes = check_meta_update(obj["metadata"], old["metadata"])
    causes += _check_finalizers(resource, obj["metadata"])
    body_causes, warnings = _check_body(resource, obj, old)
    causes += body_causes
    causes += strategy(resource).validate_update(obj, old)
    _raise(resource, obj, causes)
    return warnings + _warn(resource, obj, old)


def _check_finalizers(resource: Resource, meta: Object) -> list[Cause]:
    """Check the finalizers of a kind that is stricter than custom resources are."""
    finalizers = meta.get("finalizers")
    if not finalizers or not resource.builtin or not strategy(resource).qualified_finalizers:
        return []
    return check_kube_finalizers(finalizers, "metadata.finalizers")


def _warn(resource: Resource, obj: Object, old: Object | None) -> list[str]:
    if resource.builtin:
        return strategy(resource).warn(obj, old)
    return finalizer_warnings(obj["metadata"], old["metadata"] if old is not None else None)


def _check_body(
    resource: Resource, obj: Object, old: Object | None
) -> tuple[list[Cause], list[str]]:
    if resource.builtin:
        return [], []
    try:
        return _check_schema(resource.program, obj, old)
    finally:
        resource.compiled.warm = True


def _check_schema(
    program: Program, obj: Object, old: Object | None
) -> tuple[list[Cause], list[str]]:
    causes = program.validate(obj, old)
    if not program.has_rules:
        return causes, []
    if any(cause.reason in _BLOCKING for cause in causes):
        return [*causes, _NOT_CHECKED], []
    place = program.rules()
    if place is None:
        return causes, []
    from kcpfast.schema.rules import check_rules  # noqa: PLC0415 - few schemas have rules

    past = Ratchet(program.root, obj, old)
    broken, warnings = check_rules(place, obj, old, past.unchanged)
    return causes + broken, warnings


def _raise(resource: Resource, obj: Object, causes: list[Cause]) -> None:
    if causes:
        name = obj["metadata"].get("name") or ""
        stored = resource.storage_version.rpartition("/")[0]  # errors name the stored kind
        raise invalid(resource.kind, stored, name, causes)
