"""Costs are counted, shared and enforced."""

import pytest

from kcpfast.schema.cel import Budget, CelError, compile_expression

from . import evaluate, typed

LIST = {"l": list(range(1000))}


def test_one_call_stops_at_its_limit() -> None:
    budget = Budget(limit=10_000_000, per_call=1000)
    with pytest.raises(
        CelError, match=r"^operation cancelled: actual cost limit exceeded$"
    ) as caught:
        evaluate("l.all(x, x >= 0)", LIST, budget=budget)
    assert caught.value.cancelled
    assert 1000 < budget.used < 1100


def test_calls_share_one_budget() -> None:
    program = compile_expression("l.all(x, x >= 0)", typed({"l": "list(int)"}))
    budget = Budget(limit=8000)
    assert program.evaluate(LIST, budget) is True
    assert budget.remaining == 8000 - 5002
    with pytest.raises(CelError):
        program.evaluate(LIST, budget)
    assert budget.remaining == 0


def test_no_operator_swallows_the_limit() -> None:
    for source in ("l.all(x, x >= 0) || true", "[1].exists(y, l.all(x, x >= 0)) || true"):
        with pytest.raises(CelError, match="cancelled"):
            evaluate(source, LIST, budget=Budget(limit=100))


def test_evaluations_may_nest() -> None:
    budget = Budget(per_call=100)
    inner = compile_expression("1 + 1", {})

    class Lazy(dict[str, object]):
        def __getitem__(self, name: str) -> object:
            return inner.evaluate({}, budget)

    assert evaluate("v.x == 2", {"v": Lazy(x=0)}, budget=budget) is True
    assert budget.used == 4


def test_uses_names_the_variables_read() -> None:
    types = typed({"self": "dyn", "oldSelf": "dyn"})
    assert compile_expression("self.a == 1", types).uses == {"self"}
    assert compile_expression("self == oldSelf", types).uses == {"self", "oldSelf"}
    assert compile_expression("[1].all(self, self > 0)", types).uses == set()
