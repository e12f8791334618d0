"""Decides for one pattern and text whether Python's `re` may run it, and runs it either way."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .automaton import Automaton, Charge
from .syntax import parse
from .tree import Chars, Choice, Node, Place, Repeat, Sequence

# The most backtracking steps that `re` may be asked for.
_STEPS = 100_000


class Pattern:
    """A compiled pattern."""

    __slots__ = ("_automaton", "_fast", "_tree", "_weights", "cel_size")

    def __init__(self, source: str) -> None:
        """Parse; CelError names the mistake as Go's regexp does."""
        self.cel_size = len(source)
        self._tree = parse(source)
        self._weights = _weights(self._tree)
        self._fast: re.Pattern[str] | None = None
        self._automaton: Automaton | None = None

    def search(self, text: str, charge: Charge) -> bool:
        """Tell whether the pattern matches anywhere in the text; `charge` for unusual work."""
        fast = self._python(text)
        if fast is not None:
            return fast.search(text) is not None
        return self._slow().search(text, charge)

    def find_all(self, text: str, limit: int, charge: Charge) -> list[str]:
        """Return the leftmost matches in order, at most `limit` of them when that is not -1."""
        found: list[str] = []
        if limit == 0:
            return found
        for start, end in self._spans(text, charge):
            found.append(text[start:end])
            if len(found) == limit:
                break
        return found

    def _spans(self, text: str, charge: Charge) -> Iterator[tuple[int, int]]:
        """Yield matches; an empty one is not one right after another match (Go's rule)."""
        fast = self._python(text)
        finder = self._slow().finder(text, charge) if fast is None else None
        at, last = 0, -1
        while at <= len(text):
            if fast is not None:
                hit = fast.search(text, at)
                span = hit.span() if hit else None
            else:
                span = finder(at) if finder else None
            if span is None:
                return
            empty_again = span[1] == at and span[0] == last
            at = span[1] if span[1] > at else at + 1
            last = span[1]
            if not empty_again:
                yield span

    def _slow(self) -> Automaton:
        if self._automaton is None:
            self._automaton = Automaton(self._tree)
        return self._automaton

    def _python(self, text: str) -> re.Pattern[str] | None:
        """Return the pattern for `re`, None where that could take too many steps."""
        if self._weights is None:
            return None
        steps = 1
        for most in self._weights:
            steps *= min(most, len(text)) + 1
            if steps > _STEPS:
                return None
        if self._fast is None:
            self._fast = re.compile(_written(self._tree))
        return self._fast


def _weights(tree: Node) -> list[int] | None:
    """Return how many ways each part can go (beyond one), None when they multiply without bound.

    The first stands for the places where a match may begin.
    """
    found: list[int] = [10**9]
    if not _collect(tree, found, repeated=False):
        return None
    return found


def _collect(node: Node, found: list[int], repeated: bool) -> bool:
    if isinstance(node, Sequence):
        return _collect_all(node.parts, found, repeated)
    if isinstance(node, Choice):
        found.append(len(node.parts))
        return not repeated and _collect_all(node.parts, found, repeated)
    if isinstance(node, Repeat):
        if node.most != node.least:
            found.append(node.most if node.most >= 0 else 10**9)
            if repeated:
                return False
        return _collect(node.part, found, repeated or not 0 <= node.most <= 1)
    # `re` has no categories, and before Python 3.14 its \B does not match in an empty text.
    return node != Place("B") and not (isinstance(node, Chars) and node.categories)


def _collect_all(parts: tuple[Node, ...], found: list[int], repeated: bool) -> bool:
    return all(_collect(part, found, repeated) for part in parts)


_PLACES = {"B": r"\B", "b": r"\b", "^": r"\A", "$": r"\Z", "m^": r"(?m:^)", "m$": r"(?m:$)"}


def _written(node: Node) -> str:
    """Return the tree as a pattern for `re`, with every class spelled out."""
    if isinstance(node, Chars):
        if not node.ranges:
            return r"[\s\S]" if node.negated else "(?!)"
        ranges = "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in node.ranges)
        return f"[{'^' if node.negated else ''}{ranges}]"
    if isinstance(node, Place):
        text = _PLACES[node.kind]
        return f"(?a:{text})" if node.kind in "bB" else text
    if isinstance(node, Sequence):
        return "".join(_written(part) for part in node.parts)
    if isinstance(node, Choice):
        return f"(?:{'|'.join(_written(part) for part in node.parts)})"
    assert isinstance(node, Repeat)
    most = "" if node.most < 0 else node.most
    lazy = "" if node.greedy else "?"
    return f"(?:{_written(node.part)}){{{node.least},{most}}}{lazy}"
