"""Regular expressions in rules: RE2 syntax, in time that no pattern can make explode.

The engines are those of schema/pattern.py; here are the errors and the charges of CEL.
Rules: k8s.io/apiserver/pkg/cel/library/regex.go; an empty match does not follow right after another
match (Go's regexp.FindAll).
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from kcpfast.schema.pattern import Pattern, compile_pattern

from .base import CelError

Charge = Callable[[int], object]

# A pattern as x.*y|x looks through the rest of the text at each match, here as in Go: cost is
# counted by lengths and does not see that. Who waits behind one job shall not wait for minutes.
_MOST_SECONDS = 1.0
_CHECKED = 256

# What reading a pattern costs at run time; patterns written in the source are read before.
_READ_COST, _READ_COST_PER_CHAR = 500, 4


def _free(_cost: int) -> None:
    """Charge nothing."""


def compiled(source: str, charge: Charge = _free) -> Pattern:
    """Return a pattern; CelError when it is wrong."""
    charge(_READ_COST + _READ_COST_PER_CHAR * len(source))
    try:
        return compile_pattern(source)
    except ValueError as error:
        raise CelError(str(error)) from None


def matches(text: str, pattern: str | Pattern, charge: Charge = _free) -> bool:
    """Tell whether the pattern matches anywhere in the text."""
    matcher = compiled(pattern, charge) if isinstance(pattern, str) else pattern
    return matcher.search(text)


def find(text: str, pattern: str | Pattern, charge: Charge = _free) -> str:
    """Return the first match, "" when there is none."""
    matches = find_all(text, pattern, 1, charge)
    return matches[0] if matches else ""


def find_all(
    text: str, pattern: str | Pattern, limit: int = -1, charge: Charge = _free
) -> list[str]:
    """Return the matches, at most `limit` of them when that is not negative.

    CelError, cancelled, if looking for them takes too long.
    """
    if isinstance(pattern, str):
        try:
            pattern = compiled(pattern, charge)
        except CelError as error:
            if error.cancelled:
                raise
            raise CelError(f"Illegal regex: {error.message}") from None
    matches: list[str] = []
    last = -1
    until = perf_counter() + _MOST_SECONDS
    for number, (start, end) in enumerate(pattern.spans(text)):
        if number % _CHECKED == 0 and perf_counter() > until:
            raise CelError("operation cancelled: actual cost limit exceeded", cancelled=True)
        if len(matches) == limit:
            break
        if start != end or start != last:
            matches.append(text[start:end])
        last = end
    return matches


def check_literal(pattern: str) -> None:
    """Raise CelError when a pattern written in the source is wrong."""
    compiled(pattern)
