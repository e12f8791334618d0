"""python -m tests.density: the twenty densest functions, `make lint` prints them.

A function is dense if its lines hold many nodes of the syntax tree: such lines are read twice. Well
kept libraries have 6.6 to 6.9 nodes a line as a whole. Functions of one or two lines are left out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SHOWN = 20
SHORTEST = 3

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class Density(NamedTuple):
    """Nodes per line of code, without docstrings, comments and blank lines."""

    nodes_per_line: float
    lines: int
    place: str


def docstring_lines(node: ast.Module | ast.ClassDef | FunctionNode) -> set[int]:
    """Return the line numbers of a docstring."""
    if ast.get_docstring(node, clean=False) is None:
        return set()
    first = node.body[0]
    return set(range(first.lineno, (first.end_lineno or first.lineno) + 1))


def code_lines(node: FunctionNode, source: list[str]) -> int:
    """Count the lines of a function that hold code."""
    documented = docstring_lines(node)
    count = 0
    for number in range(node.lineno, (node.end_lineno or node.lineno) + 1):
        text = source[number - 1].strip()
        if text and not text.startswith("#") and number not in documented:
            count += 1
    return count


def functions(path: Path) -> Iterator[Density]:
    """Yield how dense each function of a module is, nested ones too."""
    text = path.read_text()
    source = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, FunctionNode):
            continue
        lines = code_lines(node, source)
        if lines >= SHORTEST:
            nodes = sum(1 for _ in ast.walk(node))
            place = f"{path.relative_to(ROOT).as_posix()}:{node.lineno} {node.name}"
            yield Density(nodes / lines, lines, place)


def densest() -> list[Density]:
    """Return the densest functions of the program, the worst first."""
    every = [density for path in (ROOT / "kcpfast").rglob("*.py") for density in functions(path)]
    return sorted(every, reverse=True)[:SHOWN]


def main() -> None:
    """Print them, one a line."""
    print("nodes a line, lines, the densest functions:")
    for density in densest():
        print(f"{density.nodes_per_line:6.1f} {density.lines:4d}  {density.place}")


if __name__ == "__main__":
    main()
