"""Whole numbers and JSON in texts that clients write.

Numbers are read as Go's strconv reads them. Python's int() also takes digits of every alphabet,
underscores, spaces and numbers of any size; two parties that disagree on what a number is are a
danger, so these are refused. JSON in a text (an annotation, a warrant, a path element) becomes a
value of the type that the caller names, or None: no text makes a decoder raise, and what reads the
result can rely on its type.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_SIGNED = re.compile(r"[+-]?[0-9]+")
_UNSIGNED = re.compile(r"[0-9]+")
_MOST_SIGNED, _MOST_UNSIGNED = (1 << 63) - 1, (1 << 64) - 1
# Characters of a number of 64 bits, with room for leading zeros. Go accepts any number of those;
# a limit keeps int() from quadratic time.
_DIGITS = 32
# Characters of a refused text that the message repeats.
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
    # The words of Go's strconv.ErrRange and ErrSyntax.
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
