"""Bounds what evaluating an expression can cost, from the sizes that a schema allows.

Kubernetes refuses a CRD with a rule that could cost too much, before any object exists. The numbers
are therefore part of its API: rules are those of cel-go's checker/cost.go and of
k8s.io/apiserver/pkg/cel/library/cost.go, down to their rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..celtypes import CelType, is_optional
from ..program import CelProgram
from ..syntax.nodes import (
    Bind,
    FunctionCall,
    Ident,
    ListNode,
    Literal,
    Logic,
    Loop,
    MapNode,
    Node,
    Select,
    Struct,
)
from .calls import CALLS
from .ranges import ANY_SIZE, NOTHING, ONE, UNBOUNDED, CostRange, exactly

# What Kubernetes allows one rule, times the number of places it applies to, and all of a CRD.
RULE_LIMIT = 10_000_000
CRD_LIMIT = 100_000_000

_SCALARS = frozenset(("bool", "double", "duration", "int", "timestamp", "uint"))


def estimate_cost(program: CelProgram) -> tuple[int, int]:
    """Return the least and the most that one evaluation can cost; UNBOUNDED for no bound."""
    try:
        bounds = _Estimator(program).cost(program.tree)
    except RecursionError:
        bounds = ANY_SIZE
    return bounds.low, bounds.high


class _Estimator:
    def __init__(self, program: CelProgram) -> None:
        self._resolve = program.resolve
        # By node: its type where a schema bounds it, and its size where the expression does.
        self._bounded: dict[Node, CelType] = {}
        self._sizes: dict[Node, CostRange] = {}
        self._scope: dict[str, CelType | None] = {}

    def cost(self, node: Node) -> CostRange:
        """Return what evaluating a node costs."""
        return _COSTS[type(node)](self, node)

    def size(self, node: Node) -> CostRange:
        """Return the number of characters, elements or entries that a value can have."""
        size = self._sizes.get(node) or _literal_size(node)
        if size is not None:
            return size
        bounded = self._bounded.get(node)
        if bounded is not None:
            return CostRange(0, bounded.max_elements or 0)
        kind = self.kind(node)
        if is_optional(kind):
            kind = kind.params[0]
        return ONE if kind.kind in _SCALARS else ANY_SIZE

    def kind(self, node: Node) -> CelType:
        """Return a node's type."""
        return self._resolve(node.type)

    def item_size(self, node: Node) -> CostRange:
        """Return the size of a list's elements."""
        bounded = self._bounded.get(node)
        if bounded is None:
            return ANY_SIZE
        return CostRange(0, bounded.params[0].max_elements or 0)

    def _total(self, nodes: list[Node], base: int = 0) -> CostRange:
        total = exactly(base)
        for node in nodes:
            total = total.plus(self.cost(node))
        return total

    # ------------------------------------------------------------ one method per kind of node

    def _literal(self, _node: Literal) -> CostRange:
        return NOTHING

    def _ident(self, node: Ident) -> CostRange:
        kind: CelType | None = node.type if node.slot >= 0 else None
        if node.name in self._scope:
            kind = self._scope[node.name]
        elif kind is not None and kind.max_elements is None:
            kind = None
        if kind is not None:
            self._bounded[node] = kind
        return ONE

    def _select(self, node: Select) -> CostRange:
        if not node.field:
            return ONE
        total = self.cost(node.operand)
        if node.test:
            return total
        bounded = self._bounded.get(node.operand)
        if bounded is not None and not node.optional:
            field = bounded.fields.get(node.field)
            if bounded.kind == "map":
                self._bounded[node] = bounded.params[1]
            elif field is not None:
                self._bounded[node] = field.type
        charged = node.optional or self.kind(node.operand).kind in ("map", "object")
        return total.plus(ONE) if charged else total

    def _logic(self, node: Logic) -> CostRange:
        first, *rest = [self.cost(term) for term in node.terms]
        high = first.high
        for term in rest:
            high = min(UNBOUNDED, high + term.high)
        return CostRange(first.low, high)

    def _list(self, node: ListNode) -> CostRange:
        return self._total(node.elements, 10)

    def _map(self, node: MapNode) -> CostRange:
        return self._total([*node.keys, *node.values], 30)

    def _struct(self, node: Struct) -> CostRange:
        return self._total(node.values, 40)

    def _call(self, node: FunctionCall) -> CostRange:
        operands = node.operands()
        if node.function == "_?_:_":
            return self._choice(node)
        total = self._total(operands)
        if node.function == "_[_]":
            bounded = self._bounded.get(operands[0])
            if bounded is not None and bounded.kind in ("list", "map"):
                self._bounded[node] = bounded.params[-1]
        rule = CALLS.get(node.function)
        if rule is None:
            return total.plus(ONE)
        own, size = rule(self, node, operands)
        if size is not None:
            self._sizes[node] = size
        return total.plus(own)

    def _choice(self, node: FunctionCall) -> CostRange:
        test, yes, no = node.args
        branches = self.cost(yes).either(self.cost(no))
        self._sizes[node] = self.size(yes).either(self.size(no))
        return self.cost(test).plus(branches)

    def _loop(self, node: Loop) -> CostRange:
        total = self.cost(node.source)
        count = self.size(node.source)
        before = dict(self._scope)
        self._scope.update(zip(node.names, self._loop_types(node), strict=True))
        test = ONE if node.test is None else self.cost(node.test)
        step = NOTHING if node.step is None else self.cost(node.step)
        once, iteration = _LOOPS[node.kind](test, step, node.test is not None)
        self._scope = before
        if node.step is not None:
            self._sizes[node] = count
        total = total.plus(exactly(once)).plus(count.times(iteration))
        if node.kind == "sortBy":
            total = total.plus(count.times(count).scaled(2))
        return total

    def _loop_types(self, node: Loop) -> list[CelType | None]:
        """Return the types of the loop variables where a schema bounds them."""
        source = self._bounded.get(node.source)
        if source is None or source.kind not in ("list", "map"):
            return [None] * len(node.names)
        if len(node.names) == 1:
            return [source.params[0]]
        key = None if source.kind == "list" else source.params[0]
        return [key, source.params[-1]]

    def _bind(self, node: Bind) -> CostRange:
        init = self.cost(node.init)
        before = dict(self._scope)
        self._scope[node.name] = None
        if node.kind == "bind":
            total = init.plus(self.cost(node.body)).plus(exactly(10))
        else:
            # hasValue() ? of(bind(value(), body)) : none()
            some = init.plus(self.cost(node.body)).plus(exactly(11 + (node.kind == "optMap")))
            total = init.plus(ONE).plus(some.either(ONE))
        self._scope = before
        return total


def _literal_size(node: Node) -> CostRange | None:
    """Return the size that is written in the source, None for anything but a literal."""
    if isinstance(node, Literal):
        value = node.value
        return exactly(len(value)) if isinstance(value, str | bytes) else ONE
    if isinstance(node, ListNode):
        return exactly(len(node.elements))
    if isinstance(node, MapNode):
        return exactly(len(node.keys))
    return None


_COSTS: dict[type, Callable[[_Estimator, Any], CostRange]] = {
    Bind: _Estimator._bind,
    FunctionCall: _Estimator._call,
    Ident: _Estimator._ident,
    ListNode: _Estimator._list,
    Literal: _Estimator._literal,
    Logic: _Estimator._logic,
    Loop: _Estimator._loop,
    MapNode: _Estimator._map,
    Select: _Estimator._select,
    Struct: _Estimator._struct,
}

# ---------------------------------------------------------------- loops: (once, each iteration)
# cel-go expands each macro to a fold over an accumulator; these count its parts.


def _all(test: CostRange, _step: CostRange, _tested: bool) -> tuple[int, CostRange]:
    return 1, CostRange(3, min(UNBOUNDED, 3 + test.high))


def _exists(test: CostRange, _step: CostRange, _tested: bool) -> tuple[int, CostRange]:
    return 1, CostRange(4, min(UNBOUNDED, 4 + test.high))


def _exists_one(test: CostRange, _step: CostRange, _tested: bool) -> tuple[int, CostRange]:
    return 2, test.plus(CostRange(1, 2))


def _collecting(
    once: int, per_element: int
) -> Callable[[CostRange, CostRange, bool], tuple[int, CostRange]]:
    """Return the rule of a macro that builds a list or map from the elements that pass."""

    def estimate(test: CostRange, step: CostRange, tested: bool) -> tuple[int, CostRange]:
        taken = step.plus(exactly(per_element))
        if not tested:
            return once, taken
        return once, test.plus(taken.either(ONE))

    return estimate


_LOOPS = {
    "all": _all,
    "exists": _exists,
    "exists_one": _exists_one,
    "map": _collecting(11, 12),
    "sortBy": _collecting(34, 12),
    "transformMap": _collecting(31, 3),
    "transformMapEntry": _collecting(31, 2),
}
