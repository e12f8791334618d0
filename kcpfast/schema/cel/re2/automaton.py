"""Runs a regular expression in step with the text: no backtracking, time linear in the text.

The states that a search is in are cached by what led to them, so that most characters cost one
look-up. Theory: Russ Cox, "Regular Expression Matching: the Virtual Machine Approach".
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from ..base import CelError
from .tree import Chars, Choice, Node, Place, Repeat, Sequence

MAX_INSTRUCTIONS = 20_000
# How many instructions one search may visit outside the cache, and after how many they are
# charged: cel-go's formula covers what is usual.
MAX_WORK = 1_000_000
_WORK_UNIT = 1000
_COST_OF_UNIT = 400
_MAX_STATES = 500
_MAX_MOVES = 20_000

_CHAR, _SPLIT, _PLACE, _MATCH = range(4)
_WORD = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")

Span = tuple[int, int]
Charge = Callable[[int], object]


class _State(dict[str, "_State | None"]):
    """Where a search stands: threads in order, and by character the state after; None: match."""

    __slots__ = ("before", "ended", "threads")

    def __init__(self, threads: tuple[int, ...], before: str) -> None:
        super().__init__()
        self.threads = threads
        self.before = before
        self.ended: bool | None = None


class Automaton:
    """The program of one pattern."""

    def __init__(self, tree: Node) -> None:
        """Compile a tree; CelError when the pattern is too large."""
        self._ops: list[tuple[int, Chars | str, int, int]] = []
        self._start = self._emit(tree, self._add(_MATCH, "", 0, 0))
        self._has: dict[Chars, Callable[[str], bool]] = {}
        self._states: dict[tuple[tuple[int, ...], str], _State] = {}
        self._moves = 0
        self._begin(lambda _: None)

    # ------------------------------------------------------------ compiling, from the end back

    def _add(self, kind: int, what: Chars | str, after: int, other: int) -> int:
        if len(self._ops) >= MAX_INSTRUCTIONS:
            raise CelError("error parsing regexp: expression too large")
        self._ops.append((kind, what, after, other))
        return len(self._ops) - 1

    def _emit(self, node: Node, after: int) -> int:
        """Add the instructions for `node`, then go to `after`; return where they begin."""
        if isinstance(node, Chars):
            return self._add(_CHAR, node, after, 0)
        if isinstance(node, Place):
            return self._add(_PLACE, node.kind, after, 0)
        if isinstance(node, Sequence):
            for part in reversed(node.parts):
                after = self._emit(part, after)
            return after
        if isinstance(node, Choice):
            start = self._emit(node.parts[-1], after)
            for part in reversed(node.parts[:-1]):
                start = self._add(_SPLIT, "", self._emit(part, after), start)
            return start
        return self._emit_repeat(node, after)

    def _emit_repeat(self, node: Repeat, after: int) -> int:
        if node.most < 0:
            split = self._add(_SPLIT, "", 0, 0)
            body = self._emit(node.part, split)
            self._ops[split] = self._fork(body, after, node.greedy)
            after = split
        else:
            exit_to = after
            for _ in range(node.most - node.least):
                body = self._emit(node.part, after)
                fork = self._fork(body, exit_to, node.greedy)
                after = self._add(fork[0], fork[1], fork[2], fork[3])
        for _ in range(node.least):
            after = self._emit(node.part, after)
        return after

    @staticmethod
    def _fork(body: int, after: int, greedy: bool) -> tuple[int, str, int, int]:
        return (_SPLIT, "", body, after) if greedy else (_SPLIT, "", after, body)

    # ------------------------------------------------------------ one step

    def _reach(
        self, starts: tuple[int, ...], before: str, following: str, seen: set[int]
    ) -> list[int]:
        """Return the character and match instructions reached without a character, in order.

        `before` and `following` are the characters around the place, "" at an end of the text;
        what was `seen` at this place by a thread of more weight is left out.
        """
        known = len(seen)
        found: list[int] = []
        stack = list(reversed(starts))
        while stack:
            at = stack.pop()
            if at in seen:
                continue
            seen.add(at)
            kind, what, after, other = self._ops[at]
            if kind == _SPLIT:
                stack += (other, after)
            elif kind == _PLACE:
                if _is_at(str(what), before, following):
                    stack.append(after)
            else:
                found.append(at)
        self._work += len(seen) - known + 1
        if self._work > self._charged + _WORK_UNIT:
            self._charged += _WORK_UNIT
            self._charge(_COST_OF_UNIT)
            if self._work > MAX_WORK:
                raise CelError("regular expression takes too many steps on this text")
        return found

    def _takes(self, chars: Chars, char: str) -> bool:
        test = self._has.get(chars)
        if test is None:
            test = self._has[chars] = _tester(chars)
        return test(char)

    # ------------------------------------------------------------ is there a match

    def _begin(self, charge: Charge) -> None:
        self._work = self._charged = 0
        self._charge = charge

    def search(self, text: str, charge: Charge) -> bool:
        """Tell whether the pattern matches anywhere in the text."""
        self._begin(charge)
        state = self._state((self._start,), "")
        for char in text:
            after = state.get(char, state)
            if after is state and char not in state:
                after = self._move(state, char)
            if after is None:
                return True
            state = after
        if state.ended is None:
            reached = self._reach(state.threads, state.before, "", set())
            state.ended = any(self._ops[at][0] == _MATCH for at in reached)
        return state.ended

    def _state(self, threads: tuple[int, ...], before: str) -> _State:
        key = (threads, "w" if before in _WORD else before if before in ("", "\n") else "x")
        state = self._states.get(key)
        if state is None:
            if len(self._states) >= _MAX_STATES or self._moves > _MAX_MOVES:
                self._states.clear()
                self._moves = 0
            state = self._states[key] = _State(threads, before)
        return state

    def _move(self, state: _State, char: str) -> _State | None:
        threads: dict[int, None] = {}
        after: _State | None = None
        for at in self._reach(state.threads, state.before, char, set()):
            kind, what, following, _ = self._ops[at]
            if kind == _MATCH:
                break
            if isinstance(what, Chars) and self._takes(what, char):
                threads[following] = None
        else:
            threads[self._start] = None
            after = self._state(tuple(threads), char)
        self._moves += 1
        state[char] = after
        return after

    # ------------------------------------------------------------ where is the match

    def finder(self, text: str, charge: Charge) -> Callable[[int], Span | None]:
        """Return a function that finds the leftmost match from a place on; all share one limit."""
        self._begin(charge)

        def find(start: int) -> Span | None:
            return self._find(text, start)

        return find

    def _find(self, text: str, start: int) -> Span | None:
        best: Span | None = None
        # Instruction -> where its thread began; the order is the order of preference.
        threads: dict[int, int] = {}
        for at in range(start, len(text) + 1):
            if best is None:
                threads.setdefault(self._start, at)
            if not threads:
                break
            before = text[at - 1] if at else ""
            char = text[at] if at < len(text) else ""
            threads, ended = self._advance(threads, before, char)
            if ended is not None:
                best = (ended, at)
        return best

    def _advance(
        self, threads: dict[int, int], before: str, char: str
    ) -> tuple[dict[int, int], int | None]:
        """Take one character; return the threads after it and where a match that ended began."""
        following: dict[int, int] = {}
        seen: set[int] = set()
        for thread, began in threads.items():
            for at in self._reach((thread,), before, char, seen):
                kind, what, after, _ = self._ops[at]
                if kind == _MATCH:
                    return following, began
                if char and isinstance(what, Chars) and self._takes(what, char):
                    following.setdefault(after, began)
        return following, None


def _is_at(kind: str, before: str, following: str) -> bool:
    if kind == "^":
        return before == ""
    if kind == "$":
        return following == ""
    if kind == "m^":
        return before in ("", "\n")
    if kind == "m$":
        return following in ("", "\n")
    edge = (before in _WORD) != (following in _WORD)
    return edge if kind == "b" else not edge


def _tester(chars: Chars) -> Callable[[str], bool]:
    """Return a function that tells whether a character is in the class."""

    def test(char: str) -> bool:
        code = ord(char)
        inside = any(low <= code <= high for low, high in chars.ranges)
        for prefix, excluded in chars.categories:
            inside = inside or unicodedata.category(char).startswith(prefix) != excluded
        return inside != chars.negated

    return test
