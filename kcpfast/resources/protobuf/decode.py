"""Decodes protobuf bodies of built-in kinds to the values that their JSON would have.

Typed Go clients send them by default. The envelope is `k8s\\0` and a runtime.Unknown:
https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding-idl

Go's encoder writes fields that are not pointers even when they are empty, so an empty field is
taken for an absent one, unless the schema requires it.
"""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import msgspec

from kcpfast.resources.protobuf.tables import (
    CRD,
    MAGIC,
    MAX_MESSAGE_DEPTH,
    META,
    MessageField,
    message_of,
    messages,
    required,
)


@cache
def _by_number(message: str) -> dict[int, MessageField]:
    return {field.number: field for field in messages()[message]}


# ------------------------------------------------------------------------- wire format


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise ValueError("truncated or oversized varint")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


# Bytes of a value by its wire type.
_FIXED_SIZES = {1: 8, 5: 4}


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield field numbers with their raw values: int, or bytes."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        kind = key & 7
        if kind == 0:
            value, position = _varint(data, position)
            yield key >> 3, value
        elif kind in (1, 2, 5):
            size = _FIXED_SIZES.get(kind, 0)
            if kind == 2:
                size, position = _varint(data, position)
            if position + size > len(data):
                raise ValueError("truncated field")
            yield key >> 3, data[position : position + size]
            position += size
        else:
            raise ValueError(f"wire type {kind} is not used by Kubernetes")


# Fields of the envelope that say how the object is encoded, and the one value of each that is
# understood. kube-apiserver ignores them, and would read another object than was meant.
_ENVELOPE = {
    3: ("contentEncoding", ""),
    4: ("contentType", "application/vnd.kubernetes.protobuf"),
}
# Raised while a field is read whose bytes are not of its type.
_MALFORMED = (AttributeError, OverflowError, TypeError, struct.error, msgspec.DecodeError)


def decode(body: bytes) -> dict[str, Any]:
    """Decode an enveloped object; ValueError if it is not one, or of no built-in kind."""
    if not body.startswith(MAGIC):
        raise ValueError("the envelope is missing")
    try:
        return _decode(body)
    except _MALFORMED as error:
        raise ValueError(f"malformed field: {error}") from error


def _decode(body: bytes) -> dict[str, Any]:
    envelope = dict(_fields(body[len(MAGIC) :]))
    for number, (name, usual) in _ENVELOPE.items():
        given = envelope.get(number, b"").decode()
        if given not in ("", usual):
            raise ValueError(f"{name} {given!r} of the envelope is not supported")
    words = dict(_fields(envelope.get(1, b"")))
    api_version, kind = (words.get(number, b"").decode() for number in (1, 2))
    obj = {"apiVersion": api_version, "kind": kind}
    obj |= _message(message_of(api_version, kind), envelope.get(2, b""), 0)
    return obj


def _message(name: str, data: bytes, depth: int) -> Any:
    if depth > MAX_MESSAGE_DEPTH:
        raise ValueError("nested too deeply")
    special = _SPECIAL.get(name)
    if special is not None:
        return special(data, depth)
    table, needed = _by_number(name), required(name)
    message: dict[str, Any] = {}
    for number, raw in _fields(data):
        field = table.get(number)
        if field is None:
            continue
        if field.type.startswith("map "):
            key, value = _entry(field.type[4:], raw, depth)
            message.setdefault(field.name, {})[key] = value
            continue
        value = _value(field.type, raw, depth)
        if field.repeated:
            message.setdefault(field.name, []).append(value)
        elif not field.name:
            message |= value
        elif value or field.name in needed:
            message[field.name] = value
    return message


def _entry(kind: str, raw: bytes, depth: int) -> tuple[str, Any]:
    pair = dict(_fields(raw))
    empty: Any = b"" if kind not in ("int32", "int64", "bool") else 0
    return pair.get(1, b"").decode(), _value(kind, pair.get(2, empty), depth)


def _value(kind: str, raw: Any, depth: int) -> Any:
    if kind in ("int32", "int64"):
        return raw - (1 << 64) if raw >= 1 << 63 else raw
    if kind == "bool":
        return bool(raw)
    if kind == "double":
        return struct.unpack("<d", raw)[0]
    if kind == "string":
        return raw.decode()
    if kind == "bytes":
        return b64encode(raw).decode()
    return _message(kind, raw, depth + 1)


# ------------------------------------------------------------------------- special messages


def _time(micro: bool) -> Callable[[bytes, int], str | None]:
    def read(data: bytes, _depth: int) -> str | None:
        import time  # noqa: PLC0415 - typed clients only

        parts = dict(_fields(data))
        if not parts:
            return None
        seconds = _value("int64", parts.get(1, 0), 0)
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        return text + (f".{parts.get(2, 0) // 1000:06d}Z" if micro else "Z")

    return read


def _raw_json(data: bytes, _depth: int) -> Any:
    raw = dict(_fields(data)).get(1, b"")
    return msgspec.json.decode(raw) if raw else None


def _quantity(data: bytes, _depth: int) -> str:
    text: bytes = dict(_fields(data)).get(1, b"")
    return text.decode()


def _int_or_string(data: bytes, depth: int) -> Any:
    parts = dict(_fields(data))
    if parts.get(1, 0):
        return parts.get(3, b"").decode()
    return _value("int32", parts.get(2, 0), depth)


def _strings(data: bytes, _depth: int) -> list[str]:
    return [raw.decode() for _, raw in _fields(data)]


def _schema_or(other: str) -> Callable[[bytes, int], Any]:
    """Read a union of a schema with `other`: a bool, schemas, or strings."""

    def read(data: bytes, depth: int) -> Any:
        schema, rest = None, []
        for number, raw in _fields(data):
            if number == (2 if other == "bool" else 1) and isinstance(raw, bytes):
                schema = _message(CRD + "JSONSchemaProps", raw, depth + 1)
            else:
                rest.append(raw)
        if schema is not None:
            return schema
        if other == "bool":
            return bool(rest and rest[0])
        if other == "strings":
            return [raw.decode() for raw in rest]
        return [_message(CRD + "JSONSchemaProps", raw, depth + 1) for raw in rest]

    return read


_SPECIAL: dict[str, Callable[[bytes, int], Any]] = {
    META + "FieldsV1": _raw_json,
    META + "MicroTime": _time(micro=True),
    META + "Time": _time(micro=False),
    META + "Verbs": _strings,
    CRD + "JSON": _raw_json,
    CRD + "JSONSchemaPropsOrArray": _schema_or("schemas"),
    CRD + "JSONSchemaPropsOrBool": _schema_or("bool"),
    CRD + "JSONSchemaPropsOrStringArray": _schema_or("strings"),
    "k8s.io.api.authentication.v1.ExtraValue": _strings,
    "k8s.io.api.authorization.v1.ExtraValue": _strings,
    "k8s.io.api.certificates.v1.ExtraValue": _strings,
    "k8s.io.apimachinery.pkg.api.resource.Quantity": _quantity,
    "k8s.io.apimachinery.pkg.runtime.RawExtension": _raw_json,
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
}
