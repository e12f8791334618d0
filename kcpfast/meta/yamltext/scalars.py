"""What a scalar of YAML means: words, numbers and tags, as sigs.k8s.io/yaml 1.6 has them.

Source: go.yaml.in/yaml/v2 (resolve.go, decode.go) and the encoding of JSON behind it.
"""

from __future__ import annotations

import binascii
import math
import re
import struct
from datetime import datetime
from typing import Any, NamedTuple

CORE = "tag:yaml.org,2002:"
NULL, BOOL, INT, FLOAT, TEXT, TIMESTAMP = "null", "bool", "int", "float", "str", "timestamp"


class YamlError(ValueError):
    """The text is no YAML, more than is read, or has no JSON."""


class Meaning(NamedTuple):
    """What a scalar means: its kind, as the core tags are named, and its value in Python."""

    kind: str
    value: Any


_INFINITY = float("inf")
YAML_WORDS: dict[str, Meaning] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), Meaning(NULL, None)),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES"), Meaning(BOOL, True)),
    **dict.fromkeys(("true", "True", "TRUE", "on", "On", "ON"), Meaning(BOOL, True)),
    **dict.fromkeys(("n", "N", "no", "No", "NO"), Meaning(BOOL, False)),
    **dict.fromkeys(("false", "False", "FALSE", "off", "Off", "OFF"), Meaning(BOOL, False)),
    **dict.fromkeys((".inf", ".Inf", ".INF"), Meaning(FLOAT, _INFINITY)),
    **dict.fromkeys(("+.inf", "+.Inf", "+.INF"), Meaning(FLOAT, _INFINITY)),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), Meaning(FLOAT, -_INFINITY)),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), Meaning(FLOAT, math.nan)),
}
_BEGINS_NUMBER = frozenset("+-0123456789")
# Patterns are compiled when they are first needed: few scalars are numbers.
# Base -> what an integer looks like whose underscores were taken out.
_INTEGERS = {
    10: r"([-+]?)(0|[1-9][0-9]*)",
    2: r"([-+]?)0[bB]([01]+)|0b([-+]?)([01]+)",
    8: r"([-+]?)0[oO]?([0-7]+)",
    16: r"([-+]?)0[xX]([0-9a-fA-F]+)",
}
_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
# A number that begins with a dot, whose underscores stand between digits.
_FRACTION = r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?"
_TIME = (
    r"(\d{4})-(\d\d?)-(\d\d?)"
    r"(?:[Tt](\d\d?):(\d\d?):(\d\d?)(?:[.,]\d+)?(?:Z|[-+]([01]\d|2[0-4]):([0-5]\d|60))"
    r"| +(\d\d?):(\d\d?):(\d\d?)(?:[.,]\d+)?)?"
)
# What some reader of YAML (1.1, 1.2, PyYAML) may take for something else than text.
_AMBIGUOUS = r"(?s)[-+.]?[0-9].*|[yYnN]|[oO](?:n|N|ff|FF)|[~<=]"
# Characters of a value that an error shows.
_SHOWN = 500
_INT64, _UINT64 = 1 << 63, 1 << 64
# More digits than any number of 64 bits has, so many that they are not worth converting.
_MOST_DIGITS = 80
_NOT_UTF8 = "[\udc80-\udcff]"


def resolve(text: str) -> Meaning:
    """Return what a scalar means that has neither quotes nor a tag."""
    word = YAML_WORDS.get(text)
    if word is not None:
        return word
    if text[0] in _BEGINS_NUMBER:
        return _number(text.replace("_", "")) or Meaning(TEXT, text)
    if text[0] == "." and re.fullmatch(_FRACTION, text):
        return _float(text) or Meaning(TEXT, text)
    return Meaning(TEXT, text)


def ambiguous(text: str) -> bool:
    """Tell whether a text needs quotes so that every reader of YAML takes it for text."""
    return re.fullmatch(_AMBIGUOUS, text) is not None or resolve(text).kind != TEXT


def _number(digits: str) -> Meaning | None:
    """Read an integer of 64 bits or a float, without underscores; None if it is neither."""
    for base, pattern in _INTEGERS.items():
        match = re.fullmatch(pattern, digits)
        if match is not None:
            integer = _integer("".join(part or "" for part in match.groups()), base)
            if integer is not None:
                return integer
    return _float(digits) if re.fullmatch(_FLOAT, digits) else None


def _integer(digits: str, base: int) -> Meaning | None:
    if len(digits.lstrip("+-0")) > _MOST_DIGITS:
        return None
    value = int(digits, base)
    most = _INT64 if digits[0] in "+-" else _UINT64
    return Meaning(INT, value) if -_INT64 <= value < most else None


def _float(text: str) -> Meaning | None:
    value = float(text)
    return None if math.isinf(value) else Meaning(FLOAT, value)


def resolve_tagged(tag: str, text: str) -> Meaning:
    """Return what a scalar with a tag means; YamlError if the tag does not fit."""
    kind = tag.removeprefix(CORE) if tag.startswith(CORE) else ""
    if kind == "binary":
        return Meaning(TEXT, _binary(text))
    if kind == TIMESTAMP and _is_time(text):
        return Meaning(TEXT, text)
    if kind not in (NULL, BOOL, INT, FLOAT, TIMESTAMP):
        return Meaning(TEXT, text)
    meaning = resolve(text)
    if kind == FLOAT and meaning.kind == INT and meaning.value < _INT64:
        return Meaning(FLOAT, float(meaning.value))
    if kind != meaning.kind:
        raise YamlError(f"yaml: cannot decode !!{meaning.kind} `{text}` as a !!{kind}")
    return meaning


def _binary(text: str) -> str:
    """Decode base64 that may have line breaks; each byte that is no UTF-8 becomes U+FFFD."""
    try:
        data = binascii.a2b_base64(text.replace("\n", "").replace("\r", ""), strict_mode=True)
    except ValueError:
        raise YamlError("yaml: !!binary value contains invalid base64 data") from None
    return re.sub(_NOT_UTF8, "\ufffd", data.decode(errors="surrogateescape"))


def _is_time(text: str) -> bool:
    match = re.fullmatch(_TIME, text, re.ASCII)
    if match is None:
        return False
    parts = match.groups()
    year, month, day = (int(part) for part in parts[:3])
    hour, minute, second = (int(part or 0) for part in (parts[3:6] if parts[3] else parts[8:11]))
    try:
        # Go knows a year 0, which is a leap year as 2000 is.
        datetime(year or 2000, month, day, hour, minute, second)
    except ValueError:
        return False
    return True


def json_value(value: float) -> float:
    """Return a float as JSON has it: if it is whole, an integer; YamlError if JSON has it not."""
    if not math.isfinite(value):
        raise YamlError(f"json: unsupported value: {_unsupported(value)}")
    whole = value.is_integer() and -_INT64 < value < _INT64
    return _whole(value) if whole else value


def _whole(value: float) -> int:
    """Return the shortest digits that mean the float, which are not all that it has."""
    digits, _, exponent = repr(value).partition("e")
    before, _, behind = digits.partition(".")
    if not exponent:
        return int(before)
    power: int = 10 ** (int(exponent) - len(behind))
    return int(before + behind) * power


def _unsupported(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{'+' if value > 0 else '-'}Inf"


def go_syntax(value: Any) -> str:
    """Return a value as Go's %#v prints it, cut where it is long."""
    if isinstance(value, dict):
        members = (f"{go_syntax(key)}:{go_syntax(member)}" for key, member in value.items())
        return f"map[interface {{}}]interface {{}}{{{', '.join(members)}}}"[:_SHOWN]
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(go_syntax, value))}}}"[:_SHOWN]
    if value is None:
        return "interface {}(nil)"
    import json  # noqa: PLC0415 - for errors alone

    return json.dumps(value)[:_SHOWN]


def key_name(value: Any) -> str:
    """Return what a key of a mapping is called in JSON; YamlError if it cannot be a key there."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_name(value)
    if isinstance(value, int) and value < _INT64:
        return str(value)
    quoted = "null" if value is None else value
    raise YamlError(f"unsupported map key: {quoted}")


def _float_name(value: float) -> str:
    """Return a float as Go's FormatFloat(value, 'g', -1, 32): the shortest digits of 32 bits."""
    single = _single(value)
    rounded: float = struct.unpack("f", single)[0]
    if math.isnan(rounded):
        return ".nan"
    if math.isinf(rounded):
        return ".inf" if rounded > 0 else "-.inf"
    forms = (f"{rounded:.{digits}e}" for digits in range(9))
    shortest = next(form for form in forms if _single(float(form)) == single)
    exponent = int(shortest.partition("e")[2])
    return shortest if not -4 <= exponent < 6 else repr(float(shortest)).removesuffix(".0")


def _single(value: float) -> bytes:
    try:
        return struct.pack("f", value)
    except OverflowError:
        return struct.pack("f", math.copysign(_INFINITY, value))
