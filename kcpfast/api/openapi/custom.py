"""The definitions of custom kinds: their own schemas, as a kube-apiserver publishes them.

v3 shows a schema as it is. What v2 cannot say, or kubectl cannot read in it, is taken out: the
rules are those of apiextensions' conversion to OpenAPI v2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kcpfast.api.openapi.definitions import (
    LIST_META,
    OBJECT_META,
    REFERENCES,
    Definition,
    Schema,
    common,
    descriptions,
    referring,
)
from kcpfast.api.openapi.operations import definition_of, list_definition_of
from kcpfast.resources.resource import Resource

# Hostile schemas are cut, not refused: here where no object can be that deep (schema.program),
# and as a whole where defaults or examples in them are deeper than could be encoded.
_MAX_DEPTH = 200
_MAX_NESTING = 2 * _MAX_DEPTH + 50
_PRESERVE, _EMBEDDED = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_LIST_KEYS, _MERGE_KEY = "x-kubernetes-list-map-keys", "x-kubernetes-patch-merge-key"
_OPEN = {_PRESERVE: True}
_encode = msgspec.json.Encoder().encode

_COPIED = (
    "description",
    "type",
    "format",
    "title",
    "default",
    "nullable",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "multipleOf",
    "enum",
    "maxProperties",
    "minProperties",
    "required",
    "example",
    "externalDocs",
    _PRESERVE,
    _EMBEDDED,
    _INT_OR_STRING,
    _LIST_KEYS,
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-validations",
)
_ONE = ("items", "additionalProperties", "not")
_SEVERAL = ("allOf", "anyOf", "oneOf")
_NOT_IN_V2 = ("not", *_SEVERAL)
# Where others say nothing unless they are true, or hold something, these do.
_KEPT_IF_EMPTY = ("default", "example", "enum")
_TYPE_META = ("kind", "apiVersion")
_EITHER = [{"type": "integer"}, {"type": "string"}]


def definitions_of(resource: Resource, dialect: str) -> dict[str, Definition]:
    """Return the definitions of a custom kind and its list, by name."""
    name, list_name = definition_of(resource), list_definition_of(resource)
    kind = _kind(resource, name, dialect)
    if _is_nested_beyond(_MAX_NESTING, kind):
        kind = {"type": "object"} | _OPEN | _marks(resource, resource.kind, dialect)
    list_definition = _list(resource, name, dialect)
    return {
        name: Definition(msgspec.Raw(_encode(kind)), (OBJECT_META,)),
        list_name: Definition(msgspec.Raw(_encode(list_definition)), (LIST_META,)),
    }


def _is_nested_beyond(limit: int, value: Any) -> bool:
    """Tell whether lists and maps stand in each other more than so many times."""
    level = [value]
    for _ in range(limit):
        inner: list[Any] = []
        for node in level:
            inner += node.values() if isinstance(node, dict) else node
        level = [node for node in inner if isinstance(node, dict | list)]
        if not level:
            return False
    return True


def _kind(resource: Resource, name: str, dialect: str) -> Schema:
    assert isinstance(resource.schema, Mapping)
    root: Schema = {"type": "object"}
    # Without a schema nothing may be listed: kubectl takes what is listed for all there is.
    if resource.schema and not (dialect == "v2" and resource.schema.get(_PRESERVE)):
        root = _converted(_filled(name, resource.schema), dialect, 0)
        root["properties"] = root.get("properties", {}) | _own_fields(dialect)
    root.setdefault("description", descriptions().get(name, {}).get("", ""))
    if not root["description"]:
        del root["description"]
    return root | _marks(resource, resource.kind, dialect)


def _own_fields(dialect: str) -> dict[str, Schema]:
    return {
        "apiVersion": {"description": common("apiVersion"), "type": "string"},
        "kind": {"description": common("kind"), "type": "string"},
        "metadata": referring(dialect, OBJECT_META, common("metadata")),
    }


def _list(resource: Resource, name: str, dialect: str) -> Schema:
    items = {"type": "array", "items": {"$ref": REFERENCES[dialect] + name}}
    properties = _own_fields(dialect) | {
        "items": {"description": common("items")} | items,
        "metadata": referring(dialect, LIST_META, common("listMetadata")),
    }
    return {
        "description": f"A list of {resource.kind} objects.",
        "type": "object",
        "required": ["items"],
        "properties": properties,
    } | _marks(resource, resource.list_kind, dialect)


def _marks(resource: Resource, kind: str, dialect: str) -> Schema:
    row = {"group": resource.group, "kind": kind, "version": resource.version}
    marks: Schema = {"x-kubernetes-group-version-kind": [row]}
    if resource.fields and dialect == "v3":
        fields = [{"fieldPath": path} for path in resource.fields]
        marks["x-kubernetes-selectable-fields"] = fields
    return marks


# ------------------------------------------------------------------------- conversion


def _converted(schema: Any, dialect: str, depth: int) -> Schema:
    """Return a schema in a dialect, with keywords that it does not know left out."""
    if depth > _MAX_DEPTH or not isinstance(schema, Mapping):
        return dict(_OPEN)
    converted = {key: schema[key] for key in _COPIED if _is_set(key, schema.get(key))}
    properties = schema.get("properties")
    if isinstance(properties, dict):
        converted["properties"] = inner = {}
        for name, subschema in properties.items():
            inner[name] = _converted(subschema, dialect, depth + 1)
    for key in _ONE:
        subschema = schema.get(key)
        if isinstance(subschema, dict):
            converted[key] = _converted(subschema, dialect, depth + 1)
        elif isinstance(subschema, bool):
            converted[key] = subschema
    for key in _SEVERAL:
        if isinstance(schema.get(key), list):
            converted[key] = several = []
            for subschema in schema[key]:
                several.append(_converted(subschema, dialect, depth + 1))  # noqa: PERF401 - one frame
    return _FINISH[dialect](converted, schema)


def _is_set(key: str, value: Any) -> bool:
    """Tell whether a keyword says something: numbers do if they are 0, too."""
    if value is None:
        return False
    return bool(value) or key in _KEPT_IF_EMPTY or type(value) in (int, float)


def _finish_v3(converted: Schema, _schema: Mapping[str, Any]) -> Schema:
    if converted.get(_INT_OR_STRING):
        _say_either(converted)
    keys = converted.get(_LIST_KEYS, ())
    if len(keys) == 1:
        converted[_MERGE_KEY] = keys[0]
    if converted.get(_EMBEDDED):
        _say_embedded(converted, "v3")
    return converted


def _say_either(converted: Schema) -> None:
    """Add that the value is an integer or a string, unless the schema says so already."""
    several = converted.get("allOf") or [{}]
    if converted.get("anyOf") == _EITHER or several[0].get("anyOf") == _EITHER:
        return
    if "anyOf" in converted:
        converted["allOf"] = [{"anyOf": _EITHER}, *converted.get("allOf", ())]
    else:
        converted["anyOf"] = _EITHER


def _say_embedded(converted: Schema, dialect: str) -> None:
    converted["properties"] = converted.get("properties", {}) | _own_fields(dialect)
    required = converted.get("required", [])
    converted["required"] = [*required, *(name for name in _TYPE_META if name not in required)]


def _finish_v2(converted: Schema, schema: Mapping[str, Any]) -> Schema:
    # Defaults make old kubectl fill them in by itself; kube-apiserver prunes them from v2.
    for key in ("default", "nullable", *_NOT_IN_V2):
        converted.pop(key, None)
    if schema.get("nullable"):
        for key in ("type", "items", "properties"):
            converted.pop(key, None)
    if converted.get(_PRESERVE):
        for key in ("items", "properties"):
            converted.pop(key, None)
    if (converted.get("type") == "array" and "items" not in converted) or (
        converted.get("type") == "object" and converted.get(_PRESERVE)
    ):
        del converted["type"]
    _relax_required(converted, schema)
    if converted.get(_EMBEDDED) and not converted.get(_PRESERVE):
        _say_embedded(converted, "v2")
    return converted


def _relax_required(converted: Schema, schema: Mapping[str, Any]) -> None:
    """Require no field that may be null: v2 cannot say that it may."""
    if not converted.get("required"):
        return
    properties = schema.get("properties") or {}
    left = [
        name for name in converted["required"] if not (properties.get(name) or {}).get("nullable")
    ]
    if left:
        converted["required"] = left
    else:
        del converted["required"]


_FINISH: Mapping[str, Callable[[Schema, Mapping[str, Any]], Schema]] = {
    "v2": _finish_v2,
    "v3": _finish_v3,
}


# ------------------------------------------------------------------------- kcp's own kinds


def _filled(name: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema with the texts that the assets have for it; the original is not changed."""
    texts = descriptions().get(name)
    if not texts:
        return schema
    for path, text in texts.items():
        schema = _with_text(schema, path.split(".") if path else [], text)
    return schema


def _with_text(schema: Mapping[str, Any], path: list[str], text: str) -> Mapping[str, Any]:
    if not path:
        return {"description": text} | dict(schema)
    if isinstance(schema.get("items"), dict):
        return dict(schema) | {"items": _with_text(schema["items"], path, text)}
    properties = schema.get("properties") or {}
    if path[0] not in properties:
        return schema
    inner = _with_text(properties[path[0]], path[1:], text)
    return dict(schema) | {"properties": properties | {path[0]: inner}}
