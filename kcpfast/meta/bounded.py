"""Caches whose memory is bounded, in three ways.

`Bounded` adds up the bytes of its entries; `kept_if_short` keeps a number of entries, none of them
long; `Noted` keeps what was read from a value for as long as the value itself lives.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache, wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")
# Bytes that an entry takes beside its own: its key, its place in the dictionary.
_OVERHEAD = 256
# The sum of the limits of all caches of this process, in bytes.
_ALL = 768 << 20


class _Share:
    """The part of its limit that each cache may take: 1.0 is all of it."""

    of_all = 1.0


def fit(room: int) -> None:
    """Shrink the limits of all caches, present and future, so that they sum up to `room` bytes."""
    _Share.of_all = min(room / _ALL, 1.0)


def allowed(limit: int) -> float:
    """Return the bytes that a cache with this limit may take now."""
    return limit * _Share.of_all


class Bounded(Generic[T]):
    """A cache that forgets what was used longest ago once its entries exceed `limit` bytes.

    `size_of` returns the bytes of an entry. Law: an entry must keep its size, since the same is
    subtracted when it goes.
    """

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
            self._kept[key] = value  # moved to the end: the first is the one not used for longest
        return value

    def keep(self, key: Hashable, entry: T) -> None:
        """Keep an entry, and forget others if there is no room for all."""
        self._drop(key)
        self._kept[key] = entry
        self.size += self._weight(entry)
        # The newest entry stays even if it is larger than the limit: it is in use anyway.
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
    """Cache the results of a function for its last `most` texts of up to `length` characters.

    For functions of texts that anybody may send: a count alone would not bound the memory.
    """

    def decorate(make: Callable[Concatenate[str, P], T]) -> Callable[Concatenate[str, P], T]:
        cached = cast("Callable[Concatenate[str, P], T]", lru_cache(maxsize=most)(make))

        @wraps(make)
        def get(text: str, /, *args: P.args, **kwargs: P.kwargs) -> T:
            if len(text) <= length:
                return cached(text, *args, **kwargs)
            return make(text, *args, **kwargs)

        return get

    return decorate


class Noted(bytes):
    """Bytes that remember what was read from them, for values that many readers look into."""

    notes: dict[Hashable, Any]

    def __new__(cls, value: bytes) -> Noted:
        """Take a copy, with nothing noted."""
        copy = super().__new__(cls, value)
        copy.notes = {}
        return copy


def noted(value: bytes, what: Hashable, read: Callable[[bytes], T]) -> T:
    """Return what `read` reads from a value, read once if the value is Noted."""
    if type(value) is not Noted:
        return read(value)
    if what not in value.notes:
        value.notes[what] = read(value)
    note: T = value.notes[what]
    return note
