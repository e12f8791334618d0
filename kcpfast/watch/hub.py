"""Hands committed events to open watches.

A frame is made once for each event and form, and given to every watch of that form as the same
bytes. What a tick brings for a watch goes out in one write. A watch whose reader does not keep up
is told so (410 Expired) and ended: it will list again; nothing is left out silently.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple

import msgspec

from kcpfast._core.fanout import Fanout
from kcpfast.meta.errors import expired, internal
from kcpfast.store.contract import Batch, Event
from kcpfast.transport.messages import Sink

LOG = logging.getLogger("kcpfast.watch")
MAX_PENDING = 4 * 1024 * 1024
BOOKMARK_SECONDS = 50.0
TICK_SECONDS = 1.0


def json_line(kind: bytes, obj: bytes) -> bytes:
    """Return one event as a client reads it: a JSON object on a line."""
    return b'{"type":"%b","object":%b}\n' % (kind, obj)


class Form(NamedTuple):
    """How a watch wants objects: `key` is equal for watches that get the same bytes.

    `render(revision, value)` makes an object, `bookmark(revision, ended)` the object of a
    bookmark, where `ended` says that it ends the initial events; `frame(kind, object)` makes an
    event of either. After the first event the watch goes on in the form `then`, if there is one.
    """

    key: Hashable
    render: Callable[[int, bytes], bytes]
    bookmark: Callable[[int, bool], bytes]
    frame: Callable[[bytes, bytes], bytes] = json_line
    then: Form | None = None


class Interest(NamedTuple):
    """What a watch looks at: a key prefix, and a test for what is below it.

    `test(key, value)` None lets everything through. `alive()` tells whether it is still served as
    it was (None: it always is).
    """

    prefix: bytes
    test: Callable[[bytes, bytes], bool] | None = None
    alive: Callable[[], bool] | None = None


class Watch:
    """One open watch."""

    __slots__ = ("_frames", "after", "bookmarks", "closed", "form", "interest", "sink", "timer")

    def __init__(self, form: Form, interest: Interest, sink: Sink, *, bookmarks: bool) -> None:
        """Begin with nothing sent; `after` is the newest revision this watch has been told of."""
        self.form = form
        self.interest = interest
        self.sink = sink
        self.bookmarks = bookmarks
        self.after = 0
        self.closed = False
        self.timer: asyncio.TimerHandle | None = None
        self._frames: list[bytes] = []

    def queue(self, frame: bytes) -> bool:
        """Keep a frame for the next flush; tell whether it is the first of this tick."""
        self._frames.append(frame)
        if self.form.then is not None:
            self.form = self.form.then
        return len(self._frames) == 1

    def tell(self, kind: bytes, revision: int, value: bytes) -> None:
        """Queue an event about an object."""
        self.queue(self.form.frame(kind, self.form.render(revision, value)))

    def mark(self, revision: int, *, ended: bool = False) -> bytes:
        """Return a bookmark."""
        return self.form.frame(b"BOOKMARK", self.form.bookmark(revision, ended))

    def fail(self, status: bytes) -> None:
        """Send a Status as the last event."""
        self.sink.write(self.form.frame(b"ERROR", status))
        self.sink.close()

    def flush(self) -> bool:
        """Write what is queued; tell whether the reader keeps up."""
        frames, self._frames = self._frames, []
        if frames:
            self.sink.write(b"".join(frames))
        return self.sink.pending() <= MAX_PENDING


class Hub:
    """All open watches of a server."""

    def __init__(self) -> None:
        """Begin without watches; `on_commit` is to be subscribed to the store."""
        self._fanout = Fanout()
        self._dirty: list[Watch] = []
        # Who is due for a bookmark when, in that order; who has ended meanwhile is passed over.
        self._due: deque[tuple[float, Watch]] = deque()
        self._ticker: asyncio.TimerHandle | None = None
        self.published = 0

    def open(self, watch: Watch, after: int, timeout: float) -> Callable[[], None]:
        """Attach a watch that was told everything up to `after`; return what ends it.

        After `timeout` seconds it gets a last bookmark and ends.
        """
        loop = asyncio.get_running_loop()
        watch.after = after
        self._fanout.add(watch.interest.prefix, watch)
        watch.timer = loop.call_later(timeout, self._end, watch)
        if watch.bookmarks:
            self._due.append((loop.time() + BOOKMARK_SECONDS, watch))
            if self._ticker is None:
                self._ticker = loop.call_later(TICK_SECONDS, self._on_tick)
        return lambda: self._detach(watch)

    def _detach(self, watch: Watch) -> None:
        self._fanout.remove(watch.interest.prefix, watch)
        if watch.timer is not None:
            watch.timer.cancel()
            watch.timer = None

    def _end(self, watch: Watch) -> None:
        self._detach(watch)
        if watch.bookmarks:
            watch.queue(self._bookmark(watch))
        watch.flush()
        watch.sink.close()

    def end_dead(self) -> None:
        """End the watches whose resource is gone or has changed: they are to begin anew."""
        for watch in self._fanout.all():
            if watch.interest.alive is not None and not watch.interest.alive():
                self._end(watch)

    # ------------------------------------------------------------------------- events

    def on_commit(self, batch: Batch) -> None:
        """Deliver a commit to whom it matters."""
        for event in batch.events:
            self.published = event.revision
            watches = self._fanout.find(event.key)
            if watches:
                self._deliver(event, watches)

    def _deliver(self, event: Event, watches: Iterable[Watch]) -> None:
        frames: dict[Hashable, bytes] = {}
        for watch in watches:
            if event.revision > watch.after:
                try:
                    made = _frame(event, watch, frames)
                except Exception:  # the commit is done: nobody else may suffer from one watch
                    LOG.exception("a watch of %r fails", watch.interest.prefix)
                    self._detach(watch)
                    watch.fail(BROKEN)
                else:
                    if made is not None:
                        self._queue(watch, made)

    def _queue(self, watch: Watch, made: bytes) -> None:
        if watch.queue(made):
            if not self._dirty:
                asyncio.get_running_loop().call_soon(self._flush)
            self._dirty.append(watch)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for watch in dirty:
            if not watch.flush():
                self._cut_off(watch)

    def _cut_off(self, watch: Watch) -> None:
        self._detach(watch)
        watch.fail(EXPIRED)

    # ------------------------------------------------------------------------- bookmarks

    def _bookmark(self, watch: Watch) -> bytes:
        revision = max(self.published, watch.after)
        return watch.mark(revision)

    def _on_tick(self) -> None:
        """Send the bookmarks that are due; a second later than that is early enough."""
        loop, due = asyncio.get_running_loop(), self._due
        now = loop.time()
        while due and due[0][0] <= now:
            _, watch = due.popleft()
            if watch.timer is not None:
                self._queue(watch, self._bookmark(watch))
                due.append((now + BOOKMARK_SECONDS, watch))
        self._ticker = loop.call_later(TICK_SECONDS, self._on_tick) if due else None

    def close(self) -> None:
        """End all watches."""
        if self._ticker is not None:
            self._ticker.cancel()
        for watch in self._fanout.all():
            self._end(watch)


def change_of(event: Event, test: Callable[[bytes, bytes], bool] | None) -> bytes | None:
    """Return what an event is to a watch: what begins or ceases to match comes or goes."""
    before, after = event.previous, event.value
    was = before is not None and (test is None or test(event.key, before))
    now = after is not None and (test is None or test(event.key, after))
    if now:
        return b"MODIFIED" if was else b"ADDED"
    return b"DELETED" if was else None


def _frame(event: Event, watch: Watch, frames: dict[Hashable, bytes]) -> bytes | None:
    """Return an event as a watch reads it, None if it is not for it; `frames` are made already."""
    kind = change_of(event, watch.interest.test)
    if kind is None:
        return None
    form = watch.form
    made = frames.get((form.key, kind))
    if made is None:
        made = form.frame(kind, form.render(event.revision, shown_value(event, kind)))
        frames[form.key, kind] = made
    return made


def shown_value(event: Event, kind: bytes) -> bytes:
    """Return the value that an event shows; an object that went is shown as it last was."""
    value = event.previous if kind == b"DELETED" else event.value
    assert value is not None
    return value


BROKEN = msgspec.json.encode(internal("the watch cannot show an object").status())
EXPIRED = msgspec.json.encode(
    expired("the watch was too slow and missed events; list again").status()
)
