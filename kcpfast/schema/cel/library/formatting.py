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
# Longer fractions would only make zeros, and could make a great many.
_MAX_PRECISION = 1000
_LONG = 200


class Verb(NamedTuple):
    """A verb: its name in error texts, what it takes, in words and as kinds, and its writer."""

    clause: str
    operands: str
    kinds: frozenset[str]
    write: Callable[[Any, int], str]


def clauses(template: str) -> Iterator[tuple[str, Verb | None, int]]:
    """Yield (text before, verb, precision) for each clause; the last has no verb.

    CelError for an unknown verb.
    """
    last = 0
    for hit in _CLAUSE.finditer(template):
        before = template[last : hit.start()]
        last = hit.end()
        if hit.group() == "%%":
            yield before + "%", None, 0
            continue
        verb = FORMAT_VERBS.get(hit.group(2))
        if verb is None:
            what = f'unrecognized formatting clause "{hit.group(2)}"'
            raise CelError(f"could not parse formatting clause: {what}")
        precision = int(hit.group(1)[1:5]) if hit.group(1) else 6
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
    """Return the text of the error for an argument of another type."""
    can = f"{verb.clause} clause can only be used on {verb.operands}"
    return f"error during formatting: {can}, was given {given}"


def _shown(value: Any, nested: bool) -> str:
    kind = kind_of(value)
    if kind == "list":
        return f"[{', '.join(_shown(item, True) for item in value)}]"
    if kind == "map":
        entries = sorted((_shown(key, True), _shown(value[key], True)) for key in value)
        return "{" + ", ".join(f"{key}:{item}" for key, item in entries) + "}"
    if kind == "double":
        return f"{value:f}" if nested and math.isfinite(value) else _double(value)
    text = _shown_scalar(value, kind)
    return f'"{text}"' if nested and kind in _QUOTED else text


_QUOTED = frozenset(("string", "bytes", "duration", "timestamp"))


def _shown_scalar(value: Any, kind: str) -> str:
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
    return str((value if isinstance(value, bytes) else value.encode()).hex())


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
    "s": Verb("string", _ALL_TEXT, _ALL, lambda value, _: _shown(value, nested=False)),
    "x": Verb("hex", "integers, byte buffers, and strings", _HEXES, _hex),
}
# fmt: on
