"""How much of a nasty request is done on the event loop, in calls: no time is measured.

Every callback of the loop is counted by itself, so that what is cut into turns counts as turns are.
What is decided to be long runs in another thread, which nobody counts. One call decodes an object
of megabytes: of those it is looked at in which thread they are decoded.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from bench import nasty
from bench.nasty import stored
from bench.nasty.shot import Shot
from kcpfast.server import wire
from kcpfast.server.bootstrap import installation
from kcpfast.store.contract import Store
from kcpfast.store.lmdb import LmdbStore
from kcpfast.transport.messages import Request, Response, Stream
from kcpfast.work import pieces
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
    "40 policies that ask the authorizer 20 times",
    "a definition of 15,000 fields",
    "a role of 3,000 rules by its holder",
    "one rule of 10 to the 12th rights",
    "may somebody of 100,000 groups",
    "a binding of 25,000 subjects",
    "a quota of 50,000 resources",
    "one of 2.9 MB, in protobuf",
    "one of 100,000 usages",
    "tokens of 2.8 MB to review",
    "what is written after 5,000 webhooks",
    "what is written after a webhook of 15,000 rules",
    "a policy with 2,000 parameters",
]
# What is stored already and large, among other objects: here some hundred kilobytes.
STORED = [
    "a list with one of 2.5 MB, as Table with objects",
    "a list with one of 2.5 MB, in protobuf",
    "a list with one of 2.5 MB, in YAML",
    "a list with one of 2.5 MB, by a field",
    "a list with one of 2.5 MB, of another schema",
    "a watch sees 2.5 MB, as Table",
    "a watch sees 2.5 MB, in protobuf",
    "a watch begins with 2.5 MB, in protobuf",
    "a deletecollection of 4 of 2.5 MB",
    "a namespace with 10 of 2.5 MB goes",
    "a namespace with 4 of 2.5 MB that wait goes",
]
LARGE = 128 * 1024


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


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = LmdbStore(tmp_path)
    yield found
    found.close()


async def opened(key: Path, store: Store) -> Inside:
    """Return a server with the workspace and the kind that the catalogue is about."""
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


class Nobody:
    """Reads what a watch says, and forgets it."""

    def write(self, _data: bytes) -> None:
        pass

    def pending(self) -> int:
        return 0

    def __init__(self) -> None:
        self.done = asyncio.Event()

    def close(self) -> None:
        self.done.set()

    cut = close

    def when_drained(self, callback: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_soon(callback)

    async def drained(self) -> bool:
        return True


async def send(server: Inside, shot: Shot) -> int:
    path, _, query = shot.path.partition("?")
    headers = {b"authorization": b"Bearer master", b"content-type": shot.media.encode()}
    headers[b"accept"] = shot.headers.get("Accept", "application/json").encode()
    whole, revision = server.at + path, server.store.revision()
    answer = await server.running.server.serve(
        Request(shot.method, whole, query.replace("=@", f"={revision}"), headers, shot.body)
    )
    if isinstance(answer, Stream):
        reader = Nobody()
        answer.start(reader)
        if "watch=" not in query:
            await reader.done.wait()
    return answer.status if isinstance(answer, Response) else 200


@pytest.mark.parametrize("name", HELD)
async def test_a_nasty_request_leaves_the_loop_to_others(
    name: str, calls: Calls, account_key: Path, store: Store
) -> None:
    server = await opened(account_key, store)
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


# What is sent is large: whoever decodes it does so beside the loop.
SENT = ["DeleteOptions of 2.7 MB", "a scale of 2.7 MB", "finalize with 150,000 finalizers"]


@pytest.mark.parametrize("name", [*STORED, *SENT])
async def test_nothing_large_is_decoded_on_the_loop(
    name: str, account_key: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "_KEYS", 12_000)
    here: list[int] = []
    beside: list[int] = []
    decode, loop = pieces.decode, threading.get_ident()

    def counted(text: bytes) -> Any:
        if len(text) > LARGE:
            (here if threading.get_ident() == loop else beside).append(len(text))
        return decode(text)

    server, row = await opened(account_key, store), ROWS[name]
    for shot in row.before():
        assert await send(server, shot) < 300
        await server.settle()
    monkeypatch.setattr(pieces, "decode", counted)
    for shot in (*row.watches(), *row.shots()):
        assert await send(server, shot) < (500 if name in SENT else 300)
    await server.settle()
    async with asyncio.timeout(30):
        while list(row.watches()) and not beside:  # noqa: ASYNC110 - by the thread
            await asyncio.sleep(0)
    monkeypatch.undo()
    await server.running.controllers.stop()
    assert here == []
