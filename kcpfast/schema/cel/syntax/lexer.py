"""Cuts the source into tokens and reads literals.

Rules: cel-spec, "Lexis" and "String and Bytes Values" of the language definition.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from ..base import INT_MAX, UINT_MAX
from ..celtypes import BYTES, DOUBLE, INT, STRING, UINT, CelType
from ..values import Uint

# Longer sources are refused, as cel-go does by default.
MAX_SOURCE = 100_000

# fmt: off
RESERVED = frozenset((
    "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop",
    "namespace", "package", "return", "var", "void", "while",
))
# fmt: on

# Each alternative can match in one way only, so the scan is linear in the source.
_TOKEN = re.compile(
    r"""
    (?P<space>[\t\n\f\r\ ]+|//[^\n]*)
  | (?P<string>
        (?:[rR][bB]?|[bB][rR])
        (?:\"\"\"(?s:.*?)\"\"\"|\'\'\'(?s:.*?)\'\'\'|"[^"\n\r]*"|'[^'\n\r]*')
      | [bB]?(?:\"\"\"(?s:\\.|[^\\])*?\"\"\"|\'\'\'(?s:\\.|[^\\])*?\'\'\'
          |"(?:\\.|[^"\\\n\r])*"|'(?:\\.|[^'\\\n\r])*'))
  | (?P<float>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+
      |\.[0-9]+(?:[eE][+-]?[0-9]+)?)
  | (?P<int>0x[0-9a-fA-F]+[uU]?|[0-9]+[uU]?)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<quoted>`[A-Za-z0-9_.\-/ ]+`)
  | (?P<op>&&|\|\||[<>=!]=|[\[\](){}.,\-!?:+*/%<>])
    """,
    re.VERBOSE,
)

_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))",
    re.DOTALL,
)
# fmt: off
_PLAIN = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", "'": "'", '"': '"', "`": "`", "?": "?",
}
# fmt: on

END = "<EOF>"


class CelToken(NamedTuple):
    """One token: its kind (the operator itself, or a class), text and offset."""

    kind: str
    text: str
    pos: int


Report = Callable[[int, str], None]


def tokens(source: str, report: Report) -> list[CelToken]:
    """Return the tokens, ended by one of kind END; tell `report` of what is none."""
    tokens_read: list[CelToken] = []
    match, end, pos = _TOKEN.match, len(source), 0
    while pos < end:
        hit = match(source, pos)
        if hit is None:
            pos = _skip_unknown(source, pos, report)
            continue
        kind = hit.lastgroup or ""
        text = hit.group()
        if kind == "op":
            tokens_read.append(CelToken(text, text, pos))
        elif kind == "name" and text == "in":
            tokens_read.append(CelToken("in", text, pos))
        elif kind != "space":
            tokens_read.append(CelToken(kind, text, pos))
        pos = hit.end()
    tokens_read.append(CelToken(END, END, end))
    return tokens_read


def _skip_unknown(source: str, pos: int, report: Report) -> int:
    stop = pos + 1
    if source[pos] in "'\"":
        line = source.find("\n", pos)
        stop = len(source) if line < 0 else line
    excerpt = source[pos : min(stop, pos + 100)]
    report(pos, f"Syntax error: token recognition error at: '{excerpt}'")
    return stop


def number(token: CelToken) -> tuple[object, CelType]:
    """Return the value and type of a number token; ValueError when it is out of range."""
    text = token.text
    if token.kind == "float":
        return float(text), DOUBLE
    unsigned = text[-1] in "uU"
    digits = text[:-1] if unsigned else text
    # The bound keeps Python from reading hundreds of digits, which takes quadratic time.
    if len(digits) > 40:
        raise ValueError("invalid uint literal" if unsigned else "invalid int literal")
    value = int(digits, 16) if digits.startswith("0x") else int(digits)
    if unsigned:
        if value > UINT_MAX:
            raise ValueError("invalid uint literal")
        return Uint(value), UINT
    # One more than the maximum is let through for the parser to negate or to refuse.
    if value > INT_MAX + 1:
        raise ValueError("invalid int literal")
    return value, INT


def text(token: CelToken) -> tuple[object, CelType]:
    """Return the value and type of a string or bytes token; ValueError for a bad escape."""
    quote = min(offset for offset in (token.text.find("'"), token.text.find('"')) if offset >= 0)
    prefix = token.text[:quote].lower()
    body = token.text[quote:]
    width = 3 if body[:3] in ("'''", '"""') and len(body) >= 6 else 1
    body = body[width:-width]
    if "b" in prefix:
        return (body.encode() if "r" in prefix else _bytes_of(body)), BYTES
    return (body if "r" in prefix or "\\" not in body else _ESCAPE.sub(_char, body)), STRING


def _char(hit: re.Match[str]) -> str:
    if plain := hit.group(5):
        if plain not in _PLAIN:
            raise ValueError("unable to unescape string")
        return _PLAIN[plain]
    octal = hit.group(4)
    code = int(octal, 8) if octal else int(hit.group(1) or hit.group(2) or hit.group(3), 16)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise ValueError("invalid unicode code point")
    return chr(code)


def _bytes_of(body: str) -> bytes:
    parts: list[bytes] = []
    last = 0
    for hit in _ESCAPE.finditer(body):
        parts.append(body[last : hit.start()].encode())
        if hit.group(1) or hit.group(4):
            parts.append(bytes([int(hit.group(1), 16) if hit.group(1) else int(hit.group(4), 8)]))
        elif hit.group(5):
            parts.append(_char(hit).encode())
        else:
            raise ValueError("unable to unescape string")
        last = hit.end()
    parts.append(body[last:].encode())
    return b"".join(parts)
