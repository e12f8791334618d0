"""What compares two servers: a seed decides all, and what differs is found and made small."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.differential.generate import script
from tests.differential.judge import Difference, difference
from tests.differential.normalise import normalised
from tests.differential.script import JSON, Answer, Script, Step, step
from tests.differential.shrink import shrunk


@pytest.mark.parametrize("seed", range(20))
def test_a_seed_decides_a_script_that_can_be_kept(seed: int) -> None:
    made = script(seed)
    assert made == script(seed)
    assert made.steps == tuple(step(each.data()) for each in made.steps)


@pytest.mark.parametrize(
    ("left", "right", "pointer"),
    [
        ({"a": 1}, {"a": 1}, None),
        ({"a": 1}, {"a": 1.0}, "/body/a"),
        ({"a": 1}, {"a": True}, "/body/a"),
        ({"a": None}, {}, "/body/a"),
        ({"a": []}, {"a": None}, "/body/a"),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, "/body/a/0/b"),
    ],
)
def test_values_differ_as_they_are_written(left: Any, right: Any, pointer: str | None) -> None:
    asked = Script("s", "things", (Step("GET", "/"),))
    found = difference(asked, [Answer(200, left, [], JSON)], [Answer(200, right, [], JSON)])
    assert (found and found.pointer) == pointer


def test_what_differs_from_run_to_run_is_masked() -> None:
    body = {
        "metadata": {
            "name": "dx1x",
            "resourceVersion": "7",
            "annotations": {"kcp.io/cluster": "c"},
        },
        "message": 'at {\\"resourceVersion\\":\\"8\\"}',
    }
    found = normalised(200, {"warning": '299 - "dx1x"'}, json.dumps(body).encode(), "dx1x")
    assert found.warnings == ["{id}"]
    assert found.body == {
        "metadata": {"name": "{id}", "resourceVersion": "<rv>"},
        "message": 'at {\\"resourceVersion\\":\\"<rv>\\"}',
    }


def test_a_difference_is_shown_by_its_smallest_script() -> None:
    def compare(asked: Script) -> Difference | None:
        at = next((at for at, each in enumerate(asked.steps) if b'"bad"' in each.body), None)
        return None if at is None else Difference(asked, at, "/body", 1, 2, (200, 200))

    body = json.dumps({"a": 1, "b": {"c": ["bad", "good"]}}).encode()
    steps = (Step("POST", "/a", JSON, b"{}"), Step("POST", "/b", JSON, body), Step("GET", "/b"))
    found = compare(Script("s", "things", steps))
    assert found is not None
    smallest = shrunk(found, compare).script
    assert [(each.path, each.body) for each in smallest.steps] == [("/b", b'{"b": {"c": ["bad"]}}')]
