"""Is a schema one that a custom kind may have: structural, and free of what is not supported.

Rules and field paths: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
(structural schemas) and k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation.
CEL rules are checked by `rule_checks`, defaults against their own place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kcpfast.meta.copies import copy_json
from kcpfast.meta.errors import (
    Cause,
    field_duplicate,
    field_forbidden,
    field_invalid,
    field_not_supported,
    field_required,
)
from kcpfast.schema.formats import is_known
from kcpfast.schema.pattern import check_pattern, is_large
from kcpfast.schema.program import MAX_DEFINITION_DEPTH, TYPE_CODES, compile_schema

Schema = Mapping[str, Any]

_FORBIDDEN = {
    "$ref": "$ref is not supported",
    "additionalItems": "additionalItems is not supported",
    "definitions": "definitions is not supported",
    "dependencies": "dependencies is not supported",
    "deprecated": "deprecated is not supported",
    "discriminator": "discriminator is not supported",
    "id": "id is not supported",
    "patternProperties": "patternProperties is not supported",
    "readOnly": "readOnly is not supported",
    "writeOnly": "writeOnly is not supported",
    "xml": "xml is not supported",
}
# What may not stand below allOf, anyOf, oneOf and not: it would have to shape the object.
_NOT_NESTED = (
    "additionalProperties",
    "default",
    "description",
    "nullable",
    "title",
    "type",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
)
_INT_OR_STRING = "x-kubernetes-int-or-string"
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"
_LIST_TYPE, _LIST_KEYS = "x-kubernetes-list-type", "x-kubernetes-list-map-keys"
_MAP_TYPE = "x-kubernetes-map-type"
_METADATA = ("name", "generateName")
MAX_LARGE_PATTERNS = 20


def check_schema(schema: Schema, field: str) -> list[Cause]:
    """Return what is wrong with the schema of a whole object; `field` is its own path."""
    if too_deep(schema):
        why = f"must not be nested more than {MAX_DEFINITION_DEPTH} levels"
        return [field_invalid(field, "", why)]
    if _has_too_many_large(schema):
        why = f"must have at most {MAX_LARGE_PATTERNS} patterns whose programs are large"
        return [field_forbidden(field, why)]
    causes: list[Cause] = []
    if schema.get("type") != "object":
        kind = schema.get("type") or ""
        causes.append(
            field_invalid(f"{field}.type", kind, "must be object at the root")
            if kind
            else field_required(f"{field}.type", "must not be empty at the root")
        )
    if schema.get("nullable"):
        causes.append(field_forbidden(f"{field}.nullable", "nullable cannot be true at the root"))
    causes += _check_metadata(schema, field)
    causes += _check_place(schema, field)
    return causes


def _has_too_many_large(schema: Schema) -> bool:
    """Tell whether the patterns of a schema take long to compile: some 20 ms each."""
    left: list[Any] = [schema]
    large = 0
    while left and large <= MAX_LARGE_PATTERNS:
        value = left.pop()
        pattern = value.get("pattern") if isinstance(value, dict) else None
        large += isinstance(pattern, str) and is_large(pattern)
        children = value.values() if isinstance(value, dict) else value
        left += [child for child in children if isinstance(child, dict | list)]
    return large > MAX_LARGE_PATTERNS


def too_deep(schema: Any, limit: int = 3 * MAX_DEFINITION_DEPTH) -> bool:
    """Tell whether a schema is nested deeper than anything here walks down."""
    level = [schema]
    for _ in range(limit):
        level = [
            child
            for value in level
            for child in (value.values() if isinstance(value, dict) else value)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _check_metadata(schema: Schema, field: str) -> list[Cause]:
    metadata = (schema.get("properties") or {}).get("metadata")
    if metadata is None:
        return []
    where = f"{field}.properties[metadata]"
    allowed = {"type", "description", "properties"}
    properties = metadata.get("properties") or {}
    good = set(metadata) <= allowed and set(properties) <= set(_METADATA)
    if not good:
        why = "must not specify anything other than name and generateName, but metadata is "
        why += "implicitly specified"
        return [field_forbidden(where, why)]
    return []


def _check_place(schema: Schema, field: str) -> list[Cause]:
    causes = _check_type(schema, field)
    causes += _check_words(schema, field)
    causes += _check_lists(schema, field)
    causes += _check_combinations(schema, field)
    for name, child in (schema.get("properties") or {}).items():
        causes += _check_place(child, f"{field}.properties[{name}]")
    items = schema.get("items")
    if isinstance(items, list):
        why = "items must be a schema object and not an array"
        causes.append(field_forbidden(f"{field}.items", why))
    elif items is not None:
        causes += _check_place(items, f"{field}.items")
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        causes += _check_place(additional, f"{field}.additionalProperties")
    return causes


def _check_type(schema: Schema, field: str) -> list[Cause]:
    kind = schema.get("type") or ""
    if schema.get(_INT_OR_STRING):
        return _check_int_or_string(kind, field)
    if not kind:
        if schema.get(_PRESERVE):
            return []
        return [field_required(f"{field}.type", "must not be empty for specified object fields")]
    if kind not in TYPE_CODES:
        return [field_not_supported(f"{field}.type", kind, sorted(TYPE_CODES))]
    causes = []
    if kind == "array" and schema.get("items") is None:
        causes.append(field_required(f"{field}.items", "must be specified"))
    if kind != "object":
        causes += _only_objects(schema, field)
    if schema.get("properties") and schema.get("additionalProperties") not in (None, False):
        why = "additionalProperties and properties are mutual exclusive"
        causes.append(field_forbidden(f"{field}.additionalProperties", why))
    return causes


def _check_int_or_string(kind: str, field: str) -> list[Cause]:
    if kind:
        why = f"must be empty if {_INT_OR_STRING} is true"
        return [field_forbidden(f"{field}.type", why)]
    return []


def _only_objects(schema: Schema, field: str) -> list[Cause]:
    causes = []
    if schema.get(_EMBEDDED):
        why = "must be object if x-kubernetes-embedded-resource is true"
        causes.append(field_invalid(f"{field}.type", schema["type"], why))
    if schema.get(_PRESERVE):
        why = "must be object if x-kubernetes-preserve-unknown-fields is true"
        causes.append(field_invalid(f"{field}.type", schema["type"], why))
    return causes


def _check_words(schema: Schema, field: str) -> list[Cause]:
    causes = [
        field_forbidden(f"{field}.{word}", why)
        for word, why in _FORBIDDEN.items()
        if schema.get(word)
    ]
    if schema.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        causes.append(field_forbidden(f"{field}.uniqueItems", why))
    if schema.get("additionalProperties") is False:
        why = "additionalProperties cannot be set to false"
        causes.append(field_forbidden(f"{field}.additionalProperties", why))
    pattern = schema.get("pattern")
    if pattern:
        try:
            check_pattern(pattern)
        except ValueError as error:
            why = f"must be a valid regular expression, but isn't: {error}"
            causes.append(field_invalid(f"{field}.pattern", pattern, why))
    if schema.get(_PRESERVE) is False:
        why = "must be true or undefined"
        causes.append(field_invalid(f"{field}.{_PRESERVE}", False, why))
    causes += _check_default(schema, field)
    return causes


def _check_default(schema: Schema, field: str) -> list[Cause]:
    if "default" not in schema:
        return []
    value = schema["default"]
    if value is None and schema.get("nullable"):
        return []
    try:
        program = compile_schema(schema)
    except (ValueError, KeyError, TypeError):
        return []  # said elsewhere
    where = f"{field}.default"
    pruned = copy_json(value)
    unknown = program.prune(pruned) if isinstance(pruned, dict | list) else []
    causes = [field_invalid(f"{where}.{name}", value, "must be pruned") for name in unknown[:1]]
    for cause in program.validate(value):
        path = where if cause.field == "<nil>" else f"{where}.{cause.field}"
        causes.append(cause._replace(field=path, message=cause.message.replace("<nil>", where)))
    return causes


def _check_lists(schema: Schema, field: str) -> list[Cause]:
    causes: list[Cause] = []
    kind, keys = schema.get(_LIST_TYPE), schema.get(_LIST_KEYS) or ()
    if kind is not None and schema.get("type") != "array":
        why = "must be array if x-kubernetes-list-type is specified"
        causes.append(field_invalid(f"{field}.type", schema.get("type") or "", why))
    if kind not in (None, "atomic", "set", "map"):
        supported = ["atomic", "map", "set"]
        causes.append(field_not_supported(f"{field}.{_LIST_TYPE}", kind, supported))
    map_type = schema.get(_MAP_TYPE)
    if map_type is not None and map_type not in ("atomic", "granular"):
        supported = ["atomic", "granular"]
        causes.append(field_not_supported(f"{field}.{_MAP_TYPE}", map_type, supported))
    if kind == "map":
        causes += _check_keys(schema, keys, field)
    elif keys:
        why = "must be map if x-kubernetes-list-map-keys is non-empty"
        causes.append(field_invalid(f"{field}.{_LIST_TYPE}", kind or "", why))
    return causes


def _check_keys(schema: Schema, keys: Iterable[str], field: str) -> list[Cause]:
    where = f"{field}.{_LIST_KEYS}"
    listed = list(keys)
    if not listed:
        return [field_required(where, "must not be empty if x-kubernetes-list-type is map")]
    items = schema.get("items") or {}
    causes = []
    if items.get("type") != "object":
        why = "must be object if parent array's x-kubernetes-list-type is map"
        causes.append(field_invalid(f"{field}.items.type", items.get("type") or "", why))
    properties = items.get("properties") or {}
    for index, key in enumerate(listed):
        if key in listed[:index]:
            causes.append(field_duplicate(f"{where}[{index}]", key))
        elif key not in properties:
            why = "entries must all be names of item properties"
            causes.append(field_invalid(f"{where}[{index}]", key, why))
        elif properties[key].get("type") in ("array", "object"):
            why = f"must be a scalar type if parent array specifies {_LIST_KEYS}"
            path = f"{field}.items.properties[{key}].type"
            causes.append(field_invalid(path, properties[key]["type"], why))
        elif key not in (items.get("required") or ()) and "default" not in properties[key]:
            why = f"this property is in {_LIST_KEYS}, so it must have a default or be a required "
            path = f"{field}.items.properties[{key}].default"
            causes.append(field_required(path, why + "property"))
    return causes


def _check_combinations(schema: Schema, field: str) -> list[Cause]:
    causes = []
    for word in ("allOf", "anyOf", "oneOf"):
        for index, branch in enumerate(schema.get(word) or ()):
            causes += _check_branch(branch, schema, f"{field}.{word}[{index}]")
    if schema.get("not"):
        causes += _check_branch(schema["not"], schema, f"{field}.not")
    return causes


def _check_branch(branch: Schema, parent: Schema, field: str) -> list[Cause]:
    """Check a schema below a combination: it may only restrict what its parent declares."""
    loose = bool(parent.get(_INT_OR_STRING))
    causes = []
    for word in _NOT_NESTED:
        if branch.get(word) in (None, False, ""):
            continue
        if word == "type" and loose and branch[word] in ("integer", "string"):
            continue
        if word == "x-kubernetes-validations":
            continue
        why = "must be undefined to be structural" if word == "type" else "must be undefined to be"
        causes.append(field_forbidden(f"{field}.{word}", why.removesuffix(" to be")))
    for word in ("allOf", "anyOf", "oneOf"):
        for index, each in enumerate(branch.get(word) or ()):
            causes += _check_branch(each, parent, f"{field}.{word}[{index}]")
    if branch.get("not"):
        causes += _check_branch(branch["not"], parent, f"{field}.not")
    return causes + _check_branch_places(branch, parent, field)


def _check_branch_places(branch: Schema, parent: Schema, field: str) -> list[Cause]:
    causes: list[Cause] = []
    declared = parent.get("properties") or {}
    for name, child in (branch.get("properties") or {}).items():
        where = f"{field}.properties[{name}]"
        if name not in declared:
            if not parent.get(_PRESERVE):
                trail = re.sub(r"\.(allOf|anyOf|oneOf)\[\d+\]|\.not", "", where)
                causes.append(field_required(trail, f"because it is defined in {where}"))
            continue
        causes += _check_branch(child, declared[name], where)
    if isinstance(branch.get("items"), dict):
        inner = parent.get("items")
        if isinstance(inner, dict):
            causes += _check_branch(branch["items"], inner, f"{field}.items")
    return causes


def unknown_formats(schema: Schema) -> list[str]:
    """Return the formats in a schema that nothing checks."""
    name = schema.get("format") or ""
    found = [name] if name and not is_known(schema.get("type") or "", name) else []
    children = [*(schema.get("properties") or {}).values()]
    children += [schema.get("items"), schema.get("additionalProperties"), schema.get("not")]
    for word in ("allOf", "anyOf", "oneOf"):
        children += schema.get(word) or ()
    for child in children:
        if isinstance(child, Mapping):
            found += unknown_formats(child)
    return found
