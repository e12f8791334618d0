"""Closures that follow fields and indices: what rules do most, hence one for each usual shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..base import CelError
from ..library.operators import NO_OVERLOAD, has_key, index_dyn, shown
from ..values import Optional
from .closures import Closure, Frame


def missing(value: Any, keys: Sequence[str], sparse: bool) -> CelError:
    """Return the error of a path that cannot be followed: the first key that is not there."""
    for key in keys:
        if not has_key(value, key):
            return CelError(f"no such key: {key}")
        value = value[key]
        if value is None and sparse:
            return CelError(f"no such key: {key}")
    return CelError(NO_OVERLOAD)


def slot_path(slot: int, keys: list[str], sparse: bool) -> Closure:
    """Return a variable's field, or a field of its field, and so on.

    In `sparse` objects a field that is null counts as absent.
    """
    first = keys[0]
    if len(keys) > 2:
        return path(lambda frame: frame[slot], keys, sparse)
    if len(keys) == 2:
        second = keys[1]

        def two(frame: Frame) -> Any:
            try:
                value = frame[slot][first][second]
            except (KeyError, TypeError, IndexError):
                raise missing(frame[slot], keys, sparse) from None
            if value is None and sparse:
                raise missing(frame[slot], keys, sparse)
            return value

        return two

    def one(frame: Frame) -> Any:
        try:
            value = frame[slot][first]
        except (KeyError, TypeError, IndexError):
            raise missing(frame[slot], keys, sparse) from None
        if value is None and sparse:
            raise missing(frame[slot], keys, sparse)
        return value

    return one


def path(base: Closure, keys: list[str], sparse: bool) -> Closure:
    """Return a field of a field of what `base` gives."""

    def follow(frame: Frame) -> Any:
        start = value = base(frame)
        try:
            for key in keys:
                value = value[key]
        except (KeyError, TypeError, IndexError):
            raise missing(start, keys, sparse) from None
        if value is None and sparse:
            raise missing(start, keys, sparse)
        return value

    return follow


def has_field(base: Closure, key: str, sparse: bool) -> Closure:
    """Tell whether what `base` gives has a field; what can have none has not."""

    def test(frame: Frame) -> bool:
        value = base(frame)
        if isinstance(value, Optional):
            value = value.held
        if not has_key(value, key):
            return False
        return not sparse or value[key] is not None

    return test


def index_of_list(base: Closure, subscript: Closure) -> Closure:
    """Return a list's element by an int."""

    def get(frame: Frame) -> Any:
        items, index = base(frame), subscript(frame)
        if 0 <= index < len(items):
            return items[index]
        raise CelError(f"index out of bounds: {index}")

    return get


def index_of_map(base: Closure, key: Closure) -> Closure:
    """Return a map's value by a string."""

    def get(frame: Frame) -> Any:
        entries, name = base(frame), key(frame)
        try:
            return entries[name]
        except KeyError:
            raise CelError(f"no such key: {shown(name)}") from None

    return get


def index_of_any(base: Closure, key: Closure) -> Closure:
    """Return an element of what is only known when it is there."""
    return lambda frame: index_dyn(base(frame), key(frame))
