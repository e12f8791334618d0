"""How long rules take to compile and to evaluate: a simple one, a heavier one, an untyped one."""

from typing import Any

import pytest

from kcpfast.schema.cel import (
    Budget,
    CelType,
    compile_expression,
    estimate_cost,
    parse_type,
    type_of_schema,
)

ITEM = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 63},
        "port": {"type": "integer"},
        "since": {"type": "string", "format": "date-time"},
    },
}
SCHEMA = {
    "type": "object",
    "properties": {
        "keyType": {"type": "string"},
        "days": {"type": "integer"},
        "items": {"type": "array", "maxItems": 100, "items": ITEM},
    },
}
VALUE = {
    "keyType": "ec",
    "days": 30,
    "items": [
        {"name": f"item-{number}", "port": number, "since": "2020-01-01T00:00:00Z"}
        for number in range(20)
    ],
}
RULES = {
    "simple": "self.keyType != 'rsa' || self.days <= 90",
    "both sides": "self.keyType == 'rsa' || self.days <= 90",
    "loop": "self.items.all(i, i.port < 65536 && i.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$'))",
    "pairs": "self.items.all(i, self.items.exists_one(j, j.name == i.name))",
    "dates": "self.items.all(i, i.since < timestamp('2021-01-01T00:00:00Z'))",
    "unchanged": "self == oldSelf",
}
UNTYPED = "object.metadata.name.startsWith('a') && object.spec.replicas <= 5"
POLICY_OBJECT = {"object": {"metadata": {"name": "abc"}, "spec": {"replicas": 3}}}


def declared() -> dict[str, CelType]:
    own = type_of_schema(SCHEMA)
    assert own is not None
    return {"self": own, "oldSelf": own}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_compile(benchmark: Any, rule: str) -> None:
    variables = declared()
    benchmark(lambda: compile_expression(rule, variables))


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_evaluate(benchmark: Any, rule: str) -> None:
    program = compile_expression(rule, declared())
    bindings = {"self": VALUE, "oldSelf": VALUE}
    budget = Budget(limit=10**15)
    assert benchmark(lambda: program.evaluate(bindings, budget)) is True


def test_evaluate_untyped(benchmark: Any) -> None:
    program = compile_expression(UNTYPED, {"object": parse_type("dyn")})
    budget = Budget(limit=10**15)
    assert benchmark(lambda: program.evaluate(POLICY_OBJECT, budget)) is True


def test_estimate(benchmark: Any) -> None:
    program = compile_expression(RULES["pairs"], declared())
    benchmark(lambda: estimate_cost(program))


def test_type_of_schema(benchmark: Any) -> None:
    benchmark(lambda: type_of_schema(SCHEMA, resource=True))
