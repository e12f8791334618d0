"""Brings a watch up to now, then hands it to the hub: what there is, or what it has missed.

It goes in steps, each taken only when the reader has taken what the one before wrote, so that a
long list waits on disk and not in memory. Commits go on meanwhile; the last step reads the log up
to the newest of them and attaches the watch before anything else can happen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from kcpfast.meta.errors import expired
from kcpfast.store.contract import Compacted, Event, Store, StoreError, event_size
from kcpfast.store.ranges import scan_within
from kcpfast.watch.frames import is_long, made_frame
from kcpfast.watch.hub import BROKEN, LOG, Hub, Watch

# What one step reads at most: objects, entries of the log, bytes of either.
_OBJECTS = 100
_ENTRIES = 4000
_BYTES = 128 * 1024


class Feed:
    """What leads one watch to the present."""

    __slots__ = (
        "_after", "_deadline", "_ended", "_hub", "_last", "_listing", "_loop", "_ranges", "_store",
        "_telling", "_timer", "_watch",
    )  # fmt: skip

    def __init__(
        self,
        hub: Hub,
        store: Store,
        watch: Watch,
        *,
        after: int | None,
        seconds: float,
        ranges: Sequence[bytes] | None = None,
    ) -> None:
        """Begin behind revision `after`, or (None) with all there is; end after `seconds`.

        What there is that passes the watch's test lies in the `ranges`, if they are given.
        """
        self._hub = hub
        self._store = store
        self._watch = watch
        self._ranges = ranges
        self._after = after or 0
        self._listing = after is None
        self._last = b""
        # At which revision the initial events have ended, until that is told.
        self._ended: int | None = None
        self._telling: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + seconds
        self._timer = self._loop.call_later(seconds, self._end)

    def start(self) -> Callable[[], None]:
        """Take the first step at once; return what ends the watch, fed or attached."""
        self._step()
        return self._stop

    def _stop(self) -> None:
        self._timer.cancel()
        self._hub.detach(self._watch)

    def _end(self) -> None:
        self._watch.closed = True
        self._watch.sink.close()

    def _step(self) -> None:
        """Take a step; what is large is made ready beside the loop, and the next step follows."""
        if self._watch.closed:
            return
        try:
            events = self._read()
            is_large = any(is_long(event, (self._watch,)) for event in events)
            if not is_large:
                self._tell(events)
        except Compacted:
            text = f"too old resource version: {self._after} ({self._store.compacted()})"
            self._fail(msgspec.json.encode(expired(text).status()))
            return
        except StoreError as error:
            LOG.error("a watch of %r fails: %s", self._watch.interest.prefix, error)
            self._fail(BROKEN)
            return
        except Exception:
            self._break()
            return
        if is_large:
            self._telling = self._loop.create_task(self._tell_aside(events))
        else:
            self._go_on()

    async def _tell_aside(self, events: Sequence[Event]) -> None:
        run, watch = self._hub.aside.run, self._watch
        try:
            for event in events:
                size, (test, who) = event_size(event), (watch.interest.test, watch.interest.who)
                self._queue(await run(size, who, made_frame, event, watch.form, test))
        except Exception:
            self._break()
        else:
            if not self._watch.closed:
                self._go_on()

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            self._queue(made_frame(event, self._watch.form, self._watch.interest.test))

    def _queue(self, frame: bytes) -> None:
        if frame:
            self._watch.queue(frame)

    def _go_on(self) -> None:
        """Send what was told; take another step, or hand the watch over if it is at the present."""
        watch, alive = self._watch, self._watch.interest.alive
        if self._ended is not None:
            watch.queue(watch.mark(self._ended, ended=True))
            self._ended = None
        watch.flush()
        if alive is not None and not alive():
            self._timer.cancel()
            self._end()
        elif not self._listing and self._after >= self._store.published():
            self._timer.cancel()
            left = max(self._deadline - self._loop.time(), 0.0)
            self._hub.open(watch, self._after, self._store.published(), left)
        else:
            watch.sink.when_drained(self._step)

    def _break(self) -> None:
        LOG.exception("a watch of %r fails", self._watch.interest.prefix)
        self._fail(BROKEN)

    def _fail(self, status: bytes) -> None:
        self._timer.cancel()
        self._watch.flush()
        self._watch.closed = True
        self._watch.fail(status)

    def _read(self) -> Sequence[Event]:
        """Read some of what there is, as ADDED, or some of what was logged since."""
        if self._listing:
            return self._list()
        changes = self._store.changes(self._after, _ENTRIES, self._watch.interest.prefix, _BYTES)
        self._after = max(self._after, changes.upto)
        return changes.events

    def _list(self) -> Sequence[Event]:
        prefix = self._watch.interest.prefix
        if self._ranges is None:
            page = self._store.scan(prefix, self._last, _OBJECTS, self._after, _BYTES)
        else:
            page = scan_within(self._store, self._ranges, self._last, _OBJECTS, self._after, _BYTES)
        self._after = page.revision
        if page.last:
            self._last = page.last
        else:
            self._listing, self._ranges = False, None
            if self._watch.bookmarks:
                self._ended = page.revision
        return [Event(revision, key, value, None) for key, revision, value in page.items]
