"""What Go's decoder makes of the values of built-in kinds, by the definition they have.

`add_decoder` and `add_zero` complete the nodes of built-in definitions; the kernel calls what they
put there. A decoder returns a value of a type that it does not know as it is: the type is refused
afterwards.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from kcpfast._core import schema as core
from kcpfast.meta import quantity

_SECONDS = "2006-01-02T15:04:05Z07:00"
_MICROS = "2006-01-02T15:04:05.000000Z07:00"
_ZONE = r"(?:Z|([+-])(\d\d):(\d\d))"
_HEAD = r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)"
_TIME = re.compile(rf"{_HEAD}(?:[.,]\d+)?{_ZONE}", re.ASCII)
_MICRO_TIME = re.compile(rf"{_HEAD}\.(\d{{6}}){_ZONE}", re.ASCII)
# The parts of a layout in the order in which they are read, with what each must look like.
_PARTS = (
    ("2006", r"\d{4}"), ("-", "-"), ("01", r"\d\d"), ("-", "-"), ("02", r"\d\d"), ("T", "T"),
    ("15", r"\d\d"), (":", ":"), ("04", r"\d\d"), (":", ":"), ("05", r"\d\d"),
)  # fmt: skip
_BOUNDS = {"01": ("month", 1, 12), "15": ("hour", 0, 23), "04": ("minute", 0, 59),
           "05": ("second", 0, 59)}  # fmt: skip
_CACHED = 1024
_LONGEST = 64  # a longer text is no time that anybody writes twice


def add_decoder(node: core.SchemaNode, definition: str) -> None:
    """Let a built-in definition be decoded as its Go type is."""
    name = definition.rpartition(".")[2]
    if name == "Quantity" and ".resource." in definition:
        node.type = core.INT_OR_STRING
        node.checks = ()
        node.decode = _quantity
        node.zero = lambda: "0"
    elif name in ("Time", "MicroTime"):
        node.checks = ()
        node.decode = _micro_time if name == "MicroTime" else _time
        node.zero = None
    elif name in ("JSON", "RawExtension"):
        node.decode = _raw
        node.zero = None


def add_zero(node: core.SchemaNode, schema: Mapping[str, Any]) -> None:
    """Say what a null in a map or a list stands for: the zero value of its Go type."""
    node.zero = _ZEROS.get(node.type)
    if node.type == core.STRING and schema.get("format") == "byte":
        node.checks = ()
        node.decode = _bytes
    if node.type == core.NUMBER:
        node.decode = core.go_number


_ZEROS: Mapping[int, Callable[[], Any]] = {
    core.STRING: str,
    core.INTEGER: int,
    core.NUMBER: int,
    core.BOOLEAN: bool,
    core.OBJECT: dict,
    core.ARRAY: list,
}


def _raw(value: Any) -> Any:
    if isinstance(value, dict | list):
        core.settle(value, core.MAX_SCHEMA_DEPTH)
        return value
    return core.go_number(value)


# ------------------------------------------------------------------------- quantities


def _quantity(value: Any) -> Any:
    """Return the canonical text of a quantity.

    Source: k8s.io/apimachinery/pkg/api/resource, Quantity.UnmarshalJSON.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return _canonical(value.strip(" \t\n\r"))
    if isinstance(value, bool | dict | list):
        return _canonical("")
    return _canonical(repr(value))


@lru_cache(_CACHED)
def _canonical(text: str) -> str:
    return quantity.canonical(text)


# ------------------------------------------------------------------------- bytes


def _bytes(value: Any) -> Any:
    """Return the base64 of bytes, which may be given with line ends or as a list of numbers.

    Source: encoding/json and encoding/base64 of Go.
    """
    if isinstance(value, list):
        return b64encode(bytes(value)).decode() if _are_bytes(value) else value
    if not isinstance(value, str):
        return value
    text = value.replace("\n", "").replace("\r", "") if "\n" in value or "\r" in value else value
    try:
        decoded = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise ValueError(f"illegal base64 data at input byte {_offset(value)}") from None
    # The last character may have bits that mean nothing.
    return binascii.b2a_base64(decoded, newline=False).decode()


def _are_bytes(value: list[Any]) -> bool:
    return all(type(item) is int and 0 <= item < 256 for item in value)


_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def _offset(text: str) -> int:
    """Return where Go finds a text to be no base64 (encoding/base64, decodeQuantum)."""
    data = text.encode()
    quantum: list[int] = []
    for index, byte in enumerate(data):
        if byte in b"\n\r":
            continue
        if chr(byte) in _ALPHABET:
            quantum.append(index)
            if len(quantum) == 4:
                quantum = []
            continue
        if byte != ord("=") or len(quantum) < 2:
            return index
        rest = [at for at in range(index + 1, len(data)) if data[at] not in b"\n\r"]
        if len(quantum) == 2:
            if not rest:
                return len(data)
            if data[rest[0]] != ord("="):
                return rest[0]
            rest = rest[1:]
        return rest[0] if rest else index
    return len(data) - len(quantum) if quantum else len(data)


# ------------------------------------------------------------------------- times


def _time(value: Any) -> Any:
    """Return a time in UTC without a fraction: meta/v1, Time.UnmarshalJSON."""
    if not isinstance(value, str):
        return value
    return _second(value) if len(value) < _LONGEST else _in_utc(value, micro=False)


def _micro_time(value: Any) -> Any:
    """Return a time in UTC with six digits: meta/v1, MicroTime.UnmarshalJSON."""
    if not isinstance(value, str):
        return value
    return _micro(value) if len(value) < _LONGEST else _in_utc(value, micro=True)


@lru_cache(_CACHED)
def _second(text: str) -> str:
    return _in_utc(text, micro=False)


@lru_cache(_CACHED)
def _micro(text: str) -> str:
    return _in_utc(text, micro=True)


def _in_utc(text: str, *, micro: bool) -> str:
    match = (_MICRO_TIME if micro else _TIME).fullmatch(text)
    if match is None:
        raise ValueError(_complaint(text, micro=micro))
    groups = match.groups(default="")
    year, month, day, hour, minute, second = map(int, groups[:6])
    sign, hours, minutes = groups[-3:]
    if sign and (int(hours) > 24 or int(minutes) >= 60):
        raise ValueError(
            f'parsing time "{text}": time zone offset {_of_zone(int(hours))} out of range'
        )
    shown = _complaint(text, micro=micro)
    if shown.endswith("out of range"):
        raise ValueError(shown)
    fraction = f".{groups[6]}" if micro else ""
    if not sign:
        return f"{text[:19]}{fraction}Z"
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        moment = moment - offset if sign == "+" else moment + offset
    except (OverflowError, ValueError):
        return text  # year 0 and what comes before it
    return f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + f"{fraction}Z"


def _of_zone(hours: int) -> str:
    return "hour" if hours > 24 else "minute"


def _complaint(text: str, *, micro: bool) -> str:
    """Return the error of Go's time.Parse for a text (src/time/format.go)."""
    layout = _MICROS if micro else _SECONDS
    rest, seen = text, dict[str, int]()
    for part, pattern in _PARTS:
        match = re.match(pattern, rest, re.ASCII)
        if match is None:
            return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{part}"'
        if part.isdigit():
            seen[part] = int(match.group())
            name, low, high = _BOUNDS.get(part, ("", 0, 9999))
            if not low <= seen[part] <= high:
                return f'parsing time "{text}": {name} out of range'
        rest = rest[match.end() :]
    fraction = re.match(r"\.\d{6}" if micro else r"(?:[.,]\d+)?", rest, re.ASCII)
    if fraction is None:
        return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as ".000000"'
    rest = rest[fraction.end() :]
    zone = re.match(_ZONE, rest, re.ASCII)
    if zone is None:
        return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "Z07:00"'
    if rest[zone.end() :]:
        return f'parsing time "{text}": extra text: "{rest[zone.end() :]}"'
    if not 1 <= seen["02"] <= _days(seen["2006"], seen["01"]):
        return f'parsing time "{text}": day out of range'
    return ""


def _days(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31
