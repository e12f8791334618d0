"""What Kubernetes estimates that a rule can cost, this room estimates too (estimates.json)."""

import json
from pathlib import Path
from typing import Any

import pytest

from kcpfast.schema.cel import CelError, compile_expression, estimate_cost, type_of_schema
from kcpfast.schema.cel.estimate import RULE_LIMIT
from kcpfast.schema.cel.estimate.ranges import UNBOUNDED

from . import typed

GROUPS = json.loads((Path(__file__).parent / "estimates.json").read_text())["groups"]
CASES = [pytest.param(group, *case, id=case[0][:60]) for group in GROUPS for case in group["cases"]]
# What a real kube-apiserver's compiler said of rules over bounded schemas: the most that one
# evaluation can cost, or the first line of its error.
CARRIED = [
    pytest.param(group["schema"], *case, id=case[0][:60])
    for group in json.loads((Path(__file__).parent / "carried.json").read_text())
    for case in group["cases"]
]


@pytest.mark.parametrize(("group", "source", "least", "most"), CASES)
def test_agrees_with_kubernetes(group: Any, source: str, least: int, most: int) -> None:
    variables = typed(group["variables"])
    own = None
    if group["schema"] is not None:
        own = type_of_schema(group["schema"], resource=True)
        assert own is not None
        variables |= {"self": own, "oldSelf": own}
    assert estimate_cost(compile_expression(source, variables), own) == (least, most)


@pytest.mark.parametrize(("schema", "source", "expected"), CARRIED)
def test_sizes_are_carried_and_environments_are_those_of_rules(
    schema: Any, source: str, expected: int | str
) -> None:
    own = type_of_schema(schema)
    assert own is not None
    variables = {"self": own, "oldSelf": own}
    if isinstance(expected, int):
        assert estimate_cost(compile_expression(source, variables), own)[1] == expected
        return
    with pytest.raises(CelError) as caught:
        compile_expression(source, variables)
    assert caught.value.message.split("\n")[0] == expected


def test_bounds_in_the_schema_make_a_rule_cheap() -> None:
    item = {"type": "string", "maxLength": 10}
    for limits, cheap in (({}, False), ({"maxItems": 10}, True)):
        own = type_of_schema({"type": "array", "items": item, **limits})
        assert own is not None
        program = compile_expression("self.all(x, self.all(y, x == y || x != y))", {"self": own})
        assert (estimate_cost(program, own)[1] <= RULE_LIMIT) is cheap


def test_unknown_sizes_have_no_bound() -> None:
    program = compile_expression("l.all(x, x > 0)", typed({"l": "list(int)"}))
    assert estimate_cost(program) == (2, UNBOUNDED)
