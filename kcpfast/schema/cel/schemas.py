"""Derives CEL types from the structural schemas of CRDs.

Rules: k8s.io/apiserver/pkg/cel/common/schemas.go, escaping.go and values.go; the Kubernetes page
"Extend the Kubernetes API with CustomResourceDefinitions", "Validation rules".
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from functools import partial
from typing import Any

from .base import CelError
from .celtypes import (
    DURATION,
    TIMESTAMP,
    CelType,
    TypeField,
)
from .library.times import is_date, parse_duration, parse_timestamp
from .syntax.lexer import RESERVED
from .values import ConvertValue, ListView, MapView, ObjectView, Timestamp

# k8s.io/apiserver/pkg/cel/limits.go: sizes in serialized bytes.
MAX_REQUEST = 3 * 1024 * 1024
_MAX_DURATION, _MIN_DURATION = 32, 4
_DATE = 12
_MAX_DATE_TIME, _MIN_DATE_TIME = 37, 22
_MIN_STRING, _MIN_BOOL, _MIN_NUMBER = 2, 4, 1

_RESERVED = RESERVED | {"true", "false", "null", "in"}
_ESCAPED = re.compile(r"__|[-./]")
_ESCAPES = {"-": "__dash__", ".": "__dot__", "/": "__slash__", "__": "__underscores__"}
_ESCAPABLE = re.compile(r"[A-Za-z_./-][A-Za-z0-9_./-]*")
_WORDY = re.compile(r"([0-9]+)\s*([a-zµμ]+)")
_WORD_UNITS = {
    **dict.fromkeys(("nanos", "nanosecond", "nanoseconds"), 1),
    **dict.fromkeys(("us", "µs", "micros", "microsecond", "microseconds"), 1000),
    **dict.fromkeys(("ms", "millis", "millisecond", "milliseconds"), 10**6),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 10**9),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60 * 10**9),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600 * 10**9),
    **dict.fromkeys(("d", "day", "days"), 24 * 3600 * 10**9),
    **dict.fromkeys(("w", "wk", "week", "weeks"), 7 * 24 * 3600 * 10**9),
}

_STRING_SCHEMA = {"type": "string"}
_META_SCHEMA = {
    "type": "object",
    "properties": {"name": _STRING_SCHEMA, "generateName": _STRING_SCHEMA},
}

Schema = Mapping[str, Any]


def escape(name: str) -> str | None:
    """Return the CEL name of a property, None for one that CEL cannot name."""
    if name in _RESERVED:
        return f"__{name}__"
    if not _ESCAPABLE.fullmatch(name):
        return None
    return _ESCAPED.sub(lambda hit: _ESCAPES[hit.group()], name)


def type_of_schema(
    schema: Schema, *, resource: bool = False, name: str = "selfType"
) -> CelType | None:
    """Return the type of values that a structural schema describes, None for none that CEL sees.

    `schema` is decoded JSON, as in a CRD; `resource` tells that it is the root of a resource, of
    which apiVersion, kind, metadata.name and metadata.generateName are there without being
    declared. `name` is what errors call the type of an object; parts are `name.field`.
    """
    if schema.get("x-kubernetes-int-or-string"):
        limit = schema.get("maxLength")
        return _sized(CelType("dyn"), 1, MAX_REQUEST - 2 if limit is None else 4 * max(0, limit))
    if resource or schema.get("x-kubernetes-embedded-resource"):
        schema = _with_meta(schema)
    kind = schema.get("type")
    if kind == "array":
        return _list_type(schema, name)
    if kind == "object":
        additional = schema.get("additionalProperties")
        if isinstance(additional, Mapping):
            return _map_type(schema, additional, name)
        return _object_type(schema, name)
    if kind == "string":
        return _string_type(schema)
    return _SCALARS.get(kind or "")


def _sized(kind: CelType, least: int, most: int, convert: ConvertValue | None = None) -> CelType:
    kind.min_size = least
    kind.max_elements = most
    kind.convert = convert
    return kind


def _with_meta(schema: Schema) -> Schema:
    given = schema.get("properties") or {}
    meta = (given.get("metadata") or {}).get("properties") or {}
    whole = all(part in given for part in ("kind", "apiVersion"))
    if whole and "name" in meta and "generateName" in meta:
        return schema
    own = {"kind": _STRING_SCHEMA, "apiVersion": _STRING_SCHEMA, "metadata": _META_SCHEMA}
    return {**schema, "properties": {**given, **own}}


def _list_type(schema: Schema, name: str) -> CelType | None:
    items = schema.get("items")
    element = type_of_schema(items, name=f"{name}.@idx") if isinstance(items, Mapping) else None
    if element is None:
        return None
    limit = schema.get("maxItems")
    most = (MAX_REQUEST - 2) // (element.min_size + 1) if limit is None else max(0, limit)
    merge: tuple[str, ...] | None = None
    if schema.get("x-kubernetes-list-type") == "set":
        merge = ()
    elif schema.get("x-kubernetes-list-type") == "map":
        merge = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    convert: ConvertValue | None = None
    if merge is not None or element.convert is not None:
        convert = partial(_view_list, element.convert, merge)
    return _sized(CelType("list", "list", (element,)), 2, most, convert)


def _map_type(schema: Schema, additional: Schema, name: str) -> CelType | None:
    value = type_of_schema(additional, name=f"{name}.@elem")
    if value is None:
        return None
    limit = schema.get("maxProperties")
    most = (MAX_REQUEST - 2) // (value.min_size + 6) if limit is None else max(0, limit)
    convert = None if value.convert is None else partial(_view_map, value.convert)
    return _sized(CelType("map", "map", (_KEY, value)), 2, most, convert)


def _object_type(schema: Schema, name: str) -> CelType:
    required = set(schema.get("required") or ())
    fields: dict[str, TypeField] = {}
    names: dict[str, str] = {}
    converts: dict[str, ConvertValue] = {}
    least, nullable = 2, False
    for key, part in (schema.get("properties") or {}).items():
        kind = type_of_schema(part, name=f"{name}.{key}")
        if kind is None:
            continue
        if key in required and "default" not in part:
            least += len(key) + kind.min_size + 4
        if kind.convert is not None:
            converts[key] = kind.convert
        escaped = escape(key)
        if escaped is not None:
            fields[escaped] = TypeField(kind, key, key in required, "default" in part)
            if escaped != key:
                names[escaped] = key
            if key in RESERVED:
                # Kubernetes takes these both ways: self.namespace and self.__namespace__.
                fields[key] = fields[escaped]
        nullable = nullable or part.get("nullable", False)
    object_type = CelType("object", name, (), fields)
    object_type.sparse = True
    plain = not (names or converts or nullable)
    convert = None if plain else partial(_view_object, names, converts)
    return _sized(object_type, least, 0, convert)


def _string_type(schema: Schema) -> CelType:
    limit = schema.get("maxLength")
    format_type = _FORMATS.get(schema.get("format") or "")
    if format_type is not None:
        return format_type
    if schema.get("format") == "byte":
        most = MAX_REQUEST - 2 if limit is None else max(0, limit)
        return _sized(CelType("bytes"), _MIN_STRING, most, _bytes)
    if limit is not None:
        # maxLength counts code points, of up to four bytes.
        most = 4 * max(0, limit)
    elif schema.get("enum"):
        texts = [value for value in schema["enum"] if isinstance(value, str)]
        most = max((len(text.encode()) for text in texts), default=0)
    else:
        most = MAX_REQUEST - 2
    return _sized(CelType("string"), _MIN_STRING, most)


# ---------------------------------------------------------------- from JSON to CEL values
# Each takes a value that may be converted already, and null where the schema is nullable.


def _view_list(convert: ConvertValue | None, merge: tuple[str, ...] | None, value: Any) -> Any:
    return ListView(value, convert, merge) if type(value) is list else value


def _view_map(convert: ConvertValue, value: Any) -> Any:
    return MapView(value, convert) if type(value) is dict else value


def _view_object(names: Mapping[str, str], converts: Mapping[str, ConvertValue], value: Any) -> Any:
    return ObjectView(value, names, converts) if type(value) is dict else value


def _double(value: Any) -> Any:
    return float(value) if type(value) is int else value


def _bytes(value: Any) -> Any:
    if type(value) is not str:
        return value
    try:
        return b64decode(value, validate=True)
    except ValueError:
        raise CelError(f"Invalid byte formatted string {value}") from None


def _date(value: Any) -> Any:
    if type(value) is not str:
        return value
    if not is_date(value):
        raise CelError(f"Invalid date formatted string {value}")
    return parse_timestamp(f"{value}T00:00:00Z")


def _date_time(value: Any) -> Any:
    if type(value) is not str:
        return value
    if not value:
        return Timestamp(0)
    try:
        return parse_timestamp(value)
    except CelError as error:
        what = f"Invalid date-time formatted string {value}"
        raise CelError(f"{what}: {error.message}") from None


def _duration(value: Any) -> Any:
    if type(value) is not str:
        return value
    try:
        return parse_duration(value)
    except CelError as error:
        return _wordy_duration(value, error)


def _wordy_duration(value: str, error: CelError) -> Any:
    """Read `1 day 2 hours`, as k8s.io/kube-openapi's strfmt does."""
    total = 0
    for number, unit in _WORDY.findall(value.lower()):
        if unit not in _WORD_UNITS or len(number) > 18:
            raise CelError(f"Invalid duration {value}: {error.message}")
        total += int(number) * _WORD_UNITS[unit]
    if not _WORDY.search(value.lower()):
        raise CelError(f"Invalid duration {value}: {error.message}")
    return parse_duration(f"{total}ns")


_KEY = _sized(CelType("string"), _MIN_STRING, 0)
_SCALARS = {
    "boolean": _sized(CelType("bool"), _MIN_BOOL, 0),
    "integer": _sized(CelType("int"), _MIN_NUMBER, 0),
    "number": _sized(CelType("double"), _MIN_NUMBER, 0, _double),
}
_FORMATS = {
    "date": _sized(CelType("timestamp", TIMESTAMP.name), _DATE, _DATE, _date),
    "date-time": _sized(
        CelType("timestamp", TIMESTAMP.name), _MIN_DATE_TIME, _MAX_DATE_TIME, _date_time
    ),
    "duration": _sized(CelType("duration", DURATION.name), _MIN_DURATION, _MAX_DURATION, _duration),
}
