"""Runs a coroutine at once as far as it goes; only what must wait becomes a task.

Most requests wait for nothing: a turn of the event loop and a task for each would cost them more
than their answer does.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Generator
from functools import partial
from typing import Any

# What stands for the task of a request that is being answered without one.
AT_ONCE = object()


def begin(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, None]
) -> asyncio.Task[None] | None:
    """Run a coroutine; return the task in which it goes on, None if it has come to its end."""
    if sys.version_info >= (3, 12):
        task = asyncio.Task(coroutine, loop=loop, eager_start=True)
        return None if task.done() else task
    try:
        awaited = coroutine.send(None)
    except StopIteration:
        return None
    return loop.create_task(_go_on(coroutine, awaited))


class _Started:
    """A coroutine that has run up to where it waits; awaiting this goes on from there.

    What Python 3.12 has as eager tasks. Until it waits there is no current task: what asks for
    one (asyncio.timeout) has no place in a request.
    """

    __slots__ = ("_awaited", "_coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, None], awaited: Any) -> None:
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, None]:
        awaited = self._awaited
        while True:
            try:
                step = partial(self._coroutine.send, (yield awaited))
            except BaseException as error:  # it is the coroutine's to handle
                step = partial(self._coroutine.throw, error)
            # What is raised below knows this frame: neither is kept in it, they would keep each
            # other, and all that the request holds.
            awaited = None
            try:
                awaited = step()
            except StopIteration:
                return
            finally:
                del step


async def _go_on(coroutine: Coroutine[Any, Any, None], awaited: Any) -> None:
    await _Started(coroutine, awaited)
