"""Times as text, and ages as people read them.

Rules: RFC 3339, and k8s.io/apimachinery/pkg/util/duration.HumanDuration.
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


@kept_if_short(4096, 64)
def parse_time(text: str) -> float | None:
    """Return an RFC 3339 time as Unix seconds, None if it is not one."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    seconds = calendar.timegm((year, month, day, hour, minute, second))
    if match.group(7):
        offset = (int(match.group(8)) * 60 + int(match.group(9))) * 60
        seconds -= offset if match.group(7) == "+" else -offset
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
