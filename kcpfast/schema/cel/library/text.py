"""Functions on strings.

Rules: cel-spec, "Standard Definitions"; cel-go ext/strings.go, version 2;
k8s.io/apiserver/pkg/cel/library/regex.go. Indices count code points.
"""

from __future__ import annotations

from .. import regex
from ..base import CelError
from ..signatures import Row
from .formatting import format_text

# What Go's unicode.IsSpace holds.
_SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
_SPACES += "\u200a\u2028\u2029\u202f\u205f\u3000"
_LOWER = {code: code + 32 for code in range(65, 91)}
_UPPER = {code: code - 32 for code in range(97, 123)}
_QUOTED = str.maketrans(
    {
        "\a": "\\a",
        "\b": "\\b",
        "\f": "\\f",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\v": "\\v",
        "\\": "\\\\",
        '"': '\\"',
    }
)


def _out_of_range(index: int) -> CelError:
    return CelError(f"index out of range: {index}")


def _char_at(text: str, index: int) -> str:
    if not 0 <= index <= len(text):
        raise _out_of_range(index)
    return text[index : index + 1]


def _index_of(text: str, part: str, start: int = 0) -> int:
    if start < 0:
        raise _out_of_range(start)
    return text.find(part, start)


def _last_index_of(text: str, part: str, start: int | None = None) -> int:
    if start is None:
        return text.rfind(part)
    if start < 0:
        raise _out_of_range(start)
    if not part:
        return start
    return -1 if start >= len(text) else text.rfind(part, 0, start + len(part))


def _substring(text: str, start: int, end: int | None = None) -> str:
    stop = len(text) if end is None else end
    if end is not None and not 0 <= end <= len(text):
        raise _out_of_range(end)
    if end is not None and start > end:
        raise CelError(f"invalid substring range. start: {start}, end: {end}")
    if not 0 <= start <= len(text):
        raise _out_of_range(start)
    return text[start:stop]


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if separator:
        return text.split(separator, limit - 1 if limit > 0 else -1)
    if 0 < limit < len(text):
        return [*text[: limit - 1], text[limit - 1 :]]
    return list(text)


def _replace(text: str, old: str, new: str, limit: int = -1) -> str:
    return text.replace(old, new, max(limit, -1))


def _join(items: list[str], separator: str = "") -> str:
    if not all(isinstance(item, str) for item in items):
        raise CelError("no such overload")
    return separator.join(items)


def quote(text: str) -> str:
    """Return the text in double quotes with special characters escaped."""
    return f'"{text.translate(_QUOTED)}"'


# fmt: off
ROWS: tuple[Row, ...] = (
    ("charAt", "string.(int) -> string", _char_at),
    ("contains", "string.(string) -> bool", str.__contains__, "contains"),
    ("endsWith", "string.(string) -> bool", str.endswith, "scan"),
    ("find", "string.(string) -> string", regex.find, "regex"),
    ("findAll", "string.(string) -> list(string)", regex.find_all, "regex"),
    ("findAll", "string.(string, int) -> list(string)", regex.find_all, "regex"),
    ("format", "string.(list(dyn)) -> string", format_text, "format"),
    ("indexOf", "string.(string) -> int", _index_of, "traverse"),
    ("indexOf", "string.(string, int) -> int", _index_of, "traverse"),
    ("join", "list(string).() -> string", _join, "join"),
    ("join", "list(string).(string) -> string", _join, "join"),
    ("lastIndexOf", "string.(string) -> int", _last_index_of, "traverse"),
    ("lastIndexOf", "string.(string, int) -> int", _last_index_of, "traverse"),
    ("lowerAscii", "string.() -> string", lambda text: text.translate(_LOWER), "scan"),
    ("matches", "(string, string) -> bool", regex.matches, "regex"),
    ("matches", "string.(string) -> bool", regex.matches, "regex"),
    ("replace", "string.(string, string) -> string", _replace, "replace"),
    ("replace", "string.(string, string, int) -> string", _replace, "replace"),
    ("split", "string.(string) -> list(string)", _split, "scan_twice"),
    ("split", "string.(string, int) -> list(string)", _split, "scan_twice"),
    ("startsWith", "string.(string) -> bool", str.startswith, "scan"),
    ("strings.quote", "(string) -> string", quote, "scan"),
    ("substring", "string.(int) -> string", _substring, "scan"),
    ("substring", "string.(int, int) -> string", _substring, "scan"),
    ("trim", "string.() -> string", lambda text: text.strip(_SPACES), "scan"),
    ("upperAscii", "string.() -> string", lambda text: text.translate(_UPPER), "scan"),
)
# fmt: on
