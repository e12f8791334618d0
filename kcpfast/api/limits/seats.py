"""How many requests are worked on at once: a seat for each, by kind of request and by user.

After API Priority and Fairness (KEP-1040), with what a server needs of it that has one thread:
health, reads of one object and `system:masters` need no seat, because they wait for nothing or must
never wait; leader election has seats of its own; the system comes first; and nobody takes so many
seats that none is left for others. Who finds none waits for a moment, then it is 429.

A user may take a seat while it has fewer than three times of what is free: alone it comes to three
quarters of all, two come to three sevenths each, and there is always room for one more (the dynamic
threshold of Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet
switches", 1998).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from kcpfast.api.steps.stages import Authenticated
from kcpfast.auth.tokens import CLUSTER_EXTRA
from kcpfast.meta.errors import too_many_requests
from kcpfast.meta.user import ANONYMOUS, MASTERS, SERVICE_ACCOUNT, User
from kcpfast.telemetry.metrics import REFUSED, Reading
from kcpfast.transport.messages import Sink, Stream

WAIT_SECONDS = 1.0
# A user may have less than so many times the number of free seats.
_TIMES = 3
# One of so many seats is kept for the system.
_KEPT = 8
# So many times the number of seats may wait for one, of each user.
_QUEUED = 4
_READS = ("get", "list")
_ELECTING = ("get", "create", "update", "patch")


class Limits(NamedTuple):
    """How many requests of a kind may be worked on at once (0 = any number)."""

    reads: int = 400
    writes: int = 200
    watches: int = 0


class Seat(NamedTuple):
    """A seat of a pool, for the user `flow`. `first` says that it is a component of the system."""

    pool: Pool
    flow: str
    first: bool

    def leave(self) -> None:
        """Give the seat back to its pool."""
        self.pool.leave(self.flow)

    def keep(self, answer: Stream) -> Stream:
        """Return a stream that gives the seat back when it is closed."""

        def start(sink: Sink) -> Callable[[], None]:
            try:
                stop = answer.start(sink)
            except BaseException:
                self.leave()
                raise

            def closed() -> None:
                self.leave()
                stop()

            return closed

        return answer._replace(start=start)


class Pool:
    """The seats for requests of one kind, and the queues of those that wait for one."""

    def __init__(self, size: int, name: str = "", *, waits: bool = True) -> None:
        """Have `size` seats (0 = any number); `waits` lets requests that find none wait."""
        self.size = size
        self.name = name
        self.taken = 0
        self.users: dict[str, int] = {}
        self._waits = waits
        self._waiting: dict[str, deque[tuple[Seat, asyncio.Future[None]]]] = {}

    def fits(self, seat: Seat) -> bool:
        """Tell whether a seat is free for its user, by the dynamic threshold (see the module)."""
        if not self.size:
            return True
        free = self.size - self.taken
        if seat.first:
            return free > 0
        free -= self.size // _KEPT
        return free > 0 and self.users.get(seat.flow, 0) < _TIMES * free

    def enter(self, seat: Seat) -> bool:
        """Take a seat if it is free."""
        if not self.fits(seat):
            return False
        self.add(seat.flow)
        return True

    def add(self, flow: str) -> None:
        """Give a seat to a user."""
        self.taken += 1
        self.users[flow] = self.users.get(flow, 0) + 1

    def leave(self, flow: str) -> None:
        """Take a seat back, and give what is free to requests that wait."""
        self.taken -= 1
        left = self.users[flow] - 1
        if left:
            self.users[flow] = left
        else:
            del self.users[flow]
        if self._waiting:
            self._pass_on()

    async def wait(self, seat: Seat) -> None:
        """Wait for a seat; ApiError 429 if too many of this user do, or if it takes too long."""
        queue = self._waiting.get(seat.flow)
        if not self._waits or (queue is not None and len(queue) >= _QUEUED * self.size):
            REFUSED.add(self.name, "queue-full")
            raise too_many_requests()
        loop = asyncio.get_running_loop()
        granted: asyncio.Future[None] = loop.create_future()
        entry = (seat, granted)
        self._waiting.setdefault(seat.flow, deque()).append(entry)
        timer = loop.call_later(WAIT_SECONDS, self._give_up, granted)
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled() and granted.exception() is None:
                self.leave(seat.flow)
            raise
        finally:
            timer.cancel()
            self._forget(entry)
            del granted, entry  # it knows its error, which knows this frame

    def waiting(self) -> int:
        """Return how many requests wait."""
        return sum(map(len, self._waiting.values()))

    def _give_up(self, granted: asyncio.Future[None]) -> None:
        if not granted.done():
            REFUSED.add(self.name, "time-out")
            granted.set_exception(too_many_requests())

    def _forget(self, entry: tuple[Seat, asyncio.Future[None]]) -> None:
        flow = entry[0].flow
        queue = self._waiting.get(flow)
        if queue is not None:
            with contextlib.suppress(ValueError):
                queue.remove(entry)
            if not queue:
                del self._waiting[flow]

    def _pass_on(self) -> None:
        """Give free seats to waiting requests: the system's first, then who has fewest."""
        while True:
            heads = [queue[0] for queue in self._waiting.values() if self.fits(queue[0][0])]
            if not heads:
                return
            entry = min(
                heads, key=lambda head: (not head[0].first, self.users.get(head[0].flow, 0))
            )
            self._forget(entry)
            if not entry[1].done():
                self.add(entry[0].flow)
                entry[1].set_result(None)


class Seats:
    """The pools of a server."""

    def __init__(self, limits: Limits) -> None:
        """Make the pools with as many seats as the limits say."""
        self.reads = Pool(limits.reads, "reads")
        self.writes = Pool(limits.writes, "writes")
        self.leases = Pool(max(limits.writes // 4, 1) if limits.writes else 0, "leases")
        self.watches = Pool(limits.watches, "watches", waits=False)

    def taken(self) -> Reading:
        """Return the number of seats that are taken, by pool."""
        pools = (self.reads, self.writes, self.leases, self.watches)
        return [((pool.name,), pool.taken) for pool in pools]

    def by_kind(self) -> Reading:
        """Return how many requests are worked on, by kube-apiserver's two kinds."""
        changing = self.writes.taken + self.leases.taken
        return [(("readOnly",), self.reads.taken), (("mutating",), changing)]

    def queued(self) -> Reading:
        """Return how many requests wait for a seat, by pool."""
        pools = (self.reads, self.writes, self.leases)
        return [((pool.name,), pool.waiting()) for pool in pools]

    def of(self, request: Authenticated) -> Seat | None:
        """Return the seat that a request needs, None if it needs none."""
        user, verb = request.user, request.attributes.verb
        if MASTERS in user.groups:
            return None
        if verb == "watch":
            pool = self.watches
        elif request.attributes.resource == "leases" and verb in _ELECTING:
            pool = self.leases
        else:
            pool = self.reads if verb in _READS else self.writes
        return Seat(pool, request.flow, _is_system(user.name))


def flow_of(user: User) -> str:
    """Return whose seats a user takes: service accounts of one workspace are one."""
    homes = user.extras(CLUSTER_EXTRA) if user.name.startswith(SERVICE_ACCOUNT) else ()
    return SERVICE_ACCOUNT + homes[0] if homes else user.name


def _is_system(name: str) -> bool:
    return name.startswith("system:") and not name.startswith(SERVICE_ACCOUNT) and name != ANONYMOUS
