"""A workspace nobody talks to costs disk, and nothing else."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from kcpfast.kcp import exports
from kcpfast.registry.derived import Derived, Kept
from kcpfast.server import wire
from kcpfast.server.bootstrap import installation
from kcpfast.server.maintenance import Maintenance
from kcpfast.store.contract import Record, Store
from kcpfast.store.memory import MemoryStore
from tests.fix_inside import CA, TOKENS, URL, Inside
from tests.harness.holdings import holdings
from tests.kcp.provider import (
    BINDINGS,
    EXPORTS,
    LAMPS,
    READ,
    SCHEMAS,
    binding,
    export,
    lamp,
    schema,
)


class Held(NamedTuple):
    """What a server holds, and how much a round of its upkeep reads."""

    tasks: int
    timers: int
    entries: Counter[str]
    read: int


class Read(MemoryStore):
    """A store that counts what is read from it."""

    read = 0

    def get(self, key: bytes, at: int = 0) -> Record | None:
        self.read += 1
        return super().get(key, at)

    def index_get(self, key: bytes) -> bytes | None:
        self.read += 1
        return super().index_get(key)

    def index_scan(
        self, prefix: bytes, after: bytes = b"", limit: int = 0
    ) -> Sequence[tuple[bytes, bytes]]:
        found = super().index_scan(prefix, after, limit)
        self.read += len(found)
        return found


async def opened(store: Store, key: Path) -> Inside:
    parts = wire.core(store, CA)
    running = wire.server(parts, wire.Settings(URL, CA, key, TOKENS))
    running.controllers.start()
    found = Inside(parts, running)
    await found.settle()
    return found


async def held(server: Inside, store: Read) -> Held:
    loop = asyncio.get_running_loop()
    timers = [each for each in loop._scheduled if not each.cancelled()]  # type: ignore[attr-defined]
    entries = holdings([server.running, server.objects, server.catalog], [server.store, loop])
    await store.compact(store.revision())
    before = store.read
    await Maintenance(server.store, server.objects).round(server.store.clock())
    return Held(len(asyncio.all_tasks()), len(timers), entries, store.read - before)


async def populate(server: Inside, number: int) -> None:
    """Make workspaces with a binding whose claims are accepted, and objects."""
    provider = await server.workspace("provider")
    owner = provider.rpartition("/")[2]
    await server.create(provider + SCHEMAS, schema())
    await server.create(provider + EXPORTS, export(permissionClaims=[READ]))
    await server.settle()
    for at in range(number):
        where = await server.workspace(f"idle{at}")
        await server.create(where + BINDINGS, binding("lamps", owner, "x.example.com", READ))
        await server.settle()
        await server.create(where + LAMPS, lamp("one"))
        await server.settle()


async def test_workspaces_own_no_tasks_timers_or_entries(
    account_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither where they were made, nor in a server that finds them at its start.

    What was asked of a workspace is remembered for a while; of so few that all runs have as many.
    """
    whole = Derived.__init__
    monkeypatch.setattr(Derived, "__init__", lambda self, reader, *_: whole(self, reader, 3))
    monkeypatch.setattr(exports, "_OFFERS", Kept(0, lambda offer: len(offer.data)))
    made, found = [], []
    for number in (2, 2, 50):  # the first one fills what modules keep
        store = Read()
        parts = wire.core(store, CA)
        await store.commit(installation(parts.objects, URL))
        server = await opened(store, account_key)
        await populate(server, number)
        made.append(await held(server, store))
        await server.running.controllers.stop()
        again = await opened(store, account_key)
        found.append(await held(again, store))
        await again.running.controllers.stop()
    assert made[2].entries - made[1].entries == Counter()
    assert made[1] == made[2]
    assert found[1] == found[2]
