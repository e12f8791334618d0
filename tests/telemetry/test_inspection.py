"""Pages that show what is slow and what is stuck: who may read them, and what they say."""

from __future__ import annotations

from typing import Any

import pytest

from kcpfast.telemetry import inspection
from kcpfast.telemetry.inspection import KEPT_REQUESTS, LONGEST_TEXT, RequestRecord, Requests
from tests.fix_inside import CONFIG_MAPS, Inside, config_map

SLOW, STUCK = "/debug/requests/slow", "/debug/workitems/stuck"


def record(seconds: float, uri: str = "/api") -> RequestRecord:
    return RequestRecord(0, seconds, {"serve": seconds}, "GET", "get", uri, "", "me", "agent", 200)


@pytest.fixture(autouse=True)
def _nothing_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection.REQUESTS, "slow", inspection.Requests().slow)


async def items(inside: Inside, path: str) -> list[Any]:
    inside.at = ""
    got = await inside.send("GET", path, token="master")
    assert got.status == 200
    listed: list[Any] = got.body["items"]
    return listed


@pytest.mark.parametrize("path", [SLOW, STUCK])
async def test_pages_are_for_who_may_read_them(path: str, inside: Inside) -> None:
    assert (await inside.send("GET", path, token="master")).status == 501  # a workspace has none
    inside.at = ""
    assert (await inside.send("GET", path, user="somebody")).status == 403
    assert (await inside.send("GET", path, token="master")).status == 200


async def test_a_slow_request_is_shown_with_its_parts(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(inspection.REQUESTS, "threshold", 0.0)
    path = f"{inside.at}{CONFIG_MAPS}"
    await inside.create(f"{path}?dryRun=All", config_map("slow"))
    shown = (await items(inside, SLOW))[0]
    assert (shown["user"], shown["verb"], shown["method"]) == ("kcp-admin", "create", "POST")
    assert shown["uri"] == f"{path}?dryRun=All"
    assert shown["template"] == "/api/v1/namespaces/{:namespace}/configmaps"
    assert shown["status"] == 201
    assert sorted(shown["parts"]) == ["serve", "understand", "wait"]
    assert sum(shown["parts"].values()) == pytest.approx(shown["seconds"])


async def test_quick_requests_are_not_kept_and_slow_ones_are_bounded(inside: Inside) -> None:
    inspection.REQUESTS.note(record(inspection.SLOW_SECONDS / 2))
    assert await items(inside, SLOW) == []
    for number in range(KEPT_REQUESTS + 5):
        inspection.REQUESTS.note(record(1 + number, "/" + "x" * 100_000))
    shown = await items(inside, SLOW)
    assert len(shown) == KEPT_REQUESTS
    assert shown[0]["seconds"] == KEPT_REQUESTS + 5  # the latest
    assert {len(each["uri"]) for each in shown} == {LONGEST_TEXT}


async def test_a_work_item_that_fails_is_shown(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_cluster: str, _name: str) -> None:
        raise RuntimeError("no luck")

    runtime = inside.running.controllers
    failing = {**runtime._reconcilers, "namespace-content": fail}
    monkeypatch.setattr(runtime, "_reconcilers", failing)
    spaces = f"{inside.at}/api/v1/namespaces"
    await inside.create(
        spaces,
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "stuck"}},
    )
    await inside.delete(f"{spaces}/stuck")
    before = 0
    for _ in range(2):
        (shown,) = [item for item in await items(inside, STUCK) if item["name"] == "stuck"]
        assert (shown["controller"], shown["state"]) == ("namespace-content", "waiting")
        assert shown["error"] == "RuntimeError: no luck"
        assert shown["retries"] > before
        before = shown["retries"]
        assert shown["seconds"] >= 0
        await inside.settle(hurry=True)


@pytest.mark.parametrize("field", ["uri", "template", "user", "user_agent", "trace"])
def test_what_clients_send_is_kept_up_to_a_length(field: str) -> None:
    requests = Requests()
    requests.note(record(1.0)._replace(**{field: "x" * 60_000}))  # type: ignore[arg-type]
    assert getattr(requests.slow[0], field) == "x" * LONGEST_TEXT
