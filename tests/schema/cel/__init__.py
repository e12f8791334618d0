"""Short forms that the tests of CEL share."""

from collections.abc import Mapping

from kcpfast.schema.cel import Budget, CelType, compile_expression, parse_type


def typed(declared: Mapping[str, str]) -> dict[str, CelType]:
    return {name: parse_type(text) for name, text in declared.items()}


def evaluate(
    source: str,
    bindings: Mapping[str, object] | None = None,
    types: Mapping[str, CelType] | None = None,
    budget: Budget | None = None,
) -> object:
    """Compile with every binding dyn unless `types` says otherwise, and evaluate."""
    bindings = bindings or {}
    declared = {name: parse_type("dyn") for name in bindings} | dict(types or {})
    return compile_expression(source, declared).evaluate(bindings, budget or Budget())
