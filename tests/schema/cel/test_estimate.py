"""What Kubernetes estimates that a rule can cost, this room estimates too (estimates.json)."""

import json
from pathlib import Path
from typing import Any

import pytest

from kcpfast.schema.cel import compile_expression, estimate_cost, type_of_schema
from kcpfast.schema.cel.estimate import RULE_LIMIT
from kcpfast.schema.cel.estimate.ranges import UNBOUNDED

from . import typed

GROUPS = json.loads((Path(__file__).parent / "estimates.json").read_text())["groups"]
CASES = [pytest.param(group, *case, id=case[0][:60]) for group in GROUPS for case in group["cases"]]


@pytest.mark.parametrize(("group", "source", "least", "most"), CASES)
def test_agrees_with_kubernetes(group: Any, source: str, least: int, most: int) -> None:
    variables = typed(group["variables"])
    if group["schema"] is not None:
        own = type_of_schema(group["schema"], resource=True)
        assert own is not None
        variables |= {"self": own, "oldSelf": own}
    assert estimate_cost(compile_expression(source, variables)) == (least, most)


def test_bounds_in_the_schema_make_a_rule_cheap() -> None:
    item = {"type": "string", "maxLength": 10}
    for limits, cheap in (({}, False), ({"maxItems": 10}, True)):
        own = type_of_schema({"type": "array", "items": item, **limits})
        assert own is not None
        program = compile_expression("self.all(x, self.all(y, x == y || x != y))", {"self": own})
        assert (estimate_cost(program)[1] <= RULE_LIMIT) is cheap


def test_unknown_sizes_have_no_bound() -> None:
    program = compile_expression("l.all(x, x > 0)", typed({"l": "list(int)"}))
    assert estimate_cost(program) == (2, UNBOUNDED)
