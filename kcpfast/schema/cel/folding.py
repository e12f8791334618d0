"""Works out constants before a program runs, as cel-go's optimizer does, and picks overloads.

What is folded costs nothing at run time; an error in it is an error of the program.
"""

from __future__ import annotations

from typing import Any

from .base import CelError
from .library.operators import NO_OVERLOAD
from .signatures import Overload
from .syntax.nodes import FunctionCall, Ident, ListNode, Literal, MapNode, Node
from .values import kind_of, type_name

_FOLDED = frozenset(
    ("bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint")
)


def fold(node: Node) -> Node:
    """Return the literal that a node amounts to, or the node; CelError when it has no value."""
    if isinstance(node, Literal) or node.varies:
        return node
    literal = _fold(node)
    node.varies = literal is None
    return node if literal is None else literal


def _fold(node: Node) -> Literal | None:
    if isinstance(node, FunctionCall) and node.function in _FOLDED and node.target is None:
        values = _values(node.args)
        if values is None or not node.overloads:
            return None
        return Literal(node.pos, choose(node.overloads, values).call(*values), node.type)
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
        for value, kind, param in zip(values, kinds, overload.params, strict=True):
            if param.kind in ("dyn", "param"):
                continue
            if param.kind != kind or (kind == "opaque" and type_name(value) != param.name):
                break
        else:
            return overload
    raise CelError(NO_OVERLOAD)
