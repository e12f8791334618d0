"""Ratcheting: an update may keep what was invalid before, as long as it leaves it alone (KEP-4008).

An error is dropped if the value that it is about, or a value around that, equals the stored one.
The stored value is looked up by the same path; items of a list are matched only if the list is of
type map, by its keys. (k8s.io/apiextensions-apiserver/pkg/apiserver/validation/ratcheting.go)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from kcpfast._core import schema as core
from kcpfast._core.decoded import same

# A step of an error's path: `.name`, `[3]` or `[key]`.
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\[([^\]]*)\]")
# Stands for a value that does not exist.
MISSING = object()


class Ratchet:
    """Tells which values of an updated object are as they are stored.

    Results of comparisons and the items of stored lists by their keys are remembered, since there
    may be a thousand errors about one object. Neither object may change meanwhile.
    """

    def __init__(self, root: core.SchemaNode | None, new: Any, old: Any) -> None:
        """Compare `new` with the stored `old`; `root` is the compiled schema of both."""
        self._root = root
        self._new = new
        self._old = old
        self._compared: dict[tuple[int, int], bool] = {}
        self._former = Former()

    def is_old(self, error: Sequence[Any]) -> bool:
        """Tell whether an error of a run (_core/schema.py) is about a value left as it was."""
        path, code = error[0], error[1]
        trail = _trail(path)
        if code == core.REQUIRED:
            trail = trail[:-1]  # the error is about the object that lacks the field
        return self.unchanged(trail)

    def unchanged(self, trail: Iterable[str | int]) -> bool:
        """Tell whether the value that `trail` leads to, or one around it, is as it was."""
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
        # Ids stay valid as keys: both objects live as long as this one.
        ids = (id(new), id(old))
        answer = self._compared.get(ids)
        if answer is None:
            answer = self._compared[ids] = same(new, old)
        return answer

    def _child(
        self, node: core.SchemaNode | None, step: str | int, new: Any, old: Any
    ) -> tuple[Any, Any]:
        """Return the new and the stored value one step below; MISSING for one that is not there."""
        if isinstance(step, int):
            keys = node.list_keys if node is not None else ()
            if not isinstance(new, list) or not keys or step >= len(new):
                return MISSING, MISSING
            item = new[step]
            return item, self._former.matching(item, old, keys)
        if not isinstance(new, dict) or not isinstance(old, dict):
            return MISSING, MISSING
        return new.get(step, MISSING), old.get(step, MISSING)


class Former:
    """Finds the items of stored lists by their keys; each list is indexed once."""

    def __init__(self) -> None:
        """Begin with no list indexed."""
        self._lists: dict[tuple[int, tuple[str, ...]], dict[bytes, Any]] = {}

    def matching(self, item: Any, old: Any, keys: tuple[str, ...]) -> Any:
        """Return the first item of the list `old` with the keys of `item`, MISSING for none.

        Lists are remembered by id: they must live, and not change, as long as this object does.
        """
        if not keys or not isinstance(old, list) or not isinstance(item, dict):
            return MISSING
        list_id = (id(old), keys)
        by_key = self._lists.get(list_id)
        if by_key is None:
            by_key = self._lists[list_id] = {}
            for old_item in old:
                if isinstance(old_item, dict):
                    by_key.setdefault(_key(old_item, keys), old_item)
        return by_key.get(_key(item, keys), MISSING)


def _trail(path: str) -> list[str | int]:
    """Return the steps of an error's path: names and map keys as str, positions as int."""
    trail: list[str | int] = []
    for name, index, key in _STEP.findall(path):
        trail.append(int(index) if index else name or key)
    return trail


def _key(item: Any, keys: tuple[str, ...]) -> bytes:
    return msgspec.json.encode([item.get(key) for key in keys])


def _below(node: core.SchemaNode | None, step: str | int) -> core.SchemaNode | None:
    if node is None:
        return None
    if isinstance(step, int):
        items: core.SchemaNode | None = node.items
        return items
    child: core.SchemaNode | None = node.properties.get(step, node.additional)
    return child
