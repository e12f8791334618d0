"""The tree of a regular expression, and the classes of characters that have names."""

from __future__ import annotations

from typing import NamedTuple

Ranges = tuple[tuple[int, int], ...]


class Chars(NamedTuple):
    """One character out of ranges and Unicode general categories."""

    ranges: Ranges
    negated: bool = False
    # (prefix of the category's name, whether it is excluded)
    categories: tuple[tuple[str, bool], ...] = ()


class Place(NamedTuple):
    """An empty match at a place: ^ $ (of the text), m^ m$ (of a line), b or B (word edges)."""

    kind: str


class Sequence(NamedTuple):
    """Parts one after the other; none is the empty match."""

    parts: tuple[Node, ...]


class Choice(NamedTuple):
    """Parts of which the first that matches counts."""

    parts: tuple[Node, ...]


class Repeat(NamedTuple):
    """A part `least` to `most` times; `most` is -1 for no bound."""

    part: Node
    least: int
    most: int
    greedy: bool


Node = Chars | Place | Sequence | Choice | Repeat

_DIGIT: Ranges = ((48, 57),)
_SPACE: Ranges = ((9, 10), (12, 13), (32, 32))
_WORD: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
PERL = {"d": _DIGIT, "s": _SPACE, "w": _WORD}
NAMED: dict[str, Ranges] = {
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "alpha": ((65, 90), (97, 122)),
    "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": _DIGIT,
    "graph": ((33, 126),),
    "lower": ((97, 122),),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": ((65, 90),),
    "word": _WORD,
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}
# Letters whose other case is not found by lower() and upper() alone.
_MORE_FOLDS = {"K": "\u212a", "S": "\u017f", "k": "\u212a", "s": "\u017f"}


def inverted(ranges: Ranges) -> Ranges:
    """Return all characters but those of the ranges."""
    found: list[tuple[int, int]] = []
    start = 0
    for low, high in sorted(ranges):
        if low > start:
            found.append((start, low - 1))
        start = max(start, high + 1)
    return (*found, (start, 0x10FFFF))


def folded(ranges: Ranges) -> Ranges:
    """Return the ranges with the other case of their letters; wide ranges hold both as it is."""
    found = list(ranges)
    for low, high in ranges:
        for code in range(low, min(high, low + 1000) + 1):
            char = chr(code)
            others = {char.lower(), char.upper(), _MORE_FOLDS.get(char, char)} - {char}
            found += [(ord(other), ord(other)) for other in others if len(other) == 1]
    return tuple(found)
