"""What every patch needs of decoded JSON: an equality, and an end to nesting.

Python's own `==` takes 1 for true, hence these few lines. Objects are walked by recursion; how
deep a walk may go is left to the interpreter and turned into a refusal in one place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from kcpfast._core.decoded import same
from kcpfast.meta.errors import ApiError, bad_request

__all__ = ["ABSENT", "MAX_PATCH_DEPTH", "check_depth", "refuse_too_deep", "same", "too_deep"]

# Walks use at most two frames per level, the interpreter allows 1,000 in all.
MAX_PATCH_DEPTH = 250

ABSENT: Any = object()

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
    for _ in range(MAX_PATCH_DEPTH + 1):
        below: list[Any] = []
        for container in level:
            if type(container) is dict:
                below += container.values()
            elif type(container) is list:
                below += container
        if not below:
            return
        level = below
    raise too_deep()
