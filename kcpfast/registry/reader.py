"""The store as the rooms above it see it: a Store that can record which keys and ranges are read.

While a value is computed that will be cached, the reader notes each key and each range that anybody
reads. So the dependencies of a cached value are observed, not declared, and none can be forgotten.
derived.py holds the caches that use the notes.
"""

from __future__ import annotations

import secrets
from collections.abc import Coroutine, Sequence
from contextlib import AbstractContextManager
from typing import Any

from kcpfast._core.generations import Basis, Generations
from kcpfast.store.contract import (
    Batch,
    Changes,
    Clear,
    Count,
    Discard,
    ForgetRevision,
    Index,
    Joined,
    Page,
    Put,
    PutRevision,
    Record,
    Store,
    StoreState,
    Subscriber,
    Write,
)

# So many keys and ranges may be depended on, 16 bytes each; the next one makes all be read anew.
_MOST_NAMES = 1 << 18
_WRITTEN, _CLEARED = 1, 2
_CHANGES: dict[type, int] = {
    Put: _WRITTEN,
    Discard: _WRITTEN,
    Index: _WRITTEN,
    Count: _WRITTEN,
    PutRevision: _WRITTEN,
    ForgetRevision: _WRITTEN,
    Clear: _CLEARED,
}


class Notes:
    """Records what is read inside a `with` block, which sees one state of the store.

    The block must not await: another task's reads would be noted as its own. The notes of an inner
    block are added to those of the block around it, also if an error ends the inner one.
    """

    __slots__ = ("_hold", "_outer", "_reader", "_since", "names", "parts")

    def __init__(self, reader: Reader) -> None:
        """Begin with nothing read."""
        self._reader = reader
        self._since = reader.generations.now
        self._outer: Notes | None = None
        self._hold: AbstractContextManager[None] | None = None
        # Names of keys and ranges, and what others had worked out of theirs.
        self.names: set[int] = set()
        self.parts: list[Basis] = []

    def __enter__(self) -> Notes:
        """Begin to note."""
        self._outer, self._reader.notes = self._reader.notes, self
        if self._outer is None:
            self._hold = self._reader.hold()
            self._hold.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Go on with what lies around."""
        outer = self._reader.notes = self._outer
        if outer is not None:
            outer.names |= self.names
            outer.parts += self.parts
        elif self._hold is not None:
            self._hold.__exit__(None, None, None)

    def basis(self) -> Basis:
        """Return a Basis that holds until a key or range that was noted is written."""
        parts = tuple(dict.fromkeys(self.parts))
        return self._reader.generations.basis(self.names, parts, self._since)


class Reader:
    """A Store; `remembers` is False where nothing may be remembered of what is read."""

    def __init__(self, store: Store, *, remembers: bool = True) -> None:
        """Read a store, and hear of its commits before anybody who subscribes later."""
        self._store = store
        self.remembers = remembers
        self.generations = Generations(secrets.randbits(64), _MOST_NAMES)
        self.notes: Notes | None = None
        store.subscribe(self._on_commit)

    def _on_commit(self, batch: Batch) -> None:
        self.generations.change(batch.writes, _CHANGES)

    # ------------------------------------------------------------------------- notes

    def _note(self, name: int) -> None:
        assert self.notes is not None
        self.notes.names.add(name)

    # ------------------------------------------------------------------------- objects

    def get(self, key: bytes, at: int = 0) -> Record | None:
        """See Store."""
        if self.notes is not None:
            self._note(self.generations.name_key(key))
        return self._store.get(key, at)

    def scan(self, prefix: bytes, *args: Any, **options: Any) -> Page:
        """See Store."""
        if self.notes is not None:
            self._note(self.generations.name_range(prefix))
        return self._store.scan(prefix, *args, **options)

    def join(self, prefix: bytes, *args: Any, **options: Any) -> Joined | None:
        """See Store."""
        if self.notes is not None:
            self._note(self.generations.name_range(prefix))
        return self._store.join(prefix, *args, **options)

    # ------------------------------------------------------------------------- index

    def index_get(self, key: bytes) -> bytes | None:
        """See Store."""
        if self.notes is not None:
            self._note(self.generations.name_key(key))
            # A `Clear` names no keys: what it may have removed is known by its sweep.
            self._note(self.generations.name_sweep(key))
        return self._store.index_get(key)

    def index_scan(
        self, prefix: bytes, *args: Any, **options: Any
    ) -> Sequence[tuple[bytes, bytes]]:
        """See Store."""
        if self.notes is not None:
            self._note(self.generations.name_range(prefix))
            self._note(self.generations.name_sweep(prefix))
        return self._store.index_scan(prefix, *args, **options)

    # ------------------------------------------------------------------------- all of it

    def _note_everything(self) -> None:
        if self.notes is not None:
            self._note(self.generations.name_range(b""))

    def revision(self) -> int:
        """See Store."""
        self._note_everything()
        return self._store.revision()

    def published(self) -> int:
        """See Store."""
        self._note_everything()
        return self._store.published()

    def compacted(self) -> int:
        """See Store."""
        self._note_everything()
        return self._store.compacted()

    def changes(self, after: int, *args: Any, **options: Any) -> Changes:
        """See Store."""
        self._note_everything()
        return self._store.changes(after, *args, **options)

    def logged_before(self, milliseconds: int) -> int:
        """See Store."""
        self._note_everything()
        return self._store.logged_before(milliseconds)

    # ------------------------------------------------------------------------- passed on

    def hold(self) -> AbstractContextManager[None]:
        """See Store."""
        return self._store.hold()

    def commit(self, writes: Sequence[Write]) -> Coroutine[Any, Any, int]:
        """See Store."""
        return self._store.commit(writes)

    def subscribe(self, subscriber: Subscriber) -> None:
        """See Store."""
        self._store.subscribe(subscriber)

    def compact(self, upto: int) -> Coroutine[Any, Any, None]:
        """See Store."""
        return self._store.compact(upto)

    def state(self) -> StoreState:
        """See Store."""
        return self._store.state()

    def probe(self) -> Coroutine[Any, Any, None]:
        """See Store."""
        return self._store.probe()

    def clock(self) -> int:
        """See Store."""
        return self._store.clock()

    def let_go(self) -> Coroutine[Any, Any, None]:
        """See Store."""
        return self._store.let_go()

    def close(self) -> None:
        """See Store."""
        self._store.close()
