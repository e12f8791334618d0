"""The macros: calls that the parser turns into loops, bindings and presence tests.

Rules: cel-spec, "Macros"; cel-go parser/macro.go, ext/comprehensions.go (two variables)
and OptionalTypes of cel/library.go. Which there are: environment/base.go of k8s.io/apiserver's cel.
"""

from __future__ import annotations

from collections.abc import Callable

from .nodes import Bind, FunctionCall, Ident, Loop, Node, Select


class MacroError(Exception):
    """A macro with a wrong argument: its text and the offset to report it at."""

    def __init__(self, pos: int, message: str) -> None:
        """Keep both."""
        super().__init__(message)
        self.pos = pos


Macro = Callable[[int, Node, list[Node]], Node]

ACCUMULATOR = "__result__"


def _name(argument: Node, message: str = "argument must be a simple name") -> Ident:
    """Return the argument that declares a loop variable; MacroError if it is no plain name."""
    if not isinstance(argument, Ident) or argument.absolute:
        raise MacroError(argument.pos, message)
    if argument.name in (ACCUMULATOR, "@result"):
        raise MacroError(argument.pos, "iteration variable overwrites accumulator variable")
    return argument


def _test_loop(kind: str) -> Macro:
    """Return the macro `list.kind(name, test)`."""

    def expand(pos: int, target: Node, args: list[Node]) -> Node:
        name, test = args
        return Loop(pos, kind, target, [_name(name)], (test, None))

    return expand


def _test_loop2(kind: str) -> Macro:
    """Return the macro `list.kind(index, name, test)`."""

    def expand(pos: int, target: Node, args: list[Node]) -> Node:
        names, test = _two_names(args), args[2]
        return Loop(pos, kind, target, names, (test, None))

    return expand


def _map(pos: int, target: Node, args: list[Node]) -> Node:
    """Expand `list.map(name, step)` or `list.map(name, test, step)`."""
    name = _name(args[0], "argument is not an identifier")
    test = args[1] if len(args) == 3 else None
    return Loop(pos, "map", target, [name], (test, args[-1]))


def _filter(pos: int, target: Node, args: list[Node]) -> Node:
    """Expand `list.filter(name, test)`: a map whose step is the element itself."""
    name = _name(args[0], "argument is not an identifier")
    element = Ident(name.pos, name.name)
    return Loop(pos, "map", target, [name], (args[1], element))


def _two_names(args: list[Node]) -> list[Ident]:
    first, second = _name(args[0]), _name(args[1])
    if first.name == second.name:
        raise MacroError(second.pos, f"duplicate variable name: {second.name}")
    return [first, second]


def _transform(kind: str) -> Macro:
    """Return the macro `map.kind(key, value, step)` or `map.kind(key, value, test, step)`."""

    def expand(pos: int, target: Node, args: list[Node]) -> Node:
        test = args[2] if len(args) == 4 else None
        return Loop(pos, kind, target, _two_names(args), (test, args[-1]))

    return expand


def _opt_map(kind: str) -> Macro:
    """Return the macro `optional.kind(name, body)`."""

    def expand(pos: int, target: Node, args: list[Node]) -> Node:
        variable, body = args
        name = _name(variable, f"{kind}() variable name must be a simple identifier")
        return Bind(pos, kind, name.name, target, body)

    return expand


def _sort_by(pos: int, target: Node, args: list[Node]) -> Node:
    variable, key = args
    return Loop(pos, "sortBy", target, [_name(variable)], (None, key))


# One row per macro and number of arguments.
METHODS: dict[tuple[str, int], Macro] = {
    ("all", 2): _test_loop("all"),
    ("all", 3): _test_loop2("all"),
    ("exists", 2): _test_loop("exists"),
    ("exists", 3): _test_loop2("exists"),
    ("existsOne", 3): _test_loop2("exists_one"),
    ("exists_one", 2): _test_loop("exists_one"),
    ("exists_one", 3): _test_loop2("exists_one"),
    ("filter", 2): _filter,
    ("map", 2): _map,
    ("map", 3): _map,
    ("optFlatMap", 2): _opt_map("optFlatMap"),
    ("optMap", 2): _opt_map("optMap"),
    ("sortBy", 2): _sort_by,
    ("transformList", 3): _transform("map"),
    ("transformList", 4): _transform("map"),
    ("transformMap", 3): _transform("transformMap"),
    ("transformMap", 4): _transform("transformMap"),
    ("transformMapEntry", 3): _transform("transformMapEntry"),
    ("transformMapEntry", 4): _transform("transformMapEntry"),
}


def expand_call(pos: int, function: str, args: list[Node]) -> Node:
    """Return what a call without a target means: has() or the call itself."""
    if function != "has" or len(args) != 1:
        return FunctionCall(pos, function, args)
    tested = args[0]
    if not isinstance(tested, Select) or tested.test or tested.optional:
        raise MacroError(tested.pos, "invalid argument to has() macro")
    tested.test = True
    tested.pos = pos
    return tested


def expand_method(pos: int, function: str, target: Node, args: list[Node]) -> Node:
    """Return what a call with a target means: a macro's loop or the call itself."""
    macro = METHODS.get((function, len(args)))
    if macro is not None:
        return macro(pos, target, args)
    return FunctionCall(pos, function, args, target)
