"""Whether a schema is structural: what it says of a value is said outside of combinations.

Rules, texts and their order: pkg/apiserver/schema/validation.go and complete.go of
k8s.io/apiextensions-apiserver; `first_unsupported` is NewStructural of convert.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kcpfast.meta.errors import Cause, field_forbidden, field_invalid, field_required
from kcpfast.schema.pattern import check_pattern

Schema = Mapping[str, Any]

INT_OR_STRING = "x-kubernetes-int-or-string"
PRESERVE = "x-kubernetes-preserve-unknown-fields"
EMBEDDED = "x-kubernetes-embedded-resource"
COMBINATIONS = ("anyOf", "allOf", "oneOf")
_INT_OR_STRING_BRANCHES = [{"type": "integer"}, {"type": "string"}]
_ROOT, _ITEM, _FIELD = "at the root", "for specified array items", "for specified object fields"
# What a schema in a combination may not say, with the word of the refusal.
_NOT_NESTED = (
    ("type", "empty"),
    ("additionalProperties", "undefined"),
    ("default", "undefined"),
    ("title", "empty"),
    ("description", "empty"),
    ("nullable", "false"),
    (PRESERVE, "false"),
    (EMBEDDED, "false"),
    (INT_OR_STRING, "false"),
    ("x-kubernetes-list-map-keys", "empty"),
    ("x-kubernetes-list-type", "undefined"),
    ("x-kubernetes-map-type", "undefined"),
    ("x-kubernetes-validations", "empty"),
)
# Refused by other checks, and so never part of a structural schema.
_UNSUPPORTED = (
    ("id", "id"),
    ("$schema", "schema"),
    ("$ref", "$ref"),
    ("patternProperties", "patternProperties"),
    ("dependencies", "dependencies"),
    ("additionalItems", "additionalItems"),
    ("definitions", "definitions"),
)


def schemas_below(schema: Schema, field: str) -> Iterator[tuple[Schema, str]]:
    """Yield the schemas directly in a schema, with their paths."""
    for name, child in (schema.get("properties") or {}).items():
        yield child, f"{field}.properties[{name}]"
    for keyword in ("items", "additionalProperties", "not"):
        if isinstance(schema.get(keyword), Mapping):
            yield schema[keyword], f"{field}.{keyword}"
    for keyword in COMBINATIONS:
        for index, child in enumerate(schema.get(keyword) or ()):
            yield child, f"{field}.{keyword}[{index}]"


def first_unsupported(schema: Schema) -> str:
    """Return why a schema, or one below it, cannot be read as a structural one; "" if it can."""
    for keyword, name in _UNSUPPORTED:
        if schema.get(keyword):
            return f"OpenAPIV3Schema '{name}' is not supported"
    if schema.get(PRESERVE) is False:
        return f"internal error: '{PRESERVE}' must be true or undefined"
    if isinstance(schema.get("items"), list):
        return "OpenAPIV3Schema 'items' must be a schema, but is an array"
    return next(
        filter(None, (first_unsupported(below) for below, _ in schemas_below(schema, ""))), ""
    )


def check_structure(schema: Schema, field: str) -> list[Cause]:
    """Return the causes for refusing a whole object's schema as not structural, sorted."""
    causes = _check_place(schema, _ROOT, field) + _complete(schema, schema, field, field)
    return sorted(causes, key=Cause.text)


# ------------------------------------------------------------------------- invariants


def _check_place(schema: Schema, level: str, field: str) -> list[Cause]:
    """Check a schema that is in no combination, and all below it."""
    causes: list[Cause] = []
    kind, items = schema.get("type") or "", schema.get("items")
    if isinstance(items, Mapping):
        causes += _check_place(items, _ITEM, f"{field}.items")
    elif kind == "array":
        causes.append(field_required(f"{field}.items", "must be specified"))
    properties = schema.get("properties") or {}
    for name, child in properties.items():
        causes += _check_place(child, _FIELD, f"{field}.properties[{name}]")
    additional = schema.get("additionalProperties")
    if additional is not None and level == _ROOT:
        causes.append(
            field_forbidden(f"{field}.additionalProperties", "must not be used at the root")
        )
    if isinstance(additional, Mapping):
        causes += _check_place(additional, _FIELD, f"{field}.additionalProperties")
    causes += _check_extensions(schema, field)
    causes += _check_values(schema, field)
    causes += _check_type(schema, level, field)
    if additional is not None and schema.get(EMBEDDED):
        message = f"must not be used if {EMBEDDED} is set"
        causes.append(field_forbidden(f"{field}.additionalProperties", message))
    if level == _ROOT and kind not in ("", "object"):
        causes.append(field_invalid(f"{field}.type", kind, "must be object at the root"))
    causes += _check_meta(schema, level, field)
    if schema.get(EMBEDDED) and not schema.get(PRESERVE) and not properties:
        message = f"must not be empty if {EMBEDDED} is true without {PRESERVE}"
        causes.append(field_required(f"{field}.properties", message))
    return causes


def _check_type(schema: Schema, level: str, field: str) -> list[Cause]:
    kind = schema.get("type") or ""
    where = f"{field}.type"
    if schema.get(EMBEDDED) and kind != "object":
        message = f"must be object if {EMBEDDED} is true"
        return [field_invalid(where, kind, message) if kind else field_required(where, message)]
    if not kind and not schema.get(INT_OR_STRING) and not schema.get(PRESERVE):
        return [field_required(where, f"must not be empty {level}")]
    return []


def _check_extensions(schema: Schema, field: str) -> list[Cause]:
    if not schema.get(INT_OR_STRING):
        return []
    message = f"must be false if {INT_OR_STRING} is true"
    return [
        field_invalid(f"{field}.{keyword}", True, message)
        for keyword in (PRESERVE, EMBEDDED)
        if schema.get(keyword)
    ]


def _check_meta(schema: Schema, level: str, field: str) -> list[Cause]:
    """Check what is said of kind, apiVersion and metadata, which every object has."""
    causes = []
    properties = schema.get("properties") or {}
    is_object = level == _ROOT or bool(schema.get(EMBEDDED))
    for name in ("kind", "apiVersion"):
        kind = (properties.get(name) or {}).get("type") or ""
        if is_object and name in properties and kind != "string":
            where = f"{field}.properties[{name}].type"
            causes.append(field_invalid(where, kind, "must be string"))
    metadata, where = properties.get("metadata"), f"{field}.properties[metadata]"
    if metadata is None:
        return causes
    if is_object and metadata.get("type") != "object":
        causes.append(field_invalid(f"{where}.type", metadata.get("type") or "", "must be object"))
    said = _said(metadata).keys() - {"type", "default", "properties"}
    others = (metadata.get("properties") or {}).keys() - {"name", "generateName"}
    if level == _ROOT and (said or others):
        message = "must not specify anything other than name and generateName, but metadata is "
        causes.append(field_forbidden(where, message + "implicitly specified"))
    return causes


def _said(schema: Schema) -> dict[str, Any]:
    """Return the keywords of a schema that are not at their zero values."""
    empty: tuple[Any, ...] = (None, "", False, [], {})
    return {keyword: value for keyword, value in schema.items() if value not in empty}


def _is_int_or_string(branches: Any) -> bool:
    """Tell whether these are the branches of anyOf that may name types: integer, then string."""
    return [_said(branch) for branch in branches or ()] == _INT_OR_STRING_BRANCHES


def _check_values(schema: Schema, field: str, skip: bool | None = None) -> list[Cause]:
    """Check the combinations and the pattern of a schema.

    `skip` tells to leave out anyOf; for a schema outside of combinations (None) it is left out if
    it has the form of an int-or-string, and so is that of its first allOf.
    """
    any_of, all_of = schema.get("anyOf") or (), schema.get("allOf") or ()
    outside = skip is None
    causes: list[Cause] = []
    if not (_is_int_or_string(any_of) if outside else skip):
        for index, branch in enumerate(any_of):
            causes += _check_nested(branch, f"{field}.anyOf[{index}]")
    for index, branch in enumerate(all_of):
        special = outside and index == 0 and _is_int_or_string(branch.get("anyOf"))
        causes += _check_nested(branch, f"{field}.allOf[{index}]", skip=special)
    for index, branch in enumerate(schema.get("oneOf") or ()):
        causes += _check_nested(branch, f"{field}.oneOf[{index}]")
    if schema.get("not") is not None:
        causes += _check_nested(schema["not"], f"{field}.not")
    return causes + _check_pattern(schema.get("pattern"), field)


def _check_pattern(pattern: Any, field: str) -> list[Cause]:
    if not pattern:
        return []
    try:
        check_pattern(pattern)
    except ValueError as error:
        message = f"must be a valid regular expression, but isn't: {error}"
        return [field_invalid(f"{field}.pattern", pattern, message)]
    return []


def _check_nested(branch: Schema, field: str, skip: bool = False) -> list[Cause]:
    """Check a schema in a combination: it may only restrict values."""
    causes = _check_values(branch, field, skip)
    if isinstance(branch.get("items"), Mapping):
        causes += _check_nested(branch["items"], f"{field}.items")
    properties = branch.get("properties") or {}
    for name, child in properties.items():
        causes += _check_nested(child, f"{field}.properties[{name}]")
    for keyword, word in _NOT_NESTED:
        value = branch.get(keyword)
        if value or (keyword == "default" and value is not None) or isinstance(value, Mapping):
            causes.append(field_forbidden(f"{field}.{keyword}", f"must be {word} to be structural"))
    if "metadata" in properties:
        message = "must not be specified in a nested context"
        causes.append(field_forbidden(f"{field}.properties[metadata]", message))
    return causes


# ------------------------------------------------------------------------- completeness


def _complete(branch: Schema, declared: Schema, path: str, field: str) -> list[Cause]:
    """Check that `declared`, at `path`, has all that combinations of `branch` restrict."""
    causes: list[Cause] = []
    if branch.get("not") is not None:
        causes += _complete_nested(branch["not"], declared, path, f"{field}.not")
    for keyword in COMBINATIONS:
        for index, child in enumerate(branch.get(keyword) or ()):
            causes += _complete_nested(child, declared, path, f"{field}.{keyword}[{index}]")
    return causes


def _complete_nested(branch: Schema, declared: Schema | None, path: str, field: str) -> list[Cause]:
    if declared is None:
        return [field_required(path, f"because it is defined in {field}")]
    causes = _complete(branch, declared, path, field)
    if isinstance(branch.get("items"), Mapping):
        items = declared.get("items")
        causes += _complete_nested(branch["items"], items, f"{path}.items", f"{field}.items")
    fields = declared.get("properties") or {}
    for name, child in (branch.get("properties") or {}).items():
        below = f".properties[{name}]"
        causes += _complete_nested(child, fields.get(name), path + below, field + below)
    return causes
