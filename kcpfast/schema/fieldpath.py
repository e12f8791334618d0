"""Resolves the field paths that rules and printer columns name: `.spec.a['b.c']`.

Grammar: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#field-path
Implementation upstream: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go,
ValidFieldPath.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_STEP = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<quoted>'(?:[^'\\]|\\.)*')\]")
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
    resolved = ""
    position = 0
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            raise ValueError(f"expected [ or . but got: {path[position:]}")
        position = step.end()
        name = step["name"] or _unescaped(step["quoted"][1:-1])
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
    return resolved.removeprefix(".")


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPES:
            raise ValueError(f"invalid string literal: invalid escape char {match[0]}")
        return _ESCAPES[match[1]]

    return _ESCAPE.sub(character, text)
