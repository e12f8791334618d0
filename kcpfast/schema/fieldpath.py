"""The paths to fields that rules and columns of a schema name: `.spec.a['b.c']`.

Grammar: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#field-path
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_STEP = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<quoted>'(?:[^'\\]|\\.)*')\]")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_PLAIN = {"'": "'", "\\": "\\"}


def resolve(path: str, schema: Mapping[str, Any]) -> str:
    """Return a path in the form of errors (`spec.a[b.c]`); ValueError if the schema has no such."""
    found = ""
    at = 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            raise ValueError(f"expected [ or . but got: {path[at:]}")
        at = step.end()
        name = step["name"] or _unescaped(step["quoted"][1:-1])
        properties, additional = schema.get("properties"), schema.get("additionalProperties")
        if properties:
            if name not in properties:
                raise ValueError("does not refer to a valid field")
            schema = properties[name]
            found += f".{name}"
        elif isinstance(additional, Mapping):
            schema = additional
            found += f"[{name}]"
        else:
            raise ValueError("does not refer to a valid field")
    return found.removeprefix(".")


def _unescaped(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        known = _ESCAPED | _PLAIN
        if match[1] not in known:
            raise ValueError(f"invalid string literal: invalid escape char {match[0]}")
        return known[match[1]]

    return _ESCAPE.sub(one, text)
