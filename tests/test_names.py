"""One name means one thing, in the whole program."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "kcpfast"

# What each module of a kind has under the same name, by agreement.
CONVENTIONS = {
    "COMMAND": "what a module of `cli` says of its command",
    "LOG": "the logger of the room",
    "Object": "an object as it is decoded",
    "P": "a type parameter",
    "ROWS": "what a module of `schema/cel/library` declares",
    "STRATEGIES": "what a module of `registry/strategies` has for its kinds",
    "Schema": "an OpenAPI schema as it is decoded",
    "T": "a type parameter",
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def assigned(statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """Yield (name, value) of what a module binds at its top level."""
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Name):
                yield target.id, ast.unparse(statement.value)
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        yield statement.target.id, ast.unparse(statement.value or ast.Constant(None))


def test_no_class_has_the_name_of_another() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for module, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(module)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_no_public_constant_has_two_values() -> None:
    values: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for module, tree in modules():
        for statement in tree.body:
            for name, value in assigned(statement):
                if not name.startswith("_") and name not in CONVENTIONS:
                    values[name][module] = value
    assert {name: of for name, of in values.items() if len(set(of.values())) > 1} == {}
