"""The store that serves: LMDB, one writer thread, group commit.

Tables (LMDB's named databases):

    objects   key                        -> modification revision, value
    history   key NUL revision           -> what that revision replaced (revision, value)
    log       revision, number in commit -> operation, time, key
    index     as given
    meta      format, revision, compacted

The log holds keys only: the value a revision replaced is found in `history`, the value it wrote
is either current or the next entry of `history` for that key. So a create is written once and an
update twice, and a snapshot at an older revision is a merge of two ranges with the same prefix,
without reading the changes of anything else.

Law: a transaction belongs to the thread that began it. Reads run on the caller's thread and end
before they return; nothing may keep a transaction, or a buffer from one, beyond its call.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple, cast

import lmdb.cpython

from kcpfast._core import tree
from kcpfast.store.contract import (
    Batch,
    Below,
    Changes,
    Check,
    Clear,
    Compacted,
    Conflict,
    Count,
    Empty,
    Event,
    Index,
    Item,
    Joined,
    Joining,
    Page,
    Present,
    Put,
    Record,
    Stamp,
    StoreError,
    Subscriber,
    Unstamp,
    Write,
    event_size,
    number,
    number_bytes,
)

FORMAT = b"kcpfast 2"
_CREATE, _DELETE = b"c", b"d"
_BATCH = 512
_COMPACT_STEP = 2000
_CHUNK, _CHUNK_BYTES = 1000, 1 << 20
# So much of the log is looked through to learn whether a range has changed.
_LOOKED = 2000
# What each write does, and where in it its value stands and its number (0 = it has none).
LAYOUT: dict[type, tuple[int, int, int]] = {
    Put: (tree.PUT, 1, 2),
    Check: (tree.CHECK, 0, 1),
    Empty: (tree.EMPTY, 0, 0),
    Present: (tree.PRESENT, 0, 0),
    Below: (tree.BELOW, 0, 1),
    Index: (tree.INDEX, 1, 0),
    Clear: (tree.CLEAR, 0, 0),
    Count: (tree.COUNT, 0, 1),
    Stamp: (tree.STAMP, 1, 0),
    Unstamp: (tree.UNSTAMP, 0, 1),
}
tree.load(lmdb.cpython.__file__)


class _Commit(NamedTuple):
    writes: Sequence[Write]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[int]


class _Outcome(NamedTuple):
    commit: _Commit
    result: int | Exception
    batch: Batch


_NOTHING = Batch((), ())


class LmdbStore:
    """A Store in one directory; see contract.Store for what each method promises."""

    def __init__(self, directory: Path, *, map_size: int = 1 << 30) -> None:
        """Open or create the store; StoreError if the directory holds something else."""
        size = map_size
        if (directory / "data.mdb").exists():
            size = max(size, 2 * (directory / "data.mdb").stat().st_size)
        self._map_size = size
        try:
            self._env = tree.Environment(str(directory), size)
            self._open_tables()
        except OSError as error:
            raise StoreError(f"cannot open the store in {directory}: {error}") from error
        self._subscribers: list[Subscriber] = []
        # Growing the map unmaps it: nothing may be held then, and no growth while something is.
        self._mapped = threading.RLock()
        self._queue: queue.SimpleQueue[_Commit | None] = queue.SimpleQueue()
        self._closed = False
        self._writer = threading.Thread(target=self._write_loop, name="store-writer", daemon=True)
        self._writer.start()

    def _open_tables(self) -> None:
        empty = self._env.is_empty()
        if not empty:
            self._refuse_foreign()
        names = (b"objects", b"history", b"log", b"index", b"meta")
        parts = [self._env.table(name, create=empty) for name in names]
        self._objects, self._history, self._log, self._index, self._meta = parts
        self._env.use(LAYOUT, *parts)
        if empty:
            self._env.put(self._meta, b"format", FORMAT)
        self._published = number(self._env.get(self._meta, b"revision"))
        self._compacted = number(self._env.get(self._meta, b"compacted"))

    def _refuse_foreign(self) -> None:
        try:
            meta = self._env.table(b"meta", create=False)
        except LookupError as error:
            raise StoreError("the directory holds an LMDB file of another program") from error
        found = self._env.get(meta, b"format")
        if found != FORMAT:
            raise StoreError(f"the store has format {found!r}, this program reads {FORMAT!r}")

    # ------------------------------------------------------------------------------ reading

    def revision(self) -> int:
        """Return the newest revision on disk."""
        return number(self._env.get(self._meta, b"revision"))

    def published(self) -> int:
        """Return the newest revision that subscribers were told of."""
        return self._published

    def compacted(self) -> int:
        """Return the oldest revision still served."""
        return self._compacted

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let all reads see one state; for the thread of the event loop only."""
        with self._mapped, _Held(self._env):
            yield

    def get(self, key: bytes, at: int = 0) -> Record | None:
        """Return an object, now or at a revision."""
        if at:
            with self._mapped, _Held(self._env):
                raw = self._at(key, self._env.get(self._objects, key), self._checked(at))
        else:
            raw = self._env.get(self._objects, key)
        return None if raw is None else Record(int.from_bytes(raw[:8], "big"), raw[8:])

    def _checked(self, at: int) -> int:
        if at < self._compacted:
            raise Compacted(f"revision {at} is below {self._compacted}")
        return at

    def _at(self, key: bytes, raw: bytes | None, at: int) -> bytes | None:
        if raw is not None and number(raw[:8]) <= at:
            return raw
        start = key + b"\0" + number_bytes(at + 1)
        for found, replaced in self._env.range(self._history, start, key + b"\0", 1):
            if len(found) == len(start) and number(replaced[:8]) <= at:
                return replaced
        return None

    def scan(
        self, prefix: bytes, after: bytes = b"", limit: int = 0, at: int = 0, budget: int = 0
    ) -> Page:
        """Return a range of objects, now or at a revision."""
        start = after + b"\1" if after else prefix
        with self._mapped, _Held(self._env):
            revision = self.revision()
            if at and self._checked(at) < revision:
                old = _replaced_after(self._pairs(self._history, start, prefix), at)
                merged = _snapshot(self._pairs(self._objects, start, prefix), old, at)
                pairs = list(_within(budget, islice(merged, limit or None)))
            else:
                pairs = self._env.range(self._objects, start, prefix, limit, budget)
        items = [Item(key, int.from_bytes(raw[:8], "big"), raw[8:]) for key, raw in pairs]
        stopped = (limit and len(pairs) == limit) or (budget and _size(pairs) >= budget)
        return Page(at or revision, items, items[-1].key if stopped else b"")

    def join(
        self,
        prefix: bytes,
        after: bytes,
        limit: int,
        form: Joining,
        budget: int = 0,
        since: int = 0,
    ) -> Joined | None:
        """Return a range of objects as JSON, without an object in between."""
        start = after + b"\1" if after else prefix
        with self._mapped, _Held(self._env):
            if since and self._may_differ(prefix, since):
                return None
            revision = self.revision()
            around = form.around(revision)
            found = self._env.splice(start, prefix, limit, form.known, form.head, *around, budget)
            return None if found is None else Joined(revision, *found)

    def _may_differ(self, prefix: bytes, since: int) -> bool:
        """Tell whether a range was written to behind a revision; True also if it takes long."""
        if since < self._compacted:
            return True
        entries = self._env.range(self._log, number_bytes(since + 1), b"", _LOOKED)
        return len(entries) == _LOOKED or any(entry.startswith(prefix, 9) for _, entry in entries)

    def _pairs(self, table: int, start: bytes, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield a range in chunks; only while the environment is held."""
        while True:
            chunk = self._env.range(table, start, prefix, _CHUNK, _CHUNK_BYTES)
            yield from chunk
            if not chunk:
                return
            start = chunk[-1][0] + b"\0"

    def index_get(self, key: bytes) -> bytes | None:
        """Return an index entry."""
        return self._env.get(self._index, key)

    def index_scan(
        self, prefix: bytes, after: bytes = b"", limit: int = 0
    ) -> list[tuple[bytes, bytes]]:
        """Return a range of the index."""
        start = after + b"\1" if after else prefix
        with self._mapped:
            return self._env.range(self._index, start, prefix, limit)

    def changes(self, after: int, limit: int = 0, prefix: bytes = b"", budget: int = 0) -> Changes:
        """Return logged events up to the newest published revision."""
        if after < self._compacted:
            raise Compacted(f"revision {after} is below {self._compacted}")
        published, looked, size, upto = self._published, 0, 0, after
        events: list[Event] = []
        with self._mapped, _Held(self._env):
            for place, entry in self._pairs(self._log, number_bytes(after + 1), b""):
                revision = number(place[:8])
                if revision > published:
                    break
                full = (limit and looked >= limit) or (budget and size >= budget)
                if full and revision != upto:
                    return Changes(upto, events)
                upto = revision
                looked += 1
                if entry.startswith(prefix, 9):
                    events.append(self._event(revision, entry))
                    size += event_size(events[-1])
        return Changes(max(published, after), events)

    def _event(self, revision: int, entry: bytes) -> Event:
        operation, key = entry[:1], entry[9:]
        mark = key + b"\0" + number_bytes(revision)
        previous = self._env.get(self._history, mark) if operation != _CREATE else None
        value = None
        if operation != _DELETE:
            value = self._at(key, self._env.get(self._objects, key), revision)
        return Event(revision, key, value and value[8:], previous and previous[8:])

    # ------------------------------------------------------------------------------ writing

    def subscribe(self, subscriber: Subscriber) -> None:
        """Add a subscriber; it is called on the event loop."""
        self._subscribers.append(subscriber)

    async def commit(self, writes: Sequence[Write]) -> int:
        """Queue the writes for the writer thread and wait until they are on disk."""
        if self._closed:
            raise StoreError("the store is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        # A copy: the kernel points into these writes until they are on disk.
        self._queue.put(_Commit(tuple(writes), loop, future))
        return await future

    def _write_loop(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            while len(batch) < _BATCH and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    self._queue.put(None)
                    break
                batch.append(following)
            outcomes = self._write_batch(batch)
            try:
                batch[0].loop.call_soon_threadsafe(self._deliver, outcomes)
            except RuntimeError:  # the loop was closed: nobody waits any more
                return

    def _write_batch(self, batch: list[_Commit]) -> list[_Outcome]:
        writes = [commit.writes for commit in batch]
        while True:
            try:
                results = self._env.apply(writes, time.time_ns() // 1_000_000)
            except Exception as error:
                if isinstance(error, OSError) and error.errno == tree.MAP_FULL:
                    self._grow()
                    continue
                if len(batch) > 1:  # one of them cannot be written: the others can
                    return [outcome for commit in batch for outcome in self._write_batch([commit])]
                failure = StoreError(f"cannot write: {error}")
                failure.__cause__ = error
                return [_Outcome(batch[0], failure, _NOTHING)]
            return [_outcome(*pair) for pair in zip(batch, results, strict=True)]

    def _grow(self) -> None:
        with self._mapped:
            self._map_size *= 2
            self._env.grow(self._map_size)

    def _deliver(self, outcomes: list[_Outcome]) -> None:
        for _, _, batch in outcomes:
            if batch.writes:
                if batch.events:
                    self._published = batch.events[-1].revision
                for subscriber in self._subscribers:
                    subscriber(batch)
        for commit, result, _ in outcomes:
            if commit.future.done():  # the request was cancelled; the write stands
                continue
            if isinstance(result, Exception):
                commit.future.set_exception(result)
            else:
                commit.future.set_result(result)

    # ------------------------------------------------------------------------------ upkeep

    def logged_before(self, milliseconds: int) -> int:
        """Return the newest revision that was written before a time (Unix milliseconds)."""
        found = self._compacted
        with self._mapped, _Held(self._env):
            for place, entry in self._pairs(self._log, b"", b""):
                if number(entry[1:9]) >= milliseconds:
                    break
                found = number(place[:8])
        return found

    async def compact(self, upto: int) -> None:
        """Delete log and history below `upto`, in steps that other writers fit between."""
        while await asyncio.to_thread(self._env.forget, upto, _COMPACT_STEP):
            pass
        self._compacted = max(self._compacted, upto)

    def close(self) -> None:
        """Write what is queued, stop the writer and close the files."""
        self._closed = True
        self._queue.put(None)
        self._writer.join()
        self._env.close()


class _Held:
    """Keeps one state of the environment in sight while a `with` lasts."""

    __slots__ = ("_env",)

    def __init__(self, env: tree.Environment) -> None:
        self._env = env

    def __enter__(self) -> None:
        self._env.hold()

    def __exit__(self, *_: object) -> None:
        self._env.free()


def _size(pairs: Iterable[tuple[bytes, bytes]]) -> int:
    return sum(len(key) + len(raw) for key, raw in pairs)


def _within(budget: int, pairs: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """Yield pairs up to the one with which they come to `budget` bytes (0 = all)."""
    size = 0
    for pair in pairs:
        yield pair
        size += len(pair[0]) + len(pair[1])
        if budget and size >= budget:
            return


def _outcome(commit: _Commit, result: tree._Result) -> _Outcome:
    revision, failed, found, replaced, stamped = result
    if failed >= 0:
        return _Outcome(commit, Conflict(commit.writes[failed].key, found), _NOTHING)
    events = []
    for at, old in replaced:
        key, value, _ = cast("Put", commit.writes[at])
        events.append(Event(revision, key, value, old))
    stamps = [commit.writes[at].key for at in stamped]
    return _Outcome(commit, revision, Batch(events, stamps, commit.writes))


def _replaced_after(
    history: Iterable[tuple[bytes, bytes]], at: int
) -> Iterator[tuple[bytes, bytes]]:
    """Yield for each key the first thing that was replaced after `at`."""
    seen = None
    for mark, raw in history:
        key, revision = mark[:-9], number(mark[-8:])
        if revision > at and key != seen:
            seen = key
            yield key, raw


def _snapshot(
    current: Iterator[tuple[bytes, bytes]], replaced: Iterator[tuple[bytes, bytes]], at: int
) -> Iterator[tuple[bytes, bytes]]:
    """Merge two ranges in key order; where both have a key, the replaced value is the truth."""
    now, old = next(current, None), next(replaced, None)
    while now or old:
        if old is not None and (now is None or old[0] <= now[0]):
            if now is not None and old[0] == now[0]:
                now = next(current, None)
            pair, old = old, next(replaced, None)
        else:
            assert now is not None
            pair, now = now, next(current, None)
        if number(pair[1][:8]) <= at:
            yield pair
