"""An event on its way through many watches, a part of them at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from kcpfast.meta.bounded import Noted
from kcpfast.store.contract import Event

T = TypeVar("T")


class Asking(Generic[T]):
    """An event on its way: the groups that were not asked yet, and what was rendered of it.

    Its values note what is read from them: many groups will read the same. `ready`: what takes long
    was made already.
    """

    __slots__ = ("event", "frames", "groups", "ready", "revision", "size")

    def __init__(self, event: Event, groups: Iterable[T]) -> None:
        """Begin with everybody not asked."""
        self.groups = deque(groups)
        self.revision = event.revision
        self.frames: dict[Hashable, bytes] = {}
        self.size = 0
        self.ready = False
        if self.groups:
            value, previous = _noted(event.value), _noted(event.previous)
            event = event._replace(value=value, previous=previous)
            self.size = len(value or b"") + len(previous or b"")
        else:
            event = event._replace(value=None, previous=None)
        self.event = event


def _noted(value: bytes | None) -> Noted | None:
    return None if value is None else Noted(value)
