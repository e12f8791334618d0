"""Printer columns of custom kinds: every type that a definition may give has a cell."""

from typing import Any

import pytest

from kcpfast.registry.strategies.crd import _COLUMN_TYPES
from kcpfast.resources.definition import columns

# type: values and their cells
CELLS: dict[str, tuple[tuple[Any, Any], ...]] = {
    "boolean": ((True, True), (1, None)),
    "date": (("no date", "<invalid>"), (None, None), (7, None)),
    "integer": ((7, 7), (7.5, 7), ("7", None), (True, None), (None, None)),
    "number": ((7.5, 7.5), (7, 7), ("7.5", None)),
    "string": (
        (7, "7"),
        (True, "true"),
        (None, "<no value>"),
        ({"b": 1, "a": []}, '{"a":[],"b":1}'),
    ),
}


def test_every_type_is_tried() -> None:
    assert sorted(CELLS) == sorted(_COLUMN_TYPES)


@pytest.mark.parametrize("kind", CELLS)
def test_a_cell(kind: str) -> None:
    _, column = columns([{"name": "A", "type": kind, "jsonPath": ".spec.a"}])
    for value, cell in CELLS[kind]:
        assert column.cell({"spec": {"a": value}}) == cell
    assert column.cell({}) is None


# The cell is the first result, also of those who find more; a path that fails leaves it empty.
PATHS = {
    ".l[-1:].n": "c",
    ".l[*].n": "a",
    ".l[?(@.v>1)].n": "b",
    ".l[0,2].n": "a",
    "..n": "a",
    ".l[9].n": None,
    ".l[": None,
    ".": None,
}


@pytest.mark.parametrize("path", PATHS)
def test_a_cell_is_the_first_result_of_its_path(path: str) -> None:
    listed = [{"n": name, "v": number} for number, name in enumerate("abc")]
    listed[1]["v"] = 2
    _, column = columns([{"name": "A", "type": "string", "jsonPath": path}])
    assert column.cell({"l": listed}) == PATHS[path]
