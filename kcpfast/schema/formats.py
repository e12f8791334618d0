"""The `format`s of strings and numbers that Kubernetes checks, as a table.

Names and meaning: k8s.io/kube-openapi/pkg/validation/strfmt and the CRD documentation.
A format that is not in a table is not checked.

Danger: a regular expression holds the interpreter's lock until it is done, and everybody waits.
So quantifiers of patterns for texts of any length are possessive (they never go back), durations
are looked at element by element, and what is longer than any address is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable


def _matches(pattern: str, flags: int = re.ASCII) -> Callable[[str], bool]:
    match = re.compile(pattern, flags).fullmatch
    return lambda value: match(value) is not None


# With the zone that Python accepts, and leading zeros of a prefix length.
_LONGEST_ADDRESS = 1000


def _is_ip(version: int) -> Callable[[str], bool]:
    def test(value: str) -> bool:
        import ipaddress  # noqa: PLC0415 - most processes never see this format

        try:
            short = len(value) <= _LONGEST_ADDRESS
            return short and ipaddress.ip_address(value).version == version and "%" not in value
        except ValueError:
            return False

    return test


def _is_cidr(value: str) -> bool:
    import ipaddress  # noqa: PLC0415 - most processes never see this format

    if len(value) > _LONGEST_ADDRESS:
        return False
    try:
        ipaddress.ip_interface(value)
    except ValueError:
        return False
    return "/" in value


def _is_base64(value: str) -> bool:
    import base64  # noqa: PLC0415 - start path
    import binascii  # noqa: PLC0415 - start path

    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


_DATE = r"(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)([.,]\d++)?"


def _is_date(value: str) -> bool:
    from datetime import date  # noqa: PLC0415 - start path

    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return len(value) == 10


def _is_date_time(value: str) -> bool:
    return _DATE_TIME(value) and _is_date(value[:10])


_DATE_TIME = _matches(_DATE + "[Tt ]" + _CLOCK + r"([Zz]|[+-]\d\d:\d\d)")
_DURATION_ELEMENT = re.compile(r"(\d++(\.\d*+)?|\.\d++)(ns|us|µs|μs|ms|s|m|h)")
_DURATION_WORDS = re.compile(r"\d++ ?(day|week|hour|minute|second)s?")


def _is_duration(value: str) -> bool:
    """Tell whether Go's time.ParseDuration or go-openapi's own words of a duration read a text."""
    if value == "0" or _DURATION_WORDS.fullmatch(value):
        return True
    offset = 1 if value[:1] in ("+", "-") else 0
    if offset == len(value):
        return False
    while offset < len(value):
        element = _DURATION_ELEMENT.match(value, offset)
        if element is None:
            return False
        offset = element.end()
    return True


_HOST_LABEL = r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"

_NAME = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"

# By their names without dashes.
STRINGS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": _matches(r"[0-9a-fA-F]{24}"),
    "byte": _is_base64,
    "cidr": _is_cidr,
    "creditcard": _matches(r"\d{13,19}"),
    "date": _is_date,
    "datetime": _is_date_time,
    "duration": _is_duration,
    "email": _matches(r"[^@\s<>]++@[^@\s<>]++"),
    "hexcolor": _matches(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "hostname": _matches(rf"(?=.{{1,255}}\Z){_HOST_LABEL}(\.{_HOST_LABEL})*\.?"),
    "ipv4": _is_ip(4),
    "ipv6": _is_ip(6),
    "isbn": _matches(r"[\d -]{9,16}[\dX]"),
    "isbn10": _matches(r"[\d -]{9,12}[\dX]"),
    "isbn13": _matches(r"[\d -]{13,17}"),
    "k8slongname": _matches(rf"(?=.{{1,253}}\Z){_NAME}(\.{_NAME})*"),
    "k8sshortname": _matches(rf"(?=.{{1,63}}\Z){_NAME}"),
    "mac": _matches(r"([0-9a-fA-F]{2}[:-]){5}([0-9a-fA-F]{2})|([0-9a-fA-F]{4}\.){2}[0-9a-fA-F]{4}"),
    "password": lambda _value: True,
    "rgbcolor": _matches(r"rgb\(\s*+\d{1,3}\s*+,\s*+\d{1,3}\s*+,\s*+\d{1,3}\s*+\)"),
    "ssn": _matches(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
    "uri": _matches(r"[a-zA-Z][a-zA-Z0-9+.-]*+:[^\s]*+|/[^\s]*+"),
    "uuid": _matches(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}"),
    "uuid3": _matches(
        r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?3[0-9a-fA-F]{3}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"
    ),
    "uuid4": _matches(
        r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?4[0-9a-fA-F]{3}-?[89abAB][0-9a-fA-F]{3}-?[0-9a-fA-F]{12}"
    ),
    "uuid5": _matches(
        r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?5[0-9a-fA-F]{3}-?[89abAB][0-9a-fA-F]{3}-?[0-9a-fA-F]{12}"
    ),
}

NUMBER_FORMATS: dict[str, tuple[float, float]] = {
    "float": (-3.4028234663852886e38, 3.4028234663852886e38),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
}


_OF_TYPE = {
    "integer": frozenset(("int32", "int64")),
    "number": frozenset(("double", "float")),
}


def is_known(kind: str, name: str) -> bool:
    """Tell whether a format means something for values of a type."""
    if kind in ("", "string"):
        return name.replace("-", "") in STRINGS
    return name in _OF_TYPE.get(kind, ())
