"""Defaults are filled in up to a size: a short body does not become what nobody can hold."""

from __future__ import annotations

from typing import Any

import pytest

from kcpfast._core.schema import MAX_DEFAULTS, Overgrown
from kcpfast.schema.program import compile_schema

LONG = "x" * 1000
ITEMS = {
    "type": "array",
    "items": {"type": "object", "properties": {"d": {"type": "string", "default": LONG}}},
}
ENTRIES = {"type": "object", "additionalProperties": ITEMS["items"]}
NESTED = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "o": {
                "type": "object",
                "default": {},
                "properties": {"d": {"type": "string", "default": LONG}},
            }
        },
    },
}
MOST = MAX_DEFAULTS // (len(LONG) + 2)


def sent(schema: dict[str, Any], number: int) -> Any:
    """Return a value with so many places for the default."""
    if schema is ENTRIES:
        return {str(at): {} for at in range(number)}
    return [{} for _ in range(number)]


@pytest.mark.parametrize("schema", [ITEMS, ENTRIES, NESTED])
def test_defaults_are_filled_in_up_to_a_size(schema: dict[str, Any]) -> None:
    program = compile_schema({"type": "object", "properties": {"spec": schema}})
    program.prune({"spec": sent(schema, MOST - 20)})
    with pytest.raises(Overgrown, match=f"limit is {MAX_DEFAULTS}"):
        program.prune({"spec": sent(schema, MOST + 20)})


def test_what_is_there_is_not_counted() -> None:
    program = compile_schema({"type": "object", "properties": {"spec": ITEMS}})
    program.prune({"spec": [{"d": LONG} for _ in range(MOST + 20)]})


def test_a_list_that_keeps_unknown_fields_keeps_those_of_its_items() -> None:
    known = {"type": "object", "properties": {"a": {"type": "object"}}}
    schema = {"type": "array", "x-kubernetes-preserve-unknown-fields": True, "items": known}
    value: list[Any] = [{"any": 1, "a": {"b": 2}}]
    assert compile_schema(schema).prune(value) == ["[0].a.b"]
    assert value == [{"any": 1, "a": {}}]
