"""The Common Expression Language, as Kubernetes uses it: parse, check, compile, evaluate."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base import Budget as Budget
    from .base import CelError as CelError
    from .celtypes import CelType as CelType
    from .celtypes import list_of as list_of
    from .celtypes import map_of as map_of
    from .celtypes import object_of as object_of
    from .celtypes import opaque as opaque
    from .celtypes import open_object as open_object
    from .celtypes import optional_of as optional_of
    from .estimate import estimate_cost as estimate_cost
    from .program import CelProgram as CelProgram
    from .program import compile_expression as compile_expression
    from .results import plain as plain
    from .schemas import type_of_schema as type_of_schema
    from .signatures import parse_type as parse_type
    from .values import NO_VALUE as NO_VALUE
    from .values import Optional as Optional

_HOMES = {
    "NO_VALUE": "values",
    "Budget": "base",
    "CelError": "base",
    "Optional": "values",
    "CelProgram": "program",
    "CelType": "celtypes",
    "compile_expression": "program",
    "estimate_cost": "estimate",
    "list_of": "celtypes",
    "map_of": "celtypes",
    "object_of": "celtypes",
    "opaque": "celtypes",
    "open_object": "celtypes",
    "optional_of": "celtypes",
    "parse_type": "signatures",
    "plain": "results",
    "type_of_schema": "schemas",
}


def __getattr__(name: str) -> object:
    """Load a name of the interface when it is first asked for: start-up often needs none."""
    from importlib import import_module  # noqa: PLC0415 - see above

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    exported = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = exported
    return exported
