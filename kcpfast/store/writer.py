"""The one owner of write transactions: a thread with a queue of everything that writes.

Commits, compaction and probes wait in one queue, and the map grows between them. Nothing else may
begin a write transaction. The thread ends only when it is stopped. If it cannot go on (the disk
returns errors, LMDB says that the environment is broken), what waits and whatever comes later fails
with the reason, and the callbacks of `when_failed` are called.

Law: the queue is worked through on the writer's thread, results are delivered on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar, cast

from kcpfast._core import tree
from kcpfast._core import writer as kernel
from kcpfast.store.clock import Clock
from kcpfast.store.contract import (
    Batch,
    Below,
    Check,
    Clear,
    Conflict,
    Corrupted,
    Count,
    Discard,
    Empty,
    Event,
    ForgetRevision,
    Full,
    Index,
    Present,
    Put,
    PutRevision,
    StoreError,
    StoreFailed,
    StoreState,
    Write,
)
from kcpfast.store.space import Space
from kcpfast.telemetry.metrics import COMMIT_SECONDS, COMMITS_TOGETHER, DISK_SECONDS, FAULTS

LOG = logging.getLogger("kcpfast.store")
# Commits that share a transaction at most: an error about one makes all be written one by one.
_BATCH = 512
_NOTHING = Batch((), ())
# For each type of write: its kind, and the index of its value and of its number (0 = none).
LAYOUT: dict[type, tuple[int, int, int]] = {
    Put: (kernel.PUT, 1, 2),
    Discard: (kernel.DISCARD, 0, 0),
    Check: (kernel.CHECK, 0, 1),
    Empty: (kernel.EMPTY, 0, 0),
    Present: (kernel.PRESENT, 0, 0),
    Below: (kernel.BELOW, 0, 1),
    Index: (kernel.INDEX, 1, 0),
    Clear: (kernel.CLEAR, 0, 0),
    Count: (kernel.COUNT, 0, 1),
    PutRevision: (kernel.PUT_REVISION, 1, 0),
    ForgetRevision: (kernel.FORGET_REVISION, 0, 1),
}
# Errors of one commit: it or its keys are too large, or memory is out. After any other error of a
# transaction the state of the file or the disk is unknown, and no more is written.
_OF_ONE = (kernel.TOO_LARGE, kernel.BAD_SIZE, kernel.NO_MEMORY)

# What is raised before a transaction begins: about what was asked for, or memory.
_ABOUT_WRITES = (StoreError, TypeError, ValueError, LookupError, ArithmeticError, MemoryError)

_Result = TypeVar("_Result")


class Commit(NamedTuple):
    """A commit in the queue, and the future of its revision."""

    writes: Sequence[Write]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[int]


class _WriterJob(NamedTuple):
    """Other work that writes, and the future of what it returns."""

    run: Callable[[], object]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[object]


class Outcome(NamedTuple):
    """The result of a commit, its revision or its error, and the batch for subscribers."""

    future: asyncio.Future[int]
    result: int | Exception
    batch: Batch


class StoreWriter:
    """The thread that writes, and the functions by which other threads give it work."""

    def __init__(
        self,
        env: tree.Environment,
        space: Space,
        clock: Clock,
        grow: Callable[[kernel.Writer], None],
        deliver: Callable[[list[Outcome]], None],
    ) -> None:
        """Begin to write.

        `grow` enlarges the map while nobody reads; `deliver` is called on the loop.
        """
        self._kernel = kernel.Writer(env, LAYOUT)
        self._space, self._clock, self._grow, self._deliver = space, clock, grow, deliver
        self._queue: queue.SimpleQueue[Commit | _WriterJob | None] = queue.SimpleQueue()
        self._failed = ""
        self._closed = False
        self._to_tell: list[tuple[asyncio.AbstractEventLoop, Callable[[str], None]]] = []
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------------- on any thread

    async def commit(self, writes: Sequence[Write]) -> int:
        """Write all or nothing, durably. See contract.Store."""
        if self._closed:
            raise StoreError("the store is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        # A copy: the kernel points into these writes until they are on disk.
        self._queue.put(Commit(tuple(writes), loop, future))
        try:
            return await future
        finally:
            del future  # it knows its error, which knows this frame: they would keep each other

    async def do(self, work: Callable[[kernel.Writer], _Result]) -> _Result:
        """Run other work on the thread, with the kernel; return what it returns."""
        if self._closed:
            raise StoreError("the store is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[object] = loop.create_future()
        self._queue.put(_WriterJob(lambda: work(self._kernel), loop, future))
        try:
            return cast("_Result", await future)
        finally:
            del future  # as above

    def state(self) -> StoreState:
        """Return how it is."""
        return StoreState(self._failed, self._space.short, self._space.full)

    def when_failed(self, tell: Callable[[str], None]) -> None:
        """Call `tell` on this event loop with the reason if the thread gives up."""
        self._to_tell.append((asyncio.get_running_loop(), tell))

    def stop(self) -> None:
        """Write what waits, then end the thread."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._space.close()

    # ------------------------------------------------------------------- on the thread

    def _work(self) -> None:
        while self._go_on():
            continue

    def _go_on(self) -> bool:
        """Do the next work; False when the thread is to stop.

        A function of its own: its locals, whole batches, are not held while the thread waits.
        """
        first = self._queue.get()
        if first is None:
            return False
        if isinstance(first, _WriterJob):
            self._do(first)
            return True
        batch: list[Commit] = [first]
        while len(batch) < _BATCH and not self._queue.empty():
            following = self._queue.get()
            if not isinstance(following, Commit):
                self._write(batch)
                if following is not None:
                    self._do(following)
                return following is not None
            batch.append(following)
        self._write(batch)
        return True

    def _do(self, job: _WriterJob) -> None:
        result: object
        try:
            self._look()
            result = job.run()
        except Exception as error:
            result = self._meaning(error)
        _on(job.loop, _settle, job.future, result)

    def _write(self, batch: list[Commit]) -> None:
        """Write a batch and have its outcomes delivered, on the loop of who waits for them."""
        try:
            outcomes = self.outcomes(batch)
        except Exception as error:
            # A fault of this module: nobody knows what is on the disk. Nobody may wait for ever.
            self._fail(error)
            failure = StoreFailed(self._failed)
            outcomes = [Outcome(commit.future, failure, _NOTHING) for commit in batch]
        if all(commit.loop is batch[0].loop for commit in batch):
            _on(batch[0].loop, self._deliver, outcomes)
            return
        for commit, outcome in zip(batch, outcomes, strict=True):
            _on(commit.loop, self._deliver, [outcome])

    def outcomes(self, batch: list[Commit]) -> list[Outcome]:
        """Write a batch in one transaction; return what became of each commit."""
        writes = [commit.writes for commit in batch]
        while True:
            try:
                self._look()
                begun = time.perf_counter()
                results = self._kernel.apply(writes, self._clock(), not self._space.full)
            except Exception as error:
                if _code(error) == kernel.MAP_FULL and self._grown():
                    continue
                splits = self._space.is_out(_code(error)) or _is_of_one(error)
                if splits and len(batch) > 1:  # some cannot be written, the others can
                    return [outcome for commit in batch for outcome in self.outcomes([commit])]
                failure = self._meaning(error)
                return [Outcome(commit.future, failure, _NOTHING) for commit in batch]
            self._measure(time.perf_counter() - begun, len(batch))
            return [self._told(*pair) for pair in zip(batch, results, strict=True)]

    def _measure(self, seconds: float, commits: int) -> None:
        """Observe a transaction that is on the disk: no fault here may keep that from who waits."""
        try:
            COMMIT_SECONDS.observe(seconds)
            DISK_SECONDS.observe(self._kernel.disk_seconds)
            COMMITS_TOGETHER.observe(commits)
        except Exception:
            FAULTS.add("commit-metrics")
            LOG.exception("a transaction that is not counted")

    def _look(self) -> None:
        if self._failed:
            raise StoreFailed(self._failed)
        self._space.look()

    def _grown(self) -> bool:
        try:
            self._grow(self._kernel)
        except Exception as error:
            self._meaning(error)
            return False
        return True

    def _meaning(self, error: Exception) -> StoreError:
        """Return the error for the callers that wait; an unknown one ends all writing."""
        if isinstance(error, StoreError):
            return error
        failure: StoreError
        if self._space.is_out(_code(error)):
            failure = Full(self._space.short)
        elif _is_of_one(error):
            failure = StoreError(f"cannot write: {error}")
        else:
            self._fail(error)
            failure = StoreFailed(self._failed)
        failure.__cause__ = error
        return failure

    def _fail(self, error: Exception) -> None:
        if self._failed:
            return
        self._failed = f"the store has stopped writing: {type(error).__name__}: {error}"
        LOG.critical("%s", self._failed, exc_info=error)
        for loop, tell in self._to_tell:
            _on(loop, tell, self._failed)

    def _told(self, commit: Commit, result: kernel._Result) -> Outcome:
        """Return the outcome of a commit; whatever raises in it, its future gets a result."""
        try:
            return self._outcome(commit, result)
        except Exception as error:
            # It is on the disk, but subscribers cannot be given it: their state is wrong now.
            self._fail(error)
            return Outcome(commit.future, StoreFailed(self._failed), _NOTHING)

    def _outcome(self, commit: Commit, result: kernel._Result) -> Outcome:
        revision, failed, seen, replaced, put = result
        writes = commit.writes
        if failed >= 0:
            return Outcome(commit.future, self._refusal(writes[failed].key, seen), _NOTHING)
        events = []
        for index, old in replaced:
            write = cast("Put | Discard", writes[index])
            value = write.value if isinstance(write, Put) else None
            events.append(Event(revision, write.key, value, old))
        batch = Batch(events, [writes[index].key for index in put], writes)
        return Outcome(commit.future, revision, batch)

    def _refusal(self, key: bytes, seen: int) -> StoreError:
        if seen == kernel.DAMAGED:
            return Corrupted(key)
        return Full(self._space.short) if seen == kernel.FULL else Conflict(key, seen)


def _code(error: Exception) -> int:
    return (error.errno or 0) if isinstance(error, OSError) else 0


def _is_of_one(error: Exception) -> bool:
    """Tell whether an error is about one commit, and says nothing about the next."""
    if isinstance(error, OSError):
        return error.errno in _OF_ONE
    return isinstance(error, _ABOUT_WRITES)


def _on(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *arguments: object) -> None:
    try:
        loop.call_soon_threadsafe(call, *arguments)
    except RuntimeError:  # the loop was closed: nobody waits there any more
        return


def _settle(future: asyncio.Future[object], result: object) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
