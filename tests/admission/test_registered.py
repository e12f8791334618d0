"""What a workspace registers is bounded in bytes, and so is what is kept of all workspaces."""

from __future__ import annotations

import pytest

from kcpfast.admission import evaluation, registered
from kcpfast.registry.derived import Kept
from tests.admission.registering import BASE, hooks, path_of, rule, validating
from tests.fix_inside import CONFIG_MAPS, Inside, Json, config_map

CONFIGURATIONS = f"{BASE}/validatingwebhookconfigurations"
TOO_MUCH = "may come to 20000 bytes at most"


def hook(number: int, size: int = 3000) -> Json:
    url = "https://127.0.0.1:1/" + "x" * size
    found = {"name": "h.example.com", "clientConfig": {"url": url}, "sideEffects": "None",
             "admissionReviewVersions": ["v1"], "rules": [rule("secrets")]}  # fmt: skip
    return hooks("Validating", found, name=f"hooks-{number}")


@pytest.mark.parametrize("kind", ["webhook", "policy"])
async def test_more_is_refused_to_be_written(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(registered, "MOST_BYTES", 20_000)
    statuses = []
    for number in range(10):
        obj = hook(number)
        if kind == "policy":
            obj = validating({"expression": "true", "message": "x" * 3000})
            obj["metadata"]["name"] = f"hooks-{number}"
        got = await inside.send("POST", path_of(obj), obj)
        statuses.append(got.status)
    assert statuses[0] == 201
    assert statuses[5:] == [403] * 5
    assert TOO_MUCH in got.body["message"]
    await inside.create(CONFIG_MAPS, config_map("a"))
    if kind == "webhook":
        one = f"{CONFIGURATIONS}/hooks-0"
        grown, shrunk = hook(0, 9000), hook(0, 10)
        assert (await inside.send("PUT", one, grown)).status == 403
        await inside.patch(one, {"webhooks": shrunk["webhooks"]})
        assert (await inside.send("POST", CONFIGURATIONS, hook(11, 10))).status == 201


async def test_more_is_not_read_and_can_be_deleted(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came to be by many writes at the same time, or before there was a limit."""
    for number in range(4):
        await inside.create(CONFIGURATIONS, hook(number))
    monkeypatch.setattr(registered, "MOST_BYTES", 20_000)
    monkeypatch.setattr(registered, "_MOST_READ", 7_000)
    got = await inside.send("POST", CONFIG_MAPS, config_map("a"))
    assert (got.status, got.body["message"]) == (403, str(registered.too_much()))
    assert TOO_MUCH in got.body["message"]
    for number in range(3):
        await inside.delete(f"{CONFIGURATIONS}/hooks-{number}")
    await inside.create(CONFIG_MAPS, config_map("a"))


async def test_what_is_registered_counts_as_what_it_grows_to(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    obj = hook(0, 40_000)
    await inside.create(CONFIGURATIONS, obj)
    claimed: list[int] = []
    monkeypatch.setattr(
        "kcpfast.transport.messages.Request.claim", lambda _, size: claimed.append(size)
    )
    await inside.create(CONFIG_MAPS, config_map("a"))
    assert max(claimed) > registered.GROWTH * 40_000


def test_programs_are_kept_up_to_a_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    programs: Kept[evaluation._Compiled] = Kept(100_000, lambda made: made.size)
    monkeypatch.setattr(evaluation, "_PROGRAMS", programs)
    for number in range(20):
        text = f"object.a == {number} && object.b != '{'x' * 100}'"
        first = evaluation.compiled(text, ("bool",), evaluation.ExpressionScope())
        assert evaluation.compiled(text, ("bool",), evaluation.ExpressionScope()) is first
        assert programs.size < 120_000
    assert 1 < len(programs) < 10
