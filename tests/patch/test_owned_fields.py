"""Which fields an object has and which have changed."""

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kcpfast._core.fields import outline
from kcpfast.patch.fieldset import difference, to_fields_v1, union
from kcpfast.patch.merge_type import MergeNode
from kcpfast.patch.owned_fields import compare, fields_of, new_fields
from kcpfast.patch.path_element import Unkeyed
from tests.models.patch import as_paths, changes, places
from tests.patch.kinds import NAMESPACE, WIDGET, listed

A, B = {"name": "a"}, {"name": "b"}
# object, fields claimed by applying it, fields owned by creating it
FIELDS: list[tuple[Any, list[str], list[str]]] = [
    ({}, [], []),
    ({"text": "x"}, [".text"], [".text"]),
    ({"text": None}, [".text"], [".text"]),
    ({"map": {}}, [".map"], [".map"]),
    ({"map": None}, [".map"], [".map"]),
    ({"map": {"k": "v"}}, [".map.k"], [".map", ".map.k"]),
    ({"struct": {"a": "x"}}, [".struct.a"], [".struct", ".struct.a"]),
    ({"atomicMap": {"k": "v"}}, [".atomicMap"], [".atomicMap"]),
    ({"atomicList": ["x"]}, [".atomicList"], [".atomicList"]),
    ({"atomicList": []}, [".atomicList"], [".atomicList"]),
    ({"set": []}, [], [".set"]),
    ({"set": ["x"]}, ['.set[="x"]'], [".set", '.set[="x"]']),
    ({"set": ["x", "x"]}, ['.set[="x"]'], [".set", '.set[="x"]']),
    (
        {"items": [{"name": "a", "set": ["x"]}]},
        ['.items[name="a"]', '.items[name="a"].name', '.items[name="a"].set[="x"]'],
        [
            ".items",
            '.items[name="a"]',
            '.items[name="a"].name',
            '.items[name="a"].set',
            '.items[name="a"].set[="x"]',
        ],
    ),
    ({"items": [A, A]}, ['.items[name="a"]'], [".items", '.items[name="a"]']),
    (
        {"ports": [{"port": 80}]},
        ['.ports[port=80,protocol="TCP"]', '.ports[port=80,protocol="TCP"].port'],
        [".ports", '.ports[port=80,protocol="TCP"]', '.ports[port=80,protocol="TCP"].port'],
    ),
    (
        {"free": {"a": {"b": 1, "l": [{}]}}},
        [".free.a", ".free.a.b", ".free.a.l"],
        [".free", ".free.a", ".free.a.b", ".free.a.l"],
    ),
    ({"undeclared": {"a": 1}}, [".undeclared", ".undeclared.a"], [".undeclared", ".undeclared.a"]),
]


@pytest.mark.parametrize(("value", "claimed", "owned"), FIELDS)
def test_fields_of_one_object(value: Any, claimed: list[str], owned: list[str]) -> None:
    assert listed(fields_of(value, WIDGET)) == claimed
    changed, removed = compare({}, value, WIDGET)
    assert (listed(changed), removed) == (owned, {})
    changed, removed = compare(value, {}, WIDGET)
    assert (changed, listed(removed)) == ({}, owned)
    assert compare(value, json.loads(json.dumps(value)), WIDGET) == ({}, {})


# old, new, changed or added, removed
CHANGES: list[tuple[Any, Any, list[str], list[str]]] = [
    ({"text": "x"}, {"text": "y"}, [".text"], []),
    ({"map": {"k": "v"}}, {"map": {}}, [], [".map.k"]),
    ({"map": {}}, {"map": None}, [".map"], []),
    ({"map": None}, {"map": {"k": "v"}}, [".map.k"], []),
    (
        {"map": {"k": "v", "l": "w"}},
        {"map": {"k": "w", "m": "w"}},
        [".map.k", ".map.m"],
        [".map.l"],
    ),
    ({"atomicMap": {"k": "v"}}, {"atomicMap": {"k": "w"}}, [".atomicMap"], []),
    ({"atomicList": ["x", "y"]}, {"atomicList": ["y", "x"]}, [".atomicList"], []),
    ({"set": ["x", "y"]}, {"set": ["y", "x"]}, [], []),
    ({"set": ["x"]}, {"set": ["y"]}, ['.set[="y"]'], ['.set[="x"]']),
    ({"set": ["x"]}, {"set": ["x", "x"]}, ['.set[="x"]'], ['.set[="x"]']),
    ({"set": ["x", "x"]}, {"set": ["x"]}, ['.set[="x"]'], ['.set[="x"]']),
    ({"items": [A, A]}, {"items": [A, {**A, "value": 1}]}, ['.items[name="a"]'], []),
    ({"items": [A, B]}, {"items": [B, {**A, "value": 1}]}, ['.items[name="a"].value'], []),
    ({"free": {"a": 1}}, {"free": {"a": True}}, [".free.a"], []),
    ({"free": {"a": {"b": 1}}}, {"free": {"a": 2}}, [".free.a"], [".free.a.b"]),
    ({"free": {"a": 2}}, {"free": {"a": {"b": 1}}}, [".free.a", ".free.a.b"], []),
    ({"free": {"a": [1]}}, {"free": {"a": {"b": 1}}}, [".free.a", ".free.a.b"], []),
    ({"free": {"a": 1, "b": 2}}, {"free": {"b": 2.0, "a": 1}}, [], []),
]


@pytest.mark.parametrize(("old", "new", "changed", "removed"), CHANGES)
def test_changes_between_two(old: Any, new: Any, changed: list[str], removed: list[str]) -> None:
    found = compare(old, new, WIDGET)
    assert (listed(found[0]), listed(found[1])) == (changed, removed)


def test_structs_always_there_are_not_added() -> None:
    changed, _ = compare({}, {"status": {"phase": "x"}}, NAMESPACE)
    assert listed(changed) == [".status.phase"]
    assert compare({}, {"status": {}}, NAMESPACE) == ({}, {})
    _, removed = compare({"status": {"phase": "x"}}, {}, NAMESPACE)
    assert listed(removed) == [".status.phase"]


@pytest.mark.parametrize(
    "value", [{"items": [{}]}, {"items": ["x"]}, {"set": [{}]}, {"set": [None]}, {"ports": [{}]}]
)
def test_items_without_keys(value: Any) -> None:
    with pytest.raises(Unkeyed):
        fields_of(value, WIDGET)
    with pytest.raises(Unkeyed):
        compare({}, value, WIDGET)


WORDS = st.sampled_from(["a", "b", "c"])
MAPS = st.dictionaries(WORDS, WORDS, min_size=1, max_size=3)
SETS = st.lists(WORDS, min_size=1, max_size=3, unique=True)
ITEMS = st.lists(
    st.fixed_dictionaries({"name": WORDS}, optional={"set": SETS, "value": st.integers(0, 1)}),
    min_size=1,
    max_size=3,
    unique_by=lambda item: item["name"],
)
WIDGETS = st.fixed_dictionaries(
    {},
    optional={
        "atomicList": st.lists(WORDS, min_size=1, max_size=2),
        "atomicMap": MAPS,
        "free": MAPS,
        "items": ITEMS,
        "map": MAPS,
        "set": SETS,
        "struct": st.dictionaries(st.sampled_from(["a", "b"]), WORDS, min_size=1),
        "text": WORDS,
    },
)


def renamed(value: Any, changes: dict[str, str]) -> Any:
    """Return a value with other words for its words, keys excepted."""
    if isinstance(value, dict):
        return {key: renamed(item, changes) for key, item in value.items()}
    if isinstance(value, list):
        return [renamed(item, changes) for item in value]
    return changes.get(value, value)


@given(WIDGETS, WIDGETS, st.dictionaries(WORDS, WORDS | st.none()))
def test_objects_of_one_outline_have_the_same_fields(one: Any, two: Any, changes: Any) -> None:
    for other in (two, renamed(one, changes), dict(reversed(one.items()))):
        shape = outline(one, WIDGET)
        if shape is not None and shape == outline(other, WIDGET):
            assert new_fields(one, WIDGET) == new_fields(other, WIDGET)
    assert (outline(one, WIDGET) is None) is bool(one.get("set") or one.get("items"))


LARGE = [{"map": {f"k{at}": "" for at in range(200)}}, {"map": {200 * "k": ""}}]


@pytest.mark.parametrize("obj", LARGE)
def test_there_is_no_outline_of_large_objects(obj: Any) -> None:
    assert outline(obj, WIDGET) is None
    assert new_fields(obj, WIDGET) == compare({}, obj, WIDGET)[0]


@given(WIDGETS, st.sampled_from([WIDGET, NAMESPACE]))
def test_new_fields_are_what_compare_finds_new(obj: Any, node: MergeNode) -> None:
    obj = {"status": {}, "metadata": {"labels": {"b": "1", "a": "2"}}, **obj}
    wanted = to_fields_v1(compare({}, obj, node)[0])
    assert json.dumps(new_fields(obj, node)) == json.dumps(wanted)


@given(WIDGETS, WIDGETS)
def test_compare_as_its_twin(old: Any, new: Any) -> None:
    changed, removed = compare(old, new, WIDGET)
    assert (as_paths(changed), as_paths(removed)) == changes(old, new, WIDGET)


@given(WIDGETS)
def test_claims_lie_within_what_is_there(value: Any) -> None:
    there = places(value, WIDGET)
    claimed = as_paths(fields_of(value, WIDGET))
    assert claimed <= there.keys()
    assert {path for path, leaf in there.items() if leaf is not None} <= claimed


@given(WIDGETS, WIDGETS)
def test_changes_lead_from_one_to_the_other(old: Any, new: Any) -> None:
    changed, removed = compare(old, new, WIDGET)
    before, after = compare({}, old, WIDGET)[0], compare({}, new, WIDGET)[0]
    assert union(difference(before, removed), changed) == after
