"""Ranges of costs and sizes, and what the rules of calls may ask about a tree."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

from ..celtypes import CelType
from ..syntax.nodes import Node

UNBOUNDED = 2**64 - 1


class CostRange(NamedTuple):
    """The least and the most of a cost or a size; the most stops at UNBOUNDED."""

    low: int
    high: int

    def plus(self, other: CostRange) -> CostRange:
        """Return the sum."""
        return CostRange(
            min(UNBOUNDED, self.low + other.low), min(UNBOUNDED, self.high + other.high)
        )

    def times(self, other: CostRange) -> CostRange:
        """Return the product."""
        return CostRange(
            min(UNBOUNDED, self.low * other.low), min(UNBOUNDED, self.high * other.high)
        )

    def scaled(self, factor: float) -> CostRange:
        """Return a part, rounded up as Go's float64 does it."""
        return CostRange(_scaled(self.low, factor), _scaled(self.high, factor))

    def either(self, other: CostRange) -> CostRange:
        """Return the range that holds both."""
        return CostRange(min(self.low, other.low), max(self.high, other.high))


def _scaled(value: int, factor: float) -> int:
    if value and factor and float(value) > UNBOUNDED / factor:
        return UNBOUNDED
    return min(UNBOUNDED, math.ceil(float(value) * factor))


def exactly(value: int) -> CostRange:
    """Return the range of one value."""
    return CostRange(value, value)


NOTHING, ONE = exactly(0), exactly(1)
ANY_SIZE = CostRange(0, UNBOUNDED)


class Sizes(Protocol):
    """What an estimate of a call looks at."""

    def size(self, node: Node) -> CostRange:
        """Return the number of characters, elements or entries that a value can have."""

    def kind(self, node: Node) -> CelType:
        """Return a node's type."""

    def item_size(self, node: Node) -> CostRange:
        """Return the size of a list's elements."""
