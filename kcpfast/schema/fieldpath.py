"""Resolves the field paths that rules and printer columns name: `.spec.a['b.c']`.

Grammar: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#field-path
Implementation upstream: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go,
ValidFieldPath.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

# A quoted text, a delimiter, or what stands before the next delimiter.
_TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|[.\[\]]|[^.\[\]]+")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {
    "'": "'",
    "\\": "\\",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}


def resolve(path: str, schema: Mapping[str, Any]) -> str:
    """Return a path as errors print it (`spec.a[b.c]`); ValueError if it is not in the schema."""
    return find(path, schema)[0]


def find(
    path: str, schema: Mapping[str, Any], *, brackets: bool = True
) -> tuple[str, Mapping[str, Any]]:
    """Return a path as errors print it, and the schema of what it leads to.

    `brackets` tells that names may stand in them. ValueError, in upstream's words, for a path that
    is not in the schema.
    """
    resolved = ""
    names = iter(_names(path, brackets))
    for name in names:
        properties, additional = schema.get("properties"), schema.get("additionalProperties")
        if properties:
            if name not in properties:
                raise ValueError("does not refer to a valid field")
            schema = properties[name]
            resolved += f".{name}"
        elif isinstance(additional, Mapping):
            schema = additional
            resolved += f"[{name}]"
        else:
            raise ValueError("does not refer to a valid field")
    return resolved.removeprefix("."), schema


def _names(path: str, brackets: bool) -> Iterator[str]:
    """Yield the names in a path, as far as it can be read."""
    tokens = iter(_TOKEN.findall(path))
    for token in tokens:
        if token == "[":
            if not brackets:
                raise ValueError("array notation is not allowed")
            quoted = _next(tokens)
            if len(quoted) < 2 or quoted[0] != "'" or quoted[-1] != "'":
                raise ValueError(f"expected single quoted string but got {quoted}")
            yield _unescaped(quoted[1:-1])
            closing = _next(tokens)
            if closing != "]":
                raise ValueError(f"expected ] but got {closing}")
        elif token == ".":
            yield _next(tokens)
        else:
            raise ValueError(f"expected [ or . but got: {token}")


def _next(tokens: Iterator[str]) -> str:
    token = next(tokens, None)
    if token is None:
        raise ValueError("unexpected end of JSON path")
    return token


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPES:
            raise ValueError(f"invalid string literal: invalid escape char {match[0]}")
        return _ESCAPES[match[1]]

    return _ESCAPE.sub(character, text)
