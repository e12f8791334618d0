"""Says where two answers differ, and which differences are of one kind."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from tests.differential.script import Answer, Script

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\d+')


class Difference(NamedTuple):
    """Where a script is answered differently: its step, the pointer in the answer, both values."""

    script: Script
    at: int
    pointer: str
    left: Any
    right: Any
    statuses: tuple[int, int]

    @property
    def kind(self) -> tuple[Any, ...]:
        """What differences of one kind have in common."""
        where = re.sub(r"/\d+", "/*", self.pointer)
        return self.statuses, where, _general(self.left), _general(self.right)


def _general(value: Any) -> str:
    if isinstance(value, str):
        return _QUOTED.sub("_", value)[:60]
    return type(value).__name__


def difference(script: Script, left: list[Answer], right: list[Answer]) -> Difference | None:
    """Return the first difference in the answers to a script."""
    for at, (one, other) in enumerate(zip(left, right, strict=True)):
        found: tuple[str, Any, Any] | None
        if one.status == other.status:
            found = _differs(one._asdict(), other._asdict())
        else:
            found = "/status", _told(one), _told(other)
        if found:
            pointer, wanted, given = found
            return Difference(script, at, pointer, wanted, given, (one.status, other.status))
    return None


def _told(answer: Answer) -> str:
    message = answer.body.get("message", "") if isinstance(answer.body, dict) else answer.body
    return f"{answer.status} {message}"


ABSENT = "<absent>"


def _differs(left: Any, right: Any, at: str = "") -> tuple[str, Any, Any] | None:
    if isinstance(left, dict) and isinstance(right, dict):
        pairs = [(key, left.get(key, ABSENT), right.get(key, ABSENT)) for key in [*left, *right]]
    elif isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right):
            return at, left, right
        pairs = [(str(key), *both) for key, both in enumerate(zip(left, right, strict=True))]
    else:
        return None if _same(left, right) else (at, left, right)
    found = (_differs(one, other, f"{at}/{key}") for key, one, other in pairs)
    return next((each for each in found if each), None)


def _same(left: Any, right: Any) -> bool:
    """Compare values as written: 1 is not 1.0, nor true."""
    return type(left) is type(right) and bool(left == right)
