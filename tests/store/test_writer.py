"""One owner of all that writes: nothing hangs, nobody is hurt by another, and ends are loud."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from kcpfast._core import writer as kernel
from kcpfast.store.contract import (
    Batch,
    Compacted,
    Count,
    Full,
    Index,
    Put,
    PutRevision,
    Store,
    StoreError,
    StoreFailed,
    StoreState,
    Write,
    number_bytes,
)
from kcpfast.store.lmdb import LmdbStore
from kcpfast.store.writer import Commit
from kcpfast.telemetry.exposition import exposition
from kcpfast.telemetry.metrics import COMMIT_SECONDS


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[LmdbStore]:
    opened = LmdbStore(tmp_path, map_size=1 << 20)
    yield opened
    opened.close()


class Broken:
    """A kernel whose transactions end with an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def apply(self, *_: object) -> None:
        raise self._error

    forget = put = apply


FATAL = [OSError(5, "Input/output error"), OSError(22, "Invalid"), OSError(-30795, "panic")]
WORK: list[Callable[[LmdbStore], object]] = [
    lambda store: store.commit([Put(b"a", b"x")]),
    lambda store: store.commit([Index(b"a", b"x")]),
    lambda store: store.compact(1),
    lambda store: store.probe(),
]


@pytest.mark.parametrize("error", [*FATAL, AssertionError("nobody thought of it")], ids=repr)
async def test_who_waits_hears_of_the_end(disk: LmdbStore, error: Exception) -> None:
    await disk.commit([Put(b"a", b"x")])
    heard: list[str] = []
    disk.when_failed(heard.append)
    disk._writer._kernel = Broken(error)  # type: ignore[assignment]
    for _ in range(2):  # also who comes later
        done = await asyncio.gather(*(work(disk) for work in WORK * 3), return_exceptions=True)  # type: ignore[call-overload]
        assert {type(each) for each in done} == {StoreFailed}
    assert str(error) in disk.state().failed
    assert heard == [disk.state().failed], "once"
    assert disk.get(b"a") == (1, b"x"), "reads go on"


@pytest.mark.parametrize(
    "error", [OSError(12, "no memory"), MemoryError(), OSError(-30788, "too large")], ids=repr
)
async def test_what_is_of_one_commit_ends_nothing(disk: LmdbStore, error: Exception) -> None:
    whole, disk._writer._kernel = disk._writer._kernel, Broken(error)  # type: ignore[assignment]
    with pytest.raises(StoreError):
        await disk.commit([Put(b"a", b"x")])
    disk._writer._kernel = whole
    assert await disk.commit([Put(b"a", b"x")]) == 1
    assert disk.state() == StoreState()


async def test_what_was_written_and_cannot_be_told_is_the_end(disk: LmdbStore) -> None:
    """Who waits is not left waiting, and nothing is written a second time."""
    whole = disk._writer._kernel

    class Senseless:
        disk_seconds = 0.0

        def apply(self, *arguments: Any) -> list[object]:
            return [None for _ in whole.apply(*arguments)]

    disk._writer._kernel = Senseless()  # type: ignore[assignment]
    commits = [disk.commit([Count(b"n", 1)]) for _ in range(3)]
    done = await asyncio.gather(*commits, return_exceptions=True)
    assert {type(each) for each in done} == {StoreFailed}
    assert disk.state().failed
    assert disk.index_get(b"n") in [number_bytes(each) for each in (1, 2, 3)]


async def test_a_commit_that_cannot_be_counted_is_answered(
    disk: LmdbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(COMMIT_SECONDS, "observe", lambda _: 1 / 0)
    assert [await disk.commit([Put(key, b"x")]) for key in (b"a", b"b")] == [1, 2]
    assert not disk.state().failed


async def test_a_fault_of_the_writer_is_the_end_and_no_silence(
    disk: LmdbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk._writer, "outcomes", lambda _: 1 / 0)
    for _ in range(2):
        with pytest.raises(StoreFailed, match="ZeroDivisionError"):
            await asyncio.wait_for(disk.commit([Put(b"a", b"x")]), 10)
    assert "ZeroDivisionError" in disk.state().failed


async def test_no_room_is_no_end(disk: LmdbStore) -> None:
    await disk.commit([Put(b"old", b"x")])
    whole, disk._writer._kernel = disk._writer._kernel, Broken(OSError(28, "No space"))  # type: ignore[assignment]
    commits = [disk.commit([Put(b"a%d" % at, b"x")]) for at in range(3)]
    done = await asyncio.gather(*commits, return_exceptions=True)
    assert {type(each) for each in done} == {Full}
    assert disk.state().full
    assert "no space left" in disk.state().short
    disk._writer._kernel = whole
    assert await disk.commit([Put(b"old", None)]) == 2, "what makes room is written"
    disk._writer._space._tried = 0.0
    assert await disk.commit([Put(b"new", b"x")]) == 3, "and all, once there is room"
    assert disk.state() == StoreState()


async def test_a_full_disk_takes_no_more(disk: LmdbStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing new and nothing much larger; what deletion and controllers note down is written."""
    await disk.commit([Put(b"a", b"x" * 100), Put(b"b", b"x")])
    monkeypatch.setattr(type(disk._writer._space), "look", lambda self: None)
    disk._writer._space.full, disk._writer._space.short = True, "no space left on the disk"
    refused: list[list[Write]] = [
        [Put(b"new", b"", 0)],
        [Put(b"new", b"x")],
        [Index(b"i", b"x"), Put(b"a", b"x" * 2000)],
    ]
    for writes in refused:
        with pytest.raises(Full, match="no space left"):
            await disk.commit(writes)
    assert disk.index_get(b"i") is None
    await disk.commit(
        [Put(b"a", b"y" * 600), PutRevision(b"mark"), Count(b"n", 1), Index(b"i", b"z")]
    )
    await disk.commit([Put(b"a", None), Put(b"gone", None)])
    await disk.compact(disk.published())
    assert [item.key for item in disk.scan(b"").items] == [b"b"]


def faults() -> int:
    line = re.search(rb'kcpfast_faults_total{where="subscriber"} (\d+)', exposition())
    return int(line[1]) if line else 0


async def test_whoever_raises_hurts_nobody(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[int] = []

    def broken(batch: Batch) -> None:
        raise RuntimeError("not my day")

    store.subscribe(broken)
    store.subscribe(lambda batch: heard.append(batch.events[0].revision))
    before = faults()
    done = await asyncio.gather(*(store.commit([Put(b"%d" % at, b"x")]) for at in range(5)))
    assert done == heard == [1, 2, 3, 4, 5]
    assert len(caplog.records) == 1, "it is logged once"
    assert faults() - before == 5


async def test_growth_commits_and_forgetting_share_one_owner(disk: LmdbStore) -> None:
    """All at once, on a map that is too small; whoever reads meanwhile sees whole states."""
    for at in range(40):
        await disk.commit([Put(b"k%d" % (at % 4), b"x" * 500)])

    async def forget() -> None:
        for upto in range(1, 40):
            await disk.compact(upto)

    async def write(name: bytes) -> None:
        for at in range(8):
            await disk.commit([Put(name + b"%d" % at, bytes(60_000)), Count(b"n", 1)])
            assert disk.scan(name).items[-1].value == bytes(60_000)

    size = disk._map_size
    await asyncio.gather(forget(), *(write(b"w%d-" % each) for each in range(6)))
    assert disk._map_size > size
    assert disk.index_get(b"n") == (48).to_bytes(8, "big")
    assert disk.state() == StoreState()


async def test_what_is_being_forgotten_is_not_served(disk: LmdbStore) -> None:
    """From the first moment on: a watch that resumes meanwhile is told so, there is no gap."""
    for at in range(20):
        await disk.commit([Put(b"a", b"%d" % at)])
    seen: list[object] = []

    class Slow:
        def forget(self, _upto: int, _step: int) -> bool:
            for read in (lambda: disk.changes(3), lambda: disk.get(b"a", 3)):
                try:
                    seen.append(read())
                except Compacted:
                    seen.append("told")
            return False

    disk._writer._kernel = Slow()  # type: ignore[assignment]
    await disk.compact(10)
    assert seen == ["told", "told"]
    assert [event.revision for event in disk.changes(10).events] == list(range(11, 21))


async def test_only_what_subscribers_heard_of_can_be_forgotten(store: Store) -> None:
    await store.commit([Put(b"a", b"1")])
    await store.compact(1 << 40)
    assert (store.compacted(), store.changes(1).upto) == (1, 1)


async def test_the_thread_outlives_loops(tmp_path: Path) -> None:
    """Whose loop is closed before the answer hears nothing; whoever waits with it is served."""
    opened = LmdbStore(tmp_path)
    closed, loop = asyncio.new_event_loop(), asyncio.get_running_loop()
    futures = [closed.create_future(), loop.create_future()]
    closed.close()
    with opened._mapped:
        batch = [
            Commit([Put(b"a%d" % at, b"x")], each, future)
            for at, (each, future) in enumerate(zip((closed, loop), futures, strict=True))
        ]
        opened._writer._write(batch)
    assert await futures[1] == 2
    assert await opened.commit([Put(b"b", b"x")]) == 3
    opened.close()


@pytest.mark.parametrize("jump", [-1, 1], ids=["back", "ahead"])
async def test_the_clock_of_the_day_may_jump_a_year(
    tmp_path: Path, jump: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = LmdbStore(tmp_path)
    await opened.commit([Put(b"a", b"1")])
    before = opened.clock()
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + jump * 365 * 86_400 * 10**9)
    await opened.commit([Put(b"a", b"2")])
    assert 0 <= opened.clock() - before < 60_000
    opened.close()
    opened = LmdbStore(tmp_path)
    assert 0 <= opened.clock() - before < 60_000, "nor does it after a start"
    assert opened.logged_before(opened.clock() - 60_000) == 0
    assert opened.logged_before(opened.clock() + 1) == 2
    opened.close()


async def test_ages_are_found_without_reading_the_log(disk: LmdbStore) -> None:
    await asyncio.gather(*(disk.commit([Put(b"a", b"%d" % at)]) for at in range(300)))
    reads = 0
    whole = disk._env

    class Counting:
        def __getattr__(self, name: str) -> object:
            nonlocal reads
            reads += name in ("range", "raw")
            return getattr(whole, name)

    disk._env = Counting()  # type: ignore[assignment]
    assert disk.logged_before(disk.clock() + 1) == 300
    disk._env = whole
    assert reads < 12


def test_every_write_has_a_layout() -> None:
    names = ("PUT", "CHECK", "EMPTY", "PRESENT", "BELOW", "INDEX", "CLEAR", "COUNT", "PUT_REVISION")
    assert len({getattr(kernel, name) for name in names}) == len(names)
