"""The store for tests and throw-away servers: dictionaries, kept as plain as possible.

It keeps every revision of every object, so that each method is a line or two that anyone can
check; nothing of it is meant to be fast.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from kcpfast.store.clock import Clock
from kcpfast.store.contract import (
    EXISTS,
    Batch,
    Below,
    Changes,
    Check,
    Clear,
    Compacted,
    Conflict,
    Count,
    Discard,
    Empty,
    Event,
    ForgetRevision,
    Index,
    Item,
    Joined,
    Joining,
    Page,
    Present,
    Put,
    PutRevision,
    Record,
    StoreError,
    StoreState,
    Subscriber,
    Write,
    event_size,
    fails,
    number,
    number_bytes,
)
from kcpfast.store.subscribers import Subscribers

# LMDB's keys; an object's also stands in its history, with a revision behind it.
_MAX_KEY = 511


def refuse_odd(writes: Sequence[Write]) -> None:
    """Raise StoreError for what no store writes: an object twice, a key that cannot be one."""
    written = [write.key for write in writes if isinstance(write, Put | Discard)]
    discards = any(isinstance(write, Discard) for write in writes)
    if len(written) > len(set(written)) or (discards and len(written) > 1):
        raise StoreError("cannot write: an object is written twice")
    for write in writes:
        if not write.key or _is_too_long(write):
            raise StoreError("cannot write: the key is empty or too long")


def _is_too_long(write: Write) -> bool:
    """Tell whether a write would leave an entry behind whose key cannot be one."""
    if isinstance(write, Put):
        return write.value is not None and len(write.key) > _MAX_KEY - 9
    if len(write.key) <= _MAX_KEY:
        return False
    if isinstance(write, Index):
        return bool(write.value)
    return isinstance(write, Count | PutRevision)


class MemoryStore:
    """A Store in memory; see contract.Store for what each method promises."""

    def __init__(self) -> None:
        """Begin empty."""
        self._versions: dict[bytes, list[tuple[int, bytes | None]]] = {}
        self._index: dict[bytes, bytes] = {}
        self._events: list[Event] = []
        self._times: list[tuple[int, int]] = []  # milliseconds, revision
        self._revision = 0
        self._compacted = 0
        self._subscribers = Subscribers()
        self.clock = Clock(time.time_ns() // 1_000_000)

    def revision(self) -> int:
        """Return the newest revision."""
        return self._revision

    def published(self) -> int:
        """Return the newest revision; here everything is published at once."""
        return self._revision

    def compacted(self) -> int:
        """Return the oldest revision still served."""
        return self._compacted

    def hold(self) -> AbstractContextManager[None]:
        """Do nothing: what does not wait sees one state anyway."""
        return nullcontext()

    def get(self, key: bytes, at_revision: int = 0) -> Record | None:
        """Return an object, now or at a revision."""
        if at_revision and at_revision < self._compacted:
            raise Compacted(f"revision {at_revision} is below {self._compacted}")
        for revision, value in reversed(self._versions.get(key, ())):
            if not at_revision or revision <= at_revision:
                return None if value is None else Record(revision, value)
        return None

    def scan(
        self,
        prefix: bytes,
        after: bytes = b"",
        limit: int = 0,
        at_revision: int = 0,
        budget: int = 0,
    ) -> Page:
        """Return a range of objects, now or at a revision."""
        keys = sorted(key for key in self._versions if key.startswith(prefix) and key > after)
        records = ((key, self.get(key, at_revision)) for key in keys)
        items: list[Item] = []
        size = 0
        for key, record in records:
            if record is None:
                continue
            items.append(Item(key, *record))
            size += len(key) + 8 + len(record.value)
            if (limit and len(items) == limit) or (budget and size >= budget):
                return Page(at_revision or self._revision, items, key)
        return Page(at_revision or self._revision, items)

    def join(
        self,
        prefix: bytes,
        after: bytes,
        limit: int,
        form: Joining,
        budget: int = 0,
        since: int = 0,
    ) -> Joined | None:
        """Return a range of objects as JSON."""
        start, head, around = form
        later = [event.key for event in self._events if event.revision > since]
        if since and (since < self._compacted or any(key.startswith(prefix) for key in later)):
            return None
        page = self.scan(prefix, after, limit, 0, budget)
        items = page.items
        if not all(item.value.startswith(start) for item in items):
            return None
        parts = [b"%b%d%b" % (head, item.revision, item.value[len(start) :]) for item in items]
        last = page.last if page.last and self.scan(prefix, page.last, 1).items else b""
        before, behind = around(page.revision)
        return Joined(page.revision, before + b",".join(parts) + behind, len(parts), last)

    def index_get(self, key: bytes) -> bytes | None:
        """Return an index entry."""
        return self._index.get(key)

    def index_scan(
        self, prefix: bytes, after: bytes = b"", limit: int = 0
    ) -> Sequence[tuple[bytes, bytes]]:
        """Return a range of the index."""
        keys = sorted(key for key in self._index if key.startswith(prefix) and key > after)
        entries = [(key, self._index[key]) for key in keys]
        return entries[:limit] if limit else entries

    def changes(self, after: int, limit: int = 0, prefix: bytes = b"", budget: int = 0) -> Changes:
        """Return logged events."""
        if after < self._compacted:
            raise Compacted(f"revision {after} is below {self._compacted}")
        events = [event for event in self._events if event.revision > after]
        upto = events[limit - 1].revision if 0 < limit < len(events) else max(self._revision, after)
        matching: list[Event] = []
        for change in events:
            if change.revision > upto:
                break
            size = sum(map(event_size, matching))
            # A commit is never cut in two: its events have one revision.
            if budget and size >= budget and matching[-1].revision != change.revision:
                return Changes(matching[-1].revision, matching)
            if change.key.startswith(prefix):
                matching.append(change)
        return Changes(upto, matching)

    async def commit(self, writes: Sequence[Write]) -> int:
        """Write all or nothing."""
        refuse_odd(writes)
        self._check(writes)
        for write in writes:
            if write.__class__ is Count:
                assert isinstance(write, Count)
                total = number(self._index.get(write.key)) + write.delta
                if not -(1 << 63) <= total < 1 << 63:
                    raise StoreError(f"cannot write: {write.key!r} would be {total}")
        events = [event for event in map(self._put, writes) if event]
        if events:
            self._revision += 1
            self._times.append((self.clock(), self._revision))
        revision_keys = [write.key for write in writes if self._write_index(write)]
        self._events += events
        if writes:
            self._subscribers.tell(Batch(events, revision_keys, writes))
        return self._revision

    def _check(self, writes: Sequence[Write]) -> None:
        for write in writes:
            if isinstance(write, Put | Check | Discard):
                record = self.get(write.key)
                actual = record.revision if record else 0
                # Nothing is ever damaged here.
                if isinstance(write, Discard) or fails(write.expect, actual):
                    raise Conflict(write.key, actual)
            elif isinstance(write, Empty) and self.index_scan(write.key, limit=1):
                raise Conflict(write.key, EXISTS)
            elif isinstance(write, Present) and write.key not in self._index:
                raise Conflict(write.key, 0)
            elif isinstance(write, Below):
                counted = number(self._index.get(write.key))
                if counted >= write.limit:
                    raise Conflict(write.key, counted)

    def _put(self, write: Write) -> Event | None:
        if not isinstance(write, Put):
            return None
        old = self.get(write.key)
        if old is None and write.value is None:
            return None
        revision = self._revision + 1
        self._versions.setdefault(write.key, []).append((revision, write.value))
        return Event(revision, write.key, write.value, old.value if old else None)

    def _write_index(self, write: Write) -> bool:
        """Write into the index; tell whether a revision was put."""
        if isinstance(write, Index):
            self._set_index(write.key, write.value)
        elif isinstance(write, Clear):
            for key, _ in self.index_scan(write.key):
                del self._index[key]
        elif isinstance(write, PutRevision):
            if not write.when or self.index_scan(write.when, limit=1):
                self._set_index(write.key, number_bytes(self._revision))
                return True
        elif isinstance(write, Count):
            total = number(self._index.get(write.key)) + write.delta
            self._set_index(write.key, number_bytes(total) if total else None)
        elif isinstance(write, ForgetRevision) and number(self._index.get(write.key)) <= write.seen:
            self._set_index(write.key, None)
        return False

    def _set_index(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self._index.pop(key, None)
        else:
            self._index[key] = value

    def subscribe(self, subscriber: Subscriber) -> None:
        """Add a subscriber."""
        self._subscribers.add(subscriber)

    def state(self) -> StoreState:
        """Return that all is well."""
        return StoreState()

    async def probe(self) -> None:
        """Do nothing: memory can be written and read."""

    def logged_before(self, milliseconds: int) -> int:
        """Return the newest revision that was written before a time."""
        written = (revision for then, revision in self._times if then < milliseconds)
        return max(written, default=self._compacted)

    async def compact(self, upto: int) -> None:
        """Raise the oldest served revision and drop the events below it."""
        self._compacted = max(self._compacted, min(upto, self._revision))
        self._events = [event for event in self._events if event.revision > self._compacted]

    async def let_go(self) -> None:
        """Do nothing: there is no disk."""

    def close(self) -> None:
        """Do nothing: the memory goes with the object."""
