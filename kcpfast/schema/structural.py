"""Checks that the schema of a CRD version is structural and uses only supported keywords.

Rules and texts are those of k8s.io/apiextensions-apiserver: pkg/apis/apiextensions/validation
(keywords, list keys) and pkg/apiserver/schema/validation.go (structural schemas, defaults). CEL
rules are checked in `rule_checks`.
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
from kcpfast.schema.error_texts import TYPE_CODES
from kcpfast.schema.formats import is_known
from kcpfast.schema.pattern import check_pattern, is_large
from kcpfast.schema.program import MAX_DEFINITION_DEPTH, compile_schema

Schema = Mapping[str, Any]

_FORBIDDEN = (
    "$ref",
    "additionalItems",
    "definitions",
    "dependencies",
    "deprecated",
    "discriminator",
    "id",
    "patternProperties",
    "readOnly",
    "writeOnly",
    "xml",
)
# Keywords that shape an object; below allOf, anyOf, oneOf and not a schema may only restrict it.
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
)
_INT_OR_STRING = "x-kubernetes-int-or-string"
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"
_LIST_TYPE, _LIST_KEYS = "x-kubernetes-list-type", "x-kubernetes-list-map-keys"
_MAP_TYPE = "x-kubernetes-map-type"
_METADATA_KEYWORDS = frozenset(("type", "description", "properties"))
_METADATA_PROPERTIES = frozenset(("name", "generateName"))
MAX_LARGE_PATTERNS = 20


def check_schema(schema: Schema, field: str) -> list[Cause]:
    """Return the causes for refusing the schema of a whole object; `field` is its own path."""
    if too_deep(schema):
        message = f"must not be nested more than {MAX_DEFINITION_DEPTH} levels"
        return [field_invalid(field, "", message)]
    if _has_too_many_large(schema):
        message = f"must have at most {MAX_LARGE_PATTERNS} patterns whose programs are large"
        return [field_forbidden(field, message)]
    causes: list[Cause] = []
    kind = schema.get("type") or ""
    if not kind:
        causes.append(field_required(f"{field}.type", "must not be empty at the root"))
    elif kind != "object":
        causes.append(field_invalid(f"{field}.type", kind, "must be object at the root"))
    if schema.get("nullable"):
        causes.append(field_forbidden(f"{field}.nullable", "nullable cannot be true at the root"))
    causes += _check_metadata(schema, field)
    causes += _check_place(schema, field)
    return causes


def _has_too_many_large(schema: Schema) -> bool:
    """Tell whether a schema has more than MAX_LARGE_PATTERNS patterns that are slow to compile.

    A large pattern takes some 20 ms, on the event loop.
    """
    pending: list[Any] = [schema]
    large = 0
    while pending and large <= MAX_LARGE_PATTERNS:
        value = pending.pop()
        pattern = value.get("pattern") if isinstance(value, dict) else None
        if isinstance(pattern, str) and is_large(pattern):
            large += 1
        pending += _containers_in(value)
    return large > MAX_LARGE_PATTERNS


def too_deep(schema: Any, limit: int = 3 * MAX_DEFINITION_DEPTH) -> bool:
    """Tell whether decoded JSON is nested more than `limit` levels.

    The checks here and the compiler recurse; a deeper schema would end in a RecursionError.
    """
    level = [schema]
    for _ in range(limit):
        below: list[Any] = []
        for value in level:
            below += _containers_in(value)
        if not below:
            return False
        level = below
    return True


def _containers_in(value: Any) -> list[Any]:
    """Return the objects and arrays directly in a container."""
    children = value.values() if isinstance(value, dict) else value
    return [child for child in children if isinstance(child, dict | list)]


def _check_metadata(schema: Schema, field: str) -> list[Cause]:
    metadata = (schema.get("properties") or {}).get("metadata")
    if metadata is None:
        return []
    properties = metadata.get("properties") or {}
    if set(metadata) <= _METADATA_KEYWORDS and set(properties) <= _METADATA_PROPERTIES:
        return []
    message = "must not specify anything other than name and generateName, but metadata is "
    message += "implicitly specified"
    return [field_forbidden(f"{field}.properties[metadata]", message)]


def _check_place(schema: Schema, field: str) -> list[Cause]:
    """Check a schema at `field` and all schemas below it."""
    causes = _check_type(schema, field)
    causes += _check_keywords(schema, field)
    causes += _check_lists(schema, field)
    causes += _check_branches(schema, schema, field)
    for name, child in (schema.get("properties") or {}).items():
        causes += _check_place(child, f"{field}.properties[{name}]")
    items = schema.get("items")
    if isinstance(items, list):
        message = "items must be a schema object and not an array"
        causes.append(field_forbidden(f"{field}.items", message))
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
        message = "additionalProperties and properties are mutual exclusive"
        causes.append(field_forbidden(f"{field}.additionalProperties", message))
    return causes


def _check_int_or_string(kind: str, field: str) -> list[Cause]:
    if kind:
        message = f"must be empty if {_INT_OR_STRING} is true"
        return [field_forbidden(f"{field}.type", message)]
    return []


def _only_objects(schema: Schema, field: str) -> list[Cause]:
    causes = []
    if schema.get(_EMBEDDED):
        message = "must be object if x-kubernetes-embedded-resource is true"
        causes.append(field_invalid(f"{field}.type", schema["type"], message))
    if schema.get(_PRESERVE):
        message = "must be object if x-kubernetes-preserve-unknown-fields is true"
        causes.append(field_invalid(f"{field}.type", schema["type"], message))
    return causes


def _check_keywords(schema: Schema, field: str) -> list[Cause]:
    causes = [
        field_forbidden(f"{field}.{keyword}", f"{keyword} is not supported")
        for keyword in _FORBIDDEN
        if schema.get(keyword)
    ]
    if schema.get("uniqueItems"):
        message = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        causes.append(field_forbidden(f"{field}.uniqueItems", message))
    if schema.get("additionalProperties") is False:
        message = "additionalProperties cannot be set to false"
        causes.append(field_forbidden(f"{field}.additionalProperties", message))
    causes += _check_pattern(schema.get("pattern"), field)
    if schema.get(_PRESERVE) is False:
        message = "must be true or undefined"
        causes.append(field_invalid(f"{field}.{_PRESERVE}", False, message))
    return causes + _check_default(schema, field)


def _check_pattern(pattern: Any, field: str) -> list[Cause]:
    if not pattern:
        return []
    try:
        check_pattern(pattern)
    except ValueError as error:
        message = f"must be a valid regular expression, but isn't: {error}"
        return [field_invalid(f"{field}.pattern", pattern, message)]
    return []


def _check_default(schema: Schema, field: str) -> list[Cause]:
    """Check a default against its own schema: it must be valid, without unknown fields."""
    if "default" not in schema:
        return []
    value = schema["default"]
    if value is None and schema.get("nullable"):
        return []
    try:
        program = compile_schema(schema)
    except (ValueError, KeyError, TypeError):
        return []  # the schema itself is invalid, which other checks report
    default_path = f"{field}.default"
    causes = []
    pruned = copy_json(value)
    unknown = program.prune(pruned) if isinstance(pruned, dict | list) else []
    if unknown:
        causes.append(field_invalid(f"{default_path}.{unknown[0]}", value, "must be pruned"))
    for cause in program.validate(value):
        path = default_path if cause.field == "<nil>" else f"{default_path}.{cause.field}"
        message = cause.message.replace("<nil>", default_path)
        causes.append(cause._replace(field=path, message=message))
    return causes


def _check_lists(schema: Schema, field: str) -> list[Cause]:
    causes: list[Cause] = []
    kind, keys = schema.get(_LIST_TYPE), schema.get(_LIST_KEYS) or ()
    if kind is not None and schema.get("type") != "array":
        message = "must be array if x-kubernetes-list-type is specified"
        causes.append(field_invalid(f"{field}.type", schema.get("type") or "", message))
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
        message = "must be map if x-kubernetes-list-map-keys is non-empty"
        causes.append(field_invalid(f"{field}.{_LIST_TYPE}", kind or "", message))
    return causes


def _check_keys(schema: Schema, keys: Iterable[str], field: str) -> list[Cause]:
    """Check the keys of a list of type map: scalar properties of its items, always present."""
    keys_path = f"{field}.{_LIST_KEYS}"
    listed = list(keys)
    if not listed:
        return [field_required(keys_path, "must not be empty if x-kubernetes-list-type is map")]
    items = schema.get("items") or {}
    causes = []
    if items.get("type") != "object":
        message = "must be object if parent array's x-kubernetes-list-type is map"
        causes.append(field_invalid(f"{field}.items.type", items.get("type") or "", message))
    for index, key in enumerate(listed):
        if key in listed[:index]:
            causes.append(field_duplicate(f"{keys_path}[{index}]", key))
        elif key not in (items.get("properties") or {}):
            message = "entries must all be names of item properties"
            causes.append(field_invalid(f"{keys_path}[{index}]", key, message))
        else:
            causes += _check_key(items, key, f"{field}.items.properties[{key}]")
    return causes


def _check_key(items: Schema, key: str, path: str) -> list[Cause]:
    """Check the property at `path` that is a key of the items."""
    key_schema = items["properties"][key]
    kind = key_schema.get("type")
    if kind in ("array", "object"):
        message = f"must be a scalar type if parent array specifies {_LIST_KEYS}"
        return [field_invalid(f"{path}.type", kind, message)]
    if "default" in key_schema or key in (items.get("required") or ()):
        return []
    message = f"this property is in {_LIST_KEYS}, so it must have a default or be a required "
    return [field_required(f"{path}.default", message + "property")]


def _check_branches(schema: Schema, parent: Schema, field: str) -> list[Cause]:
    """Check the allOf, anyOf, oneOf and not of `schema` against what `parent` declares."""
    causes = []
    for keyword in ("allOf", "anyOf", "oneOf"):
        for index, branch in enumerate(schema.get(keyword) or ()):
            causes += _check_branch(branch, parent, f"{field}.{keyword}[{index}]")
    if schema.get("not"):
        causes += _check_branch(schema["not"], parent, f"{field}.not")
    return causes


def _check_branch(branch: Schema, parent: Schema, field: str) -> list[Cause]:
    """Check a schema below a combination: it may only restrict what its parent declares."""
    causes = []
    for keyword in _NOT_NESTED:
        if branch.get(keyword) in (None, False, ""):
            continue
        if keyword == "type" and _names_int_or_string(branch, parent):
            continue
        message = "must be undefined"
        if keyword == "type":
            message = "must be undefined to be structural"
        causes.append(field_forbidden(f"{field}.{keyword}", message))
    causes += _check_branches(branch, parent, field)
    return causes + _check_branch_children(branch, parent, field)


def _names_int_or_string(branch: Schema, parent: Schema) -> bool:
    """Tell whether a branch names one of the two types of an int-or-string, as it may."""
    return bool(parent.get(_INT_OR_STRING)) and branch["type"] in ("integer", "string")


def _check_branch_children(branch: Schema, parent: Schema, field: str) -> list[Cause]:
    """Check the properties and items of a branch against those that its parent declares."""
    causes: list[Cause] = []
    declared = parent.get("properties") or {}
    for name, child in (branch.get("properties") or {}).items():
        path = f"{field}.properties[{name}]"
        if name in declared:
            causes += _check_branch(child, declared[name], path)
        elif not parent.get(_PRESERVE):
            structural_path = re.sub(r"\.(allOf|anyOf|oneOf)\[\d+\]|\.not", "", path)
            causes.append(field_required(structural_path, f"because it is defined in {path}"))
    items, parent_items = branch.get("items"), parent.get("items")
    if isinstance(items, dict) and isinstance(parent_items, dict):
        causes += _check_branch(items, parent_items, f"{field}.items")
    return causes


def unknown_formats(schema: Schema) -> list[str]:
    """Return the formats in a schema that are not known for their type, and so not validated."""
    names = []
    name = schema.get("format") or ""
    if name and not is_known(schema.get("type") or "", name):
        names.append(name)
    children = [*(schema.get("properties") or {}).values()]
    children += [schema.get("items"), schema.get("additionalProperties"), schema.get("not")]
    for keyword in ("allOf", "anyOf", "oneOf"):
        children += schema.get(keyword) or ()
    for child in children:
        if isinstance(child, Mapping):
            names += unknown_formats(child)
    return names
