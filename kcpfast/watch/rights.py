"""What open watches are allowed by: rights that are withdrawn end them.

A kube-apiserver asks once, when a watch begins. Here tenants that do not trust each other share a
server: what was read to allow a watch is known, and once it has changed the request is asked about
again. Watches of the same user at the same place have one right.

Nobody looks while nothing is committed. After a commit all rights are gone through, a part at a
time, then there is a pause: so that takes two hundredths of the time at most. Those of which
something has changed are asked about in turns, for no more than half of the time, and those of each
user in turn: who has many that change all the time delays his own. A right that was withdrawn ends
its watches within two seconds, usually within some milliseconds.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Hashable, Sized
from typing import Generic, Protocol, TypeVar

import msgspec

from kcpfast.meta.errors import ApiError, internal

LOG = logging.getLogger("kcpfast.watch")
T = TypeVar("T", bound=Hashable)

_TURN_SECONDS = 0.005
_PAUSE = 50.0  # times what it took to go through all
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.005, 1.0
_BROKEN = msgspec.json.encode(internal("the watch cannot be authorized").status())


class Basis(Protocol):
    """What something was made of; once it does not hold it never holds again."""

    def holds(self) -> bool:
        """Tell whether nothing of it has changed."""


class Right(Generic[T]):
    """What watches of one user at one place are allowed by.

    `key` is equal for what is asked about in the same words. `owner` is whose turn it takes to ask
    again, which it `waits` for. `basis` holds until something changes
    that was read for the answer; `renew` asks again and returns the new one, or raises ApiError.
    """

    __slots__ = ("basis", "key", "owner", "renew", "waits", "watches")

    def __init__(
        self, key: Hashable, owner: Hashable, basis: Basis, renew: Callable[[], Basis]
    ) -> None:
        """Begin without watches."""
        self.key, self.owner, self.basis, self.renew = key, owner, basis, renew
        self.waits = False
        self.watches: dict[T, None] = {}


class Rights(Generic[T]):
    """The rights of all open watches, those that are being fed among them."""

    def __init__(self, end: Callable[[T, bytes], None]) -> None:
        """Begin without any; `end` ends a watch and tells it a Status."""
        self._end = end
        self._rights: dict[Hashable, Right[T]] = {}
        # Those that are still to be looked at, and those that are to be asked about, by owner.
        self._unseen: deque[Right[T]] = deque()
        self._changed: dict[Hashable, deque[Right[T]]] = {}
        # Whether all are or will be gone through, and whether something was committed since.
        self._planned = self._committed = False
        self._spent = self._resume = 0.0

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._rights)

    def enter(self, right: Right[T], watch: T) -> Right[T]:
        """Let a watch that was just allowed depend on a right; return the one that it shares."""
        shared = self._rights.setdefault(right.key, right)
        if not shared.basis.holds():
            shared.basis = right.basis
        shared.watches[watch] = None
        if not shared.basis.holds():  # something was committed since it was asked
            self.on_commit()
        return shared

    def leave(self, right: Right[T], watch: T) -> None:
        """Forget a watch, and a right that has none any more."""
        right.watches.pop(watch, None)
        if not right.watches and self._rights.get(right.key) is right:
            del self._rights[right.key]

    def busy(self) -> bool:
        """Tell whether it is not known of all of them that they hold."""
        return self._planned or bool(self._changed)

    def on_commit(self) -> None:
        """Have the rights gone through: soon, or once the pause is over."""
        self._committed = True
        if not self._planned and self._rights:
            self._plan()

    def _plan(self) -> None:
        self._planned = True
        loop, left = asyncio.get_running_loop(), self._resume - time.perf_counter()
        if left > 0:
            loop.call_later(left, self._begin)
        else:
            loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._committed, self._spent = False, 0.0
        self._unseen.extend(self._rights.values())
        self._look()

    def _look(self) -> None:
        """Look at rights until this turn is over."""
        self._spent += _in_turn(self._unseen, self._look_at_next)
        if self._unseen:
            asyncio.get_running_loop().call_soon(self._look)
            return
        pause = min(max(_PAUSE * self._spent, _SHORTEST_PAUSE), _LONGEST_PAUSE)
        self._resume = time.perf_counter() + pause
        self._planned = False
        if self._committed and self._rights:
            self._plan()

    def _look_at_next(self) -> None:
        right = self._unseen.popleft()
        if right.waits or right.basis.holds():
            return
        right.waits = True
        if not self._changed:
            asyncio.get_running_loop().call_soon(self._ask)
        self._changed.setdefault(right.owner, deque()).append(right)

    def _ask(self) -> None:
        """Ask about rights that have changed until this turn is over."""
        spent = _in_turn(self._changed, self._ask_about_next)
        if self._changed:
            asyncio.get_running_loop().call_later(spent, self._ask)

    def _ask_about_next(self) -> None:
        """Ask about a right of the owner whose turn it is; end its watches if refused."""
        owner = next(iter(self._changed))
        rest = self._changed.pop(owner)
        right = rest.popleft()
        if rest:
            self._changed[owner] = rest
        right.waits = False
        if not right.watches or right.basis.holds():
            return
        try:
            right.basis = right.renew()
        except ApiError as error:
            status = msgspec.json.encode(error.status())
        except Exception:
            LOG.exception("a watch cannot be authorized again")
            status = _BROKEN
        else:
            return
        for watch in list(right.watches):
            self._end(watch, status)


def _in_turn(left: Sized, step: Callable[[], None]) -> float:
    """Take steps while something is left, until a turn is over; return how long it took."""
    begun = now = time.perf_counter()
    while left:
        step()
        now = time.perf_counter()
        if now - begun > _TURN_SECONDS:
            break
    return now - begun
