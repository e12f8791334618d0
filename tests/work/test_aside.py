"""What runs beside the loop, in which order, and that the loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from kcpfast.work.aside import LONG, SMALL, Aside


@pytest.mark.parametrize(("size", "beside"), [(0, False), (SMALL, False), (LONG, True)])
async def test_size_decides(size: int, beside: bool) -> None:
    aside = Aside()
    thread = await aside.run(size, "a", threading.get_ident)
    assert (thread != threading.get_ident()) is beside
    assert aside.jobs == beside


async def test_the_loop_goes_on() -> None:
    going, aside = threading.Event(), Aside()
    job = asyncio.ensure_future(aside.run(LONG, "a", going.wait, 30))
    await asyncio.sleep(0)
    going.set()  # by the loop, which would not come here if it waited for the job
    assert await job


async def test_the_interpreter_changes_hands_sooner_only_while_a_job_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    intervals, aside = list[float](), Aside()

    def note(seconds: float) -> None:
        if threading.current_thread() is aside._thread:  # not one that an earlier test has left
            intervals.append(seconds)

    monkeypatch.setattr(sys, "setswitchinterval", note)
    for _ in range(2):
        seen = await aside.run(LONG, "a", intervals.copy)
    quick, usual = seen[:2]
    assert quick < usual
    assert seen == [quick, usual, quick]


async def test_clients_take_turns() -> None:
    begun, order, aside = threading.Event(), list[str](), Aside()
    first = aside.run(LONG, "first", begun.wait, 30)
    others = [aside.run(LONG, who, order.append, who) for who in ("a", "a", "a", "b", "c", "b")]
    waiting = asyncio.gather(first, *others)
    await asyncio.sleep(0)
    begun.set()
    await waiting
    assert order == ["a", "b", "c", "a", "b", "a"]


async def test_what_a_job_raises_is_raised_and_kept_by_nobody() -> None:
    class Large:
        pass

    kept: list[Any] = []

    def fail() -> None:
        large = Large()
        kept.append(weakref.ref(large))
        raise LookupError(repr(large))

    aside = Aside()
    gc.disable()
    try:
        with pytest.raises(LookupError):
            await aside.run(LONG, "a", fail)
        assert await aside.run(LONG, "a", int) == 0
        assert kept[0]() is None
    finally:
        gc.enable()


async def test_a_job_that_nobody_waits_for_is_not_begun() -> None:
    begun, done, aside = threading.Event(), list[int](), Aside()
    first = asyncio.ensure_future(aside.run(LONG, "a", begun.wait, 30))
    second = asyncio.ensure_future(aside.run(LONG, "a", done.append, 1))
    await asyncio.sleep(0)
    second.cancel()
    begun.set()
    await first
    assert await aside.run(LONG, "a", len, done) == 0


async def test_a_job_asks_the_loop() -> None:
    here, aside = threading.get_ident(), Aside()

    def job() -> tuple[int, str]:
        try:
            aside.on_loop(int, "x")
        except ValueError as error:
            return aside.on_loop(threading.get_ident), str(error)
        raise AssertionError

    thread, said = await aside.run(LONG, "a", job)
    assert thread == here == aside.on_loop(threading.get_ident)
    assert "invalid literal" in said


async def test_who_does_not_wait_any_more_leaves_nothing_behind() -> None:
    """A job that waits for its turn holds what it would work on only as long as somebody waits."""

    class Body:
        def seen(self) -> None:
            raise AssertionError("nobody waits for this")

    going, aside, body = threading.Event(), Aside(), Body()
    first = asyncio.ensure_future(aside.run(LONG, "a", going.wait, 30))
    second = asyncio.ensure_future(aside.run(LONG, "a", body.seen))
    await asyncio.sleep(0)
    second.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await second
    kept = weakref.ref(body)
    del body, second
    await asyncio.sleep(0)  # this step was run by the end of the second, and knows it
    gc.collect()
    assert kept() is None
    going.set()
    assert await first


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("fails", [False, True])
async def test_who_is_cancelled_waits_for_the_end_of_what_is_begun(times: int, fails: bool) -> None:
    """Whoever is charged with what a job holds is charged until it has ended."""
    begun, going, aside, kept = threading.Event(), threading.Event(), Aside(), list[Any]()

    class Large:
        pass

    def job() -> Large:
        large = Large()
        kept.append(weakref.ref(large))
        begun.set()
        going.wait(30)
        if fails:
            raise LookupError(repr(large))
        return large

    gc.disable()
    try:
        waiting = asyncio.ensure_future(aside.run(LONG, "a", job))
        while not begun.is_set():  # noqa: ASYNC110 - by the thread
            await asyncio.sleep(0)
        for _ in range(times):
            waiting.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert not waiting.done()
        going.set()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await aside.run(LONG, "a", int) == 0
        assert kept[0]() is None
    finally:
        gc.enable()


async def test_modules_are_loaded_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "loaded_beside_the_loop"
    (tmp_path / f"{name}.py").write_text("import threading\nthread = threading.get_ident()\n")
    monkeypatch.syspath_prepend(tmp_path)
    aside = Aside()
    for _ in range(2):
        await aside.load(name)
    assert sys.modules.pop(name).thread != threading.get_ident()
    assert aside.jobs == 1


async def test_the_collector_is_spared_what_is_made_while_as_much_goes() -> None:
    aside, lists = Aside(), [list[int]() for _ in range(120_000)]

    def replace() -> list[list[int]]:
        made = []
        for _ in range(120_000):
            made.append(list[int]())
            lists.pop()
        return made

    kept = await aside.run(1 << 20, "a", replace)
    await aside.run(LONG, "a", int)  # begun when all is done for the job before
    assert len(gc.get_objects(generation=0)) < len(kept) / 2


async def test_cycles_that_were_spared_are_found_later(monkeypatch: pytest.MonkeyPatch) -> None:
    class Peer:
        def __init__(self) -> None:
            self.myself = self

    monkeypatch.setattr("kcpfast.work.aside._MANY", -1)
    monkeypatch.setattr("kcpfast.work.aside._THAW_SECONDS", 0.01)
    for most in ("_MOST_SPARED", "_MOST_BLOCKS"):  # other tests have left much
        monkeypatch.setattr(f"kcpfast.work.aside.{most}", 1 << 60)
    open_, aside = Peer(), Aside()
    seen = weakref.ref(open_)
    await aside.run(LONG, "a", int)
    while not gc.get_freeze_count():  # noqa: ASYNC110 - by the thread
        await asyncio.sleep(0)
    del open_
    async with asyncio.timeout(10):
        while seen() is not None:  # noqa: ASYNC110 - by the collector
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("blocks", "most", "delays", "counted", "collected"),
    [
        (1 << 60, 1 << 60, 0, 1, 1),
        (1 << 60, -1, 0, 1, 0),
        (0, 1 << 60, 0, 0, 0),
        (0, -1, 60, 0, 1),  # at last
    ],
)
async def test_the_collector_does_not_go_through_more_than_it_can_in_a_moment(
    monkeypatch: pytest.MonkeyPatch,
    blocks: int,
    most: int,
    delays: int,
    counted: int,
    collected: int,
) -> None:
    counts, times = list[int](), list[int]()

    def count() -> int:
        counts.append(1)
        return 0

    monkeypatch.setattr(gc, "get_freeze_count", count)
    monkeypatch.setattr(gc, "collect", lambda: times.append(1))
    monkeypatch.setattr("kcpfast.work.aside._MOST_BLOCKS", blocks)
    monkeypatch.setattr("kcpfast.work.aside._MOST_SPARED", most)
    Aside()._thaw(asyncio.get_running_loop(), delays)
    gc.unfreeze()
    assert (len(counts), len(times)) == (counted, collected)
