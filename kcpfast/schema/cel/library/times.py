"""Timestamps and durations: reading, writing, arithmetic and the parts of a date.

Rules: cel-spec, "Timestamps and Durations"; texts as Go's time package and strfmt read them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kcpfast.meta.duration import nanoseconds

from ..base import INT_MAX, INT_MIN, CelError
from ..signatures import Row
from ..values import Duration, Timestamp

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

SECOND = 1_000_000_000
# 0001-01-01T00:00:00Z and the last nanosecond of 9999, in seconds since 1970.
_FIRST, _LAST = -62_135_596_800, 253_402_300_799

_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{1,2}):([0-9]{2}):([0-9]{2})"
    r"(?:[.,]([0-9]+))?(?:Z|([+-])([0-9]{2}):([0-9]{2}))"
)
_ZONE = re.compile(r"([+-]?)([0-9]{1,2}):([0-9]{2})")


def parse_duration(text: str) -> Duration:
    """Return a duration written as Go writes it (`1h30m`, `-1.5ms`); CelError otherwise."""
    try:
        return Duration(nanoseconds(text))
    except ValueError:
        raise _bad_duration() from None


def _bad_duration() -> CelError:
    return CelError("type conversion error from 'string' to 'google.protobuf.Duration'")


def parse_timestamp(text: str) -> Timestamp:
    """Return the moment that an RFC 3339 text names; CelError otherwise."""
    hit = _RFC3339.fullmatch(text)
    if hit is None:
        raise _bad_timestamp()
    year, month, day, hour, minute, second = (int(part) for part in hit.groups()[:6])
    offset = 0
    if hit.group(8):
        if int(hit.group(9)) > 23 or int(hit.group(10)) > 59:
            raise _bad_timestamp()
        offset = int(hit.group(9)) * 3600 + int(hit.group(10)) * 60
        offset = -offset if hit.group(8) == "-" else offset
    if hour > 23 or minute > 59 or second > 59:
        raise _bad_timestamp()
    try:
        days = _days(year, month, day)
    except ValueError:
        raise _bad_timestamp() from None
    seconds = days * 86400 + hour * 3600 + minute * 60 + second - offset
    nanos = int((hit.group(7) or "0")[:9].ljust(9, "0"))
    moment = _in_range(seconds * SECOND + nanos)
    if offset:
        moment.offset = offset
    return moment


def is_date(text: str) -> bool:
    """Tell whether the text is a full date: 2006-01-02."""
    if len(text) != 10:
        return False
    try:
        parse_timestamp(f"{text}T00:00:00Z")
    except CelError:
        return False
    return True


def _bad_timestamp() -> CelError:
    return CelError("type conversion error from 'string' to 'google.protobuf.Timestamp'")


def _days(year: int, month: int, day: int) -> int:
    from datetime import date  # noqa: PLC0415 - few expressions hold a date

    return date(year, month, day).toordinal() - 719_163


def _in_range(nanos: int) -> Timestamp:
    if not _FIRST * SECOND <= nanos < (_LAST + 1) * SECOND:
        raise CelError("timestamp overflow")
    return Timestamp(nanos)


def timestamp_of(seconds: int) -> Timestamp:
    """Return the moment that lies `seconds` after 1970; CelError outside the years 1 to 9999."""
    return _in_range(seconds * SECOND)


def seconds_of(moment: Timestamp) -> int:
    """Return whole seconds since 1970."""
    return int(moment) // SECOND


def to_text(value: Timestamp | Duration) -> str:
    """Return a timestamp as RFC 3339 in its own zone, a duration in seconds."""
    if isinstance(value, Duration):
        return f"{_seconds_text(int(value))}s"
    local = _at(value, value.offset)
    zone = "Z"
    if value.offset:
        hours, minutes = divmod(abs(value.offset) // 60, 60)
        zone = f"{'-' if value.offset < 0 else '+'}{hours:02d}:{minutes:02d}"
    day = f"{local.year:04d}-{local.month:02d}-{local.day:02d}"
    time = f"{local.hour:02d}:{local.minute:02d}:{local.second:02d}"
    return f"{day}T{time}{_fraction(int(value) % SECOND)}{zone}"


def _seconds_text(nanos: int) -> str:
    """Return seconds as Go writes the float64 that they make, without an exponent."""
    seconds, rest = divmod(abs(nanos), SECOND)
    value = seconds + rest / 1e9
    text = repr(value) if value >= 1e-4 or not value else f"{value:.9f}"
    return ("-" if nanos < 0 else "") + (text.rstrip("0").rstrip(".") if "." in text else text)


def _fraction(nanos: int) -> str:
    return f".{nanos:09d}".rstrip("0") if nanos else ""


def _at(moment: Timestamp, offset: int) -> datetime:
    from datetime import datetime, timedelta  # noqa: PLC0415 - few expressions hold a date

    try:
        return datetime(1970, 1, 1) + timedelta(seconds=int(moment) // SECOND + offset)
    except OverflowError:
        raise CelError("timestamp overflow") from None


def _local(moment: Timestamp, zone: str) -> datetime:
    if zone in ("", "UTC", "Local"):
        return _at(moment, 0)
    hit = _ZONE.fullmatch(zone)
    if hit is not None:
        seconds = int(hit.group(2)) * 3600 + int(hit.group(3)) * 60
        return _at(moment, -seconds if hit.group(1) == "-" else seconds)
    from datetime import UTC  # noqa: PLC0415 - few expressions hold a date

    return _at(moment, 0).replace(tzinfo=UTC).astimezone(_zone(zone))


@lru_cache(64)
def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - few expressions name a zone

    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        raise CelError(f"unknown time zone {name}") from None


def _part(read: Callable[[datetime], int]) -> Callable[..., int]:
    return lambda moment, zone="": read(_local(moment, zone))


def _milliseconds(moment: Timestamp, _zone_name: str = "") -> int:
    return int(moment) % SECOND // 1_000_000


def _whole(unit: int) -> Callable[[Duration], int]:
    def count(span: Duration) -> int:
        whole = abs(int(span)) // unit
        return -whole if span < 0 else whole

    return count


def add_duration(left: Any, right: Any) -> Duration:
    """Return the sum of two durations; CelError past 64 bits."""
    return _span(int(left) + int(right))


def _difference(left: Any, right: Any) -> Duration:
    return _span(int(left) - int(right))


def _span(nanos: int) -> Duration:
    if not INT_MIN <= nanos <= INT_MAX:
        raise CelError("duration overflow")
    return Duration(nanos)


def _shift(moment: Any, span: Any) -> Timestamp:
    shifted = _in_range(int(moment) + int(span))
    if moment.offset:
        shifted.offset = moment.offset
    return shifted


# What a date's part is in datetime's terms. CEL counts months, days of the month and days of the
# year from 0, and days of the week from Sunday.
_PARTS: dict[str, Callable[[datetime], int]] = {
    "getDate": lambda local: local.day,
    "getDayOfMonth": lambda local: local.day - 1,
    "getDayOfWeek": lambda local: local.isoweekday() % 7,
    "getDayOfYear": lambda local: local.timetuple().tm_yday - 1,
    "getFullYear": lambda local: local.year,
    "getHours": lambda local: local.hour,
    "getMinutes": lambda local: local.minute,
    "getMonth": lambda local: local.month - 1,
    "getSeconds": lambda local: local.second,
}


def _accessors() -> list[Row]:
    calls: dict[str, Callable[..., int]] = {name: _part(read) for name, read in _PARTS.items()}
    calls["getMilliseconds"] = _milliseconds
    rows: list[Row] = []
    for name, call in sorted(calls.items()):
        rows.append((name, "timestamp.() -> int", call))
        rows.append((name, "timestamp.(string) -> int", call))
        if name in _WHOLE:
            rows.append((name, "duration.() -> int", _whole(_WHOLE[name])))
    return rows


# What a duration counts in whole units of, in nanoseconds.
_WHOLE = {
    "getHours": 3600 * SECOND,
    "getMilliseconds": 1_000_000,
    "getMinutes": 60 * SECOND,
    "getSeconds": SECOND,
}

# fmt: off
ROWS: tuple[Row, ...] = (
    ("_+_", "(duration, duration) -> duration", add_duration),
    ("_+_", "(duration, timestamp) -> timestamp", lambda span, moment: _shift(moment, span)),
    ("_+_", "(timestamp, duration) -> timestamp", _shift),
    ("_-_", "(duration, duration) -> duration", _difference),
    ("_-_", "(timestamp, duration) -> timestamp", lambda moment, span: _shift(moment, -int(span))),
    ("_-_", "(timestamp, timestamp) -> duration", _difference),
    *_accessors(),
)
# fmt: on
