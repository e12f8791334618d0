"""What a step has found out of a request is changed by no other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from kcpfast.api.context import Call, PageRequest, Settled

ROOM = Path(__file__).resolve().parents[2] / "kcpfast" / "api"
# What serving a request may change of it.
ACCOUNTS = {"claimed", "headers", "right", "waited", "warnings"}
# `receive` completes the route that it has just split.
MAKERS = {"__init__", "again", "receive"}


def fields() -> set[str]:
    stages = {stage for last in (Call, PageRequest, Settled) for stage in last.__mro__}
    slots = {name for stage in stages for name in getattr(stage, "__slots__", ())}
    return slots - ACCOUNTS


def changed(function: ast.AST) -> Iterator[str]:
    """Yield the attributes that a function sets, but for those of its own object."""
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            target = node.value
            if not (isinstance(target, ast.Name) and target.id == "self"):
                yield node.attr


def test_stages_stay_as_they_are_made() -> None:
    for path in sorted(ROOM.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name not in MAKERS:
                assert not fields() & set(changed(node)), f"{path.name}:{node.name}"
