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
from pathlib import Path
from typing import Any, NamedTuple

import lmdb

from kcpfast.store.contract import (
    EXISTS,
    Batch,
    Below,
    Changes,
    Check,
    Compacted,
    Conflict,
    Count,
    Empty,
    Event,
    Index,
    Item,
    Page,
    Present,
    Put,
    Record,
    Stamp,
    StoreError,
    Subscriber,
    Unstamp,
    Write,
    fails,
    number,
    number_bytes,
)

FORMAT = b"kcpfast 1"
_CREATE, _UPDATE, _DELETE = b"c", b"u", b"d"
_BATCH = 512
_COMPACT_STEP = 2000


class _Commit(NamedTuple):
    writes: Sequence[Write]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[int]


class _Outcome(NamedTuple):
    commit: _Commit
    result: int | Exception
    batch: Batch


class LmdbStore:
    """A Store in one directory; see contract.Store for what each method promises."""

    def __init__(self, directory: Path, *, map_size: int = 1 << 30) -> None:
        """Open or create the store; StoreError if the directory holds something else."""
        size = map_size
        if (directory / "data.mdb").exists():
            size = max(size, 2 * (directory / "data.mdb").stat().st_size)
        try:
            self._env = lmdb.open(str(directory), map_size=size, max_dbs=8, readahead=False)
            self._open_tables()
        except lmdb.Error as error:
            raise StoreError(f"cannot open the store in {directory}: {error}") from error
        self._subscribers: list[Subscriber] = []
        # Growing the map unmaps it: no read may run then, and no growth during a read.
        self._mapped = threading.RLock()
        self._queue: queue.SimpleQueue[_Commit | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_loop, name="store-writer", daemon=True)
        self._writer.start()

    def _open_tables(self) -> None:
        with self._env.begin() as txn:
            empty = txn.stat()["entries"] == 0
        if not empty:
            self._refuse_foreign()
        self._meta = self._env.open_db(b"meta")
        self._objects = self._env.open_db(b"objects")
        self._history = self._env.open_db(b"history")
        self._log = self._env.open_db(b"log")
        self._index = self._env.open_db(b"index")
        with self._env.begin(write=empty, db=self._meta) as txn:
            if empty:
                txn.put(b"format", FORMAT)
            self._published = number(txn.get(b"revision"))
            self._compacted = number(txn.get(b"compacted"))

    def _refuse_foreign(self) -> None:
        try:
            meta = self._env.open_db(b"meta", create=False)
        except lmdb.Error as error:
            raise StoreError("the directory holds an LMDB file of another program") from error
        with self._env.begin(db=meta) as txn:
            found = txn.get(b"format")
        if found != FORMAT:
            raise StoreError(f"the store has format {found!r}, this program reads {FORMAT!r}")

    # ------------------------------------------------------------------------------ reading

    def revision(self) -> int:
        """Return the newest revision on disk."""
        with self._mapped, self._env.begin(db=self._meta) as txn:
            return number(txn.get(b"revision"))

    def published(self) -> int:
        """Return the newest revision that subscribers were told of."""
        return self._published

    def compacted(self) -> int:
        """Return the oldest revision still served."""
        return self._compacted

    def get(self, key: bytes, at: int = 0) -> Record | None:
        """Return an object, now or at a revision."""
        with self._mapped, self._env.begin(db=self._objects) as txn:
            raw = txn.get(key)
            if at:
                raw = self._at(txn, key, raw, self._checked(at))
        return None if raw is None else Record(number(raw[:8]), raw[8:])

    def _checked(self, at: int) -> int:
        if at < self._compacted:
            raise Compacted(f"revision {at} is below {self._compacted}")
        return at

    def _at(self, txn: Any, key: bytes, raw: bytes | None, at: int) -> bytes | None:
        if raw is not None and number(raw[:8]) <= at:
            return raw
        cursor = txn.cursor(db=self._history)
        if not cursor.set_range(key + b"\0" + number_bytes(at + 1)):
            return None
        found, replaced = cursor.item()
        if found[:-9] != key or number(replaced[:8]) > at:
            return None
        return bytes(replaced)

    def scan(self, prefix: bytes, after: bytes = b"", limit: int = 0, at: int = 0) -> Page:
        """Return a range of objects, now or at a revision."""
        start = after + b"\1" if after else prefix
        with self._mapped, self._env.begin(db=self._objects) as txn:
            pairs = _range(txn.cursor(), start, prefix)
            revision = number(txn.get(b"revision", db=self._meta))
            if at and self._checked(at) < revision:
                old = _range(txn.cursor(db=self._history), start, prefix)
                pairs = _snapshot(pairs, _replaced_after(old, at), at)
            found = []
            for key, raw in pairs:
                found.append(Item(key, int.from_bytes(raw[:8], "big"), raw[8:]))
                if len(found) == limit:
                    break
        return Page(at or revision, found)

    def index_get(self, key: bytes) -> bytes | None:
        """Return an index entry."""
        with self._mapped, self._env.begin(db=self._index) as txn:
            value: bytes | None = txn.get(key)
        return value

    def index_scan(
        self, prefix: bytes, after: bytes = b"", limit: int = 0
    ) -> list[tuple[bytes, bytes]]:
        """Return a range of the index."""
        start = after + b"\1" if after else prefix
        found = []
        with self._mapped, self._env.begin(db=self._index) as txn:
            for pair in _range(txn.cursor(), start, prefix):
                found.append(pair)
                if len(found) == limit:
                    break
        return found

    def changes(self, after: int, limit: int = 0, prefix: bytes = b"") -> Changes:
        """Return logged events up to the newest published revision."""
        if after < self._compacted:
            raise Compacted(f"revision {after} is below {self._compacted}")
        published, looked, upto = self._published, 0, after
        events: list[Event] = []
        with self._mapped, self._env.begin(db=self._log) as txn:
            for place, entry in _range(txn.cursor(), number_bytes(after + 1), b""):
                revision = number(place[:8])
                if revision > published:
                    break
                if limit and looked >= limit and revision != upto:
                    return Changes(upto, events)
                upto = revision
                looked += 1
                if entry.startswith(prefix, 9):
                    events.append(self._event(txn, revision, entry))
        return Changes(max(published, after), events)

    def _event(self, txn: Any, revision: int, entry: bytes) -> Event:
        operation, key = entry[:1], entry[9:]
        mark = key + b"\0" + number_bytes(revision)
        previous = txn.get(mark, db=self._history) if operation != _CREATE else None
        value = None
        if operation != _DELETE:
            value = self._at(txn, key, txn.get(key, db=self._objects), revision)
        return Event(revision, key, value and value[8:], previous and previous[8:])

    # ------------------------------------------------------------------------------ writing

    def subscribe(self, subscriber: Subscriber) -> None:
        """Add a subscriber; it is called on the event loop."""
        self._subscribers.append(subscriber)

    async def commit(self, writes: Sequence[Write]) -> int:
        """Queue the writes for the writer thread and wait until they are on disk."""
        if not self._writer.is_alive():
            raise StoreError("the store is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        self._queue.put(_Commit(writes, loop, future))
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
        while True:
            try:
                with self._env.begin(write=True) as txn:
                    revision = number(txn.get(b"revision", db=self._meta))
                    outcomes = []
                    for commit in batch:
                        outcome = self._write_commit(txn, commit, revision + 1)
                        outcomes.append(outcome)
                        if outcome.batch.events:
                            revision += 1
                    txn.put(b"revision", number_bytes(revision), db=self._meta)
            except lmdb.MapFullError:
                self._grow()
            except (lmdb.Error, OSError) as error:
                failure = StoreError(f"cannot write: {error}")
                failure.__cause__ = error
                return [_Outcome(commit, failure, Batch((), ())) for commit in batch]
            else:
                return outcomes

    def _grow(self) -> None:
        with self._mapped:
            self._env.set_mapsize(2 * self._env.info()["map_size"])

    def _write_commit(self, txn: Any, commit: _Commit, revision: int) -> _Outcome:
        try:
            current = self._check(txn, commit.writes)
        except Conflict as conflict:
            return _Outcome(commit, conflict, Batch((), ()))
        puts = [write for write in commit.writes if isinstance(write, Put)]
        puts = [put for put in puts if put.value is not None or current[put.key] is not None]
        if not puts:
            revision -= 1
        events = [
            self._put(txn, put, current[put.key], revision, number)
            for number, put in enumerate(puts)
        ]
        stamps: list[bytes] = []
        for write in commit.writes:
            if isinstance(write, Stamp):
                if not write.when or next(self._entries(txn, write.when), None):
                    stamps.append(write.key)
                    txn.put(write.key, number_bytes(revision), db=self._index)
            elif isinstance(write, Index | Count | Unstamp):
                self._write_index(txn, write)
        return _Outcome(commit, revision, Batch(events, stamps))

    def _check(self, txn: Any, writes: Sequence[Write]) -> dict[bytes, bytes | None]:
        current: dict[bytes, bytes | None] = {}
        for write in writes:
            if isinstance(write, Put | Check):
                raw = current[write.key] = txn.get(write.key, db=self._objects)
                found = 0 if raw is None else number(raw[:8])
                if fails(write.expect, found):
                    raise Conflict(write.key, found)
            elif isinstance(write, Empty) and next(self._entries(txn, write.key), None):
                raise Conflict(write.key, EXISTS)
            elif isinstance(write, Present) and txn.get(write.key, db=self._index) is None:
                raise Conflict(write.key, 0)
            elif isinstance(write, Below):
                found = number(txn.get(write.key, db=self._index))
                if found >= write.limit:
                    raise Conflict(write.key, found)
        return current

    def _entries(self, txn: Any, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return _range(txn.cursor(db=self._index), prefix, prefix)

    def _put(self, txn: Any, write: Put, old: bytes | None, revision: int, sequence: int) -> Event:
        key, value = write.key, write.value
        if old is not None:
            txn.put(key + b"\0" + number_bytes(revision), old, db=self._history)
        if value is None:
            operation = _DELETE
            txn.delete(key, db=self._objects)
        else:
            operation = _UPDATE if old is not None else _CREATE
            txn.put(key, number_bytes(revision) + value, db=self._objects)
        place = number_bytes(revision) + sequence.to_bytes(4, "big")
        entry = operation + number_bytes(time.time_ns() // 1_000_000) + key
        txn.put(place, entry, db=self._log, append=True)
        return Event(revision, key, value, old and old[8:])

    def _write_index(self, txn: Any, write: Index | Count | Unstamp) -> None:
        value: bytes | None
        if isinstance(write, Index):
            value = write.value
        else:
            found = number(txn.get(write.key, db=self._index))
            if isinstance(write, Count):
                value = number_bytes(found + write.delta) if found + write.delta else None
            elif found > write.seen:
                return
            else:
                value = None
        if value is None:
            txn.delete(write.key, db=self._index)
        else:
            txn.put(write.key, value, db=self._index)

    def _deliver(self, outcomes: list[_Outcome]) -> None:
        for _, _, batch in outcomes:
            if batch.events or batch.stamps:
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
        with self._mapped, self._env.begin(db=self._log) as txn:
            for place, entry in txn.cursor():
                if number(entry[1:9]) >= milliseconds:
                    break
                found = number(place[:8])
        return found

    async def compact(self, upto: int) -> None:
        """Delete log and history below `upto`, in steps that other writers fit between."""
        while await asyncio.to_thread(self._compact_step, upto):
            pass
        self._compacted = max(self._compacted, upto)

    def _compact_step(self, upto: int) -> bool:
        with self._env.begin(write=True) as txn:
            txn.put(b"compacted", number_bytes(upto), db=self._meta)
            cursor = txn.cursor(db=self._log)
            more = cursor.first()
            for _ in range(_COMPACT_STEP):
                if not more:
                    return False
                place, entry = cursor.item()
                if number(place[:8]) > upto:
                    return False
                txn.delete(entry[9:] + b"\0" + place[:8], db=self._history)
                more = cursor.delete()
        return True

    def close(self) -> None:
        """Write what is queued, stop the writer and close the files."""
        self._queue.put(None)
        self._writer.join()
        self._env.close()


def _range(cursor: Any, start: bytes, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not cursor.set_range(start):
        return
    if not prefix:
        yield from cursor.iternext()
        return
    for pair in cursor.iternext():
        if not pair[0].startswith(prefix):
            return
        yield pair


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
