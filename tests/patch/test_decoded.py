"""Copies and equality of decoded JSON."""

from typing import Any

import pytest

from kcpfast.meta.copies import copy_json
from kcpfast.patch.decoded import same

EQUALS: list[tuple[Any, Any, bool]] = [
    (1, 1.0, True),
    (1, True, False),
    (0, False, False),
    ("1", 1, False),
    (None, False, False),
    (None, {}, False),
    ({}, [], False),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
    ({"a": [1]}, {"a": [1.0]}, True),
    ({"a": [1]}, {"a": [True]}, False),
    ({"a": 1}, {"a": 1, "b": None}, False),
    ([1, 2], [2, 1], False),
    (["\ud800"], ["\ud800"], True),
    ([2**70], [2**70], True),
]


@pytest.mark.parametrize(("one", "other", "equal"), EQUALS)
def test_same_json(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal
    assert same(other, one) is equal


def test_copy_shares_no_container() -> None:
    value = {"a": [{"b": 1}], "c": {}}
    copied = copy_json(value)
    copied["a"][0]["b"] = copied["c"]["d"] = 2
    assert value == {"a": [{"b": 1}], "c": {}}
