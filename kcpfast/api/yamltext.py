"""YAML 1.1 to and from what JSON decodes to, in bounded time and memory.

An object is built from the parser's events: libyaml bounds the depth, and what aliases repeat is
counted, so that a short text cannot become a large object. Plain scalars are read as
sigs.k8s.io/yaml reads them; a timestamp stays the text that it is.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import yaml

_NODES = 1_000_000
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Beyond this an answer is written in flow style, which its JSON is already.
_BLOCK_STYLE = 256 * 1024
_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_NUMBER = re.compile(
    r"(?P<octal>[-+]?0[0-7_]+)|(?P<int>[-+]?(?:0|[1-9][0-9_]*))"
    r"|(?P<based>[-+]?0(?:b[01_]+|o[0-7_]+|x[0-9a-fA-F_]+))"
    r"|(?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
)
# What JSON may hold as it is and YAML may not.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_TAG = "tag:yaml.org,2002:"


class YamlError(ValueError):
    """The text is no YAML, or more than is read."""


def read_yaml(text: bytes) -> Any:
    """Return the one document in a text; YamlError if it is none."""
    try:
        return _Builder().build(text)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise YamlError(str(error).replace("\n", " ")) from None


class _Builder:
    """Builds objects from events; `_anchors` are the nodes that have a name, with their size."""

    def __init__(self) -> None:
        self._nodes = 0
        self._anchors: dict[str, tuple[Any, int]] = {}

    def build(self, text: bytes) -> Any:
        loader = _LOADER(text)
        try:
            loader.get_event()  # the stream begins
            if loader.check_event(yaml.StreamEndEvent):
                return None
            loader.get_event()  # the document begins
            found = self._node(loader, loader.get_event())
            loader.get_event()  # the document ends
            return found
        finally:
            loader.dispose()

    def _node(self, loader: Any, event: Any) -> Any:
        before = self._nodes
        self._count(1)
        if isinstance(event, yaml.AliasEvent):
            value, size = self._anchors.get(str(event.anchor), (None, -1))
            if size < 0:
                raise YamlError(f"found undefined alias {event.anchor}")
            self._count(size)
            return value
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(loader)
        else:
            value = self._mapping(loader)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._nodes - before)
        return value

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > _NODES:
            raise YamlError("the document is too large once its aliases are followed")

    def _sequence(self, loader: Any) -> list[Any]:
        found = []
        while not isinstance(event := loader.get_event(), yaml.SequenceEndEvent):
            found.append(self._node(loader, event))
        return found

    def _mapping(self, loader: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: list[Any] = []
        while not isinstance(event := loader.get_event(), yaml.MappingEndEvent):
            key = self._node(loader, event)
            value = self._node(loader, loader.get_event())
            plain = isinstance(event, yaml.ScalarEvent) and event.implicit[0]
            if plain and key == "<<":
                merged += value if isinstance(value, list) else [value]
            else:
                found[_key(key)] = value
        for each in merged:
            if not isinstance(each, dict):
                raise YamlError("map merge requires map or sequence of maps as the value")
            for name, value in each.items():
                self._count(1)
                found.setdefault(name, value)
        return found


def _key(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        raise YamlError("a key must be a scalar")
    return msgspec.json.encode(value).decode()


def _scalar(event: Any) -> Any:
    text: str = event.value
    tag = (event.tag or "").removeprefix(_TAG)
    if tag in ("", "!") and not event.implicit[0]:
        return text
    if tag in ("str", "binary", "timestamp"):
        return text
    if text in _WORDS:
        return _WORDS[text]
    found = _NUMBER.fullmatch(text)
    return text if found is None else _number(found)


def _number(found: re.Match[str]) -> Any:
    text = found.group()
    if found["float"]:
        return float(text)
    digits = text.replace("_", "")
    if len(digits) > 400:
        return text
    if found["octal"]:
        return int(digits, 8)
    return int(digits, 0 if found["based"] else 10)


def flow(text: bytes) -> bytes:
    """Turn JSON, or a part of it, into YAML of flow style."""
    made = _UNPRINTABLE.sub(lambda found: f"\\u{ord(found.group()):04x}", text.decode())
    return made.encode()


def write_yaml(body: bytes) -> bytes:
    """Turn JSON into YAML."""
    if len(body) > _BLOCK_STYLE:
        return flow(body) + b"\n"
    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    dumped: bytes = yaml.dump(
        msgspec.json.decode(body), None, dumper, encoding="utf-8", allow_unicode=True
    )
    return dumped
