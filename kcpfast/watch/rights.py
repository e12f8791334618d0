"""The rights of open watches: a right that is withdrawn ends its watches.

kube-apiserver authorizes a watch once, when it begins. Here tenants that do not trust each other
share a server: the keys that were read to authorize a watch are kept, and once one of them changes
the request is authorized again. Watches of the same user on the same resource share one right.

Nothing runs while nothing is committed. After a commit all rights are checked, some at a time, and
then there is a pause of 50 times what that took: it takes 2 % of the time at most. Rights that may
have changed are authorized again for at most half of the time, one of each user in turn: a user
whose many rights change all the time delays only his own. A right that was withdrawn ends
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
# Multiple of the time that checking all rights took.
_PAUSE = 50.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.005, 1.0
_BROKEN = msgspec.json.encode(internal("the watch cannot be authorized").status())


class Basis(Protocol):
    """What an answer was derived from; once it does not hold, it never holds again."""

    def holds(self) -> bool:
        """Tell whether nothing of it has changed."""


class Right(Generic[T]):
    """The permission that watches of one user on one resource rest on.

    `key` is equal for requests that are authorized alike. `basis` holds until a key changes that
    was read for the answer; `renew` authorizes again and returns the new basis, or raises ApiError.
    That is done in the turn of `owner`; `waits` says that it is due.
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
        """Begin without rights; `end` ends a watch with a Status as its last event."""
        self._end = end
        self._rights: dict[Hashable, Right[T]] = {}
        # Rights still to be checked, and those that are to be authorized again, by owner.
        self._unseen: deque[Right[T]] = deque()
        self._changed: dict[Hashable, deque[Right[T]]] = {}
        # Whether a check of all rights runs or is due, and whether a commit came since it began.
        self._planned = self._committed = False
        self._spent = self._resume = 0.0

    def __len__(self) -> int:
        """Return the number of rights."""
        return len(self._rights)

    def enter(self, right: Right[T], watch: T) -> Right[T]:
        """Let a watch that was just allowed depend on a right; return the one that it shares."""
        shared = self._rights.setdefault(right.key, right)
        if not shared.basis.holds():
            shared.basis = right.basis
        shared.watches[watch] = None
        if not shared.basis.holds():  # a commit came after it was authorized
            self.on_commit()
        return shared

    def leave(self, right: Right[T], watch: T) -> None:
        """Forget a watch, and a right that has none any more."""
        right.watches.pop(watch, None)
        if not right.watches and self._rights.get(right.key) is right:
            del self._rights[right.key]

    def busy(self) -> bool:
        """Tell whether some rights are still to be checked or authorized again."""
        return self._planned or bool(self._changed)

    def on_commit(self) -> None:
        """Have all rights checked: soon, or when the pause is over."""
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
        """Check rights until this turn is over."""
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
        """Authorize rights that may have changed again, until this turn is over."""
        spent = _in_turn(self._changed, self._ask_about_next)
        if self._changed:
            asyncio.get_running_loop().call_later(spent, self._ask)

    def _ask_about_next(self) -> None:
        """Authorize a right of the owner whose turn it is again; end its watches if refused."""
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
