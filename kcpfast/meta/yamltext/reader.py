"""Reads YAML into what JSON decodes to, in bounded time and memory.

Values are built from the events of libyaml, which bounds the depth. What aliases repeat is
counted, values and characters, so a short text cannot become a large object. Of duplicate keys the
last one counts; a caller may ask which they are. Errors have the texts of go.yaml.in/yaml/v2.
"""

from __future__ import annotations

from typing import Any

import yaml
from yaml import cyaml

from kcpfast.meta.yamltext import REPEATED_NODES, REPEATED_TEXT
from kcpfast.meta.yamltext.scalars import (
    BOOL,
    CORE,
    FLOAT,
    INT,
    NULL,
    TEXT,
    TIMESTAMP,
    YamlError,
    ambiguous,
    go_syntax,
    json_value,
    key_name,
    resolve,
    resolve_tagged,
)

_LARGE = 64 * 1024
_MOST_NODES = 1_000_000
_MERGE_TAG = CORE + "merge"
_SAID_ANYWAY = ("map", "seq", NULL, BOOL, INT, FLOAT, TEXT, TIMESTAMP)
# Tags that a file may have which is written back without them.
_IMPLIED = (None, "!", *(CORE + kind for kind in _SAID_ANYWAY))


class Spelled(str):
    """A plain scalar that is no text, as it is spelled in the file: it is written back so."""

    __slots__ = ()


def read(text: bytes | str, repeated: list[str] | None = None) -> Any:
    """Return the first document of a text, None if there is none; YamlError says what is wrong.

    `repeated` is filled with what UnmarshalStrict says of keys that are there twice, in order.
    """
    mark = "<<" if isinstance(text, str) else b"<<"
    builder = _Builder(repeated, merges=mark in text)  # type: ignore[operator]  # of its own type
    documents = _documents(text, builder, only_first=True)
    return documents[0] if documents else None


def read_all(text: bytes | str) -> list[Any]:
    """Return all documents of a text; YamlError says what is wrong with them."""
    return _documents(text, _Builder(None), only_first=False)


def read_spelled(text: bytes | str) -> Any:
    """Return the first document of a file that will be written back; YamlError if it is none.

    Numbers are `Spelled`. Tags that would be lost are refused.
    """
    documents = _documents(text, _SpelledBuilder(None), only_first=True)
    return documents[0] if documents else None


def _documents(text: bytes | str, builder: _Builder, *, only_first: bool) -> list[Any]:
    documents: list[Any] = []
    try:
        source = text if len(text) <= _LARGE else _Pieces(text)
        make: Any = cyaml.CParser  # type: ignore[attr-defined]  # not in its stubs
        parser = make(source)
        try:
            parser.get_event()  # the stream begins
            while isinstance(event := parser.get_event(), yaml.DocumentStartEvent):
                if event.version not in (None, (1, 1)):
                    raise YamlError("yaml: found incompatible YAML document")
                documents.append(builder.document(parser))
                if only_first:
                    break
        finally:
            parser.dispose()
    except yaml.YAMLError as error:
        raise YamlError(f"yaml: {_problem(error)}") from None
    except UnicodeError as error:
        raise YamlError(f"yaml: {error}") from None
    except RecursionError:
        raise YamlError("yaml: exceeded max depth") from None
    return documents


class _Pieces:
    """A text as a stream: libyaml asks for it by the kilobyte, and others can run in between.

    It would hold the interpreter lock for a scalar of megabytes otherwise.
    """

    __slots__ = ("_place", "_text")

    def __init__(self, text: bytes | str) -> None:
        self._text, self._place = text, 0

    def read(self, size: int) -> bytes | str:
        start, self._place = self._place, self._place + size
        return self._text[start : self._place]


def _problem(error: Any) -> str:
    """Return what libyaml found, and the line as go.yaml.in/yaml/v2 counts it: rarely from 1."""
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    mark, context = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    line = 0
    if mark is not None and mark.line:
        line = mark.line + isinstance(error, yaml.scanner.ScannerError)
    elif context is not None:
        line = context.line
    return f"line {line}: {problem}" if line else problem


class _Anchor:
    """A node that has a name: its value and how many nodes are in it, -1 until it is complete.

    `text` is the number of characters in it.
    """

    __slots__ = ("size", "text", "value")

    def __init__(self) -> None:
        self.value: Any = None
        self.size = -1
        self.text = 0


class _Builder:
    """Builds the values of one document after the other.

    `_lines` has the lines of a mapping's values, by the mapping's id: what is merged is repeated
    where it stands.
    """

    def __init__(self, repeated: list[str] | None, *, merges: bool = False) -> None:
        self._repeated = repeated
        self._merges = merges
        self._nodes = self._text = 0
        self._repeated_nodes = self._repeated_text = 0
        self._anchors: dict[str, _Anchor] = {}
        self._lines: dict[int, dict[str, int]] = {}

    def document(self, parser: Any) -> Any:
        self._anchors.clear()
        value = self._node(parser, parser.get_event())
        parser.get_event()  # the document ends
        return value

    def _node(self, parser: Any, event: Any) -> Any:
        kind = type(event)
        if kind is yaml.AliasEvent:
            return self._aliased(event.anchor)
        before, text = self._nodes, self._text
        self._count(1)
        anchor = None if event.anchor is None else self._open(event.anchor)
        if kind is yaml.ScalarEvent:
            self._text += len(event.value)
            value = self._scalar(event)
            if type(value) is float:
                value = json_value(value)
        elif kind is yaml.SequenceStartEvent:
            value = self._sequence(parser)
        else:
            value = self._mapping(parser)
        if anchor is not None:
            anchor.value, anchor.size = value, self._nodes - before
            anchor.text = self._text - text
        return value

    def _open(self, name: str) -> _Anchor:
        self._anchors[name] = anchor = _Anchor()
        return anchor

    def _aliased(self, name: Any) -> Any:
        anchor = self._anchors.get(name)
        if anchor is None:
            raise YamlError(f"yaml: unknown anchor '{name}' referenced")
        if anchor.size < 0:
            raise YamlError(f"yaml: anchor '{name}' value contains itself")
        self._count(1)
        self._repeat(anchor.size, anchor.text)
        return anchor.value

    def _repeat(self, nodes: int, text: int) -> None:
        """Count what stands in the value once more; an alias of what has this in it does so too."""
        self._count(nodes)
        self._text += text
        self._repeated_nodes += nodes
        self._repeated_text += text
        if self._repeated_nodes > REPEATED_NODES or self._repeated_text > REPEATED_TEXT:
            raise YamlError("yaml: document contains excessive aliasing")

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > _MOST_NODES:
            raise YamlError("yaml: document contains excessive aliasing")

    def _scalar(self, event: Any) -> Any:
        if event.tag is not None:
            return resolve_tagged(event.tag, event.value).value
        return resolve(event.value).value if event.implicit[0] else event.value

    def _sequence(self, parser: Any) -> list[Any]:
        items = []
        while not isinstance(event := parser.get_event(), yaml.SequenceEndEvent):
            items.append(self._node(parser, event))
        return items

    def _mapping(self, parser: Any) -> dict[str, Any]:
        members: dict[str, Any] = {}
        while not isinstance(event := parser.get_event(), yaml.MappingEndEvent):
            if _is_merge(event):
                self._merge(parser, members)
                continue
            key = self._key(parser, event)
            event = parser.get_event()
            value = self._node(parser, event)
            if self._repeated is None and type(key) is str:
                members[key] = value  # as most do
            else:
                self._set(members, key, value, event.start_mark.line + 1)
        return members

    def _key(self, parser: Any, event: Any) -> Any:
        if type(event) is yaml.ScalarEvent and event.anchor is None:
            self._count(1)
            self._text += len(event.value)
            return self._scalar(event)
        key = self._node(parser, event)
        if isinstance(key, dict | list):
            raise YamlError(f"yaml: invalid map key: {go_syntax(key)}")
        return key

    def _set(self, members: dict[str, Any], key: Any, value: Any, line: int) -> None:
        if key is None:
            shown = go_syntax(value)
            raise YamlError(f"unsupported map key of type: %!s(<nil>), key: <nil>, value: {shown}")
        name = key_name(key)
        if self._repeated is not None:
            if name in members:
                quoted = f'"{_escaped(key)}"' if isinstance(key, str) else name
                self._repeated.append(f"line {line}: key {quoted} already set in map")
            if self._merges:
                self._lines.setdefault(id(members), {})[name] = line
        members[name] = value

    def _merge(self, parser: Any, members: dict[str, Any]) -> None:
        """Set what the mappings have that are merged; of several, the first has the last word."""
        event = parser.get_event()
        merged = self._node(parser, event)
        is_list = isinstance(event, yaml.SequenceStartEvent)
        for source in reversed(merged) if is_list else [merged]:
            if not isinstance(source, dict):
                raise YamlError("yaml: map merge requires map or sequence of maps as the value")
            lines = self._lines.get(id(source), {})
            for name, value in source.items():
                self._repeat(1, len(name))
                self._set(members, name, value, lines.get(name, 0))


class _SpelledBuilder(_Builder):
    """Keeps what is no text as it is spelled; truth values and nothing are read."""

    def _node(self, parser: Any, event: Any) -> Any:
        tag = getattr(event, "tag", None)
        if tag not in _IMPLIED:
            raise YamlError(f"yaml: the tag {tag} cannot be kept")
        return super()._node(parser, event)

    def _scalar(self, event: Any) -> Any:
        text = event.value
        if event.tag is not None or not event.implicit[0]:
            return super()._scalar(event)
        meaning = resolve(text)
        # A name of one letter is rather a name.
        if meaning.kind == NULL or (meaning.kind == BOOL and len(text) > 1):
            return meaning.value
        return Spelled(text) if ambiguous(text) else text


def _is_merge(event: Any) -> bool:
    if type(event) is not yaml.ScalarEvent or event.value != "<<":
        return False
    return bool(event.implicit[0]) or event.tag == _MERGE_TAG


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
