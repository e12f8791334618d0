"""JSON pointers (RFC 6901) with extras: `*`, `key=value`, and functions behind `|`.

`*` is every value of a map or list, `key=value` the first item of a list that has this. What is
not there is ABSENT, which is what the records hold for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

ABSENT = "<absent>"

_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "keys": sorted,
    "len": len,
    "sorted": lambda value: sorted(value, key=lambda item: json.dumps(item, sort_keys=True)),
    "type": lambda value: type(value).__name__,
}


def segments(pointer: str) -> list[str]:
    """Split a pointer, functions left aside."""
    path = pointer.partition("|")[0]
    return [each.replace("~1", "/").replace("~0", "~") for each in path.split("/")[1:]]


def look_up(document: Any, pointer: str) -> Any:
    """Return what a pointer means in a document."""
    value = _walk(document, segments(pointer))
    for name in pointer.split("|")[1:]:
        value = _apply(name, value)
    return value


def _apply(name: str, value: Any) -> Any:
    if name == "present":
        return value != ABSENT and value not in (None, "")
    if name.startswith("is "):
        return value == name.removeprefix("is ")
    return value if value == ABSENT else _FUNCTIONS[name](value)


def _walk(value: Any, path: Sequence[str]) -> Any:
    for at, segment in enumerate(path):
        if value == ABSENT:
            break
        if segment == "*":
            items = value.values() if isinstance(value, dict) else value
            return [_walk(item, path[at + 1 :]) for item in items]
        value = _step(value, segment)
    return value


def _step(value: Any, segment: str) -> Any:
    if isinstance(value, dict):
        return value.get(segment, ABSENT)
    if not isinstance(value, list):
        return ABSENT
    key, found, wanted = segment.partition("=")
    if found:
        fitting = (
            each for each in value if isinstance(each, dict) and str(each.get(key)) == wanted
        )
        return next(fitting, ABSENT)
    try:
        return value[int(segment)]
    except (ValueError, IndexError):
        return ABSENT


def remove(value: Any, path: Sequence[str]) -> None:
    """Delete what a path names, wherever it is there."""
    head, rest = path[0], path[1:]
    if head == "*":
        for item in value.values() if isinstance(value, dict) else value:
            remove(item, rest)
        return
    if rest:
        below = _step(value, head)
        if below != ABSENT:
            remove(below, rest)
    elif isinstance(value, dict):
        value.pop(head, None)
