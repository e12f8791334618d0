"""From a commit to the watches: one event for many readers, and for one among many."""

from __future__ import annotations

from typing import Any

import pytest
import uvloop

from kcpfast.store.contract import Batch, Event
from kcpfast.watch.frames import FrameForm, Interest
from kcpfast.watch.hub import Hub, Watch

PREFIX = b"/configmaps\x001je5usrqkko9gikw\0default\0"
VALUE = b'v1\0","name":"a"},"data":{"k":"' + b"x" * 1000 + b'"}}'
FORM = FrameForm("json", lambda revision, value: b"%d%b" % (revision, value), lambda _r, _e: b"{}")


class Reader:
    """A sink that counts."""

    def __init__(self) -> None:
        self.taken = 0

    def write(self, data: bytes) -> None:
        self.taken += len(data)

    def pending(self) -> int:
        return 0

    def when_drained(self, callback: Any) -> None:
        callback()

    async def drained(self) -> bool:
        return True

    def close(self) -> None:
        pass

    def cut(self) -> None:
        pass


def delivery(readers: int, events: int, elsewhere: int = 0) -> Any:
    """Return what delivers events, all in one commit, to readers among watches of others."""
    loop = uvloop.new_event_loop()
    hub = Hub()
    sinks = [Reader() for _ in range(readers)]

    async def attach() -> None:
        for sink in sinks:
            hub.open(Watch(FORM, Interest(PREFIX), sink, bookmarks=False), 0, 0, 3600)
        for at in range(elsewhere):
            other = Interest(b"/configmaps\0other%d\0default\0" % at)
            hub.open(Watch(FORM, other, Reader(), bookmarks=False), 0, 0, 3600)

    loop.run_until_complete(attach())
    batch = Batch([Event(at + 1, PREFIX + b"a%d" % at, VALUE, None) for at in range(events)], ())

    async def deliver() -> int:
        hub.on_commit(batch)
        hub.flush()
        return sinks[-1].taken

    return lambda: loop.run_until_complete(deliver())


@pytest.mark.parametrize("readers", [1, 100, 10_000])
def test_event_to_many(benchmark: Any, readers: int) -> None:
    """One event of 1 KB for so many watches."""
    assert benchmark(delivery(readers, 1)) > 1000


def test_events_to_many(benchmark: Any) -> None:
    """100 events of one tick for 100 watches, each."""
    benchmark.extra_info["times"] = 100 * 100
    assert benchmark(delivery(100, 100)) > 100_000


def test_event_to_one_of_many(benchmark: Any) -> None:
    """One event for one watch, beside 10,000 of others."""
    assert benchmark(delivery(1, 1, 10_000)) > 1000
