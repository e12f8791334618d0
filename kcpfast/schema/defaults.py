"""Checks the defaults in a schema: each must be a value that could be sent, rules included.

Rules and texts: pkg/apiserver/schema/defaulting/validation.go of k8s.io/apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kcpfast.meta.copies import copy_json
from kcpfast.meta.errors import Cause, field_invalid, field_required
from kcpfast.schema.program import compile_schema
from kcpfast.schema.rules import check_rules, place_of
from kcpfast.schema.structure import EMBEDDED, INT_OR_STRING

Schema = Mapping[str, Any]


def check_defaults(schema: Schema, field: str, *, root: bool = True) -> list[Cause]:
    """Return what is wrong with the defaults in and below a structural schema.

    `root` tells that it is the schema of a whole object. What is below additionalProperties is not
    looked at, as upstream: it is never filled in there.
    """
    causes = _check_default(schema, field, root) if schema.get("default") is not None else []
    if isinstance(schema.get("items"), Mapping):
        causes += check_defaults(schema["items"], f"{field}.items", root=False)
    for name, child in (schema.get("properties") or {}).items():
        causes += check_defaults(child, f"{field}.properties[{name}]", root=False)
    return causes


def _check_default(schema: Schema, field: str, root: bool) -> list[Cause]:
    value, where = schema["default"], f"{field}.default"
    try:
        program = compile_schema(_with_any_types(schema))
    except (ValueError, KeyError, TypeError):
        return []  # the schema itself is invalid, which other checks report
    causes = []
    if isinstance(value, dict | list) and program.prune(copy_json(value), default=False):
        causes.append(field_invalid(where, _sorted(value), "must not have unknown fields"))
    broken = _check_embedded(schema, value, root) or program.validate(value)
    if not broken:
        broken = _check_rules(schema, value, root or bool(schema.get(EMBEDDED)))
    return causes + [_at(cause, where) for cause in broken]


def _check_rules(schema: Schema, value: Any, resource: bool) -> list[Cause]:
    """Run the rules: for a value that stays as it is, then for one that is new."""
    place = place_of(schema, resource=resource)
    if place is None:
        return []
    causes, _ = check_rules(place, value, value, lambda _trail: False)
    if not causes:
        causes, _ = check_rules(place, value, None, lambda _trail: False)
    return causes


def _at(cause: Cause, where: str) -> Cause:
    """Return a cause that was found in a default, with the path of the default before its own."""
    path = where if cause.field in ("", "<nil>") else f"{where}.{cause.field}"
    return cause._replace(field=path, message=cause.message.replace("<nil>", ""))


def _sorted(value: Any) -> Any:
    """Return a value with the keys of its objects sorted, as Go writes them."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _with_any_types(schema: Schema) -> Schema:
    """Return a schema without int-or-string: upstream takes defaults of any type there."""
    plain = {key: value for key, value in schema.items() if key != INT_OR_STRING}
    properties = schema.get("properties")
    if properties:
        plain["properties"] = {name: _with_any_types(part) for name, part in properties.items()}
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), Mapping):
            plain[keyword] = _with_any_types(schema[keyword])
    return plain


def _check_embedded(schema: Schema, value: Any, root: bool, path: str = "") -> list[Cause]:
    """Check that whole objects in a default say what they are."""
    causes: list[Cause] = []
    if isinstance(value, list):
        items = schema.get("items") or {}
        for index, item in enumerate(value):
            causes += _check_embedded(items, item, root=False, path=f"{path}[{index}]")
    if not isinstance(value, dict):
        return causes
    if root or schema.get(EMBEDDED):
        for key in ("apiVersion", "kind"):
            said, where = value.get(key), f"{path}.{key}".removeprefix(".")
            if key not in value:
                causes.append(field_required(where))
            elif not isinstance(said, str) or not said:
                why = "must not be empty" if said == "" else "must be a string"
                causes.append(field_invalid(where, said, why))
    for name, part in (schema.get("properties") or {}).items():
        if name in value:
            below = f"{path}.{name}".removeprefix(".")
            causes += _check_embedded(part, value[name], root=False, path=below)
    return causes
