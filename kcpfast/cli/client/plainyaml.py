"""The YAML that kubeconfigs are written in, read and written without PyYAML, whose import is 30 ms.

`read` knows block style with one-line scalars that nobody could take for anything but text, true,
false or null; whatever else it meets, it declines, and the caller asks PyYAML. `write` knows all
that was read. tests/cli/test_plainyaml.py holds both against PyYAML.
"""

from __future__ import annotations

from typing import Any, NoReturn

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_WORD = _LETTERS | frozenset("0123456789-_.")
_SAFE = _WORD | frozenset("/+=:@,~%")
# A text with one of these is no number and no time in any version of YAML.
_TELLING = frozenset("ghjklmpqrsuvwyGHJKLMPQRSUVWY")
_RESERVED = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"))
_ESCAPES = {"\n": "\\n", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
_VALUES: dict[str, Any] = {"true": True, "false": False, "null": None, "{}": {}, "[]": []}


class Declined(Exception):
    """There is something in the text that only a full YAML parser can judge."""


class Plain(str):
    """A number or time that stands unquoted in the file: kept as it is spelled."""

    __slots__ = ()


def read(text: str) -> Any:
    """Return the one document of a text; Declined if any of it is out of the ordinary."""
    lines = []
    for line in text.split("\n"):
        content = line.strip(" ")
        if not content or content.startswith("#"):
            continue
        lines.append((len(line) - len(line.lstrip(" ")), content))
    if not lines or not text.isascii():
        _decline()
    reader = _Reader(lines)
    document = reader.block(0)
    if reader.at != len(lines):
        _decline()
    return document


def _decline() -> NoReturn:
    raise Declined


class _Reader:
    def __init__(self, lines: list[tuple[int, str]]) -> None:
        self.lines = lines
        self.at = 0

    def block(self, indent: int) -> Any:
        """Read the mapping or sequence that stands at an indent."""
        if self.lines[self.at][1].startswith("- "):
            return self._sequence(indent)
        return self._mapping(indent)

    def _sequence(self, indent: int) -> list[Any]:
        items = []
        while self.at < len(self.lines):
            column, content = self.lines[self.at]
            if column != indent or not content.startswith("- "):
                break
            rest = content[2:].lstrip(" ")
            if _key(rest) is None and not rest.startswith("- "):
                items.append(_scalar(rest))
                self.at += 1
                continue
            # What follows the dash is a block of its own, as deep as it stands.
            inner = indent + len(content) - len(rest)
            self.lines[self.at] = (inner, rest)
            items.append(self.block(inner))
        return items

    def _mapping(self, indent: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        while self.at < len(self.lines):
            column, content = self.lines[self.at]
            if column != indent or content.startswith("- "):
                break
            key = _key(content)
            if key is None or key in members:
                _decline()
            self.at += 1
            rest = content[len(key) + 1 :].lstrip(" ")
            members[key] = _scalar(rest) if rest else self._below(indent)
        if not members:
            _decline()
        return members

    def _below(self, indent: int) -> Any:
        """Read what a key without a value on its line has: a block, or nothing."""
        if self.at == len(self.lines):
            return None
        column, content = self.lines[self.at]
        if column > indent or (column == indent and content.startswith("- ")):
            return self.block(column)
        return None


def _key(text: str) -> str | None:
    key, found, rest = text.partition(":")
    plain = found and (not rest or rest[0] == " ") and key[:1] in _LETTERS and _WORD.issuperset(key)
    return key if plain and key.lower() not in _RESERVED else None


def _scalar(text: str) -> Any:
    if text in _VALUES:
        value = _VALUES[text]
        return type(value)() if isinstance(value, (dict, list)) else value
    if is_text(text):
        return text
    quote, inner = text[0], text[1:-1]
    if quote not in "'\"" or len(text) < 2 or text[-1] != quote or quote in inner:
        _decline()
    if not inner.isprintable() or "\\" in inner:
        _decline()
    return inner


def is_text(text: str) -> bool:
    """Tell whether a text may stand unquoted and be text for every reader of YAML."""
    if not text or not _SAFE.issuperset(text) or text[-1] == ":" or text.lower() in _RESERVED:
        return False
    if text[0] in _LETTERS or text[0] == "/":
        return True
    # A token may begin so; two dashes could be the end of a document.
    dashed = text[0] in "-_" and text[1:2] != "-"
    return (dashed or text[0].isdigit()) and not _TELLING.isdisjoint(text)


def write(value: Any, indent: str = "") -> str:
    """Return a document, or what is in it at an indent, as YAML."""
    if isinstance(value, dict):
        return "".join(
            f"{indent}{_name(key)}:{_member(item, indent)}" for key, item in value.items()
        )
    return "".join(f"{indent}-{_item(item, indent)}" for item in value)


def _member(value: Any, indent: str) -> str:
    if isinstance(value, dict) and value:
        return "\n" + write(value, indent + "  ")
    if isinstance(value, list) and value:
        return "\n" + write(value, indent)
    return f" {_text(value)}\n"


def _item(value: Any, indent: str) -> str:
    if isinstance(value, (dict, list)) and value:
        return " " + write(value, indent + "  ").lstrip(" ")
    return f" {_text(value)}\n"


def _text(value: Any) -> str:
    if isinstance(value, Plain):
        return str(value)
    if isinstance(value, str):
        return value if is_text(value) else _quoted(value)
    if isinstance(value, (dict, list)):
        return "{}" if isinstance(value, dict) else "[]"
    return {True: "true", False: "false", None: "null"}[value]


def _name(key: Any) -> str:
    """Return the key of a mapping; a text is bare only where `read` takes it for a key."""
    if type(key) is str and _key(f"{key}:") != key:
        return _quoted(key)
    return _text(key)


def _quoted(text: str) -> str:
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    if char in _ESCAPES or char.isprintable():
        return _ESCAPES.get(char, char)
    return f"\\U{ord(char):08x}"
