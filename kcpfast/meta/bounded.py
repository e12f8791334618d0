"""Caches that are bounded in bytes: by what they weigh, by keeping nothing that is long, or by
living no longer than what they are about.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache, wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")
_OVERHEAD = 256
# What all caches of this process come to at most, if there is room for all.
_ALL = 768 << 20


class _Share:
    """The part of its limit that each cache may take."""

    of_all = 1.0


def fit(room: int) -> None:
    """Have all caches, those that there are and those to come, take no more than `room` bytes."""
    _Share.of_all = min(room / _ALL, 1.0)


def allowed(limit: int) -> float:
    """Return what of its limit a cache may take, where there is not room for all."""
    return limit * _Share.of_all


class Bounded(Generic[T]):
    """Keeps what it made up to a number of bytes; `size_of` tells the bytes of an entry."""

    def __init__(self, limit: int, size_of: Callable[[T], int]) -> None:
        """Begin with nothing kept."""
        self._limit = limit
        self._size_of = size_of
        self._kept: dict[Hashable, T] = {}
        self.size = 0

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the entry of a key, made if it is not kept."""
        value = self.find(key)
        if value is None:
            value = make()
            self.keep(key, value)
        return value

    def find(self, key: Hashable) -> T | None:
        """Return the entry of a key if it is kept."""
        value = self._kept.pop(key, None)
        if value is not None:
            self._kept[key] = value  # at the end: the first is the one not used for longest
        return value

    def keep(self, key: Hashable, entry: T) -> None:
        """Keep an entry, and forget others if there is no room for all."""
        self._drop(key)
        self._kept[key] = entry
        self.size += self._weight(entry)
        while self.size > allowed(self._limit) and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        value = self._kept.pop(key, None)
        if value is not None:
            self.size -= self._weight(value)

    def __len__(self) -> int:
        """Return how many entries are kept."""
        return len(self._kept)

    def _weight(self, entry: T) -> int:
        return self._size_of(entry) + _OVERHEAD


def kept_if_short(
    most: int, length: int = 256
) -> Callable[[Callable[Concatenate[str, P], T]], Callable[Concatenate[str, P], T]]:
    """Keep what a function made of its last `most` texts, but of none above `length` characters.

    For functions of texts that anybody may send: a count alone would not bound the memory.
    """

    def decorate(make: Callable[Concatenate[str, P], T]) -> Callable[Concatenate[str, P], T]:
        cached = cast("Callable[Concatenate[str, P], T]", lru_cache(maxsize=most)(make))

        @wraps(make)
        def get(text: str, /, *args: P.args, **kwargs: P.kwargs) -> T:
            return (cached if len(text) <= length else make)(text, *args, **kwargs)

        return get

    return decorate


class Noted(bytes):
    """Bytes that many will look into: what was read from them is noted while they live."""

    notes: dict[Hashable, Any]

    def __new__(cls, value: bytes) -> Noted:
        """Take a copy, with nothing noted."""
        text = super().__new__(cls, value)
        text.notes = {}
        return text


def noted(value: bytes, what: Hashable, read: Callable[[bytes], T]) -> T:
    """Return what `read` reads from a value, read once if the value is Noted."""
    if type(value) is not Noted:
        return read(value)
    if what not in value.notes:
        value.notes[what] = read(value)
    note: T = value.notes[what]
    return note
