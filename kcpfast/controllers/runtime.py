"""Feeds reconcilers from durable work items.

A work item is put in the commit that makes work and removed once the reconciler is done with it,
unless it was put again meanwhile. So nothing is lost by a crash, and a start reads only what is
unfinished. There is one queue, whatever the number of workspaces; an idle one has no entry in it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from heapq import nsmallest
from itertools import chain, islice
from operator import itemgetter
from time import monotonic
from typing import NamedTuple

from kcpfast._core.generations import Basis
from kcpfast.admission.chain import DeletionRefused
from kcpfast.meta.errors import ApiError
from kcpfast.registry import index
from kcpfast.store.contract import Batch, Conflict, ForgetRevision, Store, StoreError, number
from kcpfast.telemetry.inspection import StuckItem
from kcpfast.telemetry.metrics import OTHER, QUEUE_SECONDS, RETRIES, WORK_SECONDS, Reading

LOG = logging.getLogger("kcpfast.controllers")
_AT_ONCE = 32
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 30.0
_LOOK = 0.01
# What takes longer waits for somebody else (a webhook), and takes no place from others.
_LONG, _MOST_LONG = 1.0, 1024
# Bounds of what is shown of the queue, so that to look at it holds up nobody.
_MOST_COUNTED, _MOST_STUCK, _LONGEST_ERROR = 20_000, 100, 300


class Done(NamedTuple):
    """There is nothing left to do until somebody asks again."""


class Again(NamedTuple):
    """To be tried again after so many seconds, or once something has changed that was read."""

    after: float
    read: Basis | None = None


class _Failing(NamedTuple):
    """A work item that has failed: the wait before the next try, since when, how often, why."""

    wait: float
    since: float
    retries: int
    error: str


DONE = Done()
Outcome = Done | Again
Reconcile = Callable[[str, str], Awaitable[Outcome]]


class Runtime:
    """Runs reconcilers, several at a time, never two for the same work item."""

    def __init__(self, store: Store, reconcilers: Mapping[str, Reconcile]) -> None:
        """Take the reconcilers by the controller's name in their work items."""
        self._store = store
        self._reconcilers = reconcilers
        # What came while the round was worked through is the next round; each goes in key order,
        # so that what lies side by side on disk is changed together.
        self._queue: dict[bytes, float] = {}
        self._round: deque[tuple[bytes, float]] = deque()
        self._running: dict[bytes, asyncio.Task[None]] = {}
        # Put again while they are being worked on: they run once more.
        self._renewed: set[bytes] = set()
        # Being worked on for long; they do not count among those that run at once.
        self._long: set[bytes] = set()
        self._finished: list[ForgetRevision] = []
        self._removing: asyncio.Task[None] | None = None
        self._timers: dict[bytes, asyncio.TimerHandle] = {}
        self._failing: dict[bytes, _Failing] = {}
        # When those that are being worked on were begun.
        self._begun: dict[bytes, float] = {}
        # What those wait for that have told; looked at a moment after commits.
        self._reading: dict[bytes, Basis] = {}
        self._looking: asyncio.TimerHandle | None = None
        self._stopped = True

    def start(self) -> None:
        """Queue the work items that are in the store; from now on, those of each commit too."""
        self._stopped = False
        for key, _ in self._store.index_scan(index.WORK_ITEMS):
            self._enqueue(key)

    def on_commit(self, batch: Batch) -> None:
        """Queue the work items that a commit set; nothing before the start and after the end."""
        if self._stopped:
            return
        for key in batch.revision_keys:
            if key.startswith(index.WORK_ITEMS):
                self._enqueue(key)
        if self._reading and self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(_LOOK, self._look)

    def _look(self) -> None:
        """Take up what waited for something that has changed."""
        self._looking = None
        for key in [key for key, basis in self._reading.items() if not basis.holds()]:
            self._enqueue(key)

    def _enqueue(self, key: bytes) -> None:
        if self._stopped:
            return
        self._reading.pop(key, None)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._running:
            self._renewed.add(key)
            return
        self._queue.setdefault(key, monotonic())
        self._fill()

    def _fill(self) -> None:
        """Start what may run."""
        while len(self._running) - len(self._long) < _AT_ONCE and (self._round or self._queue):
            if not self._round:
                self._round.extend(sorted(self._queue.items()))
                self._queue.clear()
            key, since = self._round.popleft()
            if key in self._running:
                self._renewed.add(key)
                continue
            self._running[key] = asyncio.get_running_loop().create_task(self._work(key, since))

    def _make_room(self, key: bytes) -> None:
        if len(self._long) < _MOST_LONG:
            self._long.add(key)
            self._fill()

    async def _work(self, key: bytes, since: float) -> None:
        controller, cluster, name = index.parse_work_item(key)
        begun = self._begun[key] = monotonic()
        QUEUE_SECONDS.observe(begun - since, controller)
        seen = 0
        outcome: Outcome = DONE
        timer = asyncio.get_running_loop().call_later(_LONG, self._make_room, key)
        try:
            seen = number(self._store.index_get(key))
            reconcile = self._reconcilers.get(controller)
            if reconcile is not None and seen:
                outcome = await reconcile(cluster, name)
        except Exception as error:
            _log_failure(error, controller, cluster, name)
            longest = error.longest if isinstance(error, DeletionRefused) else _LONGEST_WAIT
            failing = _failed_again(self._failing.get(key), error, longest)
            self._failing[key] = failing
            outcome = Again(failing.wait)
            if isinstance(error, DeletionRefused):
                # What was said of it is no news to itself; it would be asked without a pause.
                self._renewed.discard(key)
            RETRIES.add(controller)
        else:
            LOG.debug("%s %s %s: %s", controller, cluster, name, outcome)
            self._failing.pop(key, None)
        finally:
            timer.cancel()
            self._long.discard(key)
            WORK_SECONDS.observe(monotonic() - begun, controller)
            del self._running[key], self._begun[key]
        if not self._stopped:
            self._settle(key, seen, outcome)

    def _settle(self, key: bytes, seen: int, outcome: Outcome) -> None:
        if isinstance(outcome, Again):
            loop = asyncio.get_running_loop()
            self._timers[key] = loop.call_later(outcome.after, self._enqueue, key)
            if outcome.read is not None:
                self._reading[key] = outcome.read
                if not outcome.read.holds():
                    self._enqueue(key)
        elif seen:
            self._finished.append(ForgetRevision(key, seen))
            if self._removing is None:
                self._removing = asyncio.get_running_loop().create_task(self._remove())
        if key in self._renewed:
            self._renewed.discard(key)
            self._enqueue(key)
        self._fill()

    async def _remove(self) -> None:
        """Remove finished work items, those of a moment in one commit."""
        while self._finished:
            finished, self._finished = self._finished, []
            try:
                await self._store.commit(finished)
            except StoreError as error:
                LOG.warning("%d marks stay: %s", len(finished), error)
        self._removing = None

    async def stop(self) -> None:
        """Let what is running come to its end; begin nothing new."""
        self._stopped = True
        for timer in self._timers.values():
            timer.cancel()
        if self._looking is not None:
            self._looking.cancel()
        self._timers.clear()
        self._reading.clear()
        self._queue.clear()
        self._round.clear()
        running = [*self._running.values(), *filter(None, [self._removing])]
        if running:
            await asyncio.wait(running, timeout=2.0)

    def depth(self) -> Reading:
        """Return how many work items wait for their turn, by controller."""
        waiting = chain(self._queue, (key for key, _ in self._round))
        counted = Counter(_controller(key) for key in islice(waiting, _MOST_COUNTED))
        uncounted = len(self._queue) + len(self._round) - counted.total()
        if uncounted:
            counted[OTHER] = uncounted
        return [((name,), number) for name, number in counted.items()]

    def unfinished(self) -> Reading:
        """Return how long all running work items have taken together, by controller, in seconds."""
        now = monotonic()
        seconds: dict[str, float] = defaultdict(float)
        for key, begun in self._begun.items():
            seconds[_controller(key)] += now - begun
        return [((name,), amount) for name, amount in seconds.items()]

    def longest(self) -> Reading:
        """Return how long the longest running work item has taken, by controller, in seconds."""
        now = monotonic()
        seconds: dict[str, float] = defaultdict(float)
        for key, begun in self._begun.items():
            name = _controller(key)
            seconds[name] = max(seconds[name], now - begun)
        return [((name,), amount) for name, amount in seconds.items()]

    def stuck(self) -> list[StuckItem]:
        """Return the work items that fail, or have been worked on for long; the oldest first."""
        now = monotonic()
        since = {key: failing.since for key, failing in self._failing.items()}
        for key in self._long:
            since.setdefault(key, self._begun[key])
        oldest = nsmallest(_MOST_STUCK, since.items(), key=itemgetter(1))
        return [self._stuck_item(key, now - begun) for key, begun in oldest]

    def _stuck_item(self, key: bytes, seconds: float) -> StuckItem:
        controller, cluster, name = index.parse_work_item(key)
        failing = self._failing.get(key)
        if key in self._running:
            state = "running"
        else:
            state = "waiting" if key in self._timers else "queued"
        return StuckItem(
            controller,
            cluster,
            name,
            state,
            seconds,
            failing.retries if failing is not None else 0,
            failing.error if failing is not None else "",
        )

    def busy(self) -> bool:
        """Tell whether anything is queued or running; what waits for a retry does not count."""
        working = self._queue or self._round or self._running or self._removing
        return bool(working or self._looking)


def _failed_again(before: _Failing | None, error: Exception, longest: float) -> _Failing:
    """Return how a work item stands after one more failure."""
    text = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
    if before is None:
        return _Failing(min(_FIRST_WAIT * 2, longest), monotonic(), 1, text)
    return _Failing(min(before.wait * 2, longest), before.since, before.retries + 1, text)


def _controller(key: bytes) -> str:
    return key.split(b"\0", 2)[1].decode()


def _log_failure(error: Exception, controller: str, cluster: str, name: str) -> None:
    """Tell of a reconciler that will be tried again: with a traceback only if that is a fault.

    Somebody else was faster is the usual way of things; a refusal or a full disk is one line.
    """
    item = (controller, cluster, name)
    if isinstance(error, Conflict) or (isinstance(error, ApiError) and error.code == 409):
        LOG.info("%s %s %s is tried again: %s", *item, error)
    elif isinstance(error, DeletionRefused):
        LOG.info("%s %s %s is refused by admission: %s", *item, error)
    elif isinstance(error, ApiError | StoreError):
        LOG.warning("%s %s %s is tried again: %s", *item, error)
    else:
        LOG.error("%s %s %s fails", *item, exc_info=error)
