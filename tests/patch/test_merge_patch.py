"""RFC 7396: its own examples, and a slow twin for everything else."""

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kcpfast.meta.errors import ApiError
from kcpfast.patch.merge_patch import apply_merge_patch, merge
from tests.models.patch import merge_patch

# RFC 7396, appendix A: original, patch, result.
RFC_CASES: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from("ab"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=12,
)


@pytest.mark.parametrize(("original", "patch", "result"), RFC_CASES)
def test_rfc_example(original: Any, patch: Any, result: Any) -> None:
    assert merge(original, patch) == result


@given(JSON, JSON)
def test_merge_as_its_twin(target: Any, patch: Any) -> None:
    before = json.dumps([target, patch])
    assert json.dumps(merge(target, patch)) == json.dumps(merge_patch(target, patch))
    assert json.dumps([target, patch]) == before


def test_result_shares_nothing() -> None:
    document, patch = {"a": {"b": [1]}}, {"c": [2]}
    merged = apply_merge_patch(document, patch)
    merged["a"]["b"].append(3)
    merged["c"].append(3)
    assert (document, patch) == ({"a": {"b": [1]}}, {"c": [2]})


@pytest.mark.parametrize("patch", [[1], None, "x", 1])
def test_patch_must_be_an_object(patch: Any) -> None:
    with pytest.raises(ApiError) as refused:
        apply_merge_patch({}, patch)
    assert refused.value.code == 400
