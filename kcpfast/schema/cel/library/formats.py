"""Named formats: `format.dns1123Label().validate(x)` gives the list of complaints, if any.

Rules and texts: k8s.io/apimachinery/pkg/util/validation and
k8s.io/apiserver/pkg/cel/library/format.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from ..base import CelError
from ..signatures import Row
from ..values import NO_VALUE, Opaque, Optional
from . import url
from .times import is_date

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_NAME = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_NAME})?"

_NAME_PARTS = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end"
_NAME_PARTS += " with an alphanumeric character"
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and"
    " must start and end with an alphanumeric character"
)
_LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an"
    " alphabetic character, and end with an alphanumeric character"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or"
    " '.', and must start and end with an alphanumeric character"
)
_VALUE_TEXT = f"a valid label must be an empty string or {_NAME_PARTS.removeprefix('must ')}"
_KEY_TAIL = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"

_UUID = re.compile("[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)
_BASE64 = re.compile(
    "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})"
)
_TIME = re.compile("([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|[+-][0-9]{2}:[0-9]{2})")


def _pattern(text: str, pattern: str, *examples: str) -> str:
    """Return a complaint with examples and a pattern, as validation.RegexError words it."""
    quoted = " or ".join(f"'{example}', " for example in examples)
    return f"{text} (e.g. {quoted}regex used for validation is '{pattern}')"


def _too_long(text: str, limit: int) -> list[str]:
    if len(text.encode()) <= limit:
        return []
    return [f"must be no more than {limit} characters"]


def _label(text: str) -> list[str]:
    complaints = _too_long(text, 63)
    if not re.fullmatch(_LABEL, text):
        if re.fullmatch(_SUBDOMAIN, text):
            return [*complaints, "must not contain dots"]
        complaints.append(_pattern(_LABEL_TEXT, _LABEL, "my-name", "123-abc"))
    return complaints


def _label_1035(text: str) -> list[str]:
    complaints = _too_long(text, 63)
    if not re.fullmatch(_LABEL_1035, text):
        complaints.append(_pattern(_LABEL_1035_TEXT, _LABEL_1035, "my-name", "abc-123"))
    return complaints


def _subdomain(text: str) -> list[str]:
    complaints = _too_long(text, 253)
    if not re.fullmatch(_SUBDOMAIN, text):
        complaints.append(_pattern(_SUBDOMAIN_TEXT, _SUBDOMAIN, "example.com"))
    return complaints


def _qualified_name(text: str) -> list[str]:
    prefix, slash, name = text.rpartition("/")
    requirement = _pattern(_NAME_PARTS, _NAME, "MyName", "my.name", "123-abc")
    if "/" in prefix:
        return [f"a valid label key {requirement}{_KEY_TAIL}"]
    complaints: list[str] = []
    if slash:
        complaints = ["prefix part must be non-empty"]
        if prefix:
            complaints = [f"prefix part {complaint}" for complaint in _subdomain(prefix)]
    if not name:
        complaints.append("name part must be non-empty")
    elif len(name) > 63:
        complaints.append("name part must be no more than 63 characters")
    if not re.fullmatch(_NAME, name):
        complaints.append(f"name part {requirement}")
    return complaints


def _label_value(text: str) -> list[str]:
    complaints = _too_long(text, 63)
    if not re.fullmatch(_VALUE, text):
        complaints.append(_pattern(_VALUE_TEXT, _VALUE, "MyValue", "my_value", "12345"))
    return complaints


def _prefix_of(check: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """Return the check of a generateName: a dash at its end is not the end of the name."""

    def check_prefix(text: str) -> list[str]:
        if len(text) > 1 and text[-1] == "-":
            text = f"{text[:-2]}a"
        return check(text)

    return check_prefix


def _uri(text: str) -> list[str]:
    try:
        url.parse(text)
    except CelError as error:
        return [error.message]
    return []


def _date_time(text: str) -> bool:
    date, _, time = text.lower().partition("t")
    parts = _TIME.fullmatch(time)
    if not is_date(date) or parts is None:
        return False
    hour, minute, second = parts.group(1, 2, 3)
    return hour <= "23" and minute <= "59" and second <= "59"


def _unless(test: Callable[[str], object], complaint: str) -> Callable[[str], list[str]]:
    return lambda text: [] if test(text) else [complaint]


class Format(Opaque):
    """A named format: `regex_cost` is what checking ten characters costs."""

    cel_type = "kubernetes.NamedFormat"

    def __init__(self, check: Callable[[str], list[str]], regex_cost: int) -> None:
        """Hold the check, which returns the complaints."""
        self.check = check
        self.regex_cost = regex_cost


# fmt: off
_FORMATS = {
    "byte": Format(_unless(_BASE64.fullmatch, "invalid base64"), 21),
    "date": Format(_unless(is_date, "invalid date"), 18),
    "datetime": Format(_unless(_date_time, "invalid datetime"), 18),
    "dns1035Label": Format(_label_1035, 8),
    "dns1035LabelPrefix": Format(_prefix_of(_label_1035), 8),
    "dns1123Label": Format(_label, 8),
    "dns1123LabelPrefix": Format(_prefix_of(_label), 8),
    "dns1123Subdomain": Format(_subdomain, 15),
    "dns1123SubdomainPrefix": Format(_prefix_of(_subdomain), 15),
    "labelValue": Format(_label_value, 10),
    "qualifiedName": Format(_qualified_name, 15),
    "uri": Format(_uri, 276),
    "uuid": Format(_unless(_UUID.fullmatch, "does not match the UUID format"), 18),
}
# fmt: on


def _named(name: str) -> Optional:
    return Optional(_FORMATS[name]) if name in _FORMATS else NO_VALUE


def _constants(first: str, last: str) -> list[Row]:
    """Return the rows of the functions that return a format, for a range of format names."""
    rows: list[Row] = []
    for name, value in _FORMATS.items():
        if first <= name <= last:
            rows.append((f"format.{name}", f"() -> {_T}", partial(_itself, value)))
    return rows


def _itself(value: Format) -> Format:
    return value


def _validate(named: Any, text: str) -> Optional:
    complaints = named.check(text)
    return Optional(complaints) if complaints else NO_VALUE


_T = "kubernetes.NamedFormat"
ROWS: tuple[Row, ...] = (
    *_constants("byte", "labelValue"),
    ("format.named", f"(string) -> optional({_T})", _named),
    *_constants("qualifiedName", "uuid"),
    ("validate", f"{_T}.(string) -> optional(list(string))", _validate, "validate"),
)
