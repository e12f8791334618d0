"""Valid objects become nearly valid: a value of another form, a member too many, one too few."""

from __future__ import annotations

from typing import Any

from kcpfast.meta.copies import copy_json
from tests.differential.script import Json
from tests.fuzz.choices import Choices
from tests.fuzz.values import Schema, places, resolved, typed

# What clients write where the key's type is wanted, and what is taken for it by mistake.
_NEAR: dict[type, tuple[Any, ...]] = {
    int: (2.0, 1e6, 15.5, -1, 0, "3", True, None, 2**31, 2**53 + 1, 2**63, []),
    float: (1, 0.3, 1e-7, "1.5", None, 1e300),
    bool: (None, "true", 1, "", {}),
    str: (
        "",
        "a",
        "A_b",
        "a/b",
        "x.example.com/y",
        " a",
        "ä",
        1,
        1.5,
        True,
        None,
        [],
        {},
        "z" * 64,
    ),
    list: (None, [], {}, "a", [None]),
    dict: (None, {}, [], "a", {"a": None}, {"unknown": 1}),
}
_TIMES = ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+02:00", "2026-01-02T03:04:05.123456789Z")
_MORE_TIMES = ("2026-01-02 03:04:05", "2026-13-02T03:04:05Z", 5, "", None, "2026-01-02T03:04:05.5Z")
_QUANTITIES = (
    "1500m",
    0.5,
    1,
    "1e3",
    "0.1",
    "1Ki",
    "1.5Gi",
    "-1",
    "1 Gi",
    "",
    None,
    "1000000000000",
)
_BYTES = ("YQ==", "YQ", "YW\nI=", "%%", "", None, "YQ== ", 1)
_META: tuple[Json, ...] = (
    {"labels": {"a": "b", "x.example.com/y": ""}},
    {"labels": {"a b": "c"}},
    {"labels": {"a": "c d"}},
    {"labels": {"a": None}},
    {"labels": {"a": 1}},
    {"annotations": {"a": "b"}},
    {"annotations": {"A/B/C": "d"}},
    {"finalizers": ["example.com/x"]},
    {"finalizers": ["x"]},
    {"finalizers": [""]},
    {"generateName": "{id}-"},
    {"namespace": "other"},
    {"uid": "a"},
    {"resourceVersion": "1"},
    {"resourceVersion": "x"},
    {"generation": 7},
    {"creationTimestamp": "2020-01-01T00:00:00Z"},
    {"creationTimestamp": None},
    {"deletionTimestamp": "2020-01-01T00:00:00Z"},
    {"selfLink": "/x"},
    {"managedFields": []},
    {"managedFields": [{}]},
    {"ownerReferences": [{"apiVersion": "v1", "kind": "A", "name": "b", "uid": "c"}]},
    {"ownerReferences": [{"apiVersion": "v1", "kind": "A", "name": "b", "controller": True}]},
    {"unknown": 1},
    {"name": "A"},
    {"name": "a_b"},
)


def spoil(obj: Json, schema: Schema, choices: Choices) -> None:
    """Change an object in one place."""
    way = choices.number(10)
    if way < 2:
        meta = obj.get("metadata")
        if isinstance(meta, dict):
            meta |= copy_json(choices.pick(_META))
        return
    if way < 6:
        _graft(obj, schema, choices)
        return
    found = [place for place in places(obj) if place[1] not in ("metadata", "name")]
    if not found:
        return
    container, key = choices.pick(found)
    if way == 6 and isinstance(container, dict):
        del container[key]
    elif way == 7 and isinstance(container, list):
        container.append(copy_json(container[key]))
    else:
        container[key] = copy_json(choices.pick(_NEAR.get(type(container[key]), (None, "a", 1))))


def _graft(obj: Any, schema: Schema, choices: Choices) -> None:
    """Set a member that the schema knows: to a value of its type, or to one that is near it."""
    schema = resolved(schema)
    while isinstance(obj, list) and obj:
        obj, schema = choices.pick(obj), resolved(schema.get("items") or {})
    properties = schema.get("properties")
    if not properties or not isinstance(obj, dict):
        return
    name = choices.pick([each for each in sorted(properties) if each != "metadata"])
    if isinstance(obj.get(name), dict | list) and choices.chance(75):
        _graft(obj[name], properties[name], choices)
    else:
        obj[name] = _value(properties[name], choices)


def _value(schema: Schema, choices: Choices) -> Any:
    """Return a value for a member, valid more often than not."""
    full = resolved(schema)
    form, description = full.get("format"), str(schema.get("$ref") or schema.get("allOf"))
    if form == "date-time":
        return choices.pick(_TIMES if choices.chance(50) else _MORE_TIMES)
    if form == "byte":
        return choices.pick(_BYTES)
    if "Quantity" in description:
        return choices.pick(_QUANTITIES)
    value = typed(schema, choices)
    if choices.chance(35):
        return copy_json(choices.pick(_NEAR.get(type(value), (None, "a", 1))))
    return value
