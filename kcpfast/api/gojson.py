"""What Go's encoding/json says of a text that is no JSON, and what it makes of broken characters.

Looked at only once a decoder has refused a text: clients and tests know Go's words.
Source: Go's encoding/json, scanner.go and decode.go.
"""

from __future__ import annotations

import re

_SPACE = " \t\n\r"
_STRING = re.compile(r'[^"\\\x00-\x1f]*')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_ESCAPES = '"\\/bfnrt'
_HEX = "0123456789abcdefABCDEF"
_WORDS = {"t": "true", "f": "false", "n": "null"}
_MAX_DEPTH = 10_000
# A surrogate that is escaped, with its partner if it has one.
_SURROGATE = re.compile(
    rb"(\\\\)|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
_PAIR = 12


def repaired(body: bytes) -> bytes:
    """Return a text in which U+FFFD stands for what is no character, as Go's decoder reads it."""
    text = body.decode("utf-8", "replace").encode()
    if b"\\u" not in text:
        return text
    return _SURROGATE.sub(_whole, text)


def _whole(match: re.Match[bytes]) -> bytes:
    found = match.group()
    return found if match[1] or len(found) == _PAIR else b"\\ufffd"


class _SyntaxError(Exception):
    pass


def complaint(body: bytes) -> str:
    """Return what Go says of a text that is no JSON, "" if it has nothing against its syntax."""
    try:
        # Go's scanner looks at bytes, and shows them as Latin-1.
        _Scan(body.decode("latin-1")).whole()
    except _SyntaxError as error:
        return str(error)
    return ""


def large_number(body: bytes) -> str:
    """Return the first number of a JSON text that float64 cannot hold, "" if there is none."""
    text = body.decode("latin-1")
    in_strings = re.compile(r'"(?:[^"\\]|\\.)*"|' + _NUMBER.pattern, re.DOTALL)
    for match in in_strings.finditer(text):
        token = match.group()
        if token[:1] != '"' and abs(float(token)) == float("inf"):
            return token
    return ""


class _Scan:
    """Goes over a text as scanner.go does; `stack` has the containers that are open."""

    def __init__(self, text: str) -> None:
        self._text, self._place, self._stack = text, 0, [""]

    def whole(self) -> None:
        is_open = self._value()
        while is_open or len(self._stack) > 1:
            is_open = self._member() if is_open else self._next_of_container()
        self._skip_space()
        if self._place < len(self._text):
            raise self._wrong("after top-level value")

    def _next_of_container(self) -> bool:
        """Go on behind a value in the innermost container; tell whether that opens another."""
        self._skip_space()
        closing, where = (
            ("}", "after object key:value pair")
            if self._stack[-1] == "{"
            else ("]", "after array element")
        )
        char = self._char()
        if char == closing:
            self._place += 1
            self._stack.pop()
            return False
        if char != ",":
            raise self._wrong(where)
        self._place += 1
        return self._member()

    def _member(self) -> bool:
        if self._stack[-1] == "{":
            self._skip_space()
            if self._char() != '"':
                raise self._wrong("looking for beginning of object key string")
            self._string()
            self._skip_space()
            if self._char() != ":":
                raise self._wrong("after object key")
            self._place += 1
        return self._value()

    def _value(self) -> bool:
        """Read a value; True for a container that is not empty, of which only the beginning is."""
        self._skip_space()
        char = self._char()
        if char in "{[":
            return self._open(char)
        if char == '"':
            self._string()
        elif char == "-" or char.isdigit():
            self._number()
        elif char in _WORDS:
            self._word(_WORDS[char])
        else:
            raise self._wrong("looking for beginning of value")
        return False

    def _open(self, char: str) -> bool:
        self._place += 1
        self._stack.append(char)
        if len(self._stack) > _MAX_DEPTH + 1:
            raise _SyntaxError("exceeded max depth")
        self._skip_space()
        if self._char() == ("}" if char == "{" else "]"):
            self._place += 1
            self._stack.pop()
            return False
        return True

    def _string(self) -> None:
        self._place += 1
        while True:
            match = _STRING.match(self._text, self._place)
            assert match is not None
            self._place = match.end()
            char = self._char()
            if char == '"':
                self._place += 1
                return
            if char != "\\":
                raise self._wrong("in string literal")
            self._escape()

    def _escape(self) -> None:
        self._place += 1
        char = self._char()
        if char == "u":
            for _ in range(4):
                self._place += 1
                if self._char() not in _HEX:
                    raise self._wrong(r"in \u hexadecimal character escape")
        elif char not in _ESCAPES:
            raise self._wrong("in string escape code")
        self._place += 1

    def _number(self) -> None:
        if self._char() == "-":
            self._place += 1
            if not self._is_digit():
                raise self._wrong("in numeric literal")
        if self._char() == "0":
            self._place += 1
        else:
            self._digits()
        if self._peek() == ".":
            self._place += 1
            self._expect_digits("after decimal point in numeric literal")
        if self._peek() in ("e", "E"):
            self._place += 1
            if self._char() in "+-":
                self._place += 1
            self._expect_digits("in exponent of numeric literal")

    def _expect_digits(self, where: str) -> None:
        self._char()
        if not self._is_digit():
            raise self._wrong(where)
        self._digits()

    def _digits(self) -> None:
        while self._is_digit():
            self._place += 1

    def _is_digit(self) -> bool:
        return "0" <= self._peek() <= "9"

    def _word(self, word: str) -> None:
        for expected in word:
            if self._char() != expected:
                raise self._wrong(f"in literal {word} (expecting '{expected}')")
            self._place += 1

    def _skip_space(self) -> None:
        while self._peek() in _SPACE:
            self._place += 1

    def _peek(self) -> str:
        """Return the next character, NUL at the end."""
        return self._text[self._place] if self._place < len(self._text) else "\0"

    def _char(self) -> str:
        if self._place >= len(self._text):
            raise _SyntaxError("unexpected end of JSON input")
        return self._text[self._place]

    def _wrong(self, where: str) -> _SyntaxError:
        if self._place >= len(self._text):
            return _SyntaxError("unexpected end of JSON input")
        return _SyntaxError(f"invalid character {_quoted(self._text[self._place])} {where}")


def _quoted(char: str) -> str:
    """Return a character as Go's quoteChar does."""
    if char == "'":
        return r"'\''"
    if char == '"':
        return "'\"'"
    short = {"\t": r"\t", "\n": r"\n", "\r": r"\r", "\a": r"\a", "\b": r"\b", "\f": r"\f",
             "\v": r"\v", "\\": r"\\"}.get(char)  # fmt: skip
    if short is None:
        short = char if char.isprintable() else _escaped(ord(char))
    return f"'{short}'"


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"
