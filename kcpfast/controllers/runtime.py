"""Feeds reconcilers from durable marks.

A mark is set in the commit that makes work and removed once the reconciler is done with it, unless
it was set anew meanwhile. So nothing is lost by a crash, and a start reads only what is unfinished.
There is one queue, whatever the number of workspaces; an idle workspace has no entry in it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from kcpfast.registry import index
from kcpfast.store.contract import Batch, Store, StoreError, Unstamp, number

LOG = logging.getLogger("kcpfast.controllers")
_AT_ONCE = 8
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 30.0


class Done(NamedTuple):
    """There is nothing left to do until somebody asks again."""


class Again(NamedTuple):
    """To be tried again after so many seconds."""

    after: float


DONE = Done()
Outcome = Done | Again
Reconcile = Callable[[str, str], Awaitable[Outcome]]


class Runtime:
    """Runs reconcilers, several at a time, never two for the same mark."""

    def __init__(self, store: Store, reconcilers: Mapping[str, Reconcile]) -> None:
        """Take the reconcilers by the name of their marks."""
        self._store = store
        self._reconcilers = reconcilers
        self._queue: dict[bytes, None] = {}
        self._running: dict[bytes, asyncio.Task[None]] = {}
        self._timers: dict[bytes, asyncio.TimerHandle] = {}
        self._waits: dict[bytes, float] = {}
        self._stopped = True

    def start(self) -> None:
        """Take up what was left unfinished, and listen for more."""
        self._stopped = False
        self._store.subscribe(self._on_commit)
        for key, _ in self._store.index_scan(index.MARKS):
            self._enqueue(key)

    def _on_commit(self, batch: Batch) -> None:
        for key in batch.stamps:
            if key.startswith(index.MARKS):
                self._enqueue(key)

    def _enqueue(self, key: bytes) -> None:
        if self._stopped:
            return
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        self._queue[key] = None
        self._fill()

    def _fill(self) -> None:
        """Start what may run: the oldest marks that are not being worked on."""
        for key in list(self._queue) if len(self._running) < _AT_ONCE else ():
            if key in self._running:
                continue
            del self._queue[key]
            self._running[key] = asyncio.get_running_loop().create_task(self._work(key))
            if len(self._running) >= _AT_ONCE:
                return

    async def _work(self, key: bytes) -> None:
        controller, cluster, name = index.marked(key)
        seen = number(self._store.index_get(key))
        outcome: Outcome = DONE
        try:
            reconcile = self._reconcilers.get(controller)
            if reconcile is not None and seen:
                outcome = await reconcile(cluster, name)
        except Exception:
            LOG.exception("%s %s %s", controller, cluster, name)
            wait = min(self._waits.get(key, _FIRST_WAIT) * 2, _LONGEST_WAIT)
            self._waits[key] = wait
            outcome = Again(wait)
        else:
            self._waits.pop(key, None)
        try:
            await self._settle(key, seen, outcome)
        finally:
            self._running.pop(key, None)
            self._fill()

    async def _settle(self, key: bytes, seen: int, outcome: Outcome) -> None:
        if self._stopped:
            return
        if isinstance(outcome, Done):
            try:
                await self._store.commit([Unstamp(key, seen)])
            except StoreError:
                LOG.exception("mark %r stays", key)
            return
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(outcome.after, self._enqueue, key)

    async def stop(self) -> None:
        """Let what is running come to its end; begin nothing new."""
        self._stopped = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._queue.clear()
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=2.0)

    def busy(self) -> bool:
        """Tell whether anything is queued or running; what waits for a retry does not count."""
        return bool(self._queue or self._running)
