"""Durations as Go writes them. The kubectl plugins load this module: keep its imports few.

Rules: Go's time.ParseDuration (src/time/format.go).
"""

from __future__ import annotations

import re

# In nanoseconds. Go accepts both characters for micro: U+00B5 and the Greek letter U+03BC.
_UNITS = {
    "h": 3_600_000_000_000, "m": 60_000_000_000, "s": 1_000_000_000, "ms": 1_000_000,
    "us": 1000, "\u00b5s": 1000, "\u03bcs": 1000, "ns": 1,
}  # fmt: skip
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?(h|ms|m|ns|s|us|\u00b5s|\u03bcs)")
# Go has no such limit. Python's int() takes quadratic time for long digits, hence one here.
_LONGEST_TEXT = 200
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1


def nanoseconds(text: str) -> int:
    """Return a duration as Go writes it (`1h30m`, `-1.5ms`); ValueError if it is none."""
    try:
        return _parse(text)
    except ValueError:
        raise ValueError(f"invalid duration {text[:50]!r}") from None


def _parse(text: str) -> int:
    """Do the work of `nanoseconds`, with a ValueError that has no message."""
    magnitude = text
    if text.startswith(("-", "+")):
        magnitude = text[1:]
    if magnitude == "0":  # the only number that needs no unit
        return 0
    total = _sum_of_parts(magnitude)
    if text.startswith("-"):
        total = -total
    if not _LEAST <= total <= _MOST:
        raise ValueError
    return total


def _sum_of_parts(text: str) -> int:
    """Return the nanoseconds of `1h30m`, without a sign; ValueError if it is no duration."""
    if not 0 < len(text) <= _LONGEST_TEXT:
        raise ValueError
    total = 0
    position = 0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            raise ValueError
        whole, fraction, unit_name = part.groups(default="")
        if not whole and not fraction:
            raise ValueError
        unit = _UNITS[unit_name]
        if whole:
            total += int(whole) * unit
        if fraction:
            total += int(fraction) * unit // 10 ** len(fraction)
        position = part.end()
    return total


def parse_duration(text: str) -> float:
    """Return a duration such as `1h2m3.5s` in seconds; ValueError if it is none."""
    return nanoseconds(text) / 1e9
