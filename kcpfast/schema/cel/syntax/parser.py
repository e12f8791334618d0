"""Turns the source into a tree, by operator precedence on an explicit stack.

Nothing here recurses, so that no source can exhaust Python's stack. Rules: cel-spec, "Syntax", and
cel-go's CEL.g4 where the two differ (runs of `!` and `-`, trailing commas, optional syntax).
"""

from __future__ import annotations

from collections.abc import Callable

from ..base import COMPILATION, INT_MAX, CelError, Mistakes, SyntaxStop
from ..celtypes import BOOL, INT, NULL
from .lexer import END, MAX_SOURCE, RESERVED, CelToken, number, text, tokens
from .macros import MacroError, expand_call, expand_method
from .nodes import (
    MAX_DEPTH,
    FunctionCall,
    Ident,
    ListNode,
    Literal,
    Logic,
    MapNode,
    Node,
    Select,
    Struct,
    TooDeep,
)

_OPERANDS = (
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING,"
    " BYTES, IDENTIFIER}"
)
_TERNARY, _PREFIX = 0, 6
_PRECEDENCE = {
    "!=": 3,
    "%": 5,
    "&&": 2,
    "*": 5,
    "+": 4,
    "-": 4,
    "/": 5,
    "<": 3,
    "<=": 3,
    "==": 3,
    ">": 3,
    ">=": 3,
    "in": 3,
    "||": 1,
}
_CLOSER = {"call": ")", "group": ")", "index": "]", "list": "]", "map": "}", "struct": "}"}
_CONSTANTS = {"false": (False, BOOL), "null": (None, NULL), "true": (True, BOOL)}


class _Frame:
    """One open bracket: what stood before it and what was read since."""

    __slots__ = ("items", "keys", "kind", "name", "operands", "operators", "optional", "pos", "to")

    def __init__(self, kind: str, pos: int, name: str = "", to: Node | None = None) -> None:
        self.kind = kind
        self.pos = pos
        self.name = name
        self.to = to
        self.operands: list[Node] = []
        self.operators: list[tuple[int, str, int, Node | None]] = []
        self.items: list[Node] = []
        self.keys: list[tuple[int, str] | Node] = []
        self.optional: set[int] = set()


class Parser:
    """Reads one source; `parse` gives the tree or raises CelError."""

    def __init__(self, source: str) -> None:
        """Take the source of one expression."""
        self.mistakes = Mistakes(source)
        if len(source) > MAX_SOURCE:
            size = f"size: {len(source)}, limit {MAX_SOURCE}"
            raise CelError(
                f"ERROR: <input>:-1:0: expression code point size exceeds limit: {size}",
                stage=COMPILATION,
            )
        self._tokens = tokens(source, self.mistakes.note)
        self._at = 0
        self._frames: list[_Frame] = []
        self._want_operand = True

    def parse(self) -> Node:
        """Return the tree; CelError lists every mistake found."""
        self._frames.append(_Frame("top", 0))
        try:
            while self._frames:
                token = self._next()
                (self._operand if self._want_operand else self._operator)(token)
        except SyntaxStop:
            self.mistakes.raise_if_any()
        except TooDeep as deep:
            message = f"ERROR: <input>:-1:0: {deep.message}"
            raise CelError(message, stage=COMPILATION) from None
        self.mistakes.raise_if_any()
        return self._result

    # ------------------------------------------------------------ tokens

    def _next(self) -> CelToken:
        token = self._tokens[self._at]
        if token.kind != END:
            self._at += 1
        return token

    def _peek(self) -> str:
        return self._tokens[self._at].kind

    def _take(self, kind: str) -> bool:
        if self._tokens[self._at].kind == kind:
            self._at += 1
            return True
        return False

    def _fail(self, token: CelToken, message: str) -> SyntaxStop:
        self.mistakes.note(token.pos, f"Syntax error: {message}")
        return SyntaxStop()

    # ------------------------------------------------------------ where an operand is due

    def _operand(self, token: CelToken) -> None:
        handler = _OPERAND_HANDLERS.get(token.kind)
        if handler is None:
            raise self._fail(token, f"mismatched input '{token.text}' expecting {_OPERANDS}")
        handler(self, token)

    def _push_operand(self, node: Node) -> None:
        self._frames[-1].operands.append(node)
        self._want_operand = False

    def _prefix(self, token: CelToken) -> None:
        odd = True
        while self._take(token.kind):
            odd = not odd
        if token.kind == "-" and self._peek() in ("int", "float"):
            self._number(self._next(), negative=odd, pos=token.pos)
        elif odd:
            self._frames[-1].operators.append((_PREFIX, token.kind, token.pos, None))

    def _number(self, token: CelToken, negative: bool = False, pos: int = -1) -> None:
        pos = token.pos if pos < 0 else pos
        try:
            value, kind = number(token)
        except ValueError as bad:
            self.mistakes.note(pos, str(bad))
            value, kind = 0, INT
        if kind is INT and isinstance(value, int) and value > INT_MAX and not negative:
            self.mistakes.note(pos, "invalid int literal")
        if negative and token.text[-1] in "uU":
            self.mistakes.note(pos, "no viable alternative at input '-'")
        elif negative and isinstance(value, int | float):
            value = -value
        self._push_operand(Literal(pos, value, kind))

    def _text(self, token: CelToken) -> None:
        try:
            value, kind = text(token)
        except ValueError as bad:
            self.mistakes.note(token.pos, str(bad))
            value, kind = None, NULL
        self._push_operand(Literal(token.pos, value, kind))

    def _word(self, token: CelToken) -> None:
        constant = _CONSTANTS.get(token.text)
        if constant is not None:
            self._push_operand(Literal(token.pos, *constant))
            return
        if token.text in RESERVED:
            self.mistakes.note(token.pos, f"reserved identifier: {token.text}")
        self._ident(token, absolute=False)

    def _absolute(self, token: CelToken) -> None:
        name = self._next()
        if name.kind != "name":
            raise self._fail(token, "no viable alternative at input '.'")
        self._ident(name, absolute=True)

    def _ident(self, token: CelToken, absolute: bool) -> None:
        if self._peek() == "(":
            self._open(_Frame("call", self._next().pos, token.text))
        else:
            self._push_operand(Ident(token.pos, token.text, absolute))

    def _open(self, frame: _Frame) -> None:
        """Enter a bracket, or pass it at once when nothing stands in it."""
        if len(self._frames) > MAX_DEPTH:
            raise TooDeep
        self._frames.append(frame)
        self._want_operand = True
        if frame.kind in ("group", "index"):
            return
        if frame.kind in ("list", "map") and self._peek() == ",":
            self._at += 1
        if self._peek() == _CLOSER[frame.kind]:
            self._at += 1
            self._close(frame)
        else:
            self._begin_item(frame)

    def _begin_item(self, frame: _Frame) -> None:
        """Read what may stand before an element: `?`, and the field name in a struct."""
        if frame.kind in ("list", "map", "struct") and self._take("?"):
            frame.optional.add(len(frame.items))
        if frame.kind == "struct":
            name = self._next()
            if name.kind not in ("name", "quoted"):
                raise self._fail(name, f"mismatched input '{name.text}' expecting IDENTIFIER")
            colon = self._next()
            if colon.kind != ":":
                raise self._fail(colon, f"mismatched input '{colon.text}' expecting ':'")
            frame.keys.append((colon.pos, name.text.strip("`")))

    def _group(self, token: CelToken) -> None:
        self._open(_Frame("group", token.pos))

    def _list(self, token: CelToken) -> None:
        self._open(_Frame("list", token.pos))

    def _map(self, token: CelToken) -> None:
        self._open(_Frame("map", token.pos))

    # ------------------------------------------------------------ where an operator is due

    def _operator(self, token: CelToken) -> None:
        precedence = _PRECEDENCE.get(token.kind)
        if precedence is not None:
            frame = self._frames[-1]
            self._reduce(frame, precedence)
            frame.operators.append((precedence, token.kind, token.pos, None))
            self._want_operand = True
            return
        handler = _OPERATOR_HANDLERS.get(token.kind)
        if handler is None:
            raise self._unexpected(token)
        handler(self, token)

    def _unexpected(self, token: CelToken) -> SyntaxStop:
        closer = _CLOSER.get(self._frames[-1].kind)
        if closer is not None:
            return self._fail(token, f"missing '{closer}' at '{token.text}'")
        return self._fail(token, f"extraneous input '{token.text}' expecting <EOF>")

    def _member(self, token: CelToken) -> None:
        optional = self._take("?")
        name = self._next()
        quoted = name.kind == "quoted"
        if (name.kind != "name" and not quoted) or name.text in _CONSTANTS:
            raise self._fail(name, "no viable alternative at input '.'")
        operands = self._frames[-1].operands
        target = operands.pop()
        if self._peek() == "(" and not optional and not quoted:
            self._open(_Frame("call", self._next().pos, name.text, target))
        else:
            self._push_operand(Select(token.pos, target, name.text.strip("`"), optional))

    def _index(self, token: CelToken) -> None:
        function = "_[?_]" if self._take("?") else "_[_]"
        target = self._frames[-1].operands.pop()
        self._open(_Frame("index", token.pos, function, target))

    def _struct(self, token: CelToken) -> None:
        target = self._frames[-1].operands.pop()
        name = dotted(target)
        if name is None:
            raise self._unexpected(token)
        self._open(_Frame("struct", token.pos, name))

    def _question(self, token: CelToken) -> None:
        frame = self._frames[-1]
        self._reduce(frame, _TERNARY + 1)
        self._open_branch(token)

    def _open_branch(self, token: CelToken) -> None:
        if len(self._frames) > MAX_DEPTH:
            raise TooDeep
        self._frames.append(_Frame("branch", token.pos))
        self._want_operand = True

    def _colon(self, token: CelToken) -> None:
        frame = self._frames[-1]
        if frame.kind == "branch":
            yes = self._value(frame)
            self._frames.pop()
            self._frames[-1].operators.append((_TERNARY, "?:", frame.pos, yes))
        elif frame.kind == "map" and len(frame.keys) == len(frame.items):
            frame.keys.append(self._value(frame))
        else:
            raise self._unexpected(token)
        self._want_operand = True

    def _comma(self, token: CelToken) -> None:
        frame = self._frames[-1]
        if frame.kind not in ("call", "list", "map", "struct"):
            raise self._unexpected(token)
        self._end_item(frame, token)
        self._want_operand = True
        if frame.kind != "call" and self._peek() == _CLOSER[frame.kind]:
            self._at += 1
            self._close(frame)
        else:
            self._begin_item(frame)

    def _end_item(self, frame: _Frame, token: CelToken) -> None:
        if frame.kind == "map" and len(frame.keys) != len(frame.items) + 1:
            raise self._fail(token, f"mismatched input '{token.text}' expecting ':'")
        frame.items.append(self._value(frame))

    def _closer(self, token: CelToken) -> None:
        frame = self._frames[-1]
        if _CLOSER.get(frame.kind) != token.kind:
            raise self._unexpected(token)
        self._end_item(frame, token)
        self._close(frame)

    def _end(self, token: CelToken) -> None:
        frame = self._frames[-1]
        if frame.kind != "top":
            raise self._unexpected(token)
        self._result = self._value(frame)
        self._frames.pop()

    # ------------------------------------------------------------ building nodes

    def _value(self, frame: _Frame) -> Node:
        """Return what the operands and operators read since the last comma make."""
        self._reduce(frame, _TERNARY)
        return frame.operands.pop()

    def _reduce(self, frame: _Frame, precedence: int) -> None:
        operators, operands = frame.operators, frame.operands
        while operators and operators[-1][0] >= precedence:
            rank, operator, pos, yes = operators.pop()
            right = operands.pop()
            if rank == _PREFIX:
                operands.append(FunctionCall(pos, f"{operator}_", [right]))
                continue
            left = operands.pop()
            if yes is not None:
                operands.append(FunctionCall(pos, "_?_:_", [left, yes, right]))
            elif operator in ("&&", "||"):
                operands.append(_join(operator, left, right, pos))
            else:
                function = "@in" if operator == "in" else f"_{operator}_"
                operands.append(FunctionCall(pos, function, [left, right]))

    def _close(self, frame: _Frame) -> None:
        """Leave a bracket; the node it makes is an operand of the one outside."""
        self._frames.pop()
        try:
            node = _BUILDERS[frame.kind](frame)
        except MacroError as wrong:
            self.mistakes.note(wrong.pos, str(wrong))
            node = Literal(frame.pos, None, NULL)
        self._push_operand(node)


def _join(operator: str, left: Node, right: Node, pos: int) -> Node:
    if not isinstance(left, Logic) or left.operator != operator:
        return Logic(operator, [left, right], [pos])
    left.terms.append(right)
    left.places.append(pos)
    left.depth = max(left.depth, right.depth + 1)
    if left.depth > MAX_DEPTH:
        raise TooDeep
    return left


def dotted(node: Node) -> str | None:
    """Return `a.b.c` for a plain chain of names, None for anything else."""
    parts: list[str] = []
    while isinstance(node, Select) and not node.test and not node.optional:
        parts.append(node.field)
        node = node.operand
    if not isinstance(node, Ident):
        return None
    parts.append(node.name)
    return ".".join(reversed(parts))


def _build_call(frame: _Frame) -> Node:
    if frame.to is None:
        return expand_call(frame.pos, frame.name, frame.items)
    return expand_method(frame.pos, frame.name, frame.to, frame.items)


def _build_index(frame: _Frame) -> Node:
    assert frame.to is not None
    return FunctionCall(frame.pos, frame.name, [frame.to, *frame.items])


def _build_map(frame: _Frame) -> Node:
    keys = [key for key in frame.keys if isinstance(key, Node)]
    return MapNode(frame.pos, keys, frame.items, frame.optional)


def _build_struct(frame: _Frame) -> Node:
    parts = []
    for index, (key, value) in enumerate(zip(frame.keys, frame.items, strict=True)):
        assert isinstance(key, tuple)
        parts.append((key[0], key[1], value, index in frame.optional))
    return Struct(frame.pos, frame.name, parts)


_BUILDERS: dict[str, Callable[[_Frame], Node]] = {
    "call": _build_call,
    "group": lambda frame: frame.items[0],
    "index": _build_index,
    "list": lambda frame: ListNode(frame.pos, frame.items, frame.optional),
    "map": _build_map,
    "struct": _build_struct,
}
_Handler = Callable[[Parser, CelToken], None]
_OPERAND_HANDLERS: dict[str, _Handler] = {
    "!": Parser._prefix,
    "(": Parser._group,
    "-": Parser._prefix,
    ".": Parser._absolute,
    "[": Parser._list,
    "float": Parser._number,
    "int": Parser._number,
    "name": Parser._word,
    "string": Parser._text,
    "{": Parser._map,
}
_OPERATOR_HANDLERS: dict[str, _Handler] = {
    ")": Parser._closer,
    ",": Parser._comma,
    ".": Parser._member,
    ":": Parser._colon,
    "?": Parser._question,
    "[": Parser._index,
    "]": Parser._closer,
    "{": Parser._struct,
    "}": Parser._closer,
    END: Parser._end,
}
