"""Label and field selectors: what they let through, and what is no selector."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcpfast.meta.selectors import (
    SelectorError,
    _Merged,
    check_object,
    fields_test,
    from_object,
    labels_test,
    matches,
    parse_fields,
    parse_labels,
)

LABELS = {"a": "1", "b": "", "x.io/c": "three", "n": "10"}
SELECTORS = [
    ("", True), ("a", True), ("z", False), ("!a", False), ("! z", True), ("a=1", True),
    ("a==1", True), ("a=2", False), ("a!=2", True), ("z!=2", True), ("b=", True), ("b", True),
    ("a in (1,2)", True), ("a in (2)", False), ("z in (1)", False), ("a notin (2)", True),
    ("z notin (2)", True), ("b in ()", True), ("x.io/c=three", True), ("n>9", True),
    ("n<10", False), ("a>0", True), ("z>0", False), ("a=1,b,!z", True), ("a=1,z", False),
    (" a = 1 , n in ( 10 , 11 ) ", True), ("in in (in)", False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "passes"), SELECTORS)
def test_labels_match(text: str, passes: bool) -> None:
    assert matches(parse_labels(text), LABELS) is passes


_KEYS = st.sampled_from(["a", "b", "c"])
_VALUES = st.sampled_from(["", "x", "1", "2", "3"])
_TERMS = st.one_of(
    _KEYS,
    _KEYS.map("!{}".format),
    st.builds("{}{}{}".format, _KEYS, st.sampled_from(["=", "!="]), _VALUES),
    st.builds("{}{}{}".format, _KEYS, st.sampled_from("<>"), st.integers(0, 3)),
    st.builds(
        lambda key, word, listed: f"{key} {word} ({','.join(listed)})",
        _KEYS,
        st.sampled_from(["in", "notin"]),
        st.lists(_VALUES, min_size=1, max_size=3),
    ),
)


@given(st.lists(_TERMS, max_size=5), st.dictionaries(_KEYS, _VALUES))
def test_terms_sorted_by_key_let_through_the_same(terms: list[str], labels: dict[str, str]) -> None:
    selector = parse_labels(",".join(terms))
    assert labels_test(selector)(labels) is matches(selector, labels)


def test_an_object_costs_its_labels_and_not_the_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    judge = _Merged.matches

    def counted(term: _Merged, value: str) -> bool:
        asked.append(value)
        return judge(term, value)

    monkeypatch.setattr(_Merged, "matches", counted)
    passes = labels_test(parse_labels(",".join(f"a{n}!=b,a1!=c{n}" for n in range(250))))
    assert passes({"a1": "x", "z": "y"})
    assert asked == ["x"]


WRONG = ["a=1,", ",", "a b", "a~1", "a in 1", "a in (1", "a=(", "(a)", "!", "a==", "A/B/c",
         "a=b c", "n>x", "a=" + "x" * 64, ",".join(["a"] * 501), "a" * 70_000]  # fmt: skip


@pytest.mark.parametrize("text", [each for each in WRONG if each != "a=="])
def test_what_is_no_label_selector(text: str) -> None:
    with pytest.raises(SelectorError):
        parse_labels(text)


@given(st.text("a1=!<>(), inot.\\", max_size=30))
def test_any_text_is_a_selector_or_refused(text: str) -> None:
    for parse in (parse_labels, parse_fields):
        with contextlib.suppress(SelectorError):
            parse(text)


FIELDS = [
    ("", True),
    ("a=1", True),
    ("a==1,b!=3", True),
    ("a!=1", False),
    (r"c=x\,y", True),
    ("missing=", True),
]


@pytest.mark.parametrize(("text", "passes"), FIELDS)
def test_fields_match(text: str, passes: bool) -> None:
    values = {"a": "1", "b": "2", "c": "x,y"}
    assert fields_test(parse_fields(text))(lambda field: values.get(field, "")) is passes


def test_a_field_is_asked_for_once_however_many_terms() -> None:
    asked: list[str] = []
    passes = fields_test(parse_fields(",".join(f"a!={n}" for n in range(500))))

    def read(field: str) -> str:
        asked.append(field)
        return "x"

    assert passes(read)
    assert asked == ["a"]


@pytest.mark.parametrize("text", ["a", "a>1", "a in (b)"])
def test_what_is_no_field_selector(text: str) -> None:
    with pytest.raises(SelectorError):
        parse_fields(text)


OBJECTS = [
    # LabelSelector, does it match, what is wrong with it
    ({}, True, []),
    ({"matchLabels": {"a": "1"}}, True, []),
    ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["2"]}]}, True, []),
    ({"matchExpressions": [{"key": "z", "operator": "Exists"}]}, False, []),
    ({"matchLabels": {"a b": "c d"}}, None, ["s.matchLabels", "s.matchLabels"]),
    ({"matchExpressions": [{"key": "a", "operator": "In"}]}, None, [
        "s.matchExpressions[0].values"]),
    ({"matchExpressions": [{"key": "", "operator": "Near"}]}, None, [
        "s.matchExpressions[0].operator", *["s.matchExpressions[0].key"] * 2]),
]  # fmt: skip


@pytest.mark.parametrize(("selector", "passes", "wrong"), OBJECTS)
def test_selector_objects(selector: dict[str, object], passes: bool, wrong: list[str]) -> None:
    assert [cause.field for cause in check_object(selector, "s")] == wrong
    if not wrong:
        assert matches(from_object(selector), LABELS) is passes
