"""Encodes built-in kinds, lists and Statuses as protobuf, for clients that accept nothing else.

A field is written if the JSON has it. Go also writes fields that are not pointers when they are
empty; a reader takes an absent one for the same. Wire format:
https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import msgspec

from kcpfast.resources.protobuf.tables import CRD, MAGIC, META, MessageField, message_of, messages
from kcpfast.work import pieces

WriteField = Callable[[Any], bytes]
# Fields 3 and 4 of runtime.Unknown, contentEncoding and contentType, which Go writes empty.
_ENDING = b"\x1a\0\x22\0"
# Wire types: what follows a key is a number, eight bytes, or a length and as many bytes.
_NUMBER, _FIXED64, _DELIMITED = 0, 1, 2


def encode(obj: Mapping[str, Any]) -> bytes:
    """Return an object or list in its envelope; ValueError if its kind has no message."""
    api_version, kind = str(obj.get("apiVersion") or "v1"), str(obj.get("kind") or "")
    try:
        body = _message(message_of(api_version, kind), obj)
    except ValueError:
        if not kind.endswith("List"):
            raise
        body = _list(message_of(api_version, kind.removesuffix("List")), obj)
    words = _delimited(1, api_version.encode()) + _delimited(2, kind.encode())
    return MAGIC + _delimited(1, words) + _delimited(2, body) + _ENDING


def encode_event(kind: bytes, obj: Mapping[str, Any]) -> bytes:
    """Return one event of a watch: a length in four bytes, and a WatchEvent."""
    event = _delimited(1, kind) + _delimited(2, _delimited(1, encode(obj)))
    return struct.pack(">I", len(event)) + event


class ListWriter:
    """Writes a list in pieces."""

    def __init__(self, api_version: str, kind: str) -> None:
        """Begin; ValueError if no message of its objects is known."""
        if not kind.endswith("List"):
            raise ValueError(f"{kind} is no list")
        self._item = message_of(api_version, kind.removesuffix("List"))
        self._words = _delimited(1, api_version.encode()) + _delimited(2, kind.encode())

    def meta(self, meta: Mapping[str, Any]) -> bytes:
        """Return the metadata."""
        return _delimited(1, _message(META + "ListMeta", meta))

    def items(self, text: bytes) -> bytes:
        """Return objects that are given as JSON, joined by commas."""
        objects = pieces.decode(b"[%b]" % text)
        return b"".join([_delimited(2, _message(self._item, obj)) for obj in objects])

    def envelope(self, size: int) -> tuple[bytes, bytes]:
        """Return what stands before and behind metadata and objects of so many bytes."""
        before = MAGIC + _delimited(1, self._words) + _key(2, _DELIMITED) + _varint(size)
        return before, _ENDING


def _list(item: str, obj: Mapping[str, Any]) -> bytes:
    parts = [_delimited(1, _message(META + "ListMeta", obj.get("metadata") or {}))]
    parts += [_delimited(2, _message(item, element)) for element in obj.get("items") or ()]
    return b"".join(parts)


# ------------------------------------------------------------------------- wire format


_SHORT = [bytes((value,)) for value in range(0x80)]


def _varint(value: int) -> bytes:
    if 0 <= value < 0x80:  # nearly always: numbers of fields, lengths of names
        return _SHORT[value]
    # A negative number is sent as its 64 bits of two's complement: ten bytes.
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _delimited(number: int, data: bytes) -> bytes:
    return _key(number, _DELIMITED) + _sized(data)


def _sized(data: bytes) -> bytes:
    return _varint(len(data)) + data


def _message(name: str, value: Any) -> bytes:
    special = _SPECIAL.get(name)
    if special is not None:
        return special(value)
    writers, inlined = _plan(name)
    parts = []
    for key, member in value.items():
        write = writers.get(key)
        if write is not None and member is not None:
            parts.append(write(member))
    for number, inner in inlined:
        names = _names(inner)
        part = {key: member for key, member in value.items() if key in names}
        parts.append(_delimited(number, _message(inner, part)))
    return b"".join(parts)


@cache
def _plan(name: str) -> tuple[Mapping[str, WriteField], tuple[tuple[int, str], ...]]:
    """Return what writes each field of a message by its JSON name, and what is inlined in it."""
    fields = messages()[name]
    inlined = tuple((field.number, field.type) for field in fields if not field.name)
    return {field.name: _writer(field) for field in fields if field.name}, inlined


@cache
def _names(name: str) -> frozenset[str]:
    """Return the JSON names of a message's fields, those inlined in it too."""
    writers, inlined = _plan(name)
    return frozenset(writers).union(*[_names(inner) for _, inner in inlined])


def _writer(field: MessageField) -> WriteField:
    if field.type.startswith("map "):
        return _map_writer(field.number, field.type[4:])
    write, kind = _scalar(field.type)
    key = _key(field.number, kind)
    if field.repeated:
        return lambda values: b"".join([key + write(element) for element in values])
    return lambda value: key + write(value)


def _map_writer(number: int, kind: str) -> WriteField:
    write, wire = _scalar(kind)
    # A map is repeated messages of a key, field 1, and a value, field 2.
    entry_key, name_key, value_key = _key(number, _DELIMITED), _key(1, _DELIMITED), _key(2, wire)

    def entry(name: str, value: Any) -> bytes:
        pair = name_key + _sized(name.encode()) + value_key + write(value)
        return entry_key + _sized(pair)

    def write_map(value: Mapping[str, Any]) -> bytes:
        return b"".join([entry(name, member) for name, member in value.items()])

    return write_map


def _scalar(kind: str) -> tuple[WriteField, int]:
    """Return what writes a value of a type behind its key, and the wire type of it."""
    if kind in ("int32", "int64", "bool"):
        return lambda value: _varint(int(value)), _NUMBER
    if kind == "double":
        return lambda value: struct.pack("<d", value), _FIXED64
    if kind == "string":
        return lambda value: _sized(str(value).encode()), _DELIMITED
    if kind == "bytes":
        return lambda value: _sized(b64decode(value)), _DELIMITED
    return lambda value: _sized(_message(kind, value)), _DELIMITED


# ------------------------------------------------------------------------- special messages


def _time(value: str) -> bytes:
    then = datetime.fromisoformat(value)
    # Rounded down, also before 1970: nanoseconds count upwards from there.
    seconds = int(then.timestamp() // 1)
    nanos = then.microsecond * 1000
    return _key(1, _NUMBER) + _varint(seconds) + _key(2, _NUMBER) + _varint(nanos)


def _raw_json(value: Any) -> bytes:
    return _delimited(1, msgspec.json.encode(value))


def _int_or_string(value: Any) -> bytes:
    """Write an IntOrString: its type (0 a number, 1 a text), then the one or the other."""
    if isinstance(value, str):
        return _key(1, _NUMBER) + _varint(1) + _delimited(3, value.encode())
    return _key(1, _NUMBER) + _varint(0) + _key(2, _NUMBER) + _varint(value)


def _strings(value: Any) -> bytes:
    return b"".join([_delimited(1, element.encode()) for element in value])


def _schema_or_more(value: Any) -> bytes:
    """Write a schema, or a list of schemas or strings."""
    if not isinstance(value, list):
        return _delimited(1, _message(_SCHEMA, value))
    return b"".join([_delimited(2, _schema_or_text(element)) for element in value])


def _schema_or_text(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    return _message(_SCHEMA, value)


def _schema_or_bool(value: Any) -> bytes:
    if isinstance(value, bool):
        return _key(1, _NUMBER) + _varint(value)
    return _key(1, _NUMBER) + _varint(1) + _delimited(2, _message(_SCHEMA, value))


_SCHEMA = CRD + "JSONSchemaProps"
_SPECIAL: dict[str, WriteField] = {
    META + "FieldsV1": _raw_json,
    META + "MicroTime": _time,
    META + "Time": _time,
    META + "Verbs": _strings,
    CRD + "JSON": _raw_json,
    CRD + "JSONSchemaPropsOrArray": _schema_or_more,
    CRD + "JSONSchemaPropsOrBool": _schema_or_bool,
    CRD + "JSONSchemaPropsOrStringArray": _schema_or_more,
    "k8s.io.api.authentication.v1.ExtraValue": _strings,
    "k8s.io.api.authorization.v1.ExtraValue": _strings,
    "k8s.io.api.certificates.v1.ExtraValue": _strings,
    "k8s.io.apimachinery.pkg.api.resource.Quantity": lambda value: _delimited(
        1, str(value).encode()
    ),
    "k8s.io.apimachinery.pkg.runtime.RawExtension": _raw_json,
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
}
