"""The `format`s of strings and numbers that Kubernetes checks, as a table.

Names and meaning: k8s.io/kube-openapi/pkg/validation/strfmt and the CRD documentation.
A format that is not in a table is not checked.

Danger: a regular expression holds the interpreter's lock until it is done, and everybody waits.
So quantifiers of patterns for texts of any length are possessive (they never go back), and what is
longer than anybody writes is refused where a test takes longer than a pattern.
"""

from __future__ import annotations

import re
from collections.abc import Callable


def _matches(pattern: str, flags: int = re.ASCII) -> Callable[[str], bool]:
    match = re.compile(pattern, flags).fullmatch
    return lambda value: match(value) is not None


_LONGEST = 10_000


def _longer(name: str) -> Callable[[str], bool]:
    def test(value: str) -> bool:
        from kcpfast.schema import addresses  # noqa: PLC0415 - most processes never see these

        return len(value) <= _LONGEST and bool(getattr(addresses, name)(value))

    return test


def _is_date(value: str) -> bool:
    from datetime import date  # noqa: PLC0415 - start path

    if not _DATE(value):
        return False
    try:
        date.fromisoformat(value.replace("0000", "0400", 1) if value[:4] == "0000" else value)
    except ValueError:
        return False
    return True


def _is_date_time(value: str) -> bool:
    day, clock, *_ = [*value.lower().split("t"), ""]
    match = _CLOCK(clock)
    if match is None or not _is_date(day):
        return False
    hour, minute, second = match.groups()[:3]
    return hour <= "23" and minute <= "59" and second <= "59"


_DATE = _matches(r"\d{4}-\d\d-\d\d")
_CLOCK = re.compile(r"(\d\d):(\d\d):(\d\d)(?:.\d++)?(?:z|[+-]\d\d:\d\d)", re.ASCII).fullmatch

_SHADE = r"(?:0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])"
_NAME = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"

# By their names without dashes.
STRINGS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": _matches(r"[0-9a-fA-F]{24}"),
    "byte": _matches(
        r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})"
    ),
    "cidr": _longer("is_cidr"),
    "creditcard": _longer("is_credit_card"),
    "date": _is_date,
    "datetime": _is_date_time,
    "duration": _longer("is_duration"),
    "email": _longer("is_email"),
    "hexcolor": _matches(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "hostname": _longer("is_hostname"),
    "ipv4": _longer("is_ipv4"),
    "ipv6": _longer("is_ipv6"),
    "isbn": _longer("is_isbn"),
    "isbn10": _longer("is_isbn10"),
    "isbn13": _longer("is_isbn13"),
    "k8slongname": _matches(rf"(?=.{{1,253}}\Z){_NAME}(\.{_NAME})*"),
    "k8sshortname": _matches(rf"(?=.{{1,63}}\Z){_NAME}"),
    "mac": _longer("is_mac"),
    "password": lambda _value: True,
    "rgbcolor": _matches(rf"rgb\(\s*+{_SHADE}\s*+,\s*+{_SHADE}\s*+,\s*+{_SHADE}\s*+\)"),
    "ssn": _matches(r"\d{3}[- ]\d{2}[- ]\d{4}"),
    "uri": _longer("is_request_uri"),
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
