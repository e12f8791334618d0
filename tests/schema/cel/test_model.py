"""Random expressions against the slow twin in tests/models/cel.py, typed and untyped."""

import re

from hypothesis import given

from kcpfast.schema.cel import Budget, CelError, compile_expression, parse_type
from tests.models.cel import Failed, Tree, text_of, trees, value_of

NUMBER = re.compile(r"-?[0-9]+")


def expected(tree: Tree) -> object:
    try:
        return value_of(tree)
    except Failed:
        return None


def answer(source: str, kind: str, values: dict[str, int]) -> object:
    program = compile_expression(source, dict.fromkeys(values, parse_type(kind)))
    try:
        return program.evaluate(values, Budget())
    except CelError:
        return None


@given(trees())
def test_constants(tree: Tree) -> None:
    assert answer(text_of(tree), "int", {}) is expected(tree)


@given(trees())
def test_variables_of_known_and_unknown_type(tree: Tree) -> None:
    values: dict[str, int] = {}

    def named(hit: re.Match[str]) -> str:
        values[f"v{len(values)}"] = int(hit.group())
        return f"v{len(values) - 1}"

    source = NUMBER.sub(named, text_of(tree))
    assert answer(source, "int", values) is expected(tree)
    assert answer(source, "dyn", values) is expected(tree)
