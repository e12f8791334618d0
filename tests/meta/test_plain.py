"""The quick answers about decoded objects, beside the rules that they spare."""

from __future__ import annotations

import json
import re
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from kcpfast._core.decoded import (
    are_config_keys,
    is_label,
    is_plain,
    is_subdomain,
    same,
    text_size,
)
from kcpfast.meta import objectmeta
from kcpfast.meta.names import config_key

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
NAMES = st.text(alphabet="ab0-._/A\u00df\u0661\u0131\n ", max_size=8) | st.sampled_from(
    ["a" * 63, "a" * 64, "a." * 126 + "a", "a." * 127 + "a", "..", "...a", ".", "a/" + "b" * 64]
)
TEXTS = st.text(alphabet="ab-._A\u00df\U0001f600", max_size=5) | st.just("x" * 64)
META: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "labels": st.dictionaries(NAMES, TEXTS, max_size=3) | st.none(),
        "annotations": st.dictionaries(NAMES, TEXTS, max_size=3) | st.none(),
        "generation": st.integers(-1, 2) | st.none() | st.booleans(),
        "finalizers": st.lists(NAMES, max_size=2),
        "ownerReferences": st.just([]) | st.just([{}]),
    },
)
JSON = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 0.0, 1.0, 1.5, "", "1", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=6,
)


@given(NAMES)
@example("a\n")
def test_names_as_the_patterns_say(name: str) -> None:
    assert is_label(name) is bool(len(name) <= 63 and _LABEL.fullmatch(name))
    assert is_subdomain(name) is bool(len(name) <= 253 and _SUBDOMAIN.fullmatch(name))
    assert are_config_keys({name: ""}) is not bool(config_key(name))


@pytest.mark.parametrize("value", [None, 1, b"a", ["a"]])
def test_what_is_no_text_is_no_name(value: Any) -> None:
    assert not is_label(value)
    assert not is_subdomain(value)
    assert not are_config_keys({value if value != ["a"] else None: ""})


@given(META)
def test_nothing_is_wrong_with_what_is_plain(meta: dict[str, Any]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(objectmeta, "is_plain", lambda _: False)
        wrong = objectmeta._check_common(meta, "metadata")
    assert not (is_plain(meta) and wrong)
    assert objectmeta._check_common(meta, "metadata") == wrong


@pytest.mark.parametrize("more", [0, 1])
def test_annotations_are_plain_up_to_their_limit(more: int) -> None:
    text = "\u00e9" * ((256 * 1024 - 2) // 2) + "x" * more
    assert is_plain({"annotations": {"ab": text}}) is not bool(more)


def test_usual_metadata_is_plain() -> None:
    meta = {
        "name": "a",
        "generation": 1,
        "labels": {"app.kubernetes.io/name": "Web_1.x", "empty": ""},
        "annotations": {"kcp.io/cluster": "root", "text": "anything: at all"},
        "finalizers": [],
    }
    assert is_plain(meta)


@given(st.dictionaries(TEXTS, TEXTS | st.integers(), max_size=4))
def test_sizes_are_those_of_the_encoded_text(texts: dict[str, Any]) -> None:
    values = sum(len(str(value).encode()) for value in texts.values())
    assert text_size(texts, False) == values
    assert text_size(texts, True) == values + sum(len(key.encode()) for key in texts)


def twin(one: Any, other: Any) -> bool:
    """Compare as JSON does: by what kind of value it is, then by the value."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(twin(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(twin, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


@given(JSON, JSON)
@example([1], [True])
@example({"a": 1.0}, {"a": 1})
def test_same(one: Any, other: Any) -> None:
    assert same(one, other) is twin(one, other)
    assert same(one, json.loads(json.dumps(one)))


def test_same_gives_up_on_what_has_no_end() -> None:
    one: list[Any] = []
    other: list[Any] = []
    for _ in range(100_000):
        one, other = [one], [other]
    with pytest.raises(RecursionError):
        same(one, other)
