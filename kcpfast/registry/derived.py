"""Caches of values computed from the store; a value holds until something read for it changes.

The user of a `Derived` says only how a value is computed. The reader notes what is read meanwhile;
a value taken from another cache brings its own dependencies along. Nobody declares what makes a
value stale or drops an entry. All caches of stored data use the classes here, so that one switch
(`Reader.remembers`) turns them off.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

from kcpfast._core.generations import Basis
from kcpfast.meta.bounded import Bounded, allowed
from kcpfast.registry.reader import Notes, Reader

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class DerivedEntry(NamedTuple, Generic[V]):
    """A value, and what it was made of."""

    basis: Basis
    value: V


class Derived(Generic[K, V]):
    """Remembers up to `most` values by key; those made first are forgotten first."""

    def __init__(
        self, reader: Reader, most: int, weigh: Callable[[V], int] | None = None, limit: int = 0
    ) -> None:
        """Work out of what this reader reads.

        Where values differ much in size, `weigh` tells of each what it counts as, and they count as
        no more than `limit` together.
        """
        self._reader = reader
        self._most = most
        self._weigh, self._limit, self._weight = weigh, limit, 0
        self._entries: dict[K, DerivedEntry[V]] = {}

    def __len__(self) -> int:
        """Return how many values are remembered, those that hold no more among them."""
        return len(self._entries)

    def find(self, key: K) -> V | None:
        """Return a value that is remembered and holds, else None."""
        entry = self._entries.get(key)
        if entry is None or not entry.basis.holds():
            return None
        noting = self._reader.notes
        if noting is not None:
            noting.parts.append(entry.basis)
        return entry.value

    def get(self, key: K, compute: Callable[[], V]) -> V:
        """Return the value of a key, worked out if none is remembered that holds.

        `compute` sees one state of the store. It may not wait, and may depend on nothing but the
        key, what never changes, and what it reads; its errors are passed on, not remembered.
        """
        entry = self._entries.get(key)
        if entry is not None and entry.basis.holds():
            noting = self._reader.notes
            if noting is not None:
                noting.parts.append(entry.basis)
            return entry.value
        with Notes(self._reader) as notes:
            value = compute()
        self.keep(key, value, notes)
        return value

    def keep(self, key: K, value: V, notes: Notes) -> None:
        """Remember a value that was computed while these notes were taken.

        For callers that know the key only afterwards. The rules for `compute` of `get` apply.
        """
        if not self._reader.remembers:
            return
        self._drop(key)
        if len(self._entries) >= self._most:
            self._drop(next(iter(self._entries)))
        self._entries[key] = DerivedEntry(notes.basis(), value)
        if self._weigh is not None:
            self._weight += self._weigh(value)
            while self._weight > allowed(self._limit) and len(self._entries) > 1:
                self._drop(next(iter(self._entries)))

    def _drop(self, key: K) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None and self._weigh is not None:
            self._weight -= self._weigh(entry.value)


class Shared(Generic[V]):
    """Remembers values by the fingerprint of the content they are made of, bounded in bytes.

    For content that many workspaces have in common. Fingerprint and content are read from one state
    of the store: a commit between the two would file a value under the fingerprint of another.
    """

    def __init__(self, reader: Reader, limit: int, size_of: Callable[[V], int]) -> None:
        """Keep `limit` bytes at most; `size_of` tells the bytes of a value."""
        self._reader = reader
        self._kept: Bounded[V] = Bounded(limit, size_of)

    def get(self, fingerprint: Callable[[], Hashable], make: Callable[[], V]) -> V:
        """Return what `make` makes of the content that has this fingerprint now."""
        with self._reader.hold():
            if not self._reader.remembers:
                return make()
            return self._kept.get(fingerprint(), make)


class Kept(Bounded[V]):
    """A Bounded cache that threads beside the event loop fill as well as the loop itself.

    The lock does not cover the computing: two threads may compute one value, the later one stays.
    """

    def __init__(self, limit: int, size_of: Callable[[V], int]) -> None:
        """Begin with nothing kept; see Bounded."""
        super().__init__(limit, size_of)
        self._lock = Lock()

    def find(self, key: Hashable) -> V | None:
        """See Bounded."""
        with self._lock:
            return super().find(key)

    def keep(self, key: Hashable, entry: V) -> None:
        """See Bounded."""
        with self._lock:
            super().keep(key, entry)
