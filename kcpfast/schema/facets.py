"""Compiles the facets of a schema into checks of one value: lengths, ranges, patterns, enums.

A check is a function check(value, errors) that appends `[path, code, value, detail]` to `errors`:
path relative to the value, code one of _core/schema.py. Which facet applies to which type follows
k8s.io/kube-openapi/pkg/validation/validate: a value of another type passes.
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
_MOST_EXACT, _EPSILON = float((1 << 53) - 1), 1e-9
Check = Callable[[Any, list[Any]], None]
# Takes the schema that has the facet; None where the facet asks for nothing.
CheckMaker = Callable[[Mapping[str, Any]], Check | None]


def _string(test: Callable[[str], bool], code: int, detail: Any) -> Check:
    """Return a check of strings; values of other types pass."""

    def check(value: Any, errors: list[Any]) -> None:
        if isinstance(value, str) and not test(value):
            errors.append(["", code, value, detail])

    return check


def _number(test: Callable[[float], bool], code: int, detail: Any) -> Check:
    """Return a check of numbers; values of other types pass, booleans too."""

    def check(value: Any, errors: list[Any]) -> None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and not test(value):
            errors.append(["", code, value, detail])

    return check


def _at_most(kind: int, name: str, code: int) -> CheckMaker:
    return lambda schema: core.Size(kind, 1, _length(schema[name]), code)


def _at_least(kind: int, name: str, code: int) -> CheckMaker:
    return lambda schema: core.Size(kind, -1, _length(schema[name]), code)


def _length(limit: float) -> int:
    """Return a limit of lengths clamped to what the kernel's C integer holds."""
    return int(max(-_LONGEST, min(limit, _LONGEST)))


def _pattern(schema: Mapping[str, Any]) -> Check:
    source = schema["pattern"]
    pattern = compile_pattern(source)
    return core.Match(*pattern.short(), pattern.search, core.PATTERN, source)


def _format(schema: Mapping[str, Any]) -> Check | None:
    """Return the check of a format, None for one that is not known (go-openapi ignores it)."""
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
    """Return the check of kube-openapi, pkg/validation/validate/values.go, MultipleOfNativeType.

    It takes the factor for an integer where the value is one.
    """
    factor = schema["multipleOf"]
    whole = int(factor)

    def check(value: Any, errors: list[Any]) -> None:
        if isinstance(value, int) and not isinstance(value, bool):
            if whole <= 0:
                errors.append(["", core.MULTIPLE, 0, 0])
            elif value % whole:
                errors.append(["", core.MULTIPLE, value, whole])
        elif isinstance(value, float) and not _is_whole(
            1 / factor * value if factor < 1 else value / factor
        ):
            errors.append(["", core.MULTIPLE, value, factor])

    return check


def _is_whole(value: float) -> bool:
    """Tell what go-openapi's swag.IsFloat64AJSONInteger does: nearly whole is whole."""
    if not abs(value) <= _MOST_EXACT:
        return False
    nearest = float(int(value))
    difference = abs(value - nearest)
    return difference == 0 or (nearest != 0 and difference / (abs(value) + abs(nearest)) < _EPSILON)


def _enum(schema: Mapping[str, Any]) -> Check:
    allowed = list(schema["enum"])
    allowed_keys = frozenset(map(_identity, allowed))

    def check(value: Any, errors: list[Any]) -> None:
        if _identity(value) not in allowed_keys:
            errors.append(["", core.ENUM, value, allowed])

    return check


def _unique_items(schema: Mapping[str, Any]) -> Check | None:
    if not schema["uniqueItems"]:
        return None

    def check(value: Any, errors: list[Any]) -> None:
        if not isinstance(value, list):
            return
        if len(set(map(_identity, value))) < len(value):
            errors.append(["", core.UNIQUE, value, None])

    return check


def _list_type(schema: Mapping[str, Any]) -> Check | None:
    """Return the check that a list of type set or map holds no item twice, None for others.

    Source: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype/validation.go.
    """
    kind = schema["x-kubernetes-list-type"]
    if kind == "set":
        return _no_duplicates(_identity, lambda item: item)
    if kind != "map":
        return None
    keys = tuple(schema.get("x-kubernetes-list-map-keys", ()))
    properties = schema.get("items", {}).get("properties", {})
    defaults = {key: properties.get(key, {}).get("default") for key in keys}

    def keys_of(item: Any) -> dict[str, Any]:
        """Return an item's keys with their values or defaults; without those it lacks."""
        if not isinstance(item, dict):
            return {}
        pairs = ((key, item.get(key, defaults[key])) for key in keys)
        return {key: value for key, value in pairs if value is not None}

    if len(keys) == 1:
        return _no_duplicates(_by_key(keys[0], defaults[keys[0]]), keys_of)
    return _no_duplicates(lambda item: frozen(keys_of(item)), keys_of)


def _by_key(key: str, default: Any) -> Callable[[Any], Hashable]:
    """Return the identity of items in a map list with one key, the common case."""

    def identity(item: Any) -> Hashable:
        value = item.get(key, default) if isinstance(item, dict) else None
        return _identity(value)

    return identity


def _no_duplicates(identity: Callable[[Any], Hashable], reported: Callable[[Any], Any]) -> Check:
    """Return the check that no two items have one identity; errors hold `reported(item)`."""

    def check(value: Any, errors: list[Any]) -> None:
        if not isinstance(value, list) or len(value) < 2:
            return
        seen: set[Hashable] = set()
        for index, item in enumerate(value):
            key = identity(item)
            if key in seen:
                errors.append([f"[{index}]", core.DUPLICATE, reported(item), None])
                if len(errors) >= core.MAX_SCHEMA_ERRORS:
                    return
            seen.add(key)

    return check


def _embedded(schema: Mapping[str, Any]) -> Check | None:
    """Return the check that an embedded object has apiVersion, kind and valid metadata.

    Source: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta/validation.go. Metadata
    without a name is allowed there, hence the made-up one.
    """
    if not schema["x-kubernetes-embedded-resource"]:
        return None

    def check(value: Any, errors: list[Any]) -> None:
        if not isinstance(value, dict):
            return
        for name in ("apiVersion", "kind"):
            if name not in value:
                errors.append([name, core.REQUIRED, None, None])
            elif isinstance(value[name], str):
                causes = _check_type_field(name, value[name])
                errors.extend([name, core.SAID, None, cause] for cause in causes)
        meta = value.get("metadata")
        if isinstance(meta, dict):
            with_name = {"name": "unnamed"} | meta
            namespaced = bool(meta.get("namespace"))
            causes = check_meta(with_name, path_segment, namespaced=namespaced)
            errors.extend([cause.field, core.SAID, None, cause] for cause in causes)

    return check


def _check_type_field(name: str, value: str) -> list[Cause]:
    """Check the apiVersion or kind of an embedded object."""
    if not value:
        return [field_invalid(name, value, "must not be empty")]
    if name == "apiVersion":
        if value.count("/") <= 1:
            return []
        return [field_invalid(name, value, f"unexpected GroupVersion string: {value}")]
    prefix = "may have mixed case, but should otherwise match: "
    problems = dns_label(value.lower())
    return [field_invalid(name, value, prefix + problem) for problem in problems]


FACETS: dict[str, CheckMaker] = {
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
    """Return a key that is equal for equal JSON values.

    A string is its own key, anything else its JSON in a tuple, so that the two cannot be equal.
    """
    if type(value) is str:
        return value
    if type(value) is float and value.is_integer():
        value = int(value)
    return (frozen(value),)


def frozen(value: Any) -> str:
    """Return a text that is equal for equal JSON values."""
    return json.dumps(value, sort_keys=True)
