"""What becomes of a reconciler that fails: it is tried again, and told of as it deserves."""

from __future__ import annotations

import asyncio
import logging

import pytest

from kcpfast.controllers.runtime import DONE, Outcome, Runtime
from kcpfast.meta.errors import conflict, forbidden
from kcpfast.registry import index
from kcpfast.store.contract import Conflict, Put, Stamp, StoreError
from kcpfast.store.memory import MemoryStore

FAILURES = [
    # error, level, is there a traceback?
    (Conflict(b"key", 7), logging.INFO, False),
    (conflict("things", "", "a", "somebody was faster"), logging.INFO, False),
    (forbidden("things", "", "a", "a policy says no"), logging.WARNING, False),
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
    await store.commit([Put(b"key", b"{}"), Stamp(index.mark("thing", "cluster", "name"))])
    runtime.start()
    await settled(runtime)
    (key,) = runtime._timers
    runtime._enqueue(key)
    await settled(runtime)
    await runtime.stop()
    (record,) = caplog.records
    assert (record.levelno, record.exc_info is not None) == (level, traceback)
    assert (tries, list(store.index_scan(index.MARKS))) == (2, [])
