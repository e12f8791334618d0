"""How many series there are does not depend on how many workspaces there are."""

from __future__ import annotations

import pytest

from kcpfast.telemetry import metrics
from tests.fix_inside import CONFIG_MAPS, Inside, config_map

MOST = 1500


async def series(inside: Inside) -> set[str]:
    """Return the series, without their values."""
    inside.at = ""
    text = (await inside.send("GET", "/metrics", token="master")).body["text"]
    return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}


async def visit(inside: Inside, name: str) -> None:
    """Make a workspace and use it."""
    at = await inside.workspace(name)
    await inside.create(f"{at}{CONFIG_MAPS}", config_map("a"))
    for path in (CONFIG_MAPS, f"{CONFIG_MAPS}/a", f"{CONFIG_MAPS}/none"):
        await inside.send("GET", f"{at}{path}")


async def test_two_hundred_workspaces_have_no_series_of_their_own(inside: Inside) -> None:
    await visit(inside, "first")
    await series(inside)
    before = await series(inside)
    for at in range(200):
        await visit(inside, f"more-{at}")
    assert await series(inside) == before
    assert 4 < len(before) < MOST


def test_groups_that_anybody_makes_up_are_counted_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics, "_requests", {})
    monkeypatch.setattr(metrics, "_lists", {})
    for at in range(2 * MOST):
        metrics.count_request("get", f"made-up-{at}.example.com", 200)
        metrics.count_list(f"made-up-{at}.example.com", "things")
    lines = [line for line in metrics.exposition().splitlines() if not line.startswith(b"#")]
    assert len(lines) < MOST
