"""Reads a regular expression of RE2's syntax into a tree.

Texts of errors are those of Go's regexp/syntax.
"""

from __future__ import annotations

import re

from ..base import CelError
from .tree import NAMED, PERL, Chars, Choice, Node, Place, Repeat, Sequence, folded, inverted

# Go allows 1000 nested groups; the tree is walked by recursion here.
MAX_DEPTH = 50
# Go's bound on one count and on the product of nested ones.
MAX_REPEAT = 1000

_ESCAPES = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
# Unicode's general categories: a class, and the letters of its parts.
_PARTS = {
    "C": "cfos",
    "L": "lmotu",
    "M": "cen",
    "N": "dlo",
    "P": "cdefios",
    "S": "ckmo",
    "Z": "lps",
}
_CATEGORIES = frozenset(f"{main}{part}" for main, parts in _PARTS.items() for part in ["", *parts])
_COUNT = re.compile(r"\{([0-9]+)(,([0-9]*))?\}")
_OPERATOR = re.compile(r"(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})\??")
_GROUP = re.compile(r"\(\?(?:P?<([A-Za-z0-9_]+)>|([imsU]*)(-[imsU]+)?([:)]))")
_CODE = re.compile(r"\\(?:x\{([0-9a-fA-F]{1,6})\}|x([0-9a-fA-F]{2})|(0[0-7]{0,2}|[1-7][0-7]{1,2}))")
_CATEGORY = re.compile(r"\\[pP](?:\{(\^?)([A-Za-z_]+)\}|([A-Z]))")


def wrong(what: str, part: str) -> CelError:
    """Return the error that Go's regexp gives."""
    return CelError(f"error parsing regexp: {what}: `{part}`")


class _Group:
    """An open group: its finished alternatives and the parts of the current one."""

    __slots__ = ("alternatives", "flags", "parts")

    def __init__(self, flags: frozenset[str]) -> None:
        self.flags = flags
        self.alternatives: list[Node] = []
        self.parts: list[Node] = []

    def finish(self) -> Node:
        last = self.parts[0] if len(self.parts) == 1 else Sequence(tuple(self.parts))
        if not self.alternatives:
            return last
        return Choice((*self.alternatives, last))


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.flags: frozenset[str] = frozenset()
        self.stack = [_Group(self.flags)]
        # The product of the nested counts inside each finished part, by identity of the part.
        self.repeats: dict[int, int] = {}

    def read(self) -> Node:
        while self.at < len(self.source):
            char = self.source[self.at]
            handler = _HANDLERS.get(char)
            if handler is None:
                self.at += 1
                self.add(self.literal(ord(char)))
            else:
                handler(self)
        if len(self.stack) > 1:
            raise wrong("missing closing )", self.source)
        return self.stack[0].finish()

    def add(self, node: Node) -> None:
        self.stack[-1].parts.append(node)

    def literal(self, code: int) -> Chars:
        return Chars(folded(((code, code),)) if "i" in self.flags else ((code, code),))

    def any_char(self) -> None:
        self.at += 1
        self.add(Chars((), True) if "s" in self.flags else Chars(((10, 10),), True))

    def begin(self) -> None:
        self.at += 1
        self.add(Place("m^" if "m" in self.flags else "^"))

    def end(self) -> None:
        self.at += 1
        self.add(Place("m$" if "m" in self.flags else "$"))

    def alternative(self) -> None:
        self.at += 1
        group = self.stack[-1]
        group.alternatives.append(
            group.parts[0] if len(group.parts) == 1 else Sequence(tuple(group.parts))
        )
        group.parts = []

    def open(self) -> None:
        if len(self.stack) > MAX_DEPTH:
            raise wrong("expression nests too deeply", self.source)
        flags = self.flags
        if self.source.startswith("(?", self.at):
            hit = _GROUP.match(self.source, self.at)
            if hit is None:
                raise wrong(
                    "invalid or unsupported Perl syntax", self.source[self.at : self.at + 3]
                )
            self.at = hit.end()
            if not hit.group(1):
                flags = (flags | set(hit.group(2))) - set(hit.group(3) or "")
                if hit.group(4) == ")":
                    self.flags = flags
                    return
        else:
            self.at += 1
        self.stack.append(_Group(self.flags))
        self.flags = flags

    def close(self) -> None:
        if len(self.stack) == 1:
            raise wrong("unexpected )", self.source)
        self.at += 1
        group = self.stack.pop()
        self.flags = group.flags
        node = group.finish()
        inner = max((self.repeats.pop(id(part), 1) for part in group.parts), default=1)
        if inner > 1:
            self.repeats[id(node)] = max(inner, self.repeats.get(id(node), 1))
        self.add(node)

    def repeat(self) -> None:
        start = self.at
        char = self.source[self.at]
        least, most = {"*": (0, -1), "+": (1, -1), "?": (0, 1)}.get(char, (0, 0))
        if char == "{":
            hit = _COUNT.match(self.source, self.at)
            if hit is None:
                self.at += 1
                self.add(self.literal(ord("{")))
                return
            least, most = self._counts(hit)
            self.at = hit.end()
        else:
            self.at += 1
        parts = self.stack[-1].parts
        greedy = "U" not in self.flags
        if self.source.startswith("?", self.at):
            self.at += 1
            greedy = not greedy
        if not parts:
            raise wrong("missing argument to repetition operator", self.source[start : self.at])
        again = _OPERATOR.match(self.source, self.at)
        if again is not None:
            raise wrong("invalid nested repetition operator", self.source[start : again.end()])
        self._wrap(parts, least, most, greedy, self.source[start : self.at])

    def _counts(self, hit: re.Match[str]) -> tuple[int, int]:
        if any(len(part or "") > 4 for part in (hit.group(1), hit.group(3))):
            raise wrong("invalid repeat count", hit.group())
        least = int(hit.group(1))
        most = least
        if hit.group(2):
            most = int(hit.group(3)) if hit.group(3) else -1
        if least > MAX_REPEAT or most > MAX_REPEAT or 0 <= most < least:
            raise wrong("invalid repeat count", hit.group())
        return least, most

    def _wrap(self, parts: list[Node], least: int, most: int, greedy: bool, text: str) -> None:
        inner = self.repeats.pop(id(parts[-1]), 1)
        product = inner * max(1, most, least)
        if product > MAX_REPEAT:
            raise wrong("invalid repeat count", text)
        parts[-1] = Repeat(parts[-1], least, most, greedy)
        if product > 1:
            self.repeats[id(parts[-1])] = product

    def escape(self) -> None:
        source, at = self.source, self.at
        if at + 1 >= len(source):
            raise CelError("error parsing regexp: trailing backslash at end of expression: ``")
        char = source[at + 1]
        if char == "Q":
            stop = source.find(r"\E", at)
            stop = len(source) if stop < 0 else stop
            for literal in source[at + 2 : stop]:
                self.add(self.literal(ord(literal)))
            self.at = min(stop + 2, len(source))
        elif char in "AzbB":
            self.at += 2
            self.add(Place({"A": "^", "z": "$"}.get(char, char)))
        else:
            found = self.escaped_class()
            self.add(found if found is not None else self.literal(self.escaped_code()))

    def escaped_class(self) -> Chars | None:
        r"""Read \d, \pL and the like; None when another escape stands there."""
        char = self.source[self.at + 1 : self.at + 2]
        if char.lower() in PERL:
            self.at += 2
            return Chars(PERL[char.lower()], char.isupper())
        if char not in ("p", "P"):
            return None
        hit = _CATEGORY.match(self.source, self.at)
        name = (hit.group(2) or hit.group(3)) if hit else ""
        if hit is None or (name != "Any" and name not in _CATEGORIES):
            raise wrong("invalid character class range", self.source[self.at : self.at + 10])
        self.at = hit.end()
        excluded = (char == "P") != bool(hit.group(1))
        return Chars((), categories=(("" if name == "Any" else name, excluded),))

    def escaped_code(self) -> int:
        char = self.source[self.at + 1 : self.at + 2]
        hit = _CODE.match(self.source, self.at)
        if hit is not None:
            self.at = hit.end()
            code = int(hit.group(3), 8) if hit.group(3) else int(hit.group(1) or hit.group(2), 16)
            if code > 0x10FFFF:
                raise wrong("invalid escape sequence", hit.group())
            return code
        if char in _ESCAPES or (char and ord(char) < 128 and not char.isalnum()):
            self.at += 2
            return _ESCAPES.get(char, ord(char))
        raise wrong("invalid escape sequence", self.source[self.at : self.at + 2])

    def char_class(self) -> None:
        start = self.at
        self.at += 1
        negated = self.source.startswith("^", self.at)
        self.at += negated
        ranges: list[tuple[int, int]] = []
        categories: list[tuple[str, bool]] = []
        first = True
        while first or not self.source.startswith("]", self.at):
            if self.at >= len(self.source):
                raise wrong("missing closing ]", self.source[start:])
            first = False
            self._class_part(ranges, categories)
        self.at += 1
        found = folded(tuple(ranges)) if "i" in self.flags else tuple(ranges)
        self.add(Chars(found, negated, tuple(categories)))

    def _class_part(
        self, ranges: list[tuple[int, int]], categories: list[tuple[str, bool]]
    ) -> None:
        start = self.at
        if self.source.startswith("[:", self.at) and self._named(ranges):
            return
        if self.source[self.at] == "\\":
            inner = self.escaped_class()
            if inner is not None:
                ranges.extend(inverted(inner.ranges) if inner.negated else inner.ranges)
                categories.extend(inner.categories)
                return
        low = high = self._class_char()
        if self.source.startswith("-", self.at) and self.source[self.at + 1 : self.at + 2] != "]":
            self.at += 1
            if self.at >= len(self.source):
                raise wrong("missing closing ]", self.source[start - 1 :])
            high = self._class_char()
        if high < low:
            raise wrong("invalid character class range", self.source[start : self.at])
        ranges.append((low, high))

    def _class_char(self) -> int:
        if self.source[self.at] == "\\":
            if self.at + 1 >= len(self.source):
                raise CelError("error parsing regexp: trailing backslash at end of expression: ``")
            return self.escaped_code()
        self.at += 1
        return ord(self.source[self.at - 1])

    def _named(self, ranges: list[tuple[int, int]]) -> bool:
        stop = self.source.find(":]", self.at + 2)
        if stop < 0:
            return False
        name = self.source[self.at + 2 : stop]
        found = NAMED.get(name.removeprefix("^"))
        if found is None:
            raise wrong("invalid character class range", self.source[self.at : stop + 2])
        ranges.extend(inverted(found) if name.startswith("^") else found)
        self.at = stop + 2
        return True


_HANDLERS = {
    "$": _Reader.end,
    "(": _Reader.open,
    ")": _Reader.close,
    "*": _Reader.repeat,
    "+": _Reader.repeat,
    ".": _Reader.any_char,
    "?": _Reader.repeat,
    "[": _Reader.char_class,
    "\\": _Reader.escape,
    "^": _Reader.begin,
    "{": _Reader.repeat,
    "|": _Reader.alternative,
}


def parse(source: str) -> Node:
    """Return the tree of a pattern; CelError names the mistake."""
    return _Reader(source).read()
