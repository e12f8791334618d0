"""What becomes of a reconciler that fails: it is tried again, and told of as it deserves."""

from __future__ import annotations

import asyncio
import logging

import pytest

from kcpfast.admission.chain import DeletionRefused
from kcpfast.controllers import runtime as running
from kcpfast.controllers.runtime import DONE, Outcome, Runtime
from kcpfast.meta.errors import conflict, forbidden
from kcpfast.registry import index
from kcpfast.store.contract import Conflict, Put, PutRevision, StoreError
from kcpfast.store.memory import MemoryStore

FAILURES = [
    # error, level, is there a traceback?
    (Conflict(b"key", 7), logging.INFO, False),
    (conflict("things", "", "a", "somebody was faster"), logging.INFO, False),
    (forbidden("things", "", "a", "a policy says no"), logging.WARNING, False),
    (DeletionRefused("a policy says no"), logging.INFO, False),
    (StoreError("cannot write: no space left"), logging.WARNING, False),
    (ValueError("a fault"), logging.ERROR, True),
]


async def settled(runtime: Runtime) -> None:
    while True:
        await asyncio.sleep(0)
        if not runtime.busy():
            return


@pytest.mark.parametrize(("error", "level", "traceback"), FAILURES)
async def test_a_failure_is_told_of_and_tried_again(
    error: Exception, level: int, traceback: bool, caplog: pytest.LogCaptureFixture
) -> None:
    store, tries = MemoryStore(), 0

    async def reconcile(cluster: str, name: str) -> Outcome:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise error
        return DONE

    runtime = Runtime(store, {"thing": reconcile})
    caplog.set_level(logging.INFO)
    await store.commit(
        [Put(b"key", b"{}"), PutRevision(index.work_item("thing", "cluster", "name"))]
    )
    store.subscribe(runtime.on_commit)
    runtime.start()
    await settled(runtime)
    (key,) = runtime._timers
    runtime._enqueue(key)
    await settled(runtime)
    await runtime.stop()
    (record,) = caplog.records
    assert (record.levelno, record.exc_info is not None) == (level, traceback)
    assert (tries, list(store.index_scan(index.WORK_ITEMS))) == (2, [])


async def test_who_waits_for_others_for_long_takes_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A workspace whose webhooks do not answer holds up its own deletions only."""
    monkeypatch.setattr(running, "_LONG", 0.0)
    store, answered, done = MemoryStore(), asyncio.Event(), asyncio.Event()

    async def hang(cluster: str, name: str) -> Outcome:
        await answered.wait()
        return DONE

    async def work(cluster: str, name: str) -> Outcome:
        done.set()
        return DONE

    runtime = Runtime(store, {"a": hang, "b": work})
    marks = [index.work_item("a", "cluster", str(number)) for number in range(3 * running._AT_ONCE)]
    marks.append(index.work_item("b", "cluster", "name"))
    await store.commit([Put(b"key", b"{}"), *map(PutRevision, marks)])
    store.subscribe(runtime.on_commit)
    runtime.start()
    await asyncio.wait_for(done.wait(), 5)
    answered.set()
    await settled(runtime)
    await runtime.stop()
    assert list(store.index_scan(index.WORK_ITEMS)) == []


async def test_a_refusal_is_no_news_to_itself() -> None:
    store, tries = MemoryStore(), 0
    mark = index.work_item("thing", "cluster", "name")

    async def reconcile(cluster: str, name: str) -> Outcome:
        nonlocal tries
        tries += 1
        await store.commit([PutRevision(mark)])  # as what it says of it does
        raise DeletionRefused("a policy says no", longest=0.5)

    runtime = Runtime(store, {"thing": reconcile})
    await store.commit([Put(b"key", b"{}"), PutRevision(mark)])
    store.subscribe(runtime.on_commit)
    runtime.start()
    for number in range(5):
        await settled(runtime)
        assert tries == number + 1
        (key,) = runtime._timers
        runtime._enqueue(key)
    assert runtime._failing[mark].wait == 0.5
    await settled(runtime)
    await runtime.stop()
