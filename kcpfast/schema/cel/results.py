"""Turns a result into JSON, as mutations and messages need it."""

from __future__ import annotations

from typing import Any

from .base import CelError
from .library.times import to_text
from .values import Built, Duration, Timestamp, Uint, kind_of, type_name


def plain(value: object) -> object:
    """Return a result as JSON: what a mutation or a message writes.

    Timestamps and durations become strings, bytes base64. CelError for what JSON cannot hold, and
    for an `Object{...}` in which a part is not named after the fields that lead to it.
    """
    rooted = isinstance(value, Built) and value.type_name == "Object"
    return _plain(value, "Object" if rooted else "")


def _plain(value: Any, path: str) -> object:
    kind = kind_of(value)
    if kind in ("bool", "double", "int", "null", "string"):
        return value
    if isinstance(value, Uint):
        return int(value)
    if kind == "list":
        return [_plain(element, path) for element in value]
    if kind in ("map", "object"):
        return _plain_map(value, path)
    return _plain_text(value)


def _plain_map(value: Any, path: str) -> dict[str, object]:
    built = isinstance(value, Built)
    if built and path and value.type_name != path:
        names = f'unexpected type name "{value.type_name}", expected "{path}"'
        raise CelError(f"{names}, which matches field name path from root Object type")
    result: dict[str, object] = {}
    for key in value:
        if not isinstance(key, str):
            raise CelError(f"map key {key} is of type {type_name(key)}, not string")
        result[key] = _plain(value[key], f"{path}.{key}" if built and path else path)
    return result


def _plain_text(value: object) -> str:
    if isinstance(value, Timestamp | Duration):
        return to_text(value)
    if isinstance(value, bytes):
        from base64 import b64encode  # noqa: PLC0415 - few results hold bytes

        return b64encode(value).decode()
    raise CelError(f"type conversion error from '{type_name(value)}' to JSON")
