"""Regular expressions of RE2 syntax, in time that no pattern can make explode.

Go's regexp runs in linear time; Python's `re` backtracks, so that a pattern such as `(a+)+$` would
stop the server. Therefore a pattern is parsed here, by RE2's grammar (github.com/google/re2,
wiki/Syntax), which also refuses what RE2 does not know: look-around and back-references. Then:

* Where the product of what each repetition and choice can do, over a text of that length, is small,
  the pattern is handed to `re`, written anew from the parsed tree.
* Otherwise automaton.py runs it in step with the text, without backtracking.

Not supported: scripts (`\\p{Greek}`); general categories (`\\p{Lu}`) are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..base import CelError

if TYPE_CHECKING:
    from .pattern import Pattern


Charge = Callable[[int], object]

# What reading a pattern costs at run time; patterns written in the source are read before.
_READ_COST, _READ_COST_PER_CHAR = 500, 4
_MOST_HELD = 256
_held: dict[str, Pattern] = {}


def _free(_cost: int) -> None:
    """Charge nothing."""


def compiled(source: str, charge: Charge = _free) -> Pattern:
    """Return a pattern, read at most once while it is in use; CelError when it is wrong."""
    found = _held.get(source)
    if found is None:
        from .pattern import Pattern  # noqa: PLC0415 - few expressions hold a pattern

        charge(_READ_COST + _READ_COST_PER_CHAR * len(source))
        if len(_held) >= _MOST_HELD:
            _held.clear()
        found = _held[source] = Pattern(source)
    return found


def matches(text: str, pattern: str | Pattern, charge: Charge = _free) -> bool:
    """Tell whether the pattern matches anywhere in the text."""
    found = compiled(pattern, charge) if isinstance(pattern, str) else pattern
    return found.search(text, charge)


def find(text: str, pattern: str | Pattern, charge: Charge = _free) -> str:
    """Return the first match, "" when there is none."""
    found = find_all(text, pattern, 1, charge)
    return found[0] if found else ""


def find_all(
    text: str, pattern: str | Pattern, limit: int = -1, charge: Charge = _free
) -> list[str]:
    """Return the matches, at most `limit` of them when that is not negative."""
    if isinstance(pattern, str):
        try:
            pattern = compiled(pattern, charge)
        except CelError as error:
            if error.cancelled:
                raise
            raise CelError(f"Illegal regex: {error.message}") from None
    return pattern.find_all(text, max(limit, -1), charge)


def check_literal(pattern: str) -> None:
    """Raise CelError when a pattern written in the source is wrong."""
    compiled(pattern)
