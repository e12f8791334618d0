"""What every patch needs of decoded JSON: an equality, and an end to nesting.

Python's own `==` takes 1 for true, hence these few lines. Objects are walked by recursion; how
deep a walk may go is left to the interpreter and turned into a refusal in one place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import msgspec

from kcpfast.meta.errors import ApiError, bad_request

# Walks use at most two frames per level, the interpreter allows 1,000 in all.
MAX_DEPTH = 250

ABSENT: Any = object()

_encode = msgspec.json.Encoder().encode

_P = ParamSpec("_P")
_R = TypeVar("_R")


def too_deep() -> ApiError:
    """400: something is nested too deeply to be walked."""
    return bad_request("the object or the patch is nested too deeply")


def refuse_too_deep(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Wrap a pure walk so that nesting beyond the interpreter's stack is a 400."""

    @functools.wraps(function)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except RecursionError:
            raise too_deep() from None

    return guarded


def check_depth(value: object) -> None:
    """Raise a 400 if containers are nested deeper than MAX_DEPTH; never recurses."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for each in level:
            if type(each) is dict:
                below += each.values()
            elif type(each) is list:
                below += each
        if not below:
            return
        level = below
    raise too_deep()


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same JSON: true is not 1, but 1.0 is."""
    if one is other:
        return True
    kind = type(one)
    if kind is not type(other):
        numbers = kind in (int, float) and type(other) in (int, float)
        return numbers and bool(one == other)
    if one != other:
        return False
    if kind is dict or kind is list:
        return _same_text(one, other) or _same_inside(one, other)
    return True


def _same_text(one: Any, other: Any) -> bool:
    """Tell the same of containers that are equal for Python, if their text tells it: it is soon
    written, and mostly the same."""
    try:
        return _encode(one) == _encode(other)
    except ValueError:
        return False  # a lone surrogate, which JSON text may hold but UTF-8 may not


def _same_inside(one: Any, other: Any) -> bool:
    if type(one) is dict:
        return all(same(item, other[key]) for key, item in one.items())
    return all(map(same, one, other))
