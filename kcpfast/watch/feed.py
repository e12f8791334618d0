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
from kcpfast.store.contract import Compacted, Store
from kcpfast.store.ranges import scan_within
from kcpfast.watch.hub import BROKEN, LOG, Hub, Watch, change_of, shown_value

# What one step reads at most: objects, entries of the log, bytes of either.
_OBJECTS = 100
_ENTRIES = 4000
_BYTES = 128 * 1024


class Feed:
    """What leads one watch to the present."""

    __slots__ = (
        "_after", "_deadline", "_hub", "_last", "_listing", "_loop", "_ranges", "_store", "_timer",
        "_watch",
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
        watch = self._watch
        if watch.closed:
            return
        try:
            done = self._list() and self._catch_up()
        except Compacted:
            text = f"too old resource version: {self._after} ({self._store.compacted()})"
            self._fail(msgspec.json.encode(expired(text).status()))
            return
        except Exception:
            LOG.exception("a watch of %r fails", watch.interest.prefix)
            self._fail(BROKEN)
            return
        watch.flush()
        alive = watch.interest.alive
        if alive is not None and not alive():
            self._timer.cancel()
            self._end()
        elif done:
            self._timer.cancel()
            left = max(self._deadline - self._loop.time(), 0.0)
            self._hub.open(watch, self._after, self._store.published(), left)
        else:
            watch.sink.when_drained(self._step)

    def _fail(self, status: bytes) -> None:
        self._timer.cancel()
        self._watch.flush()
        self._watch.closed = True
        self._watch.fail(status)

    def _list(self) -> bool:
        """Send some of what there is as ADDED, at the end a bookmark; tell whether all is sent."""
        if not self._listing:
            return True
        watch, interest = self._watch, self._watch.interest
        if self._ranges is None:
            page = self._store.scan(interest.prefix, self._last, _OBJECTS, self._after, _BYTES)
        else:
            page = scan_within(self._store, self._ranges, self._last, _OBJECTS, self._after, _BYTES)
        self._after = page.revision
        for key, revision, value in page.items:
            if interest.test is None or interest.test(key, value):
                watch.tell(b"ADDED", revision, value)
        if page.last:
            self._last = page.last
            return False
        self._listing, self._ranges = False, None
        if watch.bookmarks:
            watch.queue(watch.mark(page.revision, ended=True))
        return True

    def _catch_up(self) -> bool:
        """Send some of what was logged since; tell whether the watch is at the present."""
        store, watch = self._store, self._watch
        found = store.changes(self._after, _ENTRIES, watch.interest.prefix, _BYTES)
        for event in found.events:
            kind = change_of(event, watch.interest.test)
            if kind is not None:
                watch.tell(kind, event.revision, shown_value(event, kind))
        self._after = max(self._after, found.upto)
        return found.upto >= store.published()
