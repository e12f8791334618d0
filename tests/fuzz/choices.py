"""Decisions read from bytes: the same bytes decide the same, and where they end all is plain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """A string of bytes that answers questions, front to back; zeros follow its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def over(self) -> bool:
        """Whether all bytes are used up."""
        return self._at >= len(self._data)

    def number(self, below: int) -> int:
        """Return a number from 0 to `below` - 1."""
        size = 1 if below <= 256 else 2 if below <= 1 << 16 else 8
        return int.from_bytes(self.take(size), "big") % below

    def pick(self, values: Sequence[T]) -> T:
        """Return one of some values; the first where the bytes are used up."""
        return values[self.number(len(values))]

    def chance(self, percent: int) -> bool:
        """Return True so many times in a hundred; never where the bytes are used up."""
        return self.number(100) >= 100 - percent

    def take(self, count: int) -> bytes:
        """Return the next bytes, zeros behind the end."""
        found = self._data[self._at : self._at + count]
        self._at += count
        return found.ljust(count, b"\0")
