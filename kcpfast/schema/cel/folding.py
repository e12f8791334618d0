"""Evaluates constant parts of a tree before a program runs, and chooses overloads by values.

Rules: cel-go interpreter/decorators.go, decOptimize. A folded part costs
nothing at run time; an error in it is an error of compiling the program.
"""

from __future__ import annotations

from typing import Any

from .base import CelError
from .celtypes import CelType
from .library.operators import NO_OVERLOAD
from .signatures import Overload
from .syntax.nodes import FunctionCall, Ident, ListNode, Literal, MapNode, Node
from .values import kind_of, type_name

_FOLDED = frozenset(
    ("bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint")
)


def fold(node: Node) -> Node:
    """Return the literal that a node amounts to, or the node itself.

    CelError if the node is constant and has no value, such as `1 / 0`.
    """
    if isinstance(node, Literal) or node.varies:
        return node
    literal = _fold(node)
    node.varies = literal is None
    return node if literal is None else literal


def _fold(node: Node) -> Literal | None:
    """Return the literal of a node whose parts are literals, None for any other."""
    if isinstance(node, FunctionCall):
        return _fold_call(node)
    if isinstance(node, Ident) and node.slot < 0:
        return Literal(node.pos, node.value, node.type)
    if isinstance(node, ListNode) and not node.optional:
        values = _values(node.elements)
        return None if values is None else Literal(node.pos, values, node.type)
    if isinstance(node, MapNode) and not node.optional:
        keys, values = _values(node.keys), _values(node.values)
        if keys is not None and values is not None and _hashable(keys):
            return Literal(node.pos, dict(zip(keys, values, strict=True)), node.type)
    return None


def _fold_call(node: FunctionCall) -> Literal | None:
    if node.function not in _FOLDED or node.target is not None or not node.overloads:
        return None
    values = _values(node.args)
    if values is None:
        return None
    overload = choose(node.overloads, values)
    return Literal(node.pos, overload.call(*values), node.type)


def _hashable(keys: list[Any]) -> bool:
    return not any(isinstance(key, list | dict) for key in keys)


def _values(nodes: list[Node]) -> list[Any] | None:
    """Return the values of nodes that are literals once folded, None when one is not."""
    values: list[Any] = []
    for node in nodes:
        folded = fold(node)
        if not isinstance(folded, Literal):
            return None
        values.append(folded.value)
    return values


def choose(overloads: list[Overload], values: list[Any]) -> Overload:
    """Return the first overload that takes these values; CelError when none does."""
    kinds = [kind_of(value) for value in values]
    for overload in overloads:
        operands = zip(values, kinds, overload.params, strict=True)
        if all(_takes(param, value, kind) for value, kind, param in operands):
            return overload
    raise CelError(NO_OVERLOAD)


def _takes(param: CelType, value: Any, kind: str) -> bool:
    """Tell whether a parameter takes a value of a kind; opaque values must have its very type."""
    if param.kind in ("dyn", "param"):
        return True
    if param.kind != kind:
        return False
    return kind != "opaque" or type_name(value) == param.name
