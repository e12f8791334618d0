"""Whose request is begun next: while there is time at once, else one of each client in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from kcpfast.transport.turns import ROUND_SECONDS, Turns


class World:
    """Turns whose clock goes on by what each turn costs."""

    def __init__(self) -> None:
        self.time = 0.0
        self.turns = Turns(lambda: self.time)
        self.order: list[str] = []

    def turn(self, who: str, cost: float) -> Callable[[], None]:
        def act() -> None:
            self.order.append(who)
            self.time += cost

        return act

    def ask(self, who: str, cost: float = 0.0) -> None:
        if self.turns.have_time():
            self.turns.spend(self.turn(who, cost))
        else:
            self.turns.wait(who, self.turn(who, cost))


LONG, SHORT = 0.04, 0.0001
# asked in one round, begun in that round, begun in all
ROUNDS = [
    ("aaaa", SHORT, "aaaa", "aaaa"),
    ("aaab", LONG, "a", "aaba"),
    ("aabbcc", LONG, "a", "aabcbc"),
    ("aaaaaab", ROUND_SECONDS / 2, "aaa", "aaaabaa"),
]


@pytest.mark.parametrize(("asked", "cost", "at_once", "all_of"), ROUNDS)
async def test_clients_take_turns(asked: str, cost: float, at_once: str, all_of: str) -> None:
    world = World()
    for who in asked:
        world.ask(who, cost)
    assert "".join(world.order) == at_once
    assert world.turns.waited == len(asked) - len(at_once)
    for _ in asked:
        await asyncio.sleep(0)
    assert "".join(world.order) == all_of


async def test_who_shakes_hands_is_first() -> None:
    """But for half of a round only: others have the other half."""
    world = World()
    for who in "abab":
        world.ask(who, LONG)
    for _ in range(3):
        world.turns.wait_first(world.turn("!", ROUND_SECONDS / 2 + SHORT))
    for _ in range(5):
        await asyncio.sleep(0)
    assert "".join(world.order) == "a!b!a!b"
    assert world.turns.have_time()


async def test_a_new_round_has_time_again() -> None:
    world = World()
    for _ in range(2):
        world.ask("a", LONG)
        assert not world.turns.have_time()
        await asyncio.sleep(0)
        assert world.turns.have_time()
    assert not world.turns.waited
