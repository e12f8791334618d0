"""The checks of single values: lengths, ranges, patterns, enumerations, formats, combinations.

A facet becomes a function check(value, errors) that appends `[path, code, value, detail]`, with
the path still empty: the pass that calls it puts the path in front. Which facet applies to which
type follows k8s.io/kube-openapi/pkg/validation/validate: a facet of another type is not looked at.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from kcpfast._core import schema as core
from kcpfast.meta.errors import Cause, field_invalid
from kcpfast.meta.names import dns_label, path_segment
from kcpfast.meta.objectmeta import check_meta
from kcpfast.schema import formats
from kcpfast.schema.pattern import compile_pattern

_LONGEST = 1 << 62
Check = Callable[[Any, list[Any]], None]


def _string(test: Callable[[str], bool], code: int, detail: Any) -> Check:
    def check(value: Any, errors: list[Any]) -> None:
        if isinstance(value, str) and not test(value):
            errors.append(["", code, value, detail])

    return check


def _number(test: Callable[[float], bool], code: int, detail: Any) -> Check:
    def check(value: Any, errors: list[Any]) -> None:
        if isinstance(value, int | float) and not isinstance(value, bool) and not test(value):
            errors.append(["", code, value, detail])

    return check


def _at_most(kind: int, name: str, code: int) -> Callable[[Mapping[str, Any]], Check]:
    return lambda schema: core.Size(kind, 1, _length(schema[name]), code)


def _at_least(kind: int, name: str, code: int) -> Callable[[Mapping[str, Any]], Check]:
    return lambda schema: core.Size(kind, -1, _length(schema[name]), code)


def _length(limit: float) -> int:
    """Return a limit of lengths as the kernel holds it: nothing is as long as the bounds."""
    return int(max(-_LONGEST, min(limit, _LONGEST)))


def _pattern(schema: Mapping[str, Any]) -> Check:
    source = schema["pattern"]
    pattern = compile_pattern(source)
    return core.Match(*pattern.short(), pattern.search, core.PATTERN, source)


def _format(schema: Mapping[str, Any]) -> Check | None:
    name = schema["format"]
    test = formats.STRINGS.get(name.replace("-", ""))
    if test is not None:
        return _string(test, core.FORMAT, name)
    bounds = formats.NUMBER_FORMATS.get(name)
    if bounds is None:
        return None
    low, high = bounds
    detail = (schema.get("type") or "number", name)
    return _number(lambda value: low <= value <= high, core.RANGE, detail)


def _maximum(schema: Mapping[str, Any]) -> Check:
    strict = bool(schema.get("exclusiveMaximum"))
    return core.NumberRange(1, schema["maximum"], strict, core.MAXIMUM)


def _minimum(schema: Mapping[str, Any]) -> Check:
    strict = bool(schema.get("exclusiveMinimum"))
    return core.NumberRange(-1, schema["minimum"], strict, core.MINIMUM)


def _multiple_of(schema: Mapping[str, Any]) -> Check:
    factor = schema["multipleOf"]
    return _number(lambda value: (value / factor) % 1 == 0, core.MULTIPLE, factor)


def _enum(schema: Mapping[str, Any]) -> Check:
    allowed = list(schema["enum"])
    known = frozenset(_identity(each) for each in allowed)

    def check(value: Any, errors: list[Any]) -> None:
        if _identity(value) not in known:
            errors.append(["", core.ENUM, value, allowed])

    return check


def _unique_items(schema: Mapping[str, Any]) -> Check | None:
    if not schema["uniqueItems"]:
        return None

    def check(value: Any, errors: list[Any]) -> None:
        if isinstance(value, list) and len({_identity(item) for item in value}) < len(value):
            errors.append(["", core.UNIQUE, value, None])

    return check


def _list_type(schema: Mapping[str, Any]) -> Check | None:
    """Set and map lists hold no item twice (KEP-2331: merge strategies of lists)."""
    kind = schema["x-kubernetes-list-type"]
    if kind == "set":
        return _no_duplicates(_identity, lambda item: item)
    if kind != "map":
        return None
    keys = tuple(schema.get("x-kubernetes-list-map-keys", ()))
    properties = schema.get("items", {}).get("properties", {})
    defaults = {key: properties.get(key, {}).get("default") for key in keys}

    def named(item: Any) -> dict[str, Any]:
        if not isinstance(item, dict):
            return {}
        pairs = ((key, item.get(key, defaults[key])) for key in keys)
        return {key: value for key, value in pairs if value is not None}

    if len(keys) == 1:
        return _no_duplicates(_by_key(keys[0], defaults[keys[0]]), named)
    return _no_duplicates(lambda item: frozen(named(item)), named)


def _by_key(key: str, default: Any) -> Callable[[Any], Hashable]:
    """Return what tells items of a map list with one key apart."""

    def identity(item: Any) -> Hashable:
        value = item.get(key, default) if isinstance(item, dict) else None
        return _identity(value)

    return identity


def _no_duplicates(identity: Callable[[Any], Hashable], shown: Callable[[Any], Any]) -> Check:
    def check(value: Any, errors: list[Any]) -> None:
        if not isinstance(value, list) or len(value) < 2:
            return
        seen: set[Hashable] = set()
        for index, item in enumerate(value):
            key = identity(item)
            if key in seen:
                errors.append([f"[{index}]", core.DUPLICATE, shown(item), None])
                if len(errors) >= core.MAX_SCHEMA_ERRORS:
                    return
            seen.add(key)

    return check


def _embedded(schema: Mapping[str, Any]) -> Check | None:
    """Embedded objects are whole: apiVersion and kind, and metadata that could stand alone."""
    if not schema["x-kubernetes-embedded-resource"]:
        return None

    def check(value: Any, errors: list[Any]) -> None:
        if not isinstance(value, dict):
            return
        for name in ("apiVersion", "kind"):
            if name not in value:
                errors.append([name, core.REQUIRED, None, None])
            elif isinstance(value[name], str):
                said = _check_type_field(name, value[name])
                errors.extend([[name, core.SAID, None, cause] for cause in said])
        meta = value.get("metadata")
        if isinstance(meta, dict):
            named = {"name": "unnamed"} | meta
            found = check_meta(named, path_segment, namespaced=bool(meta.get("namespace")))
            errors.extend([[cause.field, core.SAID, None, cause] for cause in found])

    return check


def _check_type_field(name: str, value: str) -> list[Cause]:
    if not value:
        return [field_invalid(name, value, "must not be empty")]
    if name == "apiVersion":
        if value.count("/") > 1:
            why = f"unexpected GroupVersion string: {value}"
            return [field_invalid(name, value, why)]
        return []
    why = "may have mixed case, but should otherwise match: "
    return [field_invalid(name, value, why + wrong) for wrong in dns_label(value.lower())]


FACETS: dict[str, Callable[[Mapping[str, Any]], Check | None]] = {
    "enum": _enum,
    "format": _format,
    "maxItems": _at_most(core.ARRAY, "maxItems", core.MAX_ITEMS),
    "maxLength": _at_most(core.STRING, "maxLength", core.MAX_LENGTH),
    "maxProperties": _at_most(core.OBJECT, "maxProperties", core.MAX_PROPERTIES),
    "maximum": _maximum,
    "minItems": _at_least(core.ARRAY, "minItems", core.MIN_ITEMS),
    "minLength": _at_least(core.STRING, "minLength", core.MIN_LENGTH),
    "minProperties": _at_least(core.OBJECT, "minProperties", core.MIN_PROPERTIES),
    "minimum": _minimum,
    "multipleOf": _multiple_of,
    "pattern": _pattern,
    "uniqueItems": _unique_items,
    "x-kubernetes-embedded-resource": _embedded,
    "x-kubernetes-list-type": _list_type,
}


def _identity(value: Any) -> Hashable:
    """Return what is equal for equal JSON values: a string is itself, all else is written out."""
    if type(value) is str:
        return value
    if type(value) is float and value.is_integer():
        value = int(value)
    return (frozen(value),)


def frozen(value: Any) -> str:
    """Return a text that is equal for equal JSON values."""
    return json.dumps(value, sort_keys=True)
