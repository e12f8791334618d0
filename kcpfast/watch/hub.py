"""Hands committed events to open watches.

Watches of one key prefix and form are a group: an event is rendered once for all of them, and the
frames that have gathered go out to each as the same bytes. They are written at once when it is
quiet, else after a pause of three times what the last writing took. So watches take at most a
quarter of the loop's time however many there are, and the busier it is the more events share a
write.

Where many watches have selectors of their own, an event is tested against some of them at a time,
with other work of the loop in between; `published` is the newest revision that all were sent.

Law: no event is left out silently. A watch whose reader does not keep up gets a last event, an
ERROR with 410 Expired, and is ended; its client lists again. Everything here runs on the loop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Hashable

import msgspec

from kcpfast._core.fanout import Fanout
from kcpfast.meta.errors import expired, internal
from kcpfast.store.contract import Batch, Event, is_discarded
from kcpfast.telemetry.metrics import DELIVERY_SECONDS, TERMINATED_WATCHES, Reading
from kcpfast.transport.messages import Sink
from kcpfast.watch.asking import Asking
from kcpfast.watch.frames import FrameForm, Interest, frame_of, is_long, make_frames
from kcpfast.watch.rights import Right, Rights
from kcpfast.work.aside import LONG, Aside

LOG = logging.getLogger("kcpfast.watch")
# Bytes that wait for one reader before its watch is ended.
MAX_PENDING = 4 * 1024 * 1024
# Just below kube-apiserver's minute (defaultBookmarkFrequency in its storage/cacher/cacher.go).
BOOKMARK_SECONDS = 50.0
TICK_SECONDS = 1.0
_PAUSE = 3.0  # times what the last writing took
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.001, 0.01  # a timer keeps no shorter one
# Watches that are written to, and bytes, before other work of the loop has its turn.
_SLICE, _SLICE_BYTES = 256, 1 << 20
# Groups that are asked at once whether an event matches; seconds for which more of them are asked
# before other work has its turn; bytes of events that may wait until slow selectors are given up.
_AT_ONCE, _TURN_SECONDS, _BACKLOG = 32, 0.005, 16 * 1024 * 1024


class Watch:
    """One open watch."""

    __slots__ = (
        "_frames", "after", "bookmarks", "closed", "form", "group", "interest", "right", "sink",
        "timer",
    )  # fmt: skip

    def __init__(self, form: FrameForm, interest: Interest, sink: Sink, *, bookmarks: bool) -> None:
        """Begin with nothing sent; `after` is the newest revision this watch has been told of."""
        self.form = form
        self.interest = interest
        self.sink = sink
        self.bookmarks = bookmarks
        self.after = 0
        self.closed = False
        self.group: Group | None = None
        self.right: Right[Watch] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self._frames: list[bytes] | None = None

    def queue(self, frame: bytes) -> None:
        """Keep a frame for the next flush, before the watch is in a group."""
        if self._frames is None:
            self._frames = []
        self._frames.append(frame)
        if self.form.then is not None:
            self.form = self.form.then

    def mark(self, revision: int, *, ended: bool = False) -> bytes:
        """Return a bookmark."""
        return self.form.frame(b"BOOKMARK", self.form.bookmark(revision, ended))

    def fail(self, status: bytes) -> None:
        """Send a Status as the last event."""
        self.sink.write(self.form.frame(b"ERROR", status))
        self.sink.close()

    def flush(self) -> None:
        """Write what is queued."""
        frames, self._frames = self._frames, None
        if frames:
            self.sink.write(b"".join(frames))


class Group:
    """Watches that get the same bytes: of one prefix and form, and from the same revision on."""

    __slots__ = ("_frames", "after", "form", "interest", "key", "watches")

    def __init__(self, key: Hashable, first: Watch) -> None:
        """Take form, interest and revision of the first watch, which is added by the caller.

        `key` is what later watches find the group by; None if none may join.
        """
        self.key = key
        self.form = first.form
        self.interest = first.interest
        if first.interest.alive is not None:
            self.interest = first.interest._replace(alive=None)
        self.after = first.after
        self.watches: dict[Watch, None] = {}
        self._frames: list[bytes] = []

    def queue(self, frame: bytes) -> bool:
        """Keep a frame; tell whether it is the first since they were taken."""
        self._frames.append(frame)
        return len(self._frames) == 1

    def take(self) -> bytes:
        """Return what has gathered."""
        frames, self._frames = self._frames, []
        return b"".join(frames)


class Hub:
    """All open watches of a server."""

    def __init__(self, aside: Aside | None = None) -> None:
        """Begin without watches; `on_commit` is to be subscribed to the store.

        What is large is made ready by `aside`.
        """
        self.aside = aside or Aside()
        self._preparing: asyncio.Task[None] | None = None
        self._fanout = Fanout()
        self._groups: dict[Hashable, Group] = {}
        self._dirty: list[Group] = []
        self._outgoing: deque[tuple[Watch, bytes]] = deque()
        self._spent = self._resume = self._gathering = 0.0
        # When each watch is due for a bookmark, in that order; ended ones are passed over then.
        self._due: deque[tuple[float, Watch]] = deque()
        self._mortal: dict[Watch, None] = {}
        self._rights: Rights[Watch] = Rights(self._refuse)
        # Events that were not put to all of their groups yet, oldest first, and their bytes.
        self._events: deque[Asking[Group]] = deque()
        self._backlog = 0
        self._ticker: asyncio.TimerHandle | None = None
        self.published = 0

    def watches(self) -> Reading:
        """Return how many watches are open."""
        return [(("WATCH",), sum(len(group.watches) for group in self._fanout.all()))]

    def guard(self, watch: Watch, right: Right[Watch]) -> None:
        """End a watch when the right it was opened by is withdrawn; called before it is fed."""
        watch.right = self._rights.enter(right, watch)

    def asks(self) -> bool:
        """Tell whether rights of watches are still to be checked since the last commit."""
        return self._rights.busy()

    def _refuse(self, watch: Watch, status: bytes) -> None:
        """End a watch whose right was withdrawn; frames that have gathered for it are dropped."""
        self.detach(watch)
        watch.fail(status)

    def open(self, watch: Watch, after: int, present: int, timeout: float) -> None:
        """Attach a watch that was sent everything up to the revision `after`.

        `present` is the newest revision that subscribers were given. After `timeout` seconds the
        watch gets a last bookmark and ends.
        """
        loop = asyncio.get_running_loop()
        watch.after = after
        if not self._events:
            self.published = max(self.published, present)
        self._join(watch)
        if watch.interest.alive is not None:
            self._mortal[watch] = None
        watch.timer = loop.call_later(timeout, self._end, watch)
        if watch.bookmarks:
            self._due.append((loop.time() + BOOKMARK_SECONDS, watch))
            if self._ticker is None:
                self._ticker = loop.call_later(TICK_SECONDS, self._on_tick)

    def _join(self, watch: Watch) -> None:
        """Add a watch to the group of its prefix and form, to a new one if it is ahead of all."""
        if self._dirty:
            self._flush()  # these frames are for earlier members only
        interest, ahead = watch.interest, max(watch.after - self.published, 0)
        key = None if interest.test else (interest.prefix, watch.form.key)
        group = self._groups.get(key) if key and not ahead else None
        if group is None:
            group = Group(None if ahead else key, watch)
            self._fanout.add(interest.prefix, group)
            if group.key is not None:
                self._groups[group.key] = group
        watch.group = group
        watch.form = group.form
        if interest.alive is None:
            watch.interest = group.interest
        group.watches[watch] = None

    def _leave(self, watch: Watch) -> None:
        group, watch.group = watch.group, None
        if group is not None:
            del group.watches[watch]
            if not group.watches:
                self._fanout.remove(group.interest.prefix, group)
                self._close_to_others(group)

    def detach(self, watch: Watch) -> None:
        """Forget a watch; nothing happens if it is not attached."""
        watch.closed = True
        self._leave(watch)
        self._mortal.pop(watch, None)
        if watch.right is not None:
            self._rights.leave(watch.right, watch)
            watch.right = None
        if watch.timer is not None:
            watch.timer.cancel()
            watch.timer = None

    def _close_to_others(self, group: Group) -> None:
        """Let nobody join a group any more."""
        if group.key is not None:
            del self._groups[group.key]
            group.key = None

    def _end(self, watch: Watch) -> None:
        self._settle(watch)
        if watch.closed:
            return
        self.detach(watch)
        if watch.bookmarks:
            watch.sink.write(watch.mark(self._told(watch)))
        watch.sink.close()

    def end_dead(self) -> None:
        """End the watches whose resource is gone or has changed: they are to begin anew."""
        for watch in list(self._mortal):
            if watch.interest.alive is not None and not watch.interest.alive():
                self._end(watch)

    def end_of(self, cluster: str) -> None:
        """End the watches that show what is in a cluster."""
        for group in self._fanout.all():
            if _shows(group.interest, cluster):
                for watch in list(group.watches):
                    self._end(watch)

    def expire_views(self, cluster: str) -> None:
        """Expire the watches of views that show a cluster: their clients list again what they
        may see now."""
        for group in self._fanout.all():
            if group.interest.clusters is not None and _shows(group.interest, cluster):
                self._break(group, EXPIRED)

    # ------------------------------------------------------------------------- events

    def on_commit(self, batch: Batch) -> None:
        """Deliver a commit to the groups whose prefix and test match; called by the store."""
        self._rights.on_commit()
        for event in batch.events:
            groups = self._fanout.find(event.key)
            if self._events or len(groups) > _AT_ONCE or (groups and is_long(event, groups)):
                self._ask_in_turns(event, groups)
                continue
            if groups:
                frames: dict[Hashable, bytes] = {}
                for group in groups:
                    self._deliver(event, group, frames)
            self.published = event.revision

    def _deliver(self, event: Event, group: Group, frames: dict[Hashable, bytes]) -> None:
        if event.revision <= group.after:
            return
        if is_discarded(event):
            self._break(group, UNREADABLE_OBJECT)
            return
        try:
            frame = frame_of(event, group, frames)
        except Exception:  # the commit is done, and others wait for it
            LOG.exception("watches of %r fail", group.interest.prefix)
            self._break(group, BROKEN)
        else:
            if frame is not None:
                self._queue(group, frame)

    def _ask_in_turns(self, event: Event, groups: list[Group]) -> None:
        asking = Asking(event, groups)
        self._backlog += asking.size
        if not self._events:
            asyncio.get_running_loop().call_soon(self._ask)
        self._events.append(asking)
        if self._backlog > _BACKLOG:
            self._give_up_tests()

    def _ask(self) -> None:
        """Put events to groups until this turn is over."""
        until = time.perf_counter() + _TURN_SECONDS
        while self._events:
            asking = self._events[0]
            if not asking.ready and is_long(asking.event, asking.groups):
                task = asyncio.get_running_loop().create_task(self._prepare(asking))
                self._preparing = task
                return
            while asking.groups:
                self._deliver(asking.event, asking.groups.popleft(), asking.frames)
                if time.perf_counter() > until:
                    asyncio.get_running_loop().call_soon(self._ask)
                    return
            self._events.popleft()
            self._backlog -= asking.size
            self.published = asking.revision

    async def _prepare(self, asking: Asking[Group]) -> None:
        """Have a large event tested and rendered beside the loop, then go on."""
        asking.ready, groups = True, list(asking.groups)
        size = asking.size + LONG
        await self.aside.run(size, self, make_frames, asking.event, asking.frames, groups)
        self._ask()

    def _give_up_tests(self) -> None:
        """Expire the watches that the backlog waits for: it grows faster than they are tested."""
        for asking in self._events:
            slow = [
                group
                for group in asking.groups
                if group.interest.test is not None or is_long(asking.event, (group,))
            ]
            for group in slow:
                for watch in group.watches:
                    _count_terminated(watch)
                self._break(group, EXPIRED)
            asking.groups = deque(group for group in asking.groups if group.watches)

    def _break(self, group: Group, status: bytes) -> None:
        for watch in list(group.watches):
            self._settle(watch)
            self.detach(watch)
            watch.fail(status)

    def _queue(self, group: Group, frame: bytes) -> None:
        if group.queue(frame):
            if not self._dirty:
                self._gathering = time.perf_counter()
                self._plan()
            self._dirty.append(group)
        if group.form.then is not None:
            # A watch that joins later has its first event still to come: another form.
            self._close_to_others(group)
            group.form = group.form.then
            for watch in group.watches:
                watch.form = group.form

    # ------------------------------------------------------------------------- writing

    def _plan(self) -> None:
        """Schedule the writing of what gathers: soon, or when the pause is over."""
        loop, left = asyncio.get_running_loop(), self._resume - time.perf_counter()
        if left > 0:
            loop.call_later(left, self._flush)
        else:
            loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Begin to write what has gathered."""
        dirty, self._dirty = self._dirty, []
        idle = not self._outgoing
        for group in dirty:
            data = group.take()
            self._outgoing.extend((watch, data) for watch in group.watches)
        if idle and self._outgoing:
            self._begin_to_write()
            DELIVERY_SECONDS.observe(time.perf_counter() - self._gathering)

    def _begin_to_write(self) -> None:
        self._spent = 0.0
        self._write()

    def _write(self) -> None:
        """Write to some watches, and to the others after other work of the loop."""
        begun = time.perf_counter()
        self._write_to(min(_SLICE, len(self._outgoing)), _SLICE_BYTES)
        ended = time.perf_counter()
        self._spent += ended - begun
        if self._outgoing:
            asyncio.get_running_loop().call_soon(self._write)
        else:
            pause = min(_PAUSE * self._spent, _LONGEST_PAUSE)
            self._resume = ended + pause if pause >= _SHORTEST_PAUSE else 0.0

    def _write_to(self, number: int, most: int) -> None:
        """Write to the next `number` watches, or until more than `most` bytes are written."""
        size = 0
        for _ in range(number):
            watch, data = self._outgoing.popleft()
            if watch.closed:
                continue
            watch.sink.write(data)
            if watch.sink.pending() > MAX_PENDING:
                self.detach(watch)
                watch.sink.cut()
                _count_terminated(watch)
            size += len(data)
            if size > most:
                return

    def _settle(self, watch: Watch) -> None:
        """Write now what has gathered for one watch, whose last event is to follow it."""
        if self._dirty:
            self._flush()
        if not self._outgoing:
            return
        others: deque[tuple[Watch, bytes]] = deque()
        for pair in self._outgoing:
            if pair[0] is not watch:
                others.append(pair)
            elif not watch.closed:
                watch.sink.write(pair[1])
        self._outgoing = others

    def flush(self) -> None:
        """Write everything that has gathered, now."""
        if self._dirty:
            self._flush()
        self._write_to(len(self._outgoing), 1 << 62)

    # ------------------------------------------------------------------------- bookmarks

    def _told(self, watch: Watch) -> int:
        """Return the revision up to which a watch has been sent everything."""
        return max(self.published, watch.after)

    def _on_tick(self) -> None:
        """Send the bookmarks that are due; they may be a second late."""
        loop, due = asyncio.get_running_loop(), self._due
        now = loop.time()
        if self._dirty:
            self._flush()
        idle = not self._outgoing
        bookmarks: dict[Hashable, bytes] = {}
        while due and due[0][0] <= now:
            _, watch = due.popleft()
            if not watch.closed:
                self._remind(watch, bookmarks)
                due.append((now + BOOKMARK_SECONDS, watch))
        if idle and self._outgoing:
            self._begin_to_write()
        self._ticker = loop.call_later(TICK_SECONDS, self._on_tick) if due else None

    def _remind(self, watch: Watch, bookmarks: dict[Hashable, bytes]) -> None:
        """Send a bookmark; `bookmarks` are those of this tick, by group and revision."""
        revision = self._told(watch)
        key = (watch.group, revision)
        if key not in bookmarks:
            bookmarks[key] = watch.mark(revision)
        self._outgoing.append((watch, bookmarks[key]))
        if watch.form.then is not None:  # that was its first event
            self._leave(watch)
            watch.form = watch.form.then
            self._join(watch)

    def close(self) -> None:
        """End all watches."""
        self.flush()
        if self._ticker is not None:
            self._ticker.cancel()
        for group in self._fanout.all():
            for watch in list(group.watches):
                self._end(watch)


def _shows(interest: Interest, cluster: str) -> bool:
    cluster_shown, sees = interest.prefix.split(b"\0")[1].decode(), interest.clusters
    return cluster_shown == cluster or (not cluster_shown and (sees is None or sees(cluster)))


def _count_terminated(watch: Watch) -> None:
    """Count a watch whose reader does not keep up, under its group and resource."""
    resource = watch.interest.prefix.partition(b"\0")[0].decode().partition(":")[0]
    group, _, plural = resource.rpartition("/")
    TERMINATED_WATCHES.add(group, plural)


BROKEN = msgspec.json.encode(internal("the watch cannot show an object").status())
# The last events of watches that are ended early; 410 makes their clients list again.
UNREADABLE_OBJECT = msgspec.json.encode(
    expired("an object that could not be read was deleted; list again").status()
)
EXPIRED = msgspec.json.encode(
    expired("the watch was too slow and missed events; list again").status()
)
