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
from .declared import EntrySizes, FieldPath, LocalVariable, declared_size
from .ranges import ANY_SIZE, NOTHING, ONE, UNBOUNDED, CostRange, exactly

# What Kubernetes allows one rule, times the number of places it applies to, and all of a CRD.
RULE_LIMIT = 10_000_000
CRD_LIMIT = 100_000_000

_SCALARS = frozenset(("bool", "double", "duration", "int", "timestamp", "uint"))
_WHERE_LIST = ("list", "@indices", "@items")
_WHERE_MAP = ("map", "@keys", "@values")


def estimate_cost(program: CelProgram, root: CelType | None = None) -> tuple[int, int]:
    """Return the least and the most that one evaluation can cost; UNBOUNDED for no bound.

    `root` is the type of `self`, from which all sizes that a schema bounds are looked up.
    """
    try:
        bounds = _Estimator(program, root).cost(program.tree)
    except RecursionError:
        bounds = ANY_SIZE
    return bounds.low, bounds.high


class _Estimator:
    """One walk over a tree, in the order of cel-go's `coster`: sizes depend on it."""

    def __init__(self, program: CelProgram, root: CelType | None) -> None:
        self._resolve = program.resolve
        self._root = root
        # By node: where its type is declared, its size, and the sizes of its keys and elements.
        self._paths: dict[Node, FieldPath] = {}
        self._sizes: dict[Node, CostRange] = {}
        self._entries: dict[Node, EntrySizes] = {}
        # By node: its size just after its cost was estimated, when an argument of a call.
        self._operands: dict[Node, CostRange | None] = {}
        self._scope: dict[str, LocalVariable] = {}

    def cost(self, node: Node) -> CostRange:
        """Return what evaluating a node costs."""
        return _COSTS[type(node)](self, node)

    # ------------------------------------------------------------ what the rules of calls ask

    def size(self, node: Node) -> CostRange:
        """Return the number of characters, elements or entries that an operand can have."""
        return self._operands.get(node) or ANY_SIZE

    def kind(self, node: Node) -> CelType:
        """Return a node's type."""
        return self._resolve(node.type)

    def item_size(self, node: Node) -> CostRange:
        """Return the size of a list's elements, as far as the schema says."""
        path = self._path(node)
        size = None if path is None else declared_size(self._root, path.below("@items"))
        return size or ANY_SIZE

    # ------------------------------------------------------------ sizes

    def _path(self, node: Node) -> FieldPath | None:
        local = self._scope.get(node.name) if isinstance(node, Ident) else None
        return local.path if local is not None else self._paths.get(node)

    def _size(self, node: Node) -> CostRange | None:
        """Return a node's size, None where it is not known (cel-go: computeSize)."""
        size = self._sizes.get(node) or _literal_size(node)
        if size is not None:
            return size
        path = self._path(node)
        if path is not None:
            size = declared_size(self._root, path)
        if size is not None:
            self._sizes[node] = size
            return size
        if self._is_scalar(node):
            return ONE
        local = self._scope.get(node.name) if isinstance(node, Ident) else None
        return local.size if local is not None else None

    def _is_scalar(self, node: Node) -> bool:
        kind = self.kind(node)
        while is_optional(kind):
            kind = self._resolve(kind.params[0])
        return kind.kind in _SCALARS

    def _entry_sizes(self, node: Node) -> EntrySizes | None:
        sizes = self._entries.get(node)
        local = self._scope.get(node.name) if isinstance(node, Ident) else None
        return local.entries if sizes is None and local is not None else sizes

    def _copy_sizes(self, target: Node, source: Node) -> None:
        size, entries = self._size(source), self._entry_sizes(source)
        if size is not None:
            self._sizes[target] = size
        if entries is not None:
            self._entries[target] = entries

    def _union(self, nodes: list[Node]) -> CostRange:
        """Return the sizes that any of some nodes can have, nothing if there are none."""
        known = [self._size(node) or ANY_SIZE for node in nodes]
        low = min((size.low for size in known), default=0)
        return CostRange(low, max((size.high for size in known), default=0))

    def _operand(self, node: Node) -> CostRange:
        """Return the cost of an operand, once its size is noted."""
        cost = self.cost(node)
        self._operands[node] = self._size(node)
        return cost

    # ------------------------------------------------------------ one method per kind of node

    def _literal(self, _node: Literal) -> CostRange:
        return NOTHING

    def _ident(self, node: Ident) -> CostRange:
        if node.name not in self._scope:
            self._paths[node] = FieldPath.of(node.name)
        elif (path := self._scope[node.name].path) is not None:
            self._paths[node] = path
        return ONE

    def _select(self, node: Select) -> CostRange:
        total = self.cost(node.operand)
        if node.test:
            return total
        if not node.field:
            # A name with dots: the operand is an Ident of all of it.
            self._paths[node] = self._paths[node.operand]
            return ONE
        if node.optional:
            return total.plus(ONE)
        self._paths[node] = FieldPath.append(self._path(node.operand), node.field)
        charged = self.kind(node.operand).kind in ("map", "object", "param")
        return total.plus(ONE) if charged else total

    def _logic(self, node: Logic) -> CostRange:
        first, *rest = [self._operand(term) for term in node.terms]
        high = first.high
        for term in rest:
            high = min(UNBOUNDED, high + term.high)
        return CostRange(first.low, high)

    def _list(self, node: ListNode) -> CostRange:
        total = exactly(10)
        for element in node.elements:
            total = total.plus(self._operand(element))
        self._entries[node] = EntrySizes("list", ONE, self._union(node.elements))
        return total

    def _map(self, node: MapNode) -> CostRange:
        total = exactly(30)
        for key, value in zip(node.keys, node.values, strict=True):
            total = total.plus(self._operand(key)).plus(self._operand(value))
        self._entries[node] = EntrySizes("map", self._union(node.keys), self._union(node.values))
        return total

    def _struct(self, node: Struct) -> CostRange:
        total = exactly(40)
        for value in node.values:
            total = total.plus(self.cost(value))
        return total

    def _call(self, node: FunctionCall) -> CostRange:
        if node.function == "dyn":
            total = self.cost(node.args[0]).plus(ONE)
            self._copy_sizes(node, node.args[0])
            return total
        costs = [self._operand(argument) for argument in node.args]
        if node.function == "_?_:_":
            self._sizes[node] = self._union(node.args[1:])
            self._join_entries(node, node.args[1:])
            return costs[0].plus(costs[1].either(costs[2]))
        total = NOTHING if node.target is None else self._operand(node.target)
        for cost in costs:
            total = total.plus(cost)
        return total.plus(self._own_cost(node))

    def _own_cost(self, node: FunctionCall) -> CostRange:
        """Return the cost of a call without its operands, over all overloads that fit it."""
        operands = node.operands()
        rule = CALLS.get(node.function)
        total: CostRange | None = None
        result: CostRange | None = None
        for overload in node.overloads:
            cost, size = (ONE, None) if rule is None else rule(self, overload, operands)
            total = cost if total is None else total.either(cost)
            if size is not None:
                result = size if result is None else result.either(size)
            if node.function == "_[_]" and overload.params[0].kind in ("list", "map"):
                entries = self._entry_sizes(operands[0])
                result = None if entries is None else entries.value
                below = "@items" if overload.params[0].kind == "list" else "@values"
                self._paths[node] = FieldPath.append(self._path(operands[0]), below)
            if result is None:
                result = self._size(node)
        if node.function == "_+_" and self.kind(node).kind in ("bytes", "dyn", "list", "string"):
            self._join_entries(node, operands)
        if result is not None:
            self._sizes[node] = result
        return ONE if total is None else total

    def _join_entries(self, node: Node, parts: list[Node]) -> None:
        """Note that the elements of a value come from those of any of two others."""
        first, second = (self._entry_sizes(part) for part in parts)
        if first is not None and second is not None:
            self._entries[node] = first.either(second)

    # ------------------------------------------------------------ scopes

    def _loop(self, node: Loop) -> CostRange:
        if node.kind == "sortBy":
            return self._sort_by(node)
        total = self.cost(node.source)
        own, count = self._fold(node, node.source)
        self._sizes[node] = ONE if node.step is None else count
        return total.plus(own)

    def _fold(self, node: Loop, source: Node) -> tuple[CostRange, CostRange]:
        """Return what a loop costs without its source, and how often it runs."""
        outer = dict(self._scope)
        self._declare_loop_variables(node, source)
        test = ONE if node.test is None else self._operand(node.test)
        step = NOTHING if node.step is None else self._operand(node.step)
        once, iteration = _LOOPS[node.kind](test, step, node.test is not None)
        if node.kind in ("map", "sortBy") and node.step is not None:
            made = NOTHING.either(self._size(node.step) or ANY_SIZE)
            self._entries[node] = EntrySizes("list", ONE, made)
        self._scope = outer
        # After the body, whose paths may have changed that of the source: see FieldPath.
        count = self._size(source) or ANY_SIZE
        return exactly(once).plus(count.times(iteration)), count

    def _declare_loop_variables(self, node: Loop, source: Node) -> None:
        entries, path = self._entry_sizes(source), self._path(source)
        container = self.kind(source).kind if entries is None else entries.container
        _, keys, values = _WHERE_LIST if container == "list" else _WHERE_MAP
        places = [keys, values]
        sizes = [None, None] if entries is None else [entries.key, entries.value]
        if len(node.names) == 1:
            which = slice(1, 2) if container == "list" else slice(0, 1)
            places, sizes = places[which], sizes[which]
        variables = [
            LocalVariable(FieldPath.append(path, place), size, None)
            for place, size in zip(places, sizes, strict=True)
        ]
        self._scope |= zip(node.names, variables, strict=True)

    def _sort_by(self, node: Loop) -> CostRange:
        """Estimate source.@sortByAssociatedKeys(source.map(name, key))."""
        # 10 for the binding; then `input` is read, as target of the call and as source of map().
        total = self.cost(node.source).plus(exactly(12))
        self._size(node.source)
        own, count = self._fold(node, node.source)
        pairs = count.times(count)
        factors = [2.1 if kind in ("bytes", "string") else 2 for kind in self._sort_keys(node)]
        sorting = CostRange(pairs.scaled(min(factors)).low, pairs.scaled(max(factors)).high)
        self._sizes[node] = pairs
        self._entries.pop(node, None)
        return total.plus(own).plus(sorting).plus(exactly(11))

    def _sort_keys(self, node: Loop) -> list[str]:
        """Return the kinds of keys that a sortBy may have."""
        kind = self.kind(node if node.step is None else node.step).kind
        return ["int", "string"] if kind == "dyn" else [kind]

    def _bind(self, node: Bind) -> CostRange:
        """Estimate init.hasValue() ? optional.of(bind(init.value(), body)) : optional.none()."""
        init = self.cost(node.init)
        outer = dict(self._scope)
        value = ONE if self._is_scalar(node.init) else None
        self._scope[node.name] = LocalVariable(None, value, None)
        flat = node.kind == "optFlatMap"
        some = init.plus(self.cost(node.body)).plus(exactly(11 if flat else 12))
        some_size = self._size(node.body) if flat else None
        none_size = ONE if self._is_scalar(node) else ANY_SIZE
        self._sizes[node] = none_size.either(some_size or none_size)
        self._scope = outer
        return init.plus(ONE).plus(some.either(ONE))


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
    "sortBy": _collecting(11, 12),
    "transformMap": _collecting(31, 3),
    "transformMapEntry": _collecting(31, 2),
}
