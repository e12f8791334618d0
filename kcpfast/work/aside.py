"""Decides what runs on the event loop and what on the one thread beside it.

The loop serves everybody, so no step on it may take more than some milliseconds. The cost of a step
is estimated before it begins, by the bytes that it reads: up to SMALL it is called at once, at the
price of a comparison; above, it is a job of one thread beside the loop. One thread, because
the interpreter runs one at a time anyway, and because then one large object is worked on at a time.
Users take turns: a client with a thousand jobs delays only itself.

A job is pure: what it is given nobody else changes meanwhile, and it does not touch the store,
whose reads belong to the loop's thread (`on_loop` asks it). It is one or many steps of Python, or
of kernels that let go of the interpreter lock now and then: nothing may hold that for long, in
whatever thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from functools import partial
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# Bytes: the most expensive step goes over so many in a few milliseconds.
SMALL = 16 * 1024
# One of many things that are gone over in a turn, each of them small, is no more than this.
LARGE = 64 * 1024
# More than SMALL: for what is known to be long in another way.
LONG = SMALL + 1
# Objects that a collector goes through in a few milliseconds, and the text that may hold as many.
_MANY = 50_000
_MUCH = 128 * 1024
# More than a collector goes through in some 30 milliseconds; what a server holds when it has just
# begun is 50,000 of them.
_MOST_SPARED = 100_000
# Blocks of memory in use, of which too many may be spared objects to be counted in a moment.
_MOST_BLOCKS = 1_000_000
# What was spared is looked through after so long; at last whatever it costs, because closed
# connections that are cycles stay until then.
_THAW_SECONDS, _LAST_DELAY = 10.0, 60
# How long the loop waits for the interpreter when it has something to do while a job runs. Only
# then: the thread that writes would take it from the loop in the middle of a request.
_SWITCH_SECONDS, _USUAL_SECONDS = 0.001, sys.getswitchinterval()
# What a call returned, or what it raised.
_Outcome = tuple[Any, BaseException | None]


class _Job:
    """A call, and the future that whoever asked for it waits for."""

    __slots__ = ("begun", "call", "ended", "future", "loop", "size")

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], Any], size: int) -> None:
        self.loop = loop
        self.future: asyncio.Future[_Outcome] = loop.create_future()
        self.call: Callable[[], Any] | None = call
        self.size = size
        self.begun = self.ended = False

    def begin(self) -> bool:
        """Tell whether anybody waits for it, before it is called.

        Who is cancelled does not, even before it learns of it and drops the job.
        """
        self.begun = self.call is not None and not self.future.cancelled()
        return self.begun

    def end(self, outcome: _Outcome) -> None:
        """Tell who waits, on the loop."""
        self.ended = True
        if not self.future.done():
            self.future.set_result(outcome)

    async def go_on(self) -> None:
        """Wait for the end of what is begun, however often that is to be cancelled."""
        while not self.ended:
            self.future = self.loop.create_future()
            with contextlib.suppress(asyncio.CancelledError):
                await self.future


class Aside:
    """Runs jobs beside the event loop, in turns for those who ask; `jobs` counts them."""

    def __init__(self) -> None:
        """Begin without a thread: the first job starts it."""
        self.jobs = 0
        self._loaded: set[str] = set()
        self._thread: threading.Thread | None = None
        self._awake = threading.Condition()
        self._waiting: OrderedDict[Hashable, deque[_Job]] = OrderedDict()
        self._local = threading.local()
        self._running = self._frozen = False

    async def run(
        self, size: int, who: Hashable, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what a step returns, or raise what it raises: called here if its size is small.

        `who` is for whom it is: they take turns. A job of somebody who does not wait any more is
        not begun; one that is begun is waited for even by who is cancelled.
        """
        if size <= SMALL:
            return step(*args, **kwargs)
        loop = asyncio.get_running_loop()
        self.jobs += 1
        job = _Job(loop, partial(step, *args, **kwargs), size)
        self._add(who, job)
        try:
            result, error = await job.future
        except asyncio.CancelledError:
            # What is begun cannot be stopped, and who is charged with what it holds is charged to
            # its end; what is not begun is to hold nothing until its turn comes.
            if not self._dropped(job):
                await job.go_on()
            raise
        if error is None:
            return result  # type: ignore[no-any-return]
        try:
            raise error
        finally:
            # They know this frame: they would keep each other, and all of the job.
            del error, job

    async def load(self, *modules: str) -> None:
        """Have modules loaded that a start does without, for a call that is going to need them.

        To find, read and run the files of a large package takes tens of milliseconds.
        """
        for module in modules:
            if module not in self._loaded:
                await self.run(LONG, Aside, import_module, module)
                self._loaded.add(module)

    def on_loop(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call something on the loop's thread, from a job or from there."""
        loop = getattr(self._local, "loop", None)
        if loop is None:
            return step(*args, **kwargs)
        answered = threading.Event()
        answers: list[tuple[T | None, BaseException | None]] = []

        def ask() -> None:
            try:
                answers.append((step(*args, **kwargs), None))
            except BaseException as error:  # it is raised where it was asked for
                answers.append((None, error))
            answered.set()

        loop.call_soon_threadsafe(ask)
        answered.wait()
        result, error = answers.pop()
        if error is None:
            return result  # type: ignore[return-value]
        try:
            raise error
        finally:
            del error  # which knows this frame: they would keep each other

    def _add(self, who: Hashable, job: _Job) -> None:
        with self._awake:
            self._waiting.setdefault(who, deque()).append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="aside", daemon=True)
                self._thread.start()
            self._awake.notify()

    def _work(self) -> None:
        while True:
            job = self._next()
            if job is not None:
                self._local.loop = loop = job.loop
                self._running = True
                sys.setswitchinterval(min(_USUAL_SECONDS, _SWITCH_SECONDS))
                gc.disable()
                try:
                    _run(job)
                finally:
                    self._spare(loop, job.size)
                    gc.enable()
                    sys.setswitchinterval(_USUAL_SECONDS)
                    self._running = False
            del job

    def _spare(self, loop: asyncio.AbstractEventLoop, size: int) -> None:
        """Spare the collector what a job has made: a million decoded values and not one cycle.

        It would go through all of them at its next turn, which holds everybody up. They go when
        nobody refers to them, as ever. What it counts are objects made less objects gone, so that
        it knows of none where an earlier job's have gone meanwhile: the size tells of those. What
        else there was, cycles too, is spared for a while.
        """
        if size <= _MUCH and gc.get_count()[0] <= _MANY:
            return
        gc.freeze()
        if not self._frozen:
            self._frozen = True
            with contextlib.suppress(RuntimeError):  # the loop was closed
                loop.call_soon_threadsafe(self._thaw_later, loop, 0)

    def _thaw_later(self, loop: asyncio.AbstractEventLoop, delays: int) -> None:
        loop.call_later(_THAW_SECONDS, self._thaw, loop, delays)

    def _thaw(self, loop: asyncio.AbstractEventLoop, delays: int) -> None:
        """Have the collector go through what was spared, when little of it is left.

        A connection that was open then may be a cycle by now, and would be kept for ever. Not
        while a job runs: what that has made so far would be gone through, too.
        """
        if delays < _LAST_DELAY and (self._running or _are_too_many()):
            self._thaw_later(loop, delays + 1)
            return
        self._frozen = False
        gc.unfreeze()
        gc.collect()
        gc.freeze()

    def _dropped(self, job: _Job) -> bool:
        """Drop a job that nobody waits for; False if it is begun."""
        with self._awake:
            if not job.begun:
                job.call = None
            return not job.begun

    def _next(self) -> _Job | None:
        """Wait for a job and begin it; None if nobody waits for it any more."""
        with self._awake:
            while not self._waiting:
                self._awake.wait()
            who, jobs = self._waiting.popitem(last=False)
            job = jobs.popleft()
            if jobs:
                self._waiting[who] = jobs  # behind the others
            return job if job.begin() else None


def _are_too_many() -> bool:
    """Tell whether the collector would take long for what it was spared.

    To count that takes as long as there are objects: a hundred milliseconds for some millions.
    Blocks in use are counted by the page, and no object has less than one.
    """
    return sys.getallocatedblocks() > _MOST_BLOCKS or gc.get_freeze_count() > _MOST_SPARED


def _run(job: _Job) -> None:
    """Do a job and have its outcome delivered; nothing here may keep it longer than that."""
    outcome: _Outcome
    call, job.call = job.call, None
    assert call is not None
    try:
        outcome = call(), None
    except BaseException as raised:  # whoever waits handles it
        outcome = None, raised
    with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
        job.loop.call_soon_threadsafe(job.end, outcome)
    # An error knows this frame, and the future knows the error.
    del job, call, outcome
