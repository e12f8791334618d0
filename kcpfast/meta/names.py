"""The syntax of names, labels, annotations and finalizers, and the messages for violations.

Rules and texts: k8s.io/apimachinery/pkg/util/validation and pkg/api/validation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kcpfast._core.decoded import is_label, is_subdomain, text_size
from kcpfast.meta.bounded import kept_if_short
from kcpfast.meta.errors import MAX_CAUSES, Cause, field_invalid

# The patterns in the messages, but for where a sign may not stand (`_matches`). A text may be
# megabytes long, and a regular expression with groups would hold the interpreter's lock for long.
_LABEL = re.compile(r"[a-z0-9][-a-z0-9]*+")
_LABEL_1035 = re.compile(r"[a-z][-a-z0-9]*+")
_SUBDOMAIN = re.compile(r"[a-z0-9][-.a-z0-9]*+")
_QUALIFIED = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_.]*+")
_ODD_PAIRS = ("..", ".-", "-.")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
MAX_ANNOTATIONS = 256 * 1024

_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_QUALIFIED_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_LABEL_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    "or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)

NameRule = Callable[[str], list[str]]


def _too_long(limit: int) -> str:
    return f"must be no more than {limit} bytes"


def _matches(pattern: re.Pattern[str], value: str) -> bool:
    """Tell whether a value matches a pattern and ends as it may, a subdomain at every dot."""
    if not pattern.fullmatch(value) or value[-1] in "-._":
        return False
    return pattern is not _SUBDOMAIN or not any(pair in value for pair in _ODD_PAIRS)


def _violations(value: str, limit: int, pattern: re.Pattern[str], message: str) -> list[str]:
    """Return the messages for a value that is longer than `limit` or does not match a pattern."""
    messages = []
    # As upstream, both may be wrong at once, and the length is told first.
    if len(value) > limit:
        messages.append(_too_long(limit))
    if not _matches(pattern, value):
        messages.append(message)
    return messages


def dns_label(value: str) -> list[str]:
    """Return the messages for a value that is not an RFC 1123 label."""
    # The kernel says the same without building a match object: nearly all names are valid.
    if is_label(value):
        return []
    return _violations(value, 63, _LABEL, _LABEL_TEXT)


def dns_1035_label(value: str) -> list[str]:
    """Return the messages for a value that is not an RFC 1035 label, which begins with a letter."""
    wrong = _violations(value, 63, _LABEL_1035, _LABEL_1035_TEXT)
    # Upstream counts these in characters, and all others in bytes.
    return [text.replace(_too_long(63), "must be no more than 63 characters") for text in wrong]


def dns_subdomain(value: str) -> list[str]:
    """Return the messages for a value that is not an RFC 1123 subdomain."""
    if is_subdomain(value):
        return []
    return _violations(value, 253, _SUBDOMAIN, _SUBDOMAIN_TEXT)


def path_segment(value: str) -> list[str]:
    """Return the messages for a value that is not one segment of a URL path."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{part}'" for part in ("/", "%") if part in value]


def qualified_name(value: str) -> list[str]:
    """Return the messages for an invalid label key, annotation key or finalizer."""
    return list(_qualified_name(value))


@kept_if_short(4096, 128)
def _qualified_name(value: str) -> Iterable[str]:
    """Do the work of qualified_name; kept, since clients use the same few keys all the time."""
    prefix, slash, name = value.rpartition("/")
    if "/" in prefix:
        return [
            "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must "
            "start and end with an alphanumeric character with an optional DNS subdomain prefix "
            "and '/' (e.g. 'example.com/MyName')"
        ]
    wrong = []
    if slash and not prefix:
        wrong.append("prefix part must be non-empty")
    elif slash:
        wrong += [f"prefix part {text}" for text in dns_subdomain(prefix)]
    if not name:
        wrong.append("name part must be non-empty")
    elif len(name) > 63:
        wrong.append("name part " + _too_long(63))
    return wrong if _matches(_QUALIFIED, name) else [*wrong, _QUALIFIED_TEXT]


def label_value(value: str) -> list[str]:
    """Return the messages for an invalid label value; the empty text is valid."""
    if not value:
        return []
    return _violations(value, 63, _QUALIFIED, _LABEL_VALUE_TEXT)


def config_key(value: str) -> list[str]:
    """Return the messages for an invalid key of a ConfigMap or Secret."""
    wrong = [_too_long(253)] if len(value) > 253 else []
    if not _CONFIG_KEY.fullmatch(value):
        wrong.append(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
            "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
            "'[-._a-zA-Z0-9]+')"
        )
    elif value == ".":
        wrong.append("must not be '.'")
    elif value.startswith(".."):
        wrong.append("must not start with '..'" if value != ".." else "must not be '..'")
    return wrong


def generated(rule: NameRule) -> NameRule:
    """Return the rule for a generateName prefix, which may end with a dash.

    Source: maskTrailingDash in k8s.io/apimachinery/pkg/api/validation/generic.go.
    """
    return lambda value: rule(value[:-1] + "a" if value.endswith("-") else value)


def check_labels(labels: Mapping[str, Any], field: str) -> list[Cause]:
    """Check keys and values of labels."""
    causes = []
    for key, value in labels.items():
        causes += [field_invalid(field, key, text) for text in qualified_name(key)]
        causes += [field_invalid(field, value, text) for text in label_value(value)]
        if len(causes) > MAX_CAUSES:  # the answer holds no more
            break
    return causes


def check_annotations(annotations: Mapping[str, Any], field: str) -> list[Cause]:
    """Check keys (in lower case, as upstream) and the size of all annotations together."""
    causes = []
    for key in annotations:
        causes += [field_invalid(field, key, text) for text in qualified_name(key.lower())]
        if len(causes) > MAX_CAUSES:
            return causes
    size = text_size(dict(annotations), True)
    if size > MAX_ANNOTATIONS:
        message = f"Too long: may not be more than {MAX_ANNOTATIONS} bytes"
        causes.append(Cause("FieldValueTooLong", message, field))
    return causes
