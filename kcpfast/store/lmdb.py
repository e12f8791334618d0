"""The store that serves: LMDB, one writer thread, group commit.

Tables (LMDB's named databases), each value sealed (_core/engine.pyx):

    objects   key                        -> modification revision, value (_core/records.pyx)
    history   key NUL revision           -> what that revision replaced (revision, value)
    log       revision, number in commit -> operation, time of the store's clock, key
    index     as given
    meta      format; revision and clock; compacted
    shapes    number, family             -> a value that others are like

The log holds keys only: the value a revision replaced is found in `history`, the value it wrote
is either current or the next entry of `history` for that key. So a create is written once and an
update twice, and a snapshot at an older revision is a merge of two ranges with the same prefix,
without reading the changes of anything else.

Law: a transaction belongs to the thread that began it. Reads end before they return; nothing may
keep a transaction, or a buffer from one, beyond its call. Whatever writes is `writer`'s.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from kcpfast._core import tree
from kcpfast._core import writer as kernel
from kcpfast.store.clock import Clock
from kcpfast.store.contract import (
    Changes,
    Compacted,
    Event,
    Item,
    Joined,
    Joining,
    Page,
    Record,
    StoreError,
    StoreState,
    Subscriber,
    event_size,
    is_discarded,
    number,
    number_bytes,
)
from kcpfast.store.opening import DATA, open_store
from kcpfast.store.space import Space
from kcpfast.store.subscribers import Subscribers
from kcpfast.store.writer import Outcome, StoreWriter
from kcpfast.telemetry.metrics import STORE_BYTES

_CREATE, _DELETE = b"c", b"d"
_COMPACT_STEP = 2000
_BLOCK = 512  # bytes that st_blocks counts in, whatever the file system
_CHUNK, _CHUNK_BYTES = 1000, 1 << 20
# So much of the log is looked through to learn whether a range has changed.
_LOOKED = 2000
# kube-apiserver numbers its etcd clusters so (k8s.io/apiserver/pkg/storage/etcd3/metrics): a
# dashboard that picks out "etcd-0" reads this store, which is the only one.
_STORAGE_CLUSTER = "etcd-0"
_Object = tuple[bytes, int, bytes]


class LmdbStore:
    """A Store in one directory; see contract.Store for what each method promises."""

    def __init__(self, directory: Path, *, map_size: int = 1 << 30) -> None:
        """Open or create the store; StoreError if the directory holds something else."""
        self._env, tables = open_store(directory, map_size)
        self._objects, self._history, self._log, self._index, self._meta, _ = tables
        data = directory / DATA
        self._data = data
        self._map_size = max(map_size, 2 * data.stat().st_size)
        self._subscribers = Subscribers()
        # Growing the map unmaps it: nothing may be held then, and no growth while something is.
        self._mapped = threading.RLock()
        head = self._env.get(self._meta, b"revision") or b""
        self._published = number(head[:8])
        self._compacted = number(self._env.get(self._meta, b"compacted"))
        self._probes = 0
        self.clock = Clock(number(head[8:]) or time.time_ns() // 1_000_000)
        space = Space(data, self._env.used, self._env.free_pages)
        self._writer = StoreWriter(self._env, space, self.clock, self._grow, self._deliver)
        self.commit = self._writer.commit
        self.when_failed = self._writer.when_failed
        STORE_BYTES.read = lambda: [((_STORAGE_CLUSTER,), data.stat().st_blocks * _BLOCK)]

    # ------------------------------------------------------------------------------ reading

    def revision(self) -> int:
        """Return the newest revision on disk."""
        return number((self._env.get(self._meta, b"revision") or b"")[:8])

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

    def get(self, key: bytes, at_revision: int = 0) -> Record | None:
        """Return an object, now or at a revision."""
        if at_revision:
            with self._mapped, _Held(self._env):
                self._check(at_revision)
                row = self._at(key, self._env.record(self._objects, key), at_revision)
        else:
            row = self._env.record(self._objects, key)
        return None if row is None else Record(*row)

    def _check(self, at_revision: int) -> None:
        """Raise Compacted for what is no longer kept; only while the environment is held.

        What is held was there before anything that is forgotten later than this was asked.
        """
        if at_revision < self._compacted:
            raise Compacted(f"revision {at_revision} is below {self._compacted}")

    def _at(
        self, key: bytes, row: tuple[int, bytes] | None, at_revision: int
    ) -> tuple[int, bytes] | None:
        if row is not None and row[0] <= at_revision:
            return row
        start = key + b"\0" + number_bytes(at_revision + 1)
        for mark, revision, value in self._env.records(self._history, start, key + b"\0", 1):
            if len(mark) == len(start) and revision <= at_revision:
                return revision, value
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
        start = after + b"\1" if after else prefix
        with self._mapped, _Held(self._env):
            revision = self.revision()
            if at_revision:
                self._check(at_revision)
            if at_revision and at_revision < revision:
                old = self._replaced_after(start, prefix, at_revision)
                merged = _snapshot(self._rows(self._objects, start, prefix), old, at_revision)
                rows = list(_within(budget, islice(merged, limit or None)))
            else:
                rows = self._env.records(self._objects, start, prefix, limit, budget)
        items = list(map(Item._make, rows))
        stopped = (limit and len(rows) == limit) or (budget and _size(rows) >= budget)
        return Page(at_revision or revision, items, items[-1].key if stopped else b"")

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
            spliced = self._env.splice(start, prefix, limit, form.known, form.head, *around, budget)
            return None if spliced is None else Joined(revision, *spliced)

    def _may_differ(self, prefix: bytes, since: int) -> bool:
        """Tell whether a range was written to behind a revision; True also if it takes long."""
        if since < self._compacted:
            return True
        entries = self._env.range(self._log, number_bytes(since + 1), b"", _LOOKED)
        return len(entries) == _LOOKED or any(entry.startswith(prefix, 9) for _, entry in entries)

    def _rows(self, table: int, start: bytes, prefix: bytes) -> Iterator[_Object]:
        """Yield the records of a range in chunks; only while the environment is held."""
        while chunk := self._env.records(table, start, prefix, _CHUNK, _CHUNK_BYTES):
            yield from chunk
            start = chunk[-1][0] + b"\0"

    def _replaced_after(self, start: bytes, prefix: bytes, at_revision: int) -> Iterator[_Object]:
        """Yield for each key of a range the first thing that was replaced after a revision.

        Of all else that was replaced only keys are read: it may be hundreds of megabytes.
        """
        last = None
        while True:
            marks = self._env.keys(self._history, start, prefix, _CHUNK)
            for mark in marks:
                key = mark[:-9]
                if number(mark[-8:]) > at_revision and key != last:
                    last = key
                    record = self._env.record(self._history, mark)
                    assert record is not None
                    yield key, *record
            if len(marks) < _CHUNK:
                return
            start = marks[-1] + b"\0"

    def _entries(self, after: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield the log behind a revision in chunks; only while the environment is held."""
        start = number_bytes(after + 1)
        while chunk := self._env.range(self._log, start, b"", _CHUNK):
            yield from chunk
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
        published, looked, size, upto = self._published, 0, 0, after
        events: list[Event] = []
        with self._mapped, _Held(self._env):
            self._check(after)
            for place, entry in self._entries(after):
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
        old = self._env.record(self._history, mark) if operation != _CREATE else None
        new = None
        if operation != _DELETE:
            new = self._at(key, self._env.record(self._objects, key), revision)
        return Event(revision, key, new and new[1], old and old[1])

    # ------------------------------------------------------------------------------ writing

    def subscribe(self, subscriber: Subscriber) -> None:
        """Add a subscriber; it is called on the event loop."""
        self._subscribers.add(subscriber)

    def _grow(self, writer: kernel.Writer) -> None:
        """Enlarge the map; for the writer's thread. No read is under way meanwhile."""
        with self._mapped:
            self._map_size *= 2
            writer.grow(self._map_size)

    def _deliver(self, outcomes: list[Outcome]) -> None:
        for _, _, batch in outcomes:
            if batch.writes:
                if batch.events:
                    last = batch.events[-1]
                    self._published = last.revision
                    if is_discarded(last):
                        self._compacted = max(self._compacted, last.revision)
                self._subscribers.tell(batch)
        for future, result, _ in outcomes:
            if future.done():  # the request was cancelled; the write stands
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    # ------------------------------------------------------------------------------ upkeep

    def state(self) -> StoreState:
        """Return how the store is."""
        return self._writer.state()

    async def probe(self) -> None:
        """Write a number durably and read it back."""
        self._probes += 1
        written = number_bytes(self._probes)
        await self._writer.do(lambda writer: writer.put(self._meta, [(b"probe", written)]))
        if number(self._env.get(self._meta, b"probe")) < self._probes:
            raise StoreError("what was written is not what is read")

    def logged_before(self, milliseconds: int) -> int:
        """Return the newest revision that was written before a time of the store's clock."""
        with self._mapped, _Held(self._env):
            low, high = self._compacted, self.revision()
            while low < high:  # times rise with revisions
                middle = (low + high + 1) // 2
                entry = self._env.range(self._log, number_bytes(middle), b"", 1)
                if entry and number(entry[0][1][1:9]) < milliseconds:
                    low = middle
                else:
                    high = middle - 1
        return low

    async def compact(self, upto: int) -> None:
        """Delete log and history up to `upto`, in steps that other writers fit between.

        Nobody may read below it from now on: what is half deleted is nobody's business.
        """
        self._compacted = max(self._compacted, min(upto, self._published))
        upto = self._compacted
        while await self._writer.do(lambda writer: writer.forget(upto, _COMPACT_STEP)):
            pass

    async def let_go(self) -> None:
        """Give back the mapped pages of the file; the system keeps them for who wants them next.

        It takes a while of the writer's thread, which alone may move the map.
        """
        await self._writer.do(lambda _: unmap(self._data))

    def close(self) -> None:
        """Write what is queued, stop the writer and close the files."""
        self._writer.stop()
        self._env.close()


def unmap(data: Path) -> None:
    """Give back the pages of a file that this process has mapped."""
    inode = str(data.stat().st_ino)
    with open("/proc/self/maps") as maps:
        rows = [line.split() for line in maps]
    for row in rows:
        if row[4] == inode and row[1].startswith("r"):
            first, behind = (int(number, 16) for number in row[0].split("-"))
            tree.let_go(first, behind - first)


class _Held:
    """Keeps one state of the environment in sight while a `with` lasts."""

    __slots__ = ("_env",)

    def __init__(self, env: tree.Environment) -> None:
        self._env = env

    def __enter__(self) -> None:
        self._env.hold()

    def __exit__(self, *_: object) -> None:
        self._env.free()


def _size(rows: Iterable[_Object]) -> int:
    return sum(len(key) + 8 + len(value) for key, _, value in rows)


def _within(budget: int, rows: Iterable[_Object]) -> Iterator[_Object]:
    """Yield rows up to the one with which they come to `budget` bytes (0 = all)."""
    size = 0
    for row in rows:
        yield row
        size += _size([row])
        if budget and size >= budget:
            return


def _snapshot(
    current: Iterator[_Object], replaced: Iterator[_Object], at_revision: int
) -> Iterator[_Object]:
    """Merge two ranges in key order; where both have a key, the replaced value is the truth."""
    now, old = next(current, None), next(replaced, None)
    while now or old:
        if old is not None and (now is None or old[0] <= now[0]):
            if now is not None and old[0] == now[0]:
                now = next(current, None)
            row, old = old, next(replaced, None)
        else:
            assert now is not None
            row, now = now, next(current, None)
        if row[1] <= at_revision:
            yield row
