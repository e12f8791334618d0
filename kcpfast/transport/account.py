"""One account of what clients make a server hold: what they sent, and what they do not read.

Every buffer that a client can fill is charged to the holder of its connection, and holders of one
client to its party. Over the ceiling the party that holds most pays, with what holds most of it:
the request that asks for more is refused, or another connection is cut off. Nobody else notices.

A request that is running holds what it holds until it has ended, whether its connection lives or
not. Until it has, who is cut off is on its way out: its part is not there yet for who asks for
much, and does not count against who asks for little.

What is small is not counted: a connection is charged at its beginning what it holds with requests
and answers of the usual size.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol

from kcpfast.telemetry.metrics import REFUSED_FOR_MEMORY

# TLS, buffers of the usual size and the objects around them.
CONNECTION_BYTES = 24 * 1024
# Over the ceiling so many parts of it are made free at once: looking for who pays takes time.
_PARTS = 32
# After so much was taken, whoever watches over memory is to look at what it really comes to.
_LOOK = 4 << 20


class Holding(Protocol):
    """What a holder stands for."""

    def cut(self) -> bool:
        """Give up what is held, now; being told so again, hang up.

        True if more is given back once a request that is running has ended, as it is told to.
        """


class Party:
    """Who is taken for one client: a user, or an address nobody is known to be behind of."""

    __slots__ = ("held", "holders", "key")

    def __init__(self, key: Hashable) -> None:
        """Begin with nothing."""
        self.key = key
        self.held = 0
        self.holders: dict[Holder, None] = {}


class Account:
    """What all hold together, and the ceiling (bytes; 0 = there is none)."""

    def __init__(self, ceiling: int = 0) -> None:
        """Begin with nothing held."""
        self.ceiling = ceiling
        self.held = self.most = 0
        # Those on their way out: they are not asked again.
        self.leaving = Party(self)
        # How many were cut off, and how many were refused.
        self.cuts = self.refusals = 0
        # To be set: called now and then while more is held, to give back what is free.
        self.tidy: Callable[[], None] | None = None
        self._taken = 0
        self._parties: dict[Hashable, Party] = {}

    def note(self, size: int) -> None:
        """Count what is taken, however soon it is given back: it leaves holes in the heap."""
        self._taken += size
        if self._taken >= _LOOK:
            self._taken = 0
            if self.tidy is not None:
                self.tidy()

    def open(self, owner: Holding, key: Hashable) -> Holder:
        """Return a holder with nothing; it belongs to a party until it is closed."""
        return Holder(self, owner, self._party(key))

    def _party(self, key: Hashable) -> Party:
        party = self._parties.get(key)
        if party is None:
            party = self._parties[key] = Party(key)
        return party

    def leave(self, holder: Holder) -> None:
        """Take a holder, with what it holds, out of its party."""
        party = holder.party
        party.held -= holder.held
        if party.holders.pop(holder, True) is None and not party.holders:
            self._parties.pop(party.key, None)

    def enter(self, holder: Holder, key: Hashable) -> None:
        """Put a holder, with what it holds, into a party."""
        party = holder.party = self._party(key)
        party.held += holder.held
        party.holders[holder] = None

    def make_room(self, asking: Holder) -> bool:
        """Cut off who holds most until all is below the ceiling; False if there is no room yet."""
        goal = self.ceiling - self.ceiling // _PARTS
        while self.held - self.leaving.held > goal and self._parties:
            party = max(self._parties.values(), key=lambda each: each.held)
            payer = max(party.holders, key=lambda each: (each.held, each is not asking))
            if payer is asking:
                break
            self._cut(payer)
        if self.held <= self.ceiling or self._is_small(asking):
            return True
        self.refusals += 1
        REFUSED_FOR_MEMORY.add("request-refused")
        return False

    def _is_small(self, asking: Holder) -> bool:
        """Tell whether who asks holds little, and the others will soon be below the ceiling."""
        little = asking.held * _PARTS <= self.ceiling
        return little and self.held - self.leaving.held <= self.ceiling

    def _cut(self, payer: Holder) -> None:
        self.cuts += 1
        REFUSED_FOR_MEMORY.add("connection-cut")
        before = self.held
        if payer.owner.cut():
            self.leave(payer)
            payer.party = self.leaving
            payer.party.held += payer.held
        elif self.held >= before:
            payer.close()


class Holder:
    """What one connection holds."""

    __slots__ = ("_account", "held", "owner", "party")

    def __init__(self, account: Account, owner: Holding, party: Party) -> None:
        """Begin with nothing; see Account.open."""
        self._account: Account | None = account
        self.owner = owner
        self.party = party
        self.held = 0
        party.holders[self] = None

    def take(self, size: int) -> bool:
        """Hold more; False, with nothing more held, if there is no room for it and none is made.

        Once it is closed nothing is counted any more: who goes on has an heir.
        """
        account = self._account
        if account is None:
            return True
        self._add(account, size)
        account.note(size)
        if account.held <= account.ceiling or not account.ceiling:
            account.most = max(account.most, account.held)
            return True
        if account.make_room(self):
            return True
        self._add(account, -size)
        return False

    def is_scarce(self) -> bool:
        """Tell whether a quarter of all room is taken: who can do with less is to take less."""
        account = self._account
        return account is not None and account.held * 4 > account.ceiling > 0

    def give(self, size: int) -> None:
        """Hold less; never less than nothing: what was refused is not given back."""
        if self._account is not None:
            self._add(self._account, -min(size, self.held))

    def _add(self, account: Account, size: int) -> None:
        self.held += size
        self.party.held += size
        account.held += size

    def join(self, key: Hashable) -> None:
        """Belong to a party from now on."""
        account = self._account
        if account is not None and self.party.key != key and self.party is not account.leaving:
            account.leave(self)
            account.enter(self, key)

    def heir(self, owner: Holding, size: int) -> Holder:
        """Return a holder that takes over so much of this one, which is about to be closed."""
        account = self._account
        if account is None:
            return self
        heir = Holder(account, owner, self.party)
        self.give(size)
        heir._add(account, size)
        return heir

    def close(self) -> None:
        """Hold nothing any more."""
        account, self._account = self._account, None
        if account is not None:
            account.leave(self)
            account.held -= self.held
            self.held = 0


class _Nobody:
    """The owner of what no connection holds."""

    def cut(self) -> bool:
        """Do nothing."""
        return False


# For requests that came over no connection.
NO_HOLDER = Holder(Account(), _Nobody(), Party(""))
NO_HOLDER.close()
