"""Turns a checked tree into closures.

The static types choose the closure: where they are known, Python's own operators run; where one is
dyn, the overload is chosen by the values. Costs follow cel-go's interpreter/runtimecost.go: names
and selections 1, calls 1 or as their row says, list 10, map 30, object 40, constants nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import regex
from .base import CelError
from .celtypes import CelType, is_optional
from .folding import choose, fold
from .library import optionals
from .library.costs import COSTS, METERED
from .library.operators import NO_OVERLOAD, optional_index
from .run.closures import (
    COMPARISONS,
    CONSTANT_COMPARISONS,
    INT_ARITHMETIC,
    Block,
    Closure,
    bind_optional,
    boolean,
    call,
    chain,
    choice,
    converted,
    costly_call,
    either,
    enter,
    equality,
    metered_call,
)
from .run.loops import LOOPS, RESULT_COST, LoopParts
from .run.paths import (
    has_field,
    index_of_any,
    index_of_list,
    index_of_map,
    path,
    slot_path,
)
from .signatures import Overload
from .syntax.nodes import (
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
from .values import NO_VALUE, Built, Optional
from .values import type_name as name_of_type

LIST_COST, MAP_COST, STRUCT_COST = 10, 30, 40

_SCALAR = frozenset(("bool", "duration", "int", "timestamp", "uint", "double"))
_NUMERIC = frozenset(("double", "int", "uint"))
_ATTRIBUTES = (Ident, Select)
# Strings shorter than this cost 1 to compare whatever the other one is.
_SHORT = 10


class Compiler:
    """Compiles the nodes of one tree."""

    def __init__(self, resolve: Callable[[CelType], CelType]) -> None:
        """Take the function that fills in what the checker found out about a type."""
        self._resolve = resolve
        # What the block being compiled costs as far as it is known before it runs.
        self._cost = 0

    def block(self, node: Node) -> Block:
        """Return a node's closure and the cost of entering it."""
        before, self._cost = self._cost, 0
        closure = self.emit(node)
        cost, self._cost = self._cost, before
        return closure, cost

    def emit(self, node: Node) -> Closure:
        """Return a closure that gives the node's value as CEL sees it."""
        node = fold(node)
        closure = _emitter(node)(self, node)
        kind = self._resolve(node.type)
        return closure if kind.convert is None else converted(closure, kind.convert)

    def emit_raw(self, node: Node) -> Closure:
        """Return a closure that may give JSON where CEL sees something else.

        Only for what then selects, indexes or iterates by the static type.
        """
        node = fold(node)
        return _emitter(node)(self, node)

    def _bool(self, node: Node) -> Closure:
        return self._checked(node, self.emit(node))

    def _checked(self, node: Node, closure: Closure) -> Closure:
        """Return the closure of something that must be a bool, tested where that is not sure."""
        return closure if self._resolve(node.type).kind == "bool" else boolean(closure)

    def _literal(self, node: Literal) -> Closure:
        value = node.value
        return lambda _: value

    # ------------------------------------------------------------ names and selections

    def _ident(self, node: Ident) -> Closure:
        self._cost += 1
        slot = node.slot
        return lambda frame: frame[slot]

    def _select(self, node: Select) -> Closure:
        if not node.field:
            return self.emit_raw(node.operand)
        target = self._resolve(node.operand.type)
        if node.test:
            self._charge_base(node.operand)
            operand = self.emit_raw(node.operand)
            return has_field(operand, _key(target, node.field), target.sparse)
        if node.optional or is_optional(target):
            return self._select_optional(node, target)
        self._cost += 1
        keys = [_key(target, node.field)]
        base: Node = node.operand
        while isinstance(base, Select) and self._is_plain(base):
            self._cost += 1
            keys.append(_key(self._resolve(base.operand.type), base.field))
            base = base.operand
        keys.reverse()
        if isinstance(base, Select) and not base.field:
            base = base.operand
        if isinstance(base, Ident) and base.slot >= 0:
            self._cost += 1
            return slot_path(base.slot, keys, target.sparse)
        self._charge_base(base)
        return path(self.emit_raw(base), keys, target.sparse)

    def _is_plain(self, node: Select) -> bool:
        within = is_optional(self._resolve(node.operand.type))
        return bool(node.field) and not (node.test or node.optional or within)

    def _charge_base(self, base: Node) -> None:
        """Charge what cel-go does for selecting from something computed."""
        if not isinstance(base, _ATTRIBUTES) and not _is_index(base):
            self._cost += 1

    def _select_optional(self, node: Select, target: CelType) -> Closure:
        self._charge_base(node.operand)
        inner = self._resolve(target.params[0]) if is_optional(target) else target
        operand, key = self.emit(node.operand), _key(inner, node.field)
        kind = self._resolve(node.type)
        convert = kind.params[0].convert if is_optional(kind) else None

        def select(frame: list[Any]) -> Any:
            selected = optionals.select(operand(frame), key)
            if inner.sparse and selected.held is None:
                return NO_VALUE
            if selected is not NO_VALUE:
                enter(frame[0], 1)
            return (
                selected
                if convert is None or selected is NO_VALUE
                else Optional(convert(selected.held))
            )

        return select

    def _index(self, node: FunctionCall) -> Closure:
        base, subscript = node.args
        self._charge_base(base)
        target = self._resolve(base.type)
        optional = node.function == "_[?_]" or is_optional(target)
        raw = self.emit(base) if optional else self.emit_raw(base)
        before = self._cost
        key = self.emit(subscript)
        if isinstance(subscript, _ATTRIBUTES) or _is_index(subscript):
            # cel-go resolves an index that is a plain name without counting the name.
            self._cost = max(before, self._cost - 1)
        if optional:
            return self._index_optional(raw, key)
        self._cost += 1
        kind = self._resolve(subscript.type).kind
        if target.kind == "list" and kind == "int":
            return index_of_list(raw, key)
        if target.kind == "map" and kind == "string":
            return index_of_map(raw, key)
        return index_of_any(raw, key)

    @staticmethod
    def _index_optional(base: Closure, key: Closure) -> Closure:
        def get(frame: list[Any]) -> Any:
            element = optional_index(base(frame), key(frame))
            if element is not NO_VALUE:
                enter(frame[0], 1)
            return element

        return get

    # ------------------------------------------------------------ calls

    def _plain_call(self, node: FunctionCall) -> Closure:
        operands = [fold(operand) for operand in node.operands()]
        args = [self.emit(operand) for operand in operands]
        if len(node.overloads) != 1 or self._is_open(node.overloads[0], operands):
            return self._dispatched(node.overloads, args)
        overload = node.overloads[0]
        if isinstance(overload.cost, int):
            self._cost += overload.cost
            return call(overload.call, args)
        if overload.cost not in METERED:
            return costly_call(overload.call, args, COSTS[overload.cost])
        if overload.cost == "regex":
            args[1] = _read_pattern(operands[1], args[1])
        return metered_call(overload.call, args, COSTS[overload.cost])

    def _is_open(self, overload: Overload, operands: list[Node]) -> bool:
        """Tell whether an argument's value may turn out not to be what the overload takes."""
        for operand, param in zip(operands, overload.params, strict=True):
            kind = self._resolve(operand.type).kind
            if kind in ("dyn", "null") and param.kind not in ("dyn", "param"):
                return True
        return False

    def _dispatched(self, overloads: list[Overload], args: list[Closure]) -> Closure:
        """Compile a call of which the overload is chosen by the types of the values."""
        shared_cost = overloads[0].cost if isinstance(overloads[0].cost, int) else None
        if shared_cost is not None and all(overload.cost == shared_cost for overload in overloads):
            self._cost += shared_cost
        else:
            shared_cost = None
        chosen_before: dict[tuple[type, ...], Overload] = {}

        def run(frame: list[Any]) -> Any:
            values = [arg(frame) for arg in args]
            types = tuple(map(type, values))
            chosen = chosen_before.get(types)
            if chosen is None:
                chosen = chosen_before[types] = choose(overloads, values)
            if shared_cost is not None:
                return chosen.call(*values)
            cost = chosen.cost
            if isinstance(cost, int):
                enter(frame[0], cost)
                return chosen.call(*values)
            enter(frame[0], COSTS[cost](*values))
            if cost in METERED:
                return chosen.call(*values, charge=frame[0].charge)
            return chosen.call(*values)

        return run

    def _comparison(self, node: FunctionCall) -> Closure:
        left, right = (fold(arg) for arg in node.args)
        kinds = self._resolve(left.type).kind, self._resolve(right.type).kind
        scalar = (kinds[0] == kinds[1] and kinds[0] in _SCALAR) or _NUMERIC.issuperset(kinds)
        short = kinds == ("string", "string") and (_is_short(left) or _is_short(right))
        if not scalar and not short:
            return self._long_comparison(node, left, right)
        self._cost += 1
        first = self.emit(left)
        if isinstance(right, Literal):
            return CONSTANT_COMPARISONS[node.function](first, right.value)
        return COMPARISONS[node.function](first, self.emit(right))

    def _long_comparison(self, node: FunctionCall, left: Node, right: Node) -> Closure:
        if node.function not in ("_==_", "_!=_"):
            return self._plain_call(node)
        wants_equal = node.function == "_==_"
        return equality(self.emit(left), self.emit(right), COSTS["compare"], wants_equal)

    def _arithmetic(self, node: FunctionCall) -> Closure:
        if any(self._resolve(arg.type).kind != "int" for arg in node.args):
            return self._plain_call(node)
        self._cost += 1
        return INT_ARITHMETIC[node.function](self.emit(node.args[0]), self.emit(node.args[1]))

    def _membership(self, node: FunctionCall) -> Closure:
        items = fold(node.args[1])
        kind = self._resolve(node.args[0].type).kind
        if not isinstance(items, Literal) or not isinstance(items.value, list):
            return self._plain_call(node)
        if kind != "string" or not all(type(item) is str for item in items.value):
            args = [self.emit(node.args[0]), self.emit(items)]
            return call(choose(node.overloads, [None, items.value]).call, args)
        member, members = self.emit(node.args[0]), frozenset(items.value)
        return lambda frame: member(frame) in members

    def _choice(self, node: FunctionCall) -> Closure:
        test, yes, no = node.args
        decide = self._bool(test)
        # cel-go resolves a branch that is a plain name without counting the name.
        yes_run, yes_cost = self.block(yes)
        no_run, no_cost = self.block(no)
        yes_cost = max(0, yes_cost - _is_attribute(yes))
        return choice(decide, (yes_run, yes_cost), (no_run, max(0, no_cost - _is_attribute(no))))

    def _fallback(self, node: FunctionCall) -> Closure:
        """Compile or() and orValue(): the argument is evaluated when there is no value only."""
        assert node.target is not None
        held, (other, cost) = self.emit(node.target), self.block(node.args[0])
        keep = node.function == "or"

        def run(frame: list[Any]) -> Any:
            optional = held(frame)
            if not isinstance(optional, Optional):
                raise CelError(NO_OVERLOAD)
            if optional is NO_VALUE:
                enter(frame[0], cost)
                return other(frame)
            return optional if keep else optional.held

        return run

    def _logic(self, node: Logic) -> Closure:
        decisive = node.operator == "||"
        first = self._bool(node.terms[0])
        rest: list[Block] = []
        for term in node.terms[1:]:
            closure, cost = self.block(term)
            rest.append((self._checked(term, closure), cost))
        if len(rest) == 1:
            return either(first, rest[0][0], rest[0][1], decisive)
        return chain([(first, 0), *rest], decisive)

    # ------------------------------------------------------------ literals of more than one part

    def _list(self, node: ListNode) -> Closure:
        self._cost += LIST_COST
        parts = [self.emit(part) for part in node.elements]
        optional = node.optional
        if not optional:
            return lambda frame: [part(frame) for part in parts]

        def build(frame: list[Any]) -> list[Any]:
            elements = []
            for index, part in enumerate(parts):
                value = part(frame)
                if index not in optional:
                    elements.append(value)
                elif _held(value) is not NO_VALUE:
                    elements.append(value.held)
            return elements

        return build

    def _map(self, node: MapNode) -> Closure:
        self._cost += MAP_COST
        pairs = [
            (self.emit(key), self.emit(value), index in node.optional)
            for index, (key, value) in enumerate(zip(node.keys, node.values, strict=True))
        ]

        def build(frame: list[Any]) -> dict[Any, Any]:
            entries = {}
            for key, part, optional in pairs:
                name, value = key(frame), part(frame)
                if not optional:
                    entries[name] = value
                elif _held(value) is not NO_VALUE:
                    entries[name] = value.held
            return entries

        return build

    def _struct(self, node: Struct) -> Closure:
        self._cost += STRUCT_COST
        parts = [
            (name, self.emit(value), index in node.optional)
            for index, (name, value) in enumerate(zip(node.fields, node.values, strict=True))
        ]
        type_name = node.name

        def build(frame: list[Any]) -> Built:
            built = Built()
            built.type_name = type_name
            for name, part, optional in parts:
                value = part(frame)
                if not optional:
                    built[name] = value
                elif _held(value) is not NO_VALUE:
                    built[name] = value.held
            return built

        return build

    # ------------------------------------------------------------ loops and bindings

    def _loop(self, node: Loop) -> Closure:
        self._cost += RESULT_COST.get(node.kind, 1)
        source = self.emit_raw(node.source)
        test, step, test_cost, step_cost = None, None, 0, 0
        if node.test is not None:
            test, test_cost = self.block(node.test)
            test = self._checked(node.test, test)
        if node.step is not None:
            step, step_cost = self.block(node.step)
        if node.kind == "map" and node.step is not None and isinstance(fold(node.step), Literal):
            # cel-go makes the list of the one element only once.
            step_cost -= LIST_COST
        names = len(node.names)
        parts = LoopParts(source, node.first_slot, names, test, test_cost, step, step_cost)
        return LOOPS[node.kind](parts)

    def _bind(self, node: Bind) -> Closure:
        init, init_cost = self.block(node.init)
        body, body_cost = self.block(node.body)
        self._cost += init_cost
        # cel-go evaluates the target twice: for hasValue() and for value().
        self._cost += 1
        wrap = node.kind == "optMap"
        again = init_cost + isinstance(node.init, Select) + _is_index(node.init)
        return bind_optional(node.slot, init, (body, body_cost + again + 1 + wrap), wrap)


def _read_pattern(node: Node, closure: Closure) -> Closure:
    """Return the compiled pattern of a literal, else the closure that gives its source."""
    if not isinstance(node, Literal) or not isinstance(node.value, str):
        return closure
    try:
        pattern = regex.compiled(node.value)
    except CelError:
        return closure
    return lambda _: pattern


def _emitter(node: Node) -> Emitter:
    if isinstance(node, FunctionCall) and node.function in _SPECIAL_CALLS:
        return _SPECIAL_CALLS[node.function]
    return _EMITTERS[type(node)]


def _key(target: CelType, field: str) -> str:
    """Return the JSON key of a field."""
    declared = target.fields.get(field)
    return field if declared is None else declared.key


def _is_attribute(node: Node) -> bool:
    plain = isinstance(node, _ATTRIBUTES) and not getattr(node, "test", False)
    return plain or _is_index(node)


def _is_index(node: Node) -> bool:
    return isinstance(node, FunctionCall) and node.function in ("_[_]", "_[?_]")


def _is_short(node: Node) -> bool:
    return isinstance(node, Literal) and 0 < len(str(node.value)) <= _SHORT


def _held(value: Any) -> Any:
    if not isinstance(value, Optional):
        what = "cannot initialize optional entry from non-optional value of type"
        raise CelError(f"{what} {name_of_type(value)}")
    return value


Emitter = Callable[[Compiler, Any], Closure]
_EMITTERS: dict[type, Emitter] = {
    Bind: Compiler._bind,
    FunctionCall: Compiler._plain_call,
    Ident: Compiler._ident,
    ListNode: Compiler._list,
    Literal: Compiler._literal,
    Logic: Compiler._logic,
    Loop: Compiler._loop,
    MapNode: Compiler._map,
    Select: Compiler._select,
    Struct: Compiler._struct,
}
_SPECIAL_CALLS: dict[str, Emitter] = {
    **dict.fromkeys(COMPARISONS, Compiler._comparison),
    **dict.fromkeys(INT_ARITHMETIC, Compiler._arithmetic),
    "@in": Compiler._membership,
    "_?_:_": Compiler._choice,
    "_[?_]": Compiler._index,
    "_[_]": Compiler._index,
    "or": Compiler._fallback,
    "orValue": Compiler._fallback,
}
