"""Is an object valid: its metadata, its schema, its kind's own rules, its CEL rules."""

from __future__ import annotations

from kcpfast.meta.errors import Cause, invalid
from kcpfast.meta.objectmeta import check_meta, check_meta_update
from kcpfast.registry.strategies import strategy
from kcpfast.resources.resource import Object, Resource
from kcpfast.schema.ratchet import unchanged
from kcpfast.schema.rules import check_rules

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


def check_new(resource: Resource, obj: Object) -> None:
    """Raise Invalid for a new object that is not valid."""
    causes = check_meta(obj["metadata"], resource.name_rule, namespaced=resource.namespaced)
    causes += _check_body(resource, obj, None)
    causes += strategy(resource).validate(obj)
    _raise(resource, obj, causes)


def check_changed(resource: Resource, obj: Object, old: Object) -> None:
    """Raise Invalid for an updated object that is not valid.

    What was wrong already and has not been touched is let through (KEP-4008, ratcheting).
    """
    causes = check_meta_update(obj["metadata"], old["metadata"])
    causes += _check_body(resource, obj, old)
    causes += strategy(resource).validate_update(obj, old)
    _raise(resource, obj, causes)


def _check_body(resource: Resource, obj: Object, old: Object | None) -> list[Cause]:
    if resource.builtin:
        return []
    causes = resource.program.validate(obj)
    if causes and old is not None:
        causes = [cause for cause in causes if not unchanged(cause.field, obj, old)]
    if not resource.program.has_rules:
        return causes
    if any(cause.reason in _BLOCKING for cause in causes):
        return [*causes, _NOT_CHECKED]
    return causes + check_rules(resource.program, obj, old)


def _raise(resource: Resource, obj: Object, causes: list[Cause]) -> None:
    if causes:
        name = obj["metadata"].get("name") or ""
        raise invalid(resource.kind, resource.group, name, causes)
