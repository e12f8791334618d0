"""Conditions may have any shape in a status that somebody wrote: reading them never fails."""

from typing import Any

import pytest

from kcpfast.kcp import conditions
from kcpfast.registry.metadata import find_condition, is_condition_true, set_conditions

SHAPES: tuple[Any, ...] = (
    [{}],
    [{"status": "True"}],
    [{"type": "Other"}],
    [{"type": 5, "status": True}],
    ["text", None, 3],
    [{"type": "Ready", "status": "False"}],
    {"type": "Ready"},
    "text",
    None,
)


@pytest.mark.parametrize("listed", SHAPES)
def test_reads_and_sets_conditions_beside_any_others(listed: Any) -> None:
    obj: dict[str, Any] = {"metadata": {}, "status": {"conditions": listed}}
    assert not is_condition_true(obj, "Ready")
    set_conditions(obj, [{"type": "New", "status": "True"}])
    conditions.mark_true(obj, "Done")
    conditions.summarize(obj)
    for kind in ("New", "Done"):
        assert is_condition_true(obj, kind)
    assert find_condition(obj, "Ready") is not None
