"""Printer columns of custom kinds: every type that a definition may give has a cell."""

from typing import Any

import pytest

from kcpfast.registry.strategies.crd import _COLUMN_TYPES
from kcpfast.resources.definition import columns

# type: a value of it, the cell of that value, and a value of another type, which has no cell
CELLS: dict[str, tuple[Any, Any, Any]] = {
    "boolean": (True, True, 1),
    "date": ("no date", "<invalid>", None),
    "integer": (7, 7, 7.5),
    "number": (7.5, 7.5, "7.5"),
    "string": (7, "7", None),
}


def test_every_type_is_tried() -> None:
    assert sorted(CELLS) == sorted(_COLUMN_TYPES)


@pytest.mark.parametrize("kind", CELLS)
def test_a_cell(kind: str) -> None:
    value, cell, other = CELLS[kind]
    _, column = columns([{"name": "A", "type": kind, "jsonPath": ".spec.a"}])
    assert column.cell({"spec": {"a": value}}) == cell
    assert column.cell({"spec": {"a": other}}) is None
    assert column.cell({}) is None
