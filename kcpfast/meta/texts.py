"""What clients write into texts: whole numbers, and JSON.

Numbers are read as Go's strconv reads them: Python's int() takes digits of every alphabet,
underscores, spaces and numbers of any size, and what one party understands as a number and the next
does not is refused here. JSON in a text (an annotation, a warrant, a path element) becomes a value
of a type that is named, or nothing: no text can make a decoder fail, nor what reads its result.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_SIGNED = re.compile(r"[+-]?[0-9]+")
_UNSIGNED = re.compile(r"[0-9]+")
_MOST_SIGNED, _MOST_UNSIGNED = (1 << 63) - 1, (1 << 64) - 1
# No number of 64 bits has more digits; leading zeros count, which Go would take.
_DIGITS = 32
_SHOWN = 64


def signed(text: str) -> int:
    """Return an int64; ValueError with Go's text if it is none."""
    if len(text) > _DIGITS or _SIGNED.fullmatch(text) is None:
        raise _refused("ParseInt", text, _SIGNED)
    value = int(text)
    if not -_MOST_SIGNED - 1 <= value <= _MOST_SIGNED:
        raise _refused("ParseInt", text, _SIGNED)
    return value


def unsigned(text: str) -> int:
    """Return a uint64; ValueError with Go's text if it is none."""
    if len(text) > _DIGITS or _UNSIGNED.fullmatch(text) is None:
        raise _refused("ParseUint", text, _UNSIGNED)
    value = int(text)
    if value > _MOST_UNSIGNED:
        raise _refused("ParseUint", text, _UNSIGNED)
    return value


def _refused(function: str, text: str, syntax: re.Pattern[str]) -> ValueError:
    reason = "value out of range" if syntax.fullmatch(text) else "invalid syntax"
    return ValueError(f'strconv.{function}: parsing "{text[:_SHOWN]}": {reason}')


def embedded(text: str, kind: type[T]) -> T | None:
    """Return the value that a JSON text holds, None if it is not JSON, or not of this type."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (ValueError, RecursionError):
        return None


def embedded_object(text: str) -> dict[str, Any]:
    """Return the object that a JSON text holds, an empty one if it holds none."""
    return embedded(text, dict[str, Any]) or {}
