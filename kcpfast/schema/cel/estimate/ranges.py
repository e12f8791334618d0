"""Ranges of costs and sizes, and what the rules of calls may ask about a tree."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

from ..celtypes import Type
from ..nodes import Node

UNBOUNDED = 2**64 - 1


class Range(NamedTuple):
    """The least and the most of a cost or a size; the most stops at UNBOUNDED."""

    low: int
    high: int

    def plus(self, other: Range) -> Range:
        """Return the sum."""
        return Range(min(UNBOUNDED, self.low + other.low), min(UNBOUNDED, self.high + other.high))

    def times(self, other: Range) -> Range:
        """Return the product."""
        return Range(min(UNBOUNDED, self.low * other.low), min(UNBOUNDED, self.high * other.high))

    def scaled(self, factor: float) -> Range:
        """Return a part, rounded up as Go's float64 does it."""
        return Range(_scaled(self.low, factor), _scaled(self.high, factor))

    def either(self, other: Range) -> Range:
        """Return the range that holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))


def _scaled(value: int, factor: float) -> int:
    if value and float(value) > UNBOUNDED / factor:
        return UNBOUNDED
    return math.ceil(float(value) * factor)


def exactly(value: int) -> Range:
    """Return the range of one value."""
    return Range(value, value)


NOTHING, ONE = exactly(0), exactly(1)
ANY_SIZE = Range(0, UNBOUNDED)


class Sizes(Protocol):
    """What an estimate of a call looks at."""

    def size(self, node: Node) -> Range:
        """Return the number of characters, elements or entries that a value can have."""

    def kind(self, node: Node) -> Type:
        """Return a node's type."""

    def item_size(self, node: Node) -> Range:
        """Return the size of a list's elements."""
