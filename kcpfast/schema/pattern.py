"""Regular expressions of schemas and CEL rules: RE2 syntax, and never more than linear time.

A pattern comes from a user and meets the texts of other users, so it may not backtrack without
bound. RE2 is linear but takes microseconds for each call; Python's `re` is twenty times faster
on what it cannot stumble over: a pattern with at most one unbounded repetition and a short text.
So short texts go to `re` where both engines agree and `re` is bounded, all else to RE2.

A dozen characters can make a program of megabytes: those that are large are shared by all patterns,
a few at a time, and made anew when they are needed again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from kcpfast.meta.bounded import kept_if_short

_SHORT = 500
# What a program may take, with what it learns of texts, that a pattern keeps, and any program.
_SMALL, _LARGEST = 64 << 10, 8 << 20
_MOST_LARGE = 8
# What both engines read alike: no groups that repeat, no escapes but punctuation and \d \w \s.
_ALIKE = re.compile(
    r"(?:[^\\(){}]|\\[dws.^$*+?()\[\]{}|/-]|\((?![?])|\)(?![*+{])|\{\d{1,3}(?:,\d{1,3})?\})*"
)
_UNBOUNDED = re.compile(r"[*+]|\{\d+,\}")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")


class Pattern:
    """A compiled pattern; `search(text)` tells whether it matches anywhere in the text.

    `cel_size` is its length, by which rules pay for its use.
    """

    __slots__ = ("_bounded", "_linear", "cel_size", "source")

    def __init__(self, source: str) -> None:
        """Compile; ValueError with the reason, as Go words it, if it is not RE2 syntax."""
        self.source = source
        self.cel_size = len(source)
        self._bounded = _bounded(source)
        self._linear: Any = None
        if self._bounded is None:
            self._program()

    def short(self) -> tuple[Callable[[str], Any] | None, int]:
        """Return what finds the pattern in short texts (None = not found), and how short."""
        return (self._bounded, _SHORT) if self._bounded is not None else (None, -1)

    def search(self, text: str) -> bool:
        """Tell whether the pattern matches somewhere in the text."""
        if self._bounded is not None and len(text) <= _SHORT:
            return self._bounded(text) is not None
        return (self._linear or self._program()).search(text) is not None

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where the pattern matches, leftmost first, as (start, end)."""
        linear = self._linear or self._program()
        return (match.span() for match in linear.finditer(text))

    def _program(self) -> Any:
        """Return RE2's program, and keep it if it is small."""
        linear = self._linear = _small(self.source)
        return linear if linear is not None else _large(self.source)


@kept_if_short(1024, 1024)
def compile_pattern(source: str) -> Pattern:
    """Return the pattern, compiled once; ValueError if it is not RE2 syntax."""
    return Pattern(source)


def _bounded(source: str) -> Callable[[str], Any] | None:
    """Return `re`'s search for a pattern that both engines read alike and `re` runs bounded."""
    bare = _CLASS.sub("c", source)
    if "[:" in source or len(_UNBOUNDED.findall(bare.replace("\\*", "").replace("\\+", ""))) > 1:
        return None
    if not _ALIKE.fullmatch(bare):
        return None
    ends = source.endswith("$") and not source.endswith("\\$")
    if "$" in bare[:-1].replace("\\$", ""):
        return None
    try:
        return re.compile(source[:-1] + r"\Z" if ends else source, re.ASCII).search
    except (re.error, RecursionError):
        return None


def _small(source: str) -> Any:
    """Return the program of a pattern, None if it is not small; ValueError if it is none."""
    try:
        return _compiled(source, _SMALL)
    except ValueError as error:
        if _TOO_LARGE not in str(error):
            raise
    _large(source)
    return None


@lru_cache(maxsize=_MOST_LARGE)
def _large(source: str) -> Any:
    return _compiled(source, _LARGEST)


_TOO_LARGE = "pattern too large"


def _compiled(source: str, most: int) -> Any:
    import re2  # noqa: PLC0415 - a shared library that most schemas do without

    options = re2.Options()
    options.log_errors = False
    options.max_mem = most
    try:
        return re2.compile(source, options)
    except re2.error as error:
        raise ValueError(_as_go(error.args[0])) from None


# RE2's reasons where Go's regexp/syntax, which users know from Kubernetes, words them otherwise.
_REASONS = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "trailing \\": "trailing backslash at end of expression",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
}


def _as_go(reason: bytes | str) -> str:
    """Return RE2's reason in the words of Go: `missing closing ): `a(``."""
    text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
    kind, _, part = text.partition(": ")
    return f"error parsing regexp: {_REASONS.get(kind, kind)}: `{part}`"


def is_large(source: str) -> bool:
    """Tell whether the program of a pattern takes long to make, and is not kept with it."""
    try:
        return _small(source) is None
    except ValueError as error:
        return _TOO_LARGE in str(error)


def check_pattern(source: str) -> None:
    """Raise ValueError with the reason, as Go words it, if a pattern is not RE2 syntax."""
    _small(source)
