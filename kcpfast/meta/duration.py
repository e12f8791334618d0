"""Times and durations as text: ages for people, timeouts of requests.

Rules: k8s.io/apimachinery/pkg/util/duration.HumanDuration, and Go's time.ParseDuration.
"""

from __future__ import annotations

import calendar
import re
import time
from functools import lru_cache

from kcpfast.meta.bounded import kept_if_short

_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|([+-])(\d\d):(\d\d))",
    re.ASCII,
)


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d{1,12}(?:\.\d{0,12})?|\.\d{1,12})(h|ms|m|s|us|µs|ns)", re.ASCII)


def parse_duration(text: str) -> float:
    """Return a duration such as `1h2m3.5s` in seconds; ValueError if it is none."""
    sign, rest = (text[0], text[1:]) if text[:1] in ("+", "-") else ("", text)
    if rest == "0":
        return 0.0
    parts = _PART.findall(rest)
    if not parts or "".join(number + unit for number, unit in parts) != rest:
        raise ValueError(f"invalid duration {text[:50]!r}")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return -seconds if sign == "-" else seconds


@kept_if_short(4096, 64)
def parse_time(text: str) -> float | None:
    """Return an RFC 3339 time as Unix seconds, None if it is not one."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    seconds = calendar.timegm((year, month, day, hour, minute, second))
    if found.group(7):
        offset = (int(found.group(8)) * 60 + int(found.group(9))) * 60
        seconds -= offset if found.group(7) == "+" else -offset
    return float(seconds)


def age(text: str | None) -> str:
    """Return the age of a timestamp, `<unknown>` without one, `<invalid>` for a wrong one."""
    if not text:
        return "<unknown>"
    then = parse_time(text)
    return "<invalid>" if then is None else human(time.time() - then)


# (below this many of the first unit, unit, seconds of it, second unit, seconds of that), in order
_STEPS = (
    (120, "s", 1, "", 0),
    (10, "m", 60, "s", 1),
    (180, "m", 60, "", 0),
    (8, "h", 3600, "m", 60),
    (48, "h", 3600, "", 0),
    (8, "d", 86400, "h", 3600),
    (730, "d", 86400, "", 0),
    (8, "y", 86400 * 365, "d", 86400),
)


def human(seconds: float) -> str:
    """Return a duration with two units at most, coarser the longer it is."""
    return _human(int(seconds))


@lru_cache(maxsize=4096)
def _human(whole: int) -> str:
    if whole < -1:
        return "<invalid>"
    whole = max(whole, 0)
    for below, unit, size, second, second_size in _STEPS:
        count, rest = divmod(whole, size)
        if count < below:
            part = rest // second_size if second else 0
            return f"{count}{unit}{part}{second}" if part else f"{count}{unit}"
    return f"{whole // (86400 * 365)}y"
