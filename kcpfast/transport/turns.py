"""Who is served when more is asked for than can be answered in a moment.

Requests are answered where they come in, in the order of the sockets: with a hundred connections
one client would be served a hundred times before another. So after some milliseconds in one round
of the event loop the rest waits, each client's requests in a queue of their own, and the next
rounds take one of each client in turn. A client is who authenticates in the same way, over however
many connections.

While there is time for all, as nearly always, nobody is asked who they are. A new connection that
shakes hands has up to half of a round before all others: however busy a server is, one gets in.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from time import perf_counter

from kcpfast.telemetry.metrics import TURN_SECONDS

# What may be spent on requests before the loop looks at all sockets again.
ROUND_SECONDS = 0.01


class Turns:
    """The order in which the requests of all connections are begun; `waited` counts who waited."""

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        """Begin with nobody waiting."""
        self.waited = 0
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._spent = 0.0
        self._over = False
        self._waiting: OrderedDict[Hashable, deque[Callable[[], None]]] = OrderedDict()
        self._first: deque[Callable[[], None]] = deque()

    def have_time(self) -> bool:
        """Tell whether there is time for another turn now, and nobody waits for one."""
        return not (self._over or self._waiting or self._first)

    def spend(self, turn: Callable[[], None]) -> None:
        """Have a turn now."""
        begun = self._clock()
        turn()
        spent = self._clock() - begun
        self._spent += spent
        if spent > ROUND_SECONDS:
            TURN_SECONDS.observe(spent)
        if self._spent > ROUND_SECONDS and not self._over:
            self._over = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        """Begin another round: what was spent may have been in several, each had its sockets."""
        self._over = False
        self._spent = 0.0

    def wait(self, who: Hashable, turn: Callable[[], None]) -> None:
        """Have a turn in one of the next rounds."""
        self._plan()
        self._waiting.setdefault(who, deque()).append(turn)

    def wait_first(self, turn: Callable[[], None]) -> None:
        """Have a turn in one of the next rounds, before those who are served already."""
        self._plan()
        self._first.append(turn)

    def _plan(self) -> None:
        self.waited += 1
        if not (self._waiting or self._first):
            self._loop.call_soon(self._serve)

    def _serve(self) -> None:
        """Give turns to those who wait, one to each client, while this round has time."""
        begun = self._clock()
        try:
            over = not self._first
            while not over:
                self._first.popleft()()
                over = not self._first or self._clock() - begun > ROUND_SECONDS / 2
            over = not self._waiting
            while not over:
                who, turns = self._waiting.popitem(last=False)
                turn = turns.popleft()
                if turns:
                    self._waiting[who] = turns  # behind the others
                turn()
                over = not self._waiting or self._clock() - begun > ROUND_SECONDS
        finally:
            if self._waiting or self._first:
                self._loop.call_soon(self._serve)
