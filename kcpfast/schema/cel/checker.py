"""Gives every node of a tree its type and every call its overloads.

Rules: cel-spec, "Gradual Type Checking"; the order of checks and the texts of errors follow
cel-go's checker, and the checks of literals its validators (which Kubernetes turns on).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from . import regex
from .base import CelError, Mistakes
from .celtypes import (
    BOOL,
    DYN,
    ERROR,
    INT,
    SCALARS,
    CelType,
    Substitution,
    TypeField,
    describe,
    is_optional,
    list_of,
    map_of,
    opaque,
    open_object,
    optional_of,
    type_of,
    widest,
)
from .library import times
from .library.formatting import clauses, misfit
from .signatures import NAMED_TYPES, Overload, overloads_of
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
from .syntax.parser import dotted
from .values import TypeValue

# Names that stand for types, with the value and the type of the name.
_TYPE_NAMES = {
    name: (TypeValue(kind.name), type_of(kind))
    for name, kind in [
        *((name, kind) for name, kind in SCALARS.items() if kind.name == kind.kind != "dyn"),
        ("google.protobuf.Duration", SCALARS["duration"]),
        ("google.protobuf.Timestamp", SCALARS["timestamp"]),
        ("list", list_of(DYN)),
        ("map", map_of(DYN, DYN)),
        ("null_type", SCALARS["null"]),
        ("optional_type", optional_of(DYN)),
        ("type", CelType("type")),
        *((name, opaque(name)) for name in NAMED_TYPES),
    ]
    if name != "null"
}
_QUALIFIED = frozenset(name.split(".")[0] for name in _TYPE_NAMES if "." in name)


class Variable(NamedTuple):
    """A name in scope: its type, and its place in the frame."""

    type: CelType
    slot: int


class Checker:
    """Checks one tree; `inputs` then names the declared variables that it uses, by slot."""

    def __init__(
        self, variables: Mapping[str, CelType], types: Mapping[str, CelType], mistakes: Mistakes
    ) -> None:
        """Take the declared variables and the object types that may be constructed."""
        self.variables = variables
        self.types = types
        self.known = Substitution()
        self.inputs: dict[str, int] = {}
        self.slots = 1
        self._mistakes = mistakes
        # What cel-go's validators find; they run on what passed the type check.
        self.late = Mistakes(mistakes.source)
        self._in_format = False
        self._scope: dict[str, Variable] = {}
        self._roots = _QUALIFIED | {name.split(".")[0] for name in variables if "." in name}

    def check(self, node: Node) -> CelType:
        """Annotate a node and all below it; return its type."""
        node.type = kind = _CHECKS[type(node)](self, node)
        return kind

    def resolve(self, kind: CelType) -> CelType:
        """Return a type with all that is known by now, dyn where nothing is."""
        return self.known.resolve(kind, final=True)

    def expect(self, node: Node, expected: CelType) -> None:
        """Note a mistake unless the node's type fits `wanted`."""
        if not self.known.assignable([node.type], [expected]):
            actual = describe(self.known.resolve(node.type))
            self._note(node, f"expected type '{describe(expected)}' but found '{actual}'")

    def _note(self, node: Node, message: str) -> None:
        self._mistakes.note(node.pos, message)

    # ------------------------------------------------------------ names

    def _literal(self, node: Literal) -> CelType:
        return node.type

    def _ident(self, node: Ident) -> CelType:
        declared = self._lookup(node, node.name)
        if declared is None:
            self._undeclared(node, node.name)
            return ERROR
        return declared

    def _undeclared(self, node: Node, name: str) -> None:
        self._note(node, f"undeclared reference to '{name}' (in container '')")

    def _lookup(self, node: Ident, name: str) -> CelType | None:
        local = None if node.absolute else self._scope.get(name)
        if local is not None:
            node.slot = local.slot
            return local.type
        declared = self.variables.get(name)
        if declared is not None:
            if name not in self.inputs:
                self.inputs[name] = self._new_slot()
            node.slot = self.inputs[name]
            return declared
        if name in _TYPE_NAMES:
            node.value, kind = _TYPE_NAMES[name]
            return kind
        return None

    def _new_slot(self) -> int:
        self.slots += 1
        return self.slots - 1

    def _qualified(self, node: Select) -> CelType | None:
        """Take `a.b.c` for one declared name; the node then keeps an Ident of it."""
        name = dotted(node)
        if name is None or name.split(".", 1)[0] not in self._roots:
            return None
        ident = Ident(node.pos, name)
        if name.split(".", 1)[0] in self._scope:
            return None
        declared = self._lookup(ident, name)
        if declared is None:
            return None
        ident.type = declared
        node.operand, node.field = ident, ""
        return declared

    # ------------------------------------------------------------ selection

    def _select(self, node: Select) -> CelType:
        qualified = self._qualified(node)
        if qualified is not None:
            return qualified
        target = self.known.resolve(self.check(node.operand))
        within = is_optional(target)
        if within:
            target = self.known.resolve(target.params[0])
        kind = self._field(node, target)
        if node.test:
            return BOOL
        return optional_of(kind) if (within or node.optional) and not is_optional(kind) else kind

    def _field(self, node: Select, target: CelType) -> CelType:
        if target.kind == "map":
            return target.params[1]
        if target.kind == "param":
            self.known.assignable([DYN], [target])
            return DYN
        if target.kind in ("dyn", "error"):
            return DYN
        if target.kind == "object":
            field = self._field_of(target, node.field)
            if field is not None:
                return field.type
            self._note(node, f"undefined field '{node.field}'")
            return ERROR
        self._note(node, f"type '{describe(target)}' does not support field selection")
        return ERROR

    @staticmethod
    def _field_of(target: CelType, name: str) -> TypeField | None:
        return TypeField(DYN, name) if target.open else target.fields.get(name)

    # ------------------------------------------------------------ calls

    def _call(self, node: FunctionCall) -> CelType:
        before = self._in_format
        self._in_format = before or node.function == "format"
        for argument in node.args:
            self.check(argument)
        self._in_format = before
        if node.target is not None:
            self._qualify(node)
        if node.target is not None:
            self.check(node.target)
        node.overloads = list(self._declared(node.function))
        if not node.overloads:
            self._undeclared(node, node.function)
            return ERROR
        result = self._resolve_overloads(node)
        self._check_literal(node)
        return result

    def _declared(self, function: str) -> tuple[Overload, ...]:
        """Return a function's overloads; those for JSON patches only where one may be made."""
        if function.startswith("jsonpatch.") and "JSONPatch" not in self.types:
            return ()
        return overloads_of(function)

    def _qualify(self, node: FunctionCall) -> None:
        """Read `sets.contains(...)` as a function of that name, unless `sets` is a variable."""
        assert node.target is not None
        prefix = dotted(node.target)
        if prefix is None or prefix.split(".", 1)[0] in self._scope:
            return
        name = f"{prefix}.{node.function}"
        if self._declared(name):
            node.function = name
            node.target = None

    def _resolve_overloads(self, node: FunctionCall) -> CelType:
        given = [self.known.resolve(operand.type) for operand in node.operands()]
        method = node.target is not None
        fitting = []
        result: CelType | None = None
        for overload in node.overloads:
            if overload.method is not method or len(overload.params) != len(given):
                continue
            signature = [*overload.params, overload.result]
            if overload.generic:
                signature = self.known.instance(signature)
            if not self.known.assignable(given, signature[:-1]):
                continue
            fitting.append(overload)
            candidate = self.known.resolve(signature[-1])
            if result is None:
                result = candidate
            elif result.kind != "dyn" and describe(result) != describe(candidate):
                result = DYN
        node.overloads = fitting
        if result is not None:
            return result
        self._note(node, _no_overload(node.function, given, method))
        return ERROR

    def _check_literal(self, node: FunctionCall) -> None:
        """Check the text that a date, duration or pattern is made from, if it is a literal."""
        if node.function == "format":
            self._check_format(node)
        check = _LITERAL_CHECKS.get(node.function)
        if check is None or not node.args or not node.overloads:
            return
        last = node.args[-1]
        if not isinstance(last, Literal):
            return
        try:
            if node.function == "duration" and not isinstance(last.value, str):
                raise CelError("no such conversion")
            if isinstance(last.value, str):
                check(last.value)
        except CelError:
            self.late.note(last.pos, f"invalid {node.function} argument")

    def _check_format(self, node: FunctionCall) -> None:
        """Check literal arguments against the clauses of a literal template."""
        if not isinstance(node.target, Literal) or not isinstance(node.target.value, str):
            return
        if len(node.args) != 1 or not isinstance(node.args[0], ListNode):
            return
        elements, used = node.args[0].elements, 0
        try:
            for _, verb, _ in clauses(node.target.value):
                if verb is None:
                    continue
                if used >= len(elements):
                    raise CelError(f"index {used} out of range")
                kind = self.resolve(elements[used].type)
                if kind.kind not in verb.kinds and kind.kind not in ("dyn", "error"):
                    self.late.note(elements[used].pos, misfit(verb, describe(kind)))
                used += 1
            if used < len(elements):
                few = "too many arguments supplied to string.format"
                raise CelError(f"{few} (expected {used}, got {len(elements)})")
        except CelError as error:
            self.late.note(node.pos, error.message)

    def _logic(self, node: Logic) -> CelType:
        kinds = [self.check(term) for term in node.terms]
        left = kinds[0]
        for kind, place in zip(kinds[1:], node.places, strict=True):
            if not self.known.assignable([left, kind], [BOOL, BOOL]):
                given = [self.known.resolve(left), self.known.resolve(kind)]
                message = _no_overload(f"_{node.operator}_", given, method=False)
                self._mistakes.note(place, message)
                return ERROR
            left = BOOL
        return BOOL

    # ------------------------------------------------------------ literals of more than one part

    def _joined(
        self, before: CelType | None, node: Node, optional: bool
    ) -> tuple[CelType, CelType]:
        """Return the common type of the elements so far with one more, and that one's type."""
        kind = self.known.resolve(node.type)
        if optional:
            if is_optional(kind):
                kind = self.known.resolve(kind.params[0])
            elif kind.kind not in ("dyn", "error"):
                expected, actual = describe(optional_of(kind)), describe(kind)
                self._note(node, f"expected type '{expected}' but found '{actual}'")
        if before is None:
            return kind, kind
        if not self.known.assignable([before], [kind]):
            return DYN, kind
        return widest(self.known.resolve(before), self.known.resolve(kind)), kind

    def _wants_alike(self, nodes: list[Node], kinds: list[CelType]) -> None:
        """Note elements of another type than the first: Kubernetes allows no mixed literals."""
        for node, kind in zip(nodes[1:], kinds[1:], strict=True):
            expected, actual = (describe(self.resolve(each)) for each in (kinds[0], kind))
            if expected != actual and not self._in_format:
                self.late.note(node.pos, f"expected type '{expected}' but found '{actual}'")
                return

    def _list(self, node: ListNode) -> CelType:
        element: CelType | None = None
        kinds = []
        for index, part in enumerate(node.elements):
            self.check(part)
            element, kind = self._joined(element, part, index in node.optional)
            kinds.append(kind)
        self._wants_alike(node.elements, kinds)
        return list_of(element or self.known.new_param())

    def _map(self, node: MapNode) -> CelType:
        key: CelType | None = None
        value: CelType | None = None
        keys, values = [], []
        for index, (left, right) in enumerate(zip(node.keys, node.values, strict=True)):
            self.check(left)
            key, kind = self._joined(key, left, optional=False)
            keys.append(kind)
            self.check(right)
            value, kind = self._joined(value, right, index in node.optional)
            values.append(kind)
        self._wants_alike(node.keys, keys)
        self._wants_alike(node.values, values)
        if key is None or value is None:
            return map_of(self.known.new_param(), self.known.new_param())
        return map_of(key, value)

    def _struct(self, node: Struct) -> CelType:
        target = self._object_type(node.name)
        if target is None:
            self._undeclared(node, node.name)
        for index, (place, name) in enumerate(zip(node.places, node.fields, strict=True)):
            kind = self.check(node.values[index])
            if target is None:
                continue
            field = self._field_of(target, name)
            if field is None:
                self._mistakes.note(place, f"undefined field '{name}'")
                continue
            expected = optional_of(field.type) if index in node.optional else field.type
            if not self.known.assignable([kind], [expected]):
                actual = describe(self.known.resolve(kind))
                self._mistakes.note(
                    place,
                    f"expected type of field '{name}' is '{describe(expected)}'"
                    f" but provided type is '{actual}'",
                )
        return target or ERROR

    def _object_type(self, name: str) -> CelType | None:
        declared = self.types.get(name)
        if declared is None:
            root = self.types.get(name.split(".", 1)[0])
            return open_object(name) if root is not None and root.open else None
        return declared

    # ------------------------------------------------------------ loops and bindings

    def _loop(self, node: Loop) -> CelType:
        source = self.known.resolve(self.check(node.source))
        kinds = self._loop_types(node, source)
        before = self._scope
        self._scope = dict(before)
        node.first_slot = self.slots
        for name, kind in zip(node.names, kinds, strict=True):
            self._scope[name] = Variable(kind, self._new_slot())
        if node.test is not None:
            self.check(node.test)
            self.expect(node.test, BOOL)
        result = self._loop_result(node, source, kinds)
        self._scope = before
        return result

    def _loop_types(self, node: Loop, source: CelType) -> list[CelType]:
        two = len(node.names) == 2
        if source.kind == "list":
            return [INT, source.params[0]] if two else [source.params[0]]
        if source.kind == "map":
            return list(source.params) if two else [source.params[0]]
        if source.kind not in ("dyn", "error", "param"):
            what = "cannot be range of a comprehension (must be list, map, or dynamic)"
            self._note(node.source, f"expression of type '{describe(source)}' {what}")
        return [DYN] * len(node.names)

    def _loop_result(self, node: Loop, source: CelType, kinds: list[CelType]) -> CelType:
        if node.step is None:
            return BOOL
        step = self.known.resolve(self.check(node.step))
        if node.kind == "map":
            return list_of(step)
        if node.kind == "sortBy":
            return source
        if node.kind == "transformMap":
            return map_of(kinds[0], step)
        if step.kind not in ("map", "dyn", "error"):
            self._note(node, _no_overload("cel.@mapInsert", [map_of(DYN, DYN), step], False))
        return step

    def _bind(self, node: Bind) -> CelType:
        init = self.known.resolve(self.check(node.init))
        if not is_optional(init) and init.kind not in ("dyn", "error"):
            self._note(node, _no_overload("hasValue", [init], method=True))
        init = init.params[0] if is_optional(init) else DYN
        before = self._scope
        node.slot = self._new_slot()
        self._scope = {**before, node.name: Variable(init, node.slot)}
        body = self.known.resolve(self.check(node.body))
        self._scope = before
        if node.kind == "optMap":
            return optional_of(body)
        if node.kind == "optFlatMap" and not is_optional(body) and body.kind != "dyn":
            given = [BOOL, body, optional_of(self.known.new_param())]
            self._note(node, _no_overload("_?_:_", given, method=False))
        return body


def _no_overload(function: str, given: list[CelType], method: bool) -> str:
    argument_types = [describe(kind) for kind in given]
    applied = (
        f"{argument_types[0]}.({', '.join(argument_types[1:])})"
        if method
        else f"({', '.join(argument_types)})"
    )
    return f"found no matching overload for '{function}' applied to '{applied}'"


_LITERAL_CHECKS: Mapping[str, Callable[[str], object]] = {
    "duration": times.parse_duration,
    "matches": regex.check_literal,
    "timestamp": times.parse_timestamp,
}
_CHECKS: dict[type, Callable[[Checker, Any], CelType]] = {
    Bind: Checker._bind,
    FunctionCall: Checker._call,
    Ident: Checker._ident,
    ListNode: Checker._list,
    Literal: Checker._literal,
    Logic: Checker._logic,
    Loop: Checker._loop,
    MapNode: Checker._map,
    Select: Checker._select,
    Struct: Checker._struct,
}
