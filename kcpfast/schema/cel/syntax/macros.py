"""The macros: calls that the parser turns into loops, bindings and presence tests.

Rules: cel-spec, "Macros"; cel-go ext/comprehensions (two variables) and OptionalTypes.
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
    if not isinstance(argument, Ident) or argument.absolute:
        raise MacroError(argument.pos, message)
    if argument.name in (ACCUMULATOR, "@result"):
        raise MacroError(argument.pos, "iteration variable overwrites accumulator variable")
    return argument


def _test_loop(kind: str) -> Macro:
    def expand(pos: int, target: Node, args: list[Node]) -> Node:
        return Loop(pos, kind, target, [_name(args[0])], (args[1], None))

    return expand


def _test_loop2(kind: str) -> Macro:
    def expand(pos: int, target: Node, args: list[Node]) -> Node:
        return Loop(pos, kind, target, _two_names(args), (args[2], None))

    return expand


def _map(pos: int, target: Node, args: list[Node]) -> Node:
    test = args[1] if len(args) == 3 else None
    return Loop(
        pos, "map", target, [_name(args[0], "argument is not an identifier")], (test, args[-1])
    )


def _filter(pos: int, target: Node, args: list[Node]) -> Node:
    name = _name(args[0], "argument is not an identifier")
    return Loop(pos, "map", target, [name], (args[1], Ident(name.pos, name.name)))


def _two_names(args: list[Node]) -> list[Ident]:
    first, second = _name(args[0]), _name(args[1])
    if first.name == second.name:
        raise MacroError(second.pos, f"duplicate variable name: {second.name}")
    return [first, second]


def _transform(kind: str) -> Macro:
    def expand(pos: int, target: Node, args: list[Node]) -> Node:
        test = args[2] if len(args) == 4 else None
        return Loop(pos, kind, target, _two_names(args), (test, args[-1]))

    return expand


def _opt_map(kind: str) -> Macro:
    def expand(pos: int, target: Node, args: list[Node]) -> Node:
        name = _name(args[0], f"{kind}() variable name must be a simple identifier")
        return Bind(pos, kind, name.name, target, args[1])

    return expand


def _sort_by(pos: int, target: Node, args: list[Node]) -> Node:
    name = _name(args[0], "argument must be a simple name")
    return Loop(pos, "sortBy", target, [name], (None, args[1]))


def _bind(pos: int, _target: Node, args: list[Node]) -> Node:
    name = _name(args[0], "cel.bind() variable names must be simple identifiers")
    return Bind(pos, "bind", name.name, args[1], args[2])


# One row per macro and number of arguments.
METHODS: dict[tuple[str, int], Macro] = {
    ("all", 2): _test_loop("all"),
    ("all", 3): _test_loop2("all"),
    ("exists", 2): _test_loop("exists"),
    ("exists", 3): _test_loop2("exists"),
    ("existsOne", 2): _test_loop("exists_one"),
    ("existsOne", 3): _test_loop2("exists_one"),
    ("exists_one", 2): _test_loop("exists_one"),
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
    if function == "bind" and len(args) == 3 and isinstance(target, Ident) and target.name == "cel":
        return _bind(pos, target, args)
    return FunctionCall(pos, function, args, target)
