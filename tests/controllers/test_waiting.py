"""When the runtime runs a reconciler: retries, back-off, and work that is set anew meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from kcpfast.admission.chain import DeletionRefused
from kcpfast.controllers.runtime import DONE, Again, Outcome, Runtime
from kcpfast.meta.errors import conflict
from kcpfast.registry import index
from kcpfast.registry.reader import Notes, Reader
from kcpfast.store.contract import Index, Put, PutRevision, StoreError
from kcpfast.store.memory import MemoryStore
from tests.fix_clock import now, run_virtually

ITEM = index.work_item("thing", "cluster", "name")
Step = Callable[[], Outcome]


class Bench:
    """A runtime with one reconciler that goes through a list of steps, the last again and again."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.store = Reader(MemoryStore())
        self.steps = list(steps)
        self.times: list[float] = []
        self.running = self.most = 0
        self.tried = asyncio.Event()
        self.hold: asyncio.Event | None = None
        self.runtime = Runtime(self.store, {"thing": self._reconcile})
        self.store.subscribe(self.runtime.on_commit)

    async def _reconcile(self, _cluster: str, _name: str) -> Outcome:
        self.times.append(now())
        self.tried.set()
        self.running += 1
        self.most = max(self.most, self.running)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if self.hold is not None:
            await self.hold.wait()
        self.running -= 1
        return step()

    async def set(self) -> None:
        await self.store.commit([Put(b"key", b"{}"), PutRevision(ITEM)])

    async def begin(self) -> None:
        await self.set()
        self.runtime.start()

    async def tries(self, number: int) -> list[float]:
        while len(self.times) < number:
            self.tried.clear()
            await self.tried.wait()
        return self.times

    def is_open(self) -> bool:
        return bool(self.store.index_scan(index.WORK_ITEMS))


def done() -> Outcome:
    return DONE


def failing(error: Exception) -> Step:
    def step() -> Outcome:
        raise error

    return step


FAILURES = [
    # error, the waits between the tries
    (StoreError("no space left"), [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30]),
    (conflict("things", "", "a", "somebody was faster"), [0.1, 0.2, 0.4]),
    (DeletionRefused("a policy says no", longest=0.5), [0.1, 0.2, 0.4, 0.5, 0.5]),
    (ValueError("a fault"), [0.1, 0.2, 0.4]),
]


@pytest.mark.parametrize(("error", "waits"), FAILURES)
def test_each_failure_waits_twice_as_long_up_to_a_limit(
    error: Exception, waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)

    async def main() -> list[float]:
        bench = Bench([failing(error)])
        await bench.begin()
        times = await bench.tries(len(waits) + 1)
        assert bench.is_open()
        await bench.runtime.stop()
        return times

    times = run_virtually(main())
    assert [after - before for before, after in pairwise(times)] == pytest.approx(waits, abs=0.01)


def test_a_success_ends_the_back_off(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    fail = failing(ValueError("a fault"))

    async def main() -> list[float]:
        bench = Bench([fail, fail, fail, done, fail, done])
        await bench.begin()
        await bench.tries(4)
        await asyncio.sleep(10)
        assert not bench.is_open()
        await bench.set()
        times = await bench.tries(6)
        await bench.runtime.stop()
        return times

    times = run_virtually(main())
    waits = [after - before for before, after in pairwise(times)]
    assert [waits[number] for number in (0, 1, 2, 4)] == pytest.approx(
        [0.1, 0.2, 0.4, 0.1], abs=0.01
    )


def test_who_asks_for_a_time_gets_it() -> None:
    async def main() -> list[float]:
        bench = Bench([lambda: Again(60.0), lambda: Again(0.0), done])
        await bench.begin()
        times = await bench.tries(3)
        await asyncio.sleep(1)
        assert not bench.is_open()
        await bench.runtime.stop()
        return times

    assert run_virtually(main()) == pytest.approx([0, 60, 60], abs=0.01)


def test_a_commit_comes_before_the_time_and_in_its_place() -> None:
    async def main() -> list[float]:
        bench = Bench([lambda: Again(60.0), done])
        await bench.begin()
        await asyncio.sleep(7)
        await bench.set()
        await asyncio.sleep(100)
        await bench.runtime.stop()
        return bench.times

    assert run_virtually(main()) == pytest.approx([0, 7], abs=0.01)


def test_what_is_set_anew_while_it_runs_runs_once_more_afterwards() -> None:
    async def main() -> None:
        bench = Bench([done])
        bench.hold = asyncio.Event()
        await bench.begin()
        await bench.tries(1)
        for _ in range(3):
            await bench.set()
        await asyncio.sleep(5)
        assert (bench.times, bench.is_open()) == ([0], True)
        bench.hold.set()
        await asyncio.sleep(5)
        assert (len(bench.times), bench.most, bench.is_open()) == (2, 1, False)
        await bench.runtime.stop()

    run_virtually(main())


def test_what_was_read_wakes_who_waits_for_it() -> None:
    key = index.owner_entry("cluster", "waited-for")

    async def main() -> list[float]:
        bench = Bench([])

        def wait() -> Outcome:
            with Notes(bench.store) as notes:
                is_there = bench.store.index_get(key) is not None
            return DONE if is_there else Again(60.0, notes.basis())

        bench.steps = [wait]
        await bench.begin()
        await asyncio.sleep(3)
        await bench.store.commit([Index(b"another", b"1")])
        await asyncio.sleep(3)
        await bench.store.commit([Index(key, b"1")])
        await asyncio.sleep(100)
        assert not bench.is_open()
        await bench.runtime.stop()
        return bench.times

    assert run_virtually(main()) == pytest.approx([0, 6], abs=0.05)


def test_nothing_runs_after_the_end() -> None:
    async def main() -> list[float]:
        bench = Bench([lambda: Again(1.0)])
        await bench.begin()
        await bench.tries(1)
        await bench.runtime.stop()
        await bench.set()
        await asyncio.sleep(100)
        assert bench.is_open()
        return bench.times

    assert run_virtually(main()) == [0]
