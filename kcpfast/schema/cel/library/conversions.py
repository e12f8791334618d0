"""Conversions between the scalar types: `int("5")`, `string(1.5)`.

Rules: cel-spec, "Type Conversions"; texts are read and written as Go's strconv does.
"""

from __future__ import annotations

import math
import re
from typing import Any

from ..base import INT_MAX, INT_MIN, UINT_MAX, CelError
from ..signatures import Row
from ..values import Uint
from .operators import checked, checked_uint, identity
from .times import parse_duration, parse_timestamp, seconds_of, timestamp_of, to_text

_BOOLS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
_INT = re.compile(r"[+-]?[0-9]{1,40}")
_DIGITS = "[0-9]+(?:_[0-9]+)*"
_FLOAT = re.compile(rf"[+-]?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?")
_WORDS = re.compile(r"[+-]?(?:inf|infinity)|nan", re.IGNORECASE)


def _no(source: str, target: str) -> CelError:
    return CelError(f"type conversion error from '{source}' to '{target}'")


def _bool(text: str) -> bool:
    if text not in _BOOLS:
        raise _no("string", "bool")
    return _BOOLS[text]


def _int_of_text(text: str) -> int:
    if not _INT.fullmatch(text) or not INT_MIN <= int(text) <= INT_MAX:
        raise _no("string", "int")
    return int(text)


def _int_of_double(value: float) -> int:
    if not -(2.0**63) < value < 2.0**63:
        raise CelError("integer overflow")
    return int(value)


def _uint_of_text(text: str) -> Uint:
    if not _INT.fullmatch(text) or text[0] in "+-" or int(text) > UINT_MAX:
        raise _no("string", "uint")
    return Uint(text)


def _uint_of_double(value: float) -> Uint:
    if not 0 <= value < 2.0**64:
        raise CelError("unsigned integer overflow")
    return Uint(value)


def _double_of_text(text: str) -> float:
    if not _FLOAT.fullmatch(text) and not _WORDS.fullmatch(text):
        raise _no("string", "double")
    value = float(text)
    if math.isinf(value) and not _WORDS.fullmatch(text):
        raise _no("string", "double")
    return value


def _text_of_bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise CelError("invalid UTF-8 in bytes, cannot convert to string") from None


def text_of_double(value: float) -> str:
    """Return a double as Go's strconv.FormatFloat(value, 'g', -1, 64) does."""
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign = "-" if math.copysign(1, value) < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    # The place of the point, counted from the first digit that is not 0.
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if not digits:
        return f"{sign}0"
    power = point - 1
    if power < -4 or power >= 6:
        tail = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{tail}e{'-' if power < 0 else '+'}{abs(power):02d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if len(digits) <= point:
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    return f"{sign}{digits[:point]}.{digits[point:]}"


def _text(value: Any) -> str:
    return str(int(value))


def _no_duration(_value: int) -> Any:
    """Refuse an int: cel-go declares the conversion, and has none."""
    raise _no("int", "google.protobuf.Duration")


# fmt: off
ROWS: tuple[Row, ...] = (
    ("bool", "(bool) -> bool", identity),
    ("bool", "(string) -> bool", _bool),
    ("bytes", "(bytes) -> bytes", identity),
    ("bytes", "(string) -> bytes", str.encode, "scan"),
    ("double", "(double) -> double", identity),
    ("double", "(int) -> double", float),
    ("double", "(string) -> double", _double_of_text),
    ("double", "(uint) -> double", float),
    ("duration", "(duration) -> duration", identity),
    ("duration", "(int) -> duration", _no_duration),
    ("duration", "(string) -> duration", parse_duration),
    ("int", "(double) -> int", _int_of_double),
    ("int", "(duration) -> int", int),
    ("int", "(int) -> int", identity),
    ("int", "(string) -> int", _int_of_text),
    ("int", "(timestamp) -> int", seconds_of),
    ("int", "(uint) -> int", lambda value: checked(int(value))),
    ("string", "(bool) -> string", lambda value: "true" if value else "false"),
    ("string", "(bytes) -> string", _text_of_bytes, "scan"),
    ("string", "(double) -> string", text_of_double),
    ("string", "(duration) -> string", to_text),
    ("string", "(int) -> string", str),
    ("string", "(string) -> string", identity),
    ("string", "(timestamp) -> string", to_text),
    ("string", "(uint) -> string", _text),
    ("timestamp", "(int) -> timestamp", timestamp_of),
    ("timestamp", "(string) -> timestamp", parse_timestamp),
    ("timestamp", "(timestamp) -> timestamp", identity),
    ("uint", "(double) -> uint", _uint_of_double),
    ("uint", "(int) -> uint", checked_uint),
    ("uint", "(string) -> uint", _uint_of_text),
    ("uint", "(uint) -> uint", identity),
)
# fmt: on
