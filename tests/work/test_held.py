"""How much of a nasty request is done on the event loop, in calls: no time is measured.

Every callback of the loop is counted by itself, so that what is cut into turns counts as turns are.
What is decided to be long runs in another thread, which nobody counts.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from bench import nasty
from bench.nasty.shot import Shot
from kcpfast.server import wire
from kcpfast.server.bootstrap import installation
from kcpfast.store.memory import MemoryStore
from kcpfast.transport.messages import Request
from tests.fix_inside import CA, TOKENS, URL, Inside

# So many calls take some milliseconds; a row that is done on the loop makes millions.
MOST = 20_000
ROWS = {row.name: row for row in nasty.catalogue()}
HELD = [
    "190,000 unknown fields, refused",
    "400,000 repeated fields, warned of",
    "40,000 owners",
    "14,000 entries of managedFields",
    "600,000 pattern errors",
    "a test of 90,000 items",
    "a merge patch that removes 190,000",
    "20 validations of 6 loops",
    "a policy that asks the authorizer 20,000 times",
    "a definition of 15,000 fields",
    "a role of 3,000 rules by its holder",
    "one rule of 10 to the 12th rights",
    "may somebody of 100,000 groups",
    "a binding of 25,000 subjects",
    "a quota of 50,000 resources",
    "one of 2.9 MB, in protobuf",
]


class Calls:
    """Counts the calls in each callback of the loop's thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.most = 0
        run = asyncio.Handle._run

        def counted(handle: asyncio.Handle) -> None:
            self.now = 0
            run(handle)
            self.most = max(self.most, self.now)

        monkeypatch.setattr(asyncio.Handle, "_run", counted)

    def note(self, _frame: FrameType, event: str, _argument: Any) -> None:
        if event in ("call", "c_call"):
            self.now += 1


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Calls]:
    found = Calls(monkeypatch)
    yield found
    sys.setprofile(None)


async def opened(key: Path) -> Inside:
    """Return a server with the workspace and the kind that the catalogue is about."""
    store = MemoryStore()
    parts = wire.core(store, CA)
    await store.commit(installation(parts.objects, URL))
    running = wire.server(parts, wire.Settings(URL, CA, key, TOKENS))
    running.controllers.start()
    found = Inside(parts, running)
    found.at = await found.workspace("nasty")
    for shot in nasty.setup():
        await send(found, shot)
    await found.settle()
    return found


async def send(server: Inside, shot: Shot) -> int:
    path, _, query = shot.path.partition("?")
    headers = {b"authorization": b"Bearer master", b"content-type": shot.media.encode()}
    headers[b"accept"] = shot.headers.get("Accept", "application/json").encode()
    whole = server.at + path
    answer = await server.running.server.serve(
        Request(shot.method, whole, query, headers, shot.body)
    )
    return getattr(answer, "status", 200)


@pytest.mark.parametrize("name", HELD)
async def test_a_nasty_request_leaves_the_loop_to_others(
    name: str, calls: Calls, account_key: Path
) -> None:
    server = await opened(account_key)
    for shot in ROWS[name].before():
        assert await send(server, shot) < 300
    shots = list(ROWS[name].shots())
    for each in (False, True):  # what is loaded, or kept, by the first of its kind is its own
        for shot in shots:
            assert await send(server, shot) < 500
        await server.settle()
        if not each:
            calls.most = 0
            sys.setprofile(calls.note)
    sys.setprofile(None)
    await server.running.controllers.stop()
    assert calls.most < MOST
