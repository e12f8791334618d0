"""deletecollection: some at the same time, large ones alone; the first error ends it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kcpfast.transport.messages import Request
from tests.fix_inside import CONFIG_MAPS, Inside, config_map


class Flight:
    """Counts deletions that are under way at the same time."""

    def __init__(self, inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.most = self.all = 0
        revise = inside.parts.objects.revise

        async def counted(*args: Any, **options: Any) -> Any:
            self.now += 1
            self.all += 1
            self.most = max(self.most, self.now)
            try:
                await asyncio.sleep(0)
                return await revise(*args, **options)
            finally:
                self.now -= 1

        monkeypatch.setattr(inside.parts.objects, "revise", counted)


@pytest.mark.parametrize(("size", "most"), [(10, 16), (70_000, 1)])
async def test_small_objects_share_commits(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, size: int, most: int
) -> None:
    where = inside.at + CONFIG_MAPS
    for number in range(40 if most > 1 else 3):
        await inside.create(where, config_map(f"m{number:02d}") | {"data": {"k": "x" * size}})
    flight = Flight(inside, monkeypatch)
    headers = {b"authorization": b"Bearer admin"}
    await inside.running.server.serve(Request("DELETE", where, "", headers))
    assert flight.most == most
    items = (await inside.send("GET", where)).body["items"]
    assert not [each for each in items if each["metadata"]["name"].startswith("m")]


async def test_the_first_error_ends_it(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    where = inside.at + CONFIG_MAPS
    for number in range(60):
        await inside.create(where, config_map(f"m{number:02d}"))
    flight = Flight(inside, monkeypatch)
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "other"}}
    answer = await inside.send("DELETE", where, options)
    assert answer.status == 409
    assert "the UID in the precondition (other)" in answer.body["message"]
    assert flight.all == 16
    assert flight.now == 0
