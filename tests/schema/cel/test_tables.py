"""The tables of functions: whole, readable, and found under every name."""

import pytest

from kcpfast.schema.cel.library.costs import COSTS, METERED
from kcpfast.schema.cel.signatures import COMMON, RARE, Overload, overloads_of, rows_of
from kcpfast.schema.cel.syntax.macros import METHODS

LIBRARIES = [*COMMON, *RARE]


@pytest.mark.parametrize("library", LIBRARIES)
def test_rows_are_sorted_by_function(library: str) -> None:
    names = [row[0] for row in rows_of(library)]
    assert names == sorted(names)


@pytest.mark.parametrize("library", LIBRARIES)
def test_rows_can_be_read(library: str) -> None:
    for row in rows_of(library):
        overload = Overload(row)
        assert callable(overload.call)
        assert isinstance(overload.cost, int) or overload.cost in COSTS


@pytest.mark.parametrize("library", RARE)
def test_rare_functions_are_listed(library: str) -> None:
    assert sorted({row[0] for row in rows_of(library)}) == sorted(RARE[library])


def test_every_function_is_found() -> None:
    for library in LIBRARIES:
        for row in rows_of(library):
            assert any(overload.call is row[2] for overload in overloads_of(row[0]))
    assert overloads_of("nonsense") == ()


def test_cost_rules_and_macros() -> None:
    assert set(COSTS) >= METERED
    assert list(METHODS) == sorted(METHODS)
