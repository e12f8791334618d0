"""What has to be done now and then: old history is forgotten, what has expired is deleted.

One timer for the whole server, once a minute; nothing of it depends on how many workspaces or
watches there are.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from kcpfast.controllers.expiry import expire
from kcpfast.registry.objects import Objects
from kcpfast.store.contract import Store, StoreError

LOG = logging.getLogger("kcpfast.server")
EVERY = 60.0
# Watches may resume, and lists be continued, for so long.
HISTORY_MILLISECONDS = 10 * 60 * 1000


class Upkeep:
    """Keeps a store small while a server runs."""

    def __init__(self, store: Store, objects: Objects) -> None:
        """Begin with nothing to do."""
        self._store = store
        self._objects = objects
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin the rounds."""
        self._task = asyncio.get_running_loop().create_task(self._rounds())

    async def _rounds(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.round(time.time())
            except StoreError as error:
                LOG.warning("upkeep is tried again: %s", error)
            except Exception:
                LOG.exception("upkeep")

    async def round(self, now: float) -> None:
        """Do what is due at a time (Unix seconds)."""
        await expire(self._objects, int(now) // 60)
        upto = self._store.logged_before(int(now * 1000) - HISTORY_MILLISECONDS)
        if upto > self._store.compacted():
            await self._store.compact(upto)

    async def stop(self) -> None:
        """End the rounds."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
