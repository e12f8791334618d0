"""Sets of fields: the algebra, against sets of paths; the wire form; the order."""

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kcpfast.patch.fieldset import (
    FieldSet,
    difference,
    from_fields_v1,
    intersection,
    leaves,
    reconciled,
    recursive_difference,
    to_fields_v1,
    union,
    with_named_fields,
)
from kcpfast.patch.path_element import element_text, literal
from tests.models.patch import Paths, as_paths, from_paths
from tests.patch.kinds import WIDGET, listed

ELEMENTS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"1"'])
SETS = st.lists(st.lists(ELEMENTS, min_size=1, max_size=3).map(tuple), max_size=6).map(from_paths)

OPERATIONS: list[tuple[Any, Any]] = [
    (union, lambda a, b: a | b),
    (intersection, lambda a, b: a & b),
    (difference, lambda a, b: a - b),
    (recursive_difference, Paths.without_below),
]


@pytest.mark.parametrize(("operation", "twin"), OPERATIONS)
@given(one=SETS, other=SETS)
def test_operations_as_on_paths(operation: Any, twin: Any, one: FieldSet, other: FieldSet) -> None:
    before = repr((one, other))
    outcome = operation(one, other)
    assert as_paths(outcome) == twin(as_paths(one), as_paths(other))
    assert outcome == from_paths(as_paths(outcome)), "not in its one form"
    assert repr((one, other)) == before


@given(SETS, SETS, SETS)
def test_laws_of_sets(a: FieldSet, b: FieldSet, c: FieldSet) -> None:
    assert union(a, b) == union(b, a)
    assert union(a, union(b, c)) == union(union(a, b), c)
    assert intersection(a, union(b, c)) == union(intersection(a, b), intersection(a, c))
    assert union(difference(a, b), intersection(a, b)) == a
    assert difference(a, a) == recursive_difference(a, a) == {}
    assert union(a, a) == intersection(a, a) == a


@given(SETS)
def test_leaves_have_nothing_below(fields: FieldSet) -> None:
    assert as_paths(leaves(fields)) == as_paths(fields).leaves()


@given(SETS)
def test_wire_form_round_trips(fields: FieldSet) -> None:
    assert from_fields_v1(to_fields_v1(fields)) == fields
    assert from_fields_v1({"f:x": {".": {}}, "z:new": {}}) == {"f:x": {}}


def test_order_is_that_of_the_server() -> None:
    ports = [f'k:{{"port":{port}}}' for port in (80, 443, 8080)]
    expected = [".", "f:a", "f:b", 'k:{"name":"a"}', 'k:{"name":"a!"}', *ports]
    expected += ["v:2", "v:10", 'v:"2"', "v:false", "v:true", "i:2", "i:10"]
    assert list(to_fields_v1({key: {} for key in sorted(expected)})) == expected


@pytest.mark.parametrize(
    "fields",
    [[], "x", {"a": {}}, {"k:x": {}}, {"k:{}": {}}, {"i:a": {}}, {"f:a": []}, {"f:a": 1}, {"": {}}],
)
def test_malformed_fields_are_refused(fields: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        from_fields_v1(fields)


@pytest.mark.parametrize(
    ("element", "text"),
    [
        ("f:data", ".data"),
        ("f:a.b/c", ".a.b/c"),
        ('k:{"name":"x","port":80}', '[name="x",port=80]'),
        ('v:"example.com/f"', '[="example.com/f"]'),
        ("v:true", "[=true]"),
        ("i:3", "[3]"),
    ],
)
def test_elements_in_error_texts(element: str, text: str) -> None:
    assert element_text(element) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x-1", '"x-1"'),
        ('"<&>\u2028é\n', '"\\"\\u003c\\u0026\\u003e\\u2028é\\n"'),
        (80, "80"),
        (1.0, "1"),
        (1.5, "1.5"),
        (True, "true"),
        (None, "null"),
    ],
)
def test_literals_as_go_writes_them(value: Any, text: str) -> None:
    assert literal(value) == text


def test_named_fields_become_members() -> None:
    fields = from_paths([("f:struct", "f:a"), ("f:map", "f:k"), ("f:unknown", "f:k")])
    named = listed(with_named_fields(fields, WIDGET))
    assert named == [".map", ".map.k", ".struct", ".struct.a", ".unknown.k"]


def test_what_became_a_leaf_is_one_member() -> None:
    kept = [("f:map", "f:k"), ("f:items", 'k:{"name":"a"}', "f:value"), ("f:free", "f:a", "f:b")]
    fields = from_paths([*kept, ("f:atomicMap", "f:k"), ("f:atomicList", "v:1")])
    expected = from_paths([*kept, ("f:atomicMap",), ("f:atomicList",)])
    assert reconciled(fields, WIDGET) == expected
    assert reconciled(expected, WIDGET) is expected
    within = from_paths([("f:atomicMap",)])
    assert listed(reconciled(fields, WIDGET, within))[:2] == [".atomicList[=1]", ".atomicMap"]
