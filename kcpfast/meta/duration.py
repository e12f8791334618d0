"""Durations as Go writes them. The plugins load this, so it loads next to nothing.

Rules: Go's time.ParseDuration.
"""

from __future__ import annotations

import re

# In nanoseconds; Go takes both signs for micro.
_UNITS = {
    "h": 3_600_000_000_000, "m": 60_000_000_000, "s": 1_000_000_000, "ms": 1_000_000,
    "us": 1000, "\u00b5s": 1000, "\u03bcs": 1000, "ns": 1,
}  # fmt: skip
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?(h|ms|m|ns|s|us|\u00b5s|\u03bcs)")
_LONGEST_TEXT = 200
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1


def nanoseconds(text: str) -> int:
    """Return a duration as Go writes it (`1h30m`, `-1.5ms`); ValueError if it is none."""
    sign = -1 if text[:1] == "-" else 1
    rest = text[1:] if text[:1] in ("-", "+") else text
    total, position = 0, 0
    while position < len(rest) and rest != "0":
        part = _PART.match(rest, position) if len(rest) <= _LONGEST_TEXT else None
        if part is None or not (part.group(1) or part.group(2)):
            raise ValueError(f"invalid duration {text[:50]!r}")
        unit, fraction = _UNITS[part.group(3)], part.group(2) or ""
        total += int(part.group(1) or 0) * unit
        total += int(fraction or 0) * unit // 10 ** len(fraction)
        position = part.end()
    if not rest or not _LEAST <= sign * total <= _MOST:
        raise ValueError(f"invalid duration {text[:50]!r}")
    return sign * total


def parse_duration(text: str) -> float:
    """Return a duration such as `1h2m3.5s` in seconds; ValueError if it is none."""
    return nanoseconds(text) / 1e9
