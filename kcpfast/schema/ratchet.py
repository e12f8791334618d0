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

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\[([^\]]*)\]")
# Stands for a value that has none before it.
MISSING = object()


def is_old(root: core.Node, found: Sequence[Any], new: Any, old: Any) -> bool:
    """Tell whether a finding of a run (see _core/schema.py) is about what has not been touched."""
    path, code = found[0], found[1]
    trail = [int(at) if at else name or key for name, at, key in _STEP.findall(path)]
    if code == core.REQUIRED:
        trail = trail[:-1]  # the finding is about the object that lacks something
    return unchanged(root, trail, new, old)


def unchanged(root: core.Node | None, trail: Iterable[str | int], new: Any, old: Any) -> bool:
    """Tell whether the value at a trail of keys and positions, or one around it, is what it was."""
    node = root
    for step in trail:
        if _same(new, old):
            return True
        new, old = _child(node, step, new, old)
        if new is MISSING or old is MISSING:
            return False
        node = _below(node, step)
    return _same(new, old)


def _same(new: Any, old: Any) -> bool:
    if type(new) is not type(old) or new != old:
        return False
    # Equal for Python are also True and 1, within containers.
    encode = msgspec.json.Encoder(order="deterministic").encode
    return encode(new) == encode(old)


def _child(node: core.Node | None, step: str | int, new: Any, old: Any) -> tuple[Any, Any]:
    if isinstance(step, int):
        keys = node.list_keys if node is not None else ()
        if not isinstance(new, list) or not keys or step >= len(new):
            return MISSING, MISSING
        return new[step], matching(new[step], old, keys)
    if not isinstance(new, dict) or not isinstance(old, dict):
        return MISSING, MISSING
    return new.get(step, MISSING), old.get(step, MISSING)


def matching(item: Any, old: Any, keys: tuple[str, ...]) -> Any:
    """Return the item of a former list with the same keys; MISSING if there is none."""
    if not keys or not isinstance(old, list) or not isinstance(item, dict):
        return MISSING
    wanted = [item.get(key) for key in keys]
    for each in old:
        if isinstance(each, dict) and [each.get(key) for key in keys] == wanted:
            return each
    return MISSING


def _below(node: core.Node | None, step: str | int) -> core.Node | None:
    if node is None:
        return None
    if isinstance(step, int):
        below: core.Node | None = node.items
    else:
        below = node.properties.get(step, node.additional)
    return below
