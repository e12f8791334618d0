"""Ratcheting: what was invalid before and has not been touched does not stop an update.

KEP-4008. A finding is compared by its path: maps by key, lists by position, as upstream does for
lists that are not maps.
"""

from __future__ import annotations

import re
from typing import Any

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\[([^\]]*)\]")
_MISSING = object()


def unchanged(path: str, new: Any, old: Any) -> bool:
    """Tell whether the value at a finding's path is there in both objects and equal."""
    if path == "<nil>":
        return False
    for word, index, key in _STEP.findall(path):
        new, old = _step(new, word or key, index), _step(old, word or key, index)
        if new is _MISSING or old is _MISSING:
            return new is old
    return bool(new == old)


def _step(value: Any, name: str, index: str) -> Any:
    if index:
        position = int(index)
        if isinstance(value, list) and position < len(value):
            return value[position]
        return _MISSING
    return value.get(name, _MISSING) if isinstance(value, dict) else _MISSING
