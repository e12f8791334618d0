"""Which keywords a schema may use, and how list and map types go together.

Rules and texts: ValidateCustomResourceDefinitionOpenAPISchema of
k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go. Its checks of CEL
rules are in `rule_checks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kcpfast.meta.errors import (
    Cause,
    field_forbidden,
    field_invalid,
    field_not_supported,
    field_required,
)
from kcpfast.schema.structure import EMBEDDED, PRESERVE, schemas_below

Schema = Mapping[str, Any]

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_LIST_TYPE, _LIST_KEYS = "x-kubernetes-list-type", "x-kubernetes-list-map-keys"
_MAP_TYPE = "x-kubernetes-map-type"
_META = ("metadata", "kind", "apiVersion")
# In upstream's order; the first group is refused if it says anything, the second if it is there.
_NEVER = (
    ("id", True),
    ("additionalItems", False),
    ("patternProperties", True),
    ("definitions", True),
    ("dependencies", False),
    ("$ref", False),
)


class _Place(NamedTuple):
    """Where a schema stands: why it may have no default ("": it may), and if in ObjectMeta."""

    no_default: str = ""
    in_meta: bool = False
    root: bool = False


def check_keywords(schema: Schema, field: str) -> list[Cause]:
    """Return the causes for refusing keywords in the schema of a whole object, or below it."""
    causes: list[Cause] = []
    pending = [(schema, field, _Place(root=True))]
    while pending:
        schema, field, place = pending.pop()
        causes += _check_standard(schema, field, place)
        causes += _check_maps(schema, field)
        causes += _check_lists(schema, field)
        causes += _check_keys(schema, field)
        causes += _check_correlation(schema, field)
        below = [
            (child, path, _place_below(schema, path.removeprefix(field), place))
            for child, path in _all_below(schema, field)
        ]
        pending += reversed(below)
    return causes


def _all_below(schema: Schema, field: str) -> list[tuple[Schema, str]]:
    below = list(schemas_below(schema, field))
    items, definitions = schema.get("items"), schema.get("definitions")
    if isinstance(items, list):
        below += [(child, f"{field}.items[{index}]") for index, child in enumerate(items)]
    for name, child in (definitions or {}).items():
        below.append((child, f"{field}.definitions[{name}]"))
    return below


def _place_below(schema: Schema, step: str, place: _Place) -> _Place:
    below = _Place(place.no_default, place.in_meta)
    if step == ".additionalProperties" and place.in_meta:
        return below._replace(no_default="inside additionalProperties applying to object metadata")
    for name in _META:
        if step == f".properties[{name}]" and (place.root or schema.get(EMBEDDED)):
            reason = f"in top-level {name}" if place.root else place.no_default
            return _Place(reason, in_meta=True)
    return below


def _check_standard(schema: Schema, field: str, place: _Place) -> list[Cause]:
    causes = []
    kind = schema.get("type") or ""
    if kind and kind not in _TYPES:
        causes.append(field_not_supported(f"{field}.type", kind, _TYPES))
    if schema.get("default") is not None and place.no_default:
        causes.append(field_forbidden(f"{field}.default", f"must not be set {place.no_default}"))
    for keyword, may_be_empty in _NEVER:
        value = schema.get(keyword)
        if value or (value is not None and not may_be_empty):
            causes.append(field_forbidden(f"{field}.{keyword}", f"{keyword} is not supported"))
    if kind == "null":
        message = "type cannot be set to null, use nullable as an alternative"
        causes.append(field_forbidden(f"{field}.type", message))
    if isinstance(schema.get("items"), list):
        message = "items must be a schema object and not an array"
        causes.append(field_forbidden(f"{field}.items", message))
    if place.in_meta and schema.get(EMBEDDED):
        message = "must not be used inside of resource meta"
        causes.append(field_forbidden(f"{field}.{EMBEDDED}", message))
    if schema.get("uniqueItems"):
        message = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        causes.append(field_forbidden(f"{field}.uniqueItems", message))
    if schema.get("properties") and schema.get("additionalProperties") not in (None, True):
        message = "additionalProperties and properties are mutual exclusive"
        causes.append(field_forbidden(f"{field}.additionalProperties", message))
    return causes


def _of_type(schema: Schema, field: str, kind: str, keyword: str) -> list[Cause]:
    given, message = schema.get("type") or "", f"must be {kind} if {keyword} is specified"
    if given == kind:
        return []
    where = f"{field}.type"
    return [field_invalid(where, given, message) if given else field_required(where, message)]


def _check_maps(schema: Schema, field: str) -> list[Cause]:
    causes = []
    if schema.get(PRESERVE) is False:
        causes.append(field_invalid(f"{field}.{PRESERVE}", False, "must be true or undefined"))
    map_type = schema.get(_MAP_TYPE)
    if map_type is None:
        return causes
    causes += _of_type(schema, field, "object", _MAP_TYPE)
    if map_type not in ("atomic", "granular"):
        supported = ["atomic", "granular"]
        causes.append(field_not_supported(f"{field}.{_MAP_TYPE}", map_type, supported))
    return causes


def _check_lists(schema: Schema, field: str) -> list[Cause]:
    list_type = schema.get(_LIST_TYPE)
    causes: list[Cause] = []
    if list_type is not None:
        wrong = _of_type(schema, field, "array", _LIST_TYPE)
        items = schema.get("items")
        if not wrong and list_type == "set" and isinstance(items, Mapping):
            wrong = _check_set(items, f"{field}.items")
        causes += wrong
        if list_type not in ("atomic", "set", "map"):
            supported = ["atomic", "set", "map"]
            causes.append(field_not_supported(f"{field}.{_LIST_TYPE}", list_type, supported))
    if schema.get(_LIST_KEYS) and list_type != "map":
        where, message = f"{field}.{_LIST_TYPE}", f"must be map if {_LIST_KEYS} is non-empty"
        missing = list_type is None
        causes.append(
            field_required(where, message) if missing else field_invalid(where, list_type, message)
        )
    return causes


def _check_set(items: Schema, field: str) -> list[Cause]:
    """Check the items of a set: only what is atomic can be told apart as a whole."""
    message = f"must be atomic as item of a list with {_LIST_TYPE}=set"
    kind, list_type = items.get("type"), items.get(_LIST_TYPE)
    if kind == "array" and list_type not in (None, "atomic"):
        return [field_invalid(f"{field}.{_LIST_TYPE}", list_type, message)]
    if kind == "object" and items.get(_MAP_TYPE) != "atomic":
        # Upstream shows the list type here, too.
        return [field_invalid(f"{field}.{_MAP_TYPE}", list_type, message)]
    return []


def _check_keys(schema: Schema, field: str) -> list[Cause]:
    """Check the keys of a list of type map: scalar properties of its items."""
    if schema.get(_LIST_TYPE) != "map":
        return []
    keys, items, where = schema.get(_LIST_KEYS) or [], schema.get("items"), f"{field}.{_LIST_KEYS}"
    causes = []
    if not keys:
        message = f"must not be empty if {_LIST_TYPE} is map"
        causes.append(field_required(where, message))
    if items is None:
        message = f"must have a schema if {_LIST_TYPE} is map"
        return [*causes, field_required(f"{field}.items", message)]
    if not isinstance(items, Mapping):
        message = f"must only have a single schema if {_LIST_TYPE} is map"
        return [*causes, field_invalid(f"{field}.items", items, message)]
    if items.get("type") != "object":
        message = f"must be object if parent array's {_LIST_TYPE} is map"
        kind = items.get("type") or ""
        return [*causes, field_invalid(f"{field}.items.type", kind, message)]
    properties = items.get("properties") or {}
    for index, key in enumerate(keys):
        if key not in properties:
            message = "entries must all be names of item properties"
            causes.append(field_invalid(where, keys, message))
        elif properties[key].get("type") in ("array", "object"):
            message = f"must be a scalar type if parent array's {_LIST_TYPE} is map"
            path = f"{field}.items.properties[{key}].type"
            causes.append(field_invalid(path, items["type"], message))
        if key in keys[:index]:
            causes.append(field_invalid(where, keys, "must not contain duplicate entries"))
    return causes


def _check_correlation(schema: Schema, field: str) -> list[Cause]:
    """Check that items of a set or map can be told apart: no item and no key is null."""
    items, list_type = schema.get("items"), schema.get(_LIST_TYPE)
    if not isinstance(items, Mapping) or list_type not in ("set", "map"):
        return []
    causes = []
    if items.get("nullable"):
        message = f"cannot be nullable when {_LIST_TYPE} is {list_type}"
        causes.append(field_forbidden(f"{field}.items.nullable", message))
    properties, required = items.get("properties") or {}, items.get("required") or ()
    for key in (schema.get(_LIST_KEYS) or ()) if list_type == "map" else ():
        said, path = properties.get(key), f"{field}.items.properties[{key}]"
        if said is None:
            continue
        message = f"this property is in {_LIST_KEYS}, so it "
        if key not in required and said.get("default") is None:
            wanted = "must have a default or be a required property"
            causes.append(field_required(f"{path}.default", message + wanted))
        if said.get("nullable"):
            causes.append(field_forbidden(f"{path}.nullable", message + "cannot be nullable"))
    return causes
