"""Ratcheting: what was invalid before and has not been touched does not stop an update.

KEP-4008. A finding is let through where the value that it is about, or one around it, is what it
was. Values are found again by their keys: items of a list only if the list is a map list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from kcpfast._core import schema as core
from kcpfast._core.decoded import same

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\[([^\]]*)\]")
# Stands for a value that has none before it.
MISSING = object()


class Ratchet:
    """Tells of an updated object what of it was so before.

    What was compared once, and the items of a former list by their keys, are remembered: there may
    be a thousand questions about one object.
    """

    def __init__(self, root: core.SchemaNode | None, new: Any, old: Any) -> None:
        """Compare two objects of a schema."""
        self._root = root
        self._new = new
        self._old = old
        self._compared: dict[tuple[int, int], bool] = {}
        self._former = Former()

    def is_old(self, found: Sequence[Any]) -> bool:
        """Tell whether a finding of a run (_core/schema.py) is about what was not touched."""
        path, code = found[0], found[1]
        trail = [int(at) if at else name or key for name, at, key in _STEP.findall(path)]
        if code == core.REQUIRED:
            trail = trail[:-1]  # the finding is about the object that lacks something
        return self.unchanged(trail)

    def unchanged(self, trail: Iterable[str | int]) -> bool:
        """Tell whether the value at a trail of keys, or one around it, is what it was."""
        node, new, old = self._root, self._new, self._old
        for step in trail:
            if self._same(new, old):
                return True
            new, old = self._child(node, step, new, old)
            if new is MISSING or old is MISSING:
                return False
            node = _below(node, step)
        return self._same(new, old)

    def _same(self, new: Any, old: Any) -> bool:
        if type(new) is not dict and type(new) is not list:
            return bool(same(new, old))
        question = (id(new), id(old))  # both live as long as this does
        answer = self._compared.get(question)
        if answer is None:
            answer = self._compared[question] = same(new, old)
        return answer

    def _child(self, node: core.SchemaNode | None, step: str | int, new: Any, old: Any) -> Any:
        if isinstance(step, int):
            keys = node.list_keys if node is not None else ()
            if not isinstance(new, list) or not keys or step >= len(new):
                return MISSING, MISSING
            return new[step], self._former.matching(new[step], old, keys)
        if not isinstance(new, dict) or not isinstance(old, dict):
            return MISSING, MISSING
        return new.get(step, MISSING), old.get(step, MISSING)


class Former:
    """Finds items of former lists by their keys; each list is gone through once."""

    def __init__(self) -> None:
        """Begin with no list."""
        self._lists: dict[tuple[int, tuple[str, ...]], dict[bytes, Any]] = {}

    def matching(self, item: Any, old: Any, keys: tuple[str, ...]) -> Any:
        """Return the first item of a former list with the same keys; MISSING if there is none.

        The lists must live, and stay as they are, as long as this does.
        """
        if not keys or not isinstance(old, list) or not isinstance(item, dict):
            return MISSING
        place = (id(old), keys)
        known = self._lists.get(place)
        if known is None:
            known = self._lists[place] = {}
            for each in old:
                if isinstance(each, dict):
                    known.setdefault(_key(each, keys), each)
        return known.get(_key(item, keys), MISSING)


def _key(item: Any, keys: tuple[str, ...]) -> bytes:
    return msgspec.json.encode([item.get(key) for key in keys])


def _below(node: core.SchemaNode | None, step: str | int) -> core.SchemaNode | None:
    if node is None:
        return None
    if isinstance(step, int):
        below: core.SchemaNode | None = node.items
    else:
        below = node.properties.get(step, node.additional)
    return below
