"""`"%s has %d".format([a, b])`.

Rules: cel-go ext/formatting.go. Verbs: %s %d %f %e %b %o %x %X %%, with a precision for %f and %e.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..base import CelError
from ..values import Duration, Timestamp, TypeValue, check_weight, kind_of, type_name
from .conversions import text_of_double
from .times import to_text

_CLAUSE = re.compile(r"%(?:%|(\.[0-9]+)?(.?))", re.DOTALL)
_SUPERSCRIPT = str.maketrans("0123456789-+", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺")
# A longer fraction would only add zeros, and the template decides how many.
_MAX_PRECISION = 1000
# A written argument longer than this is charged for.
_LONG = 200


class Verb(NamedTuple):
    """A verb of a template.

    `clause` is its name in error texts. What it can write is told in `operands` by words for error
    texts, in `kinds` as kinds of values. `write(value, precision)` returns the text.
    """

    clause: str
    operands: str
    kinds: frozenset[str]
    write: Callable[[Any, int], str]


def clauses(template: str) -> Iterator[tuple[str, Verb | None, int]]:
    """Yield (text before, verb, precision) for each clause; `%%` and the end have no verb.

    CelError for an unknown verb.
    """
    last = 0
    for clause in _CLAUSE.finditer(template):
        before = template[last : clause.start()]
        last = clause.end()
        if clause.group() == "%%":
            yield before + "%", None, 0
            continue
        digits, letter = clause.groups()
        verb = FORMAT_VERBS.get(letter)
        if verb is None:
            problem = f'unrecognized formatting clause "{letter}"'
            raise CelError(f"could not parse formatting clause: {problem}")
        precision = int(digits[1:5]) if digits else 6
        yield before, verb, min(precision, _MAX_PRECISION)
    yield template[last:], None, 0


def format_text(template: str, args: Any, charge: Callable[[int], object] = lambda _: None) -> str:
    """Return the template with each clause replaced by its argument; CelError for a misfit.

    Upstream charges for the template only; long arguments are charged here.
    """
    parts: list[str] = []
    used = 0
    for before, verb, precision in clauses(template):
        parts.append(before)
        if verb is None:
            continue
        if used >= len(args):
            raise CelError(f"index {used} out of range")
        value = args[used]
        if kind_of(value) not in verb.kinds:
            raise CelError(misfit(verb, type_name(value)))
        check_weight(value)
        parts.append(verb.write(value, precision))
        if len(parts[-1]) > _LONG:
            charge(len(parts[-1]))
        used += 1
    return "".join(parts)


def misfit(verb: Verb, given: str) -> str:
    """Return the error text for an argument of a type `given` that a verb cannot write."""
    can = f"{verb.clause} clause can only be used on {verb.operands}"
    return f"error during formatting: {can}, was given {given}"


def _written(value: Any, nested: bool) -> str:
    """Return a value as %s writes it; `nested` in a list or map, where texts are quoted."""
    kind = kind_of(value)
    if kind == "list":
        items = [_written(item, True) for item in value]
        return f"[{', '.join(items)}]"
    if kind == "map":
        entries = sorted((_written(key, True), _written(value[key], True)) for key in value)
        return "{" + ", ".join(f"{key}:{item}" for key, item in entries) + "}"
    if kind == "double":
        return f"{value:f}" if nested and math.isfinite(value) else _double(value)
    text = _written_scalar(value, kind)
    return f'"{text}"' if nested and kind in _QUOTED else text


_QUOTED = frozenset(("string", "bytes", "duration", "timestamp"))


def _written_scalar(value: Any, kind: str) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, TypeValue):
        return value.name
    if isinstance(value, Timestamp | Duration):
        return to_text(value)
    if kind == "bool":
        return "true" if value else "false"
    if kind == "null":
        return "null"
    if kind not in FORMAT_VERBS["s"].kinds:
        raise CelError(misfit(FORMAT_VERBS["s"], type_name(value)))
    return str(value)


def _double(value: float) -> str:
    return text_of_double(value) if math.isfinite(value) else _unbounded(value)


def _unbounded(value: float) -> str:
    if value != value:
        return "NaN"
    return "∞" if value > 0 else "-∞"


def _fixed(value: float, precision: int) -> str:
    # With separators between thousands, as cel-go's printer for English writes it.
    return f"{value:,.{precision}f}" if math.isfinite(value) else _unbounded(value)


def _scientific(value: float, precision: int) -> str:
    if not math.isfinite(value):
        return _unbounded(value)
    mantissa, exponent = f"{value:.{precision}e}".split("e")
    return f"{mantissa}×10{exponent.removeprefix('+').translate(_SUPERSCRIPT)}"


def _hex(value: Any, _precision: int) -> str:
    if isinstance(value, int):
        return f"{int(value):x}"
    content = value if isinstance(value, bytes) else value.encode()
    return str(content.hex())


_INTS = frozenset(("int", "uint"))
_FLOATS = frozenset(("double",))
_HEXES = _INTS | {"bytes", "string"}
# fmt: off
_ALL = frozenset(("bool", "bytes", "double", "duration", "int", "list", "map", "null", "string",
                  "timestamp", "type", "uint"))
_ALL_TEXT = "strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps"
FORMAT_VERBS = {
    "X": Verb("hex", "integers, byte buffers, and strings", _HEXES,
              lambda value, precision: _hex(value, precision).upper()),
    "b": Verb("binary", "integers and bools", _INTS | {"bool"}, lambda value, _: f"{int(value):b}"),
    "d": Verb("decimal", "integers", _INTS, lambda value, _: str(int(value))),
    "e": Verb("scientific", "doubles", _FLOATS, _scientific),
    "f": Verb("fixed-point", "doubles", _FLOATS, _fixed),
    "o": Verb("octal", "integers", _INTS, lambda value, _: f"{int(value):o}"),
    "s": Verb("string", _ALL_TEXT, _ALL, lambda value, _: _written(value, nested=False)),
    "x": Verb("hex", "integers, byte buffers, and strings", _HEXES, _hex),
}
# fmt: on
