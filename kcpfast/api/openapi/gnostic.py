"""Turns documents into protobuf, as Argo CD and older kubectl want them.

A generic encoder over the tables in `messages`. Wrappers that exist only because protobuf has no
maps and no unions are made on the way. See https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from kcpfast.api.openapi import messages

_VARINT, _FIXED64, _LENGTH = 0, 1, 2
_json = msgspec.json.Encoder().encode
Encode = Callable[[Any], bytes]


@lru_cache(4096)
def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _framed(number: int, body: bytes) -> bytes:
    return b"%b%b%b" % (_varint(number << 3 | _LENGTH), _varint(len(body)), body)


# ------------------------------------------------------------------------- scalars
#
# Each writes one field; an empty string, zero and false are not written (proto3).


def _string(number: int, value: Any) -> bytes:
    return _framed(number, str(value).encode()) if value else b""


def _bool(number: int, value: Any) -> bytes:
    return _varint(number << 3 | _VARINT) + b"\1" if value else b""


def _int64(number: int, value: Any) -> bytes:
    return _varint(number << 3 | _VARINT) + _varint(int(value)) if value else b""


def _double(number: int, value: Any) -> bytes:
    if not value:
        return b""
    return _varint(number << 3 | _FIXED64) + struct.pack("<d", value)


def _yaml(value: Any) -> bytes:
    # Any { string yaml = 2 }, and JSON is YAML.
    return _framed(2, _json(value) + b"\n")


def _any(number: int, value: Any) -> bytes:
    return _framed(number, _yaml(value))


def _strings(number: int, value: Any) -> bytes:
    return b"".join(_framed(number, text.encode()) for text in value)


def _anys(number: int, value: Any) -> bytes:
    return b"".join(_any(number, item) for item in value)


def _default(number: int, value: Any) -> bytes:
    """Write a v3 DefaultType; it has no room for objects and lists, which leave it empty."""
    body = b""
    if isinstance(value, bool):
        body = b"\x10" + _varint(value)
    elif isinstance(value, int | float):
        body = b"\x09" + struct.pack("<d", value)
    elif isinstance(value, str):
        body = b"\x1a" + _varint(len(value.encode())) + value.encode()
    return _framed(number, body)


_SCALARS = {
    "*any": _anys,
    "*string": _strings,
    "DefaultType": _default,
    "any": _any,
    "bool": _bool,
    "double": _double,
    "int64": _int64,
    "string": _string,
}


# ------------------------------------------------------------------------- unions
#
# Each returns the numbers of the fields around a value, outermost first, and the value's kind.

Choice = tuple[tuple[int, ...], str]


def _parameter_v2(value: Any) -> Choice:
    if value["in"] == "body":
        return (1,), "BodyParameter"
    if value["in"] == "path":
        return (2, 4), "PathParameterSubSchema"
    return (2, 3), "QueryParameterSubSchema"


def _parameters_item_v2(value: Any) -> Choice:
    if "$ref" in value:
        return (2,), "JsonReference"
    numbers, kind = _parameter_v2(value)
    return (1, *numbers), kind


def _or_reference(kind: str, *outer: int) -> Callable[[Any], Choice]:
    def choose(value: Any) -> Choice:
        if "$ref" in value:
            return (*outer, 2), "Reference"
        return (*outer, 1), kind

    return choose


_schema_or_reference = _or_reference("Schema", 1)

_CHOICES: dict[str, dict[str, Callable[[Any], Choice]]] = {
    "v2": {
        "AdditionalPropertiesItem": lambda _: ((1,), "Schema"),
        "ItemsItem": lambda _: ((1,), "Schema"),
        "Parameter": _parameter_v2,
        "ParametersItem": _parameters_item_v2,
        "ResponseValue": lambda _: ((1,), "Response"),
        "SchemaItem": lambda _: ((1,), "Schema"),
        "SecurityDefinitionsItem": lambda _: ((2,), "ApiKeySecurity"),
    },
    "v3": {
        "AdditionalPropertiesItem": _schema_or_reference,
        "ItemsItem": _schema_or_reference,
        "ParameterOrReference": _or_reference("Parameter"),
        "RequestBodyOrReference": _or_reference("RequestBody"),
        "ResponseOrReference": _or_reference("Response"),
        "SchemaOrReference": _or_reference("Schema"),
    },
}


# ------------------------------------------------------------------------- messages


def _encoder(kinds: dict[str, Encode], fields: messages.Fields) -> Encode:
    """Return what encodes a message with these fields."""
    rows = {
        name: (number, _SCALARS.get(kind), kind[0] == "*", kind.removeprefix("*"))
        for name, (number, kind) in fields.items()
    }
    extension = fields.get("x-", (0, ""))[0]

    def encode_message(value: Mapping[str, Any]) -> bytes:
        # Schemas are deep: everything but a message within a message is written in this frame.
        parts = []
        for name, member_value in value.items():
            row = rows.get(name)
            if row is None:
                if extension and name.startswith("x-"):
                    parts.append(
                        _framed(extension, _string(1, name) + _framed(2, _yaml(member_value)))
                    )
                continue
            number, write, repeated, kind = row
            if write is not None:
                parts.append(write(number, member_value))
                continue
            encode_kind = kinds[kind]
            for item in member_value if repeated else (member_value,):
                parts.append(_framed(number, encode_kind(item)))  # noqa: PERF401 - one frame
        return b"".join(parts)

    return encode_message


def _named(kinds: dict[str, Encode], number: int, kind: str) -> Encode:
    """Return what encodes a map as repeated pairs of name and value."""

    def encode_map(value: Mapping[str, Any]) -> bytes:
        parts, encode_value = [], kinds[kind]
        for name, member_value in value.items():
            body = _string(1, name) + _framed(2, encode_value(member_value))
            parts.append(_framed(number, body))
        return b"".join(parts)

    return encode_map


def _chosen(kinds: dict[str, Encode], choose: Callable[[Any], Choice]) -> Encode:
    """Return what encodes a union; `true` and `false` are the second of two alternatives."""

    def encode_union(value: Any) -> bytes:
        if isinstance(value, bool):
            return b"\x10" + _varint(value)
        numbers, kind = choose(value)
        body = kinds[kind](value)
        for number in reversed(numbers):
            body = _framed(number, body)
        return body

    return encode_union


_TABLES = {
    "v2": (messages.V2, messages.NAMED_V2),
    "v3": (messages.V3, messages.NAMED_V3),
}


def _kinds(dialect: str) -> dict[str, Encode]:
    fields, named = _TABLES[dialect]
    kinds: dict[str, Encode] = {
        "StringArray": lambda value: _strings(1, value),
        "TypeItem": lambda value: _string(1, value),
    }
    for kind, rows in fields.items():
        kinds[kind] = _encoder(kinds, rows)
    for kind, (number, inner) in named.items():
        kinds[kind] = _named(kinds, number, inner)
    for kind, choose in _CHOICES[dialect].items():
        kinds[kind] = _chosen(kinds, choose)
    return kinds


_KINDS = {dialect: _kinds(dialect) for dialect in _TABLES}


def encode(dialect: str, kind: str, value: Mapping[str, Any]) -> bytes:
    """Return a message of a dialect, `v2` or `v3`; what the tables do not know is left out."""
    return _KINDS[dialect][kind](value)


def member(dialect: str, kind: str, name: str, pieces: Iterable[bytes]) -> bytes:
    """Return one field of a message, its value given in encoded pieces."""
    number, _ = _TABLES[dialect][0][kind][name]
    return _framed(number, b"".join(pieces))
