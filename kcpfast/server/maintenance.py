"""What has to be done now and then: old history is forgotten, what has expired is deleted.

One timer for the whole server; nothing of it depends on how many workspaces or watches there are.
Ages are told by the store's clock, which the clock of the day cannot make jump.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable

from kcpfast.controllers.expiry import expire
from kcpfast.registry.objects import Objects
from kcpfast.store.contract import Store, StoreError

LOG = logging.getLogger("kcpfast.server")
TICK, EVERY = 5.0, 60.0
# Watches may resume, and lists be continued, for so long.
HISTORY_MILLISECONDS = 10 * 60 * 1000
# So much of the store may be mapped before it is given back: the system keeps it at hand.
MAPPED_BYTES = 32 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE")


def _nothing() -> None:
    pass


class Maintenance:
    """Keeps a store small while a server runs."""

    def __init__(self, store: Store, objects: Objects, tidy: Callable[[], None] = _nothing) -> None:
        """Begin with nothing to do; `tidy` gives back memory that is free."""
        self._tidy = tidy
        self._store = store
        self._objects = objects
        self._task: asyncio.Task[None] | None = None
        self._mapped = _mapped()

    def start(self) -> None:
        """Begin the rounds."""
        self._task = asyncio.get_running_loop().create_task(self._rounds())

    async def _rounds(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + EVERY
        while True:
            await asyncio.sleep(TICK)
            try:
                await self.tick()
                if loop.time() >= due:
                    due = loop.time() + EVERY
                    await self.round(self._store.clock())
            except StoreError as error:
                LOG.warning("upkeep is tried again: %s", error)
            except Exception:
                LOG.exception("upkeep")

    async def tick(self) -> None:
        """Do what cannot wait for a round: make room on a full disk, give memory back."""
        if self._store.state().full:
            # History is the first to go: what is forgotten makes room for what is written.
            await self._store.compact(self._store.published())
        if _mapped() > self._mapped + MAPPED_BYTES:
            await self._store.let_go()
        self._tidy()

    async def round(self, now: int) -> None:
        """Do what is due at a time of the store's clock (milliseconds)."""
        await expire(self._objects, now)
        upto = self._store.logged_before(now - HISTORY_MILLISECONDS)
        if upto > self._store.compacted():
            await self._store.compact(upto)

    async def stop(self) -> None:
        """End the rounds."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task


def _mapped() -> int:
    """Return how many bytes of files this process has in its memory (see proc(5), statm)."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[2]) * _PAGE
