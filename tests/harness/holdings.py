"""What a server holds in memory: entries of every container that can be reached, by who has it."""

from __future__ import annotations

import gc
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import partial
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

OURS = "kcpfast"
Child = tuple[str, Any]


def holdings(roots: Iterable[object], without: Iterable[object]) -> Counter[str]:
    """Count entries by `Class.attribute` or `module.name`; what is `without` is not entered.

    Modules are roots as well. A cache by `functools` counts as 1 if it is bounded: what stands in
    it was asked for.
    """
    found: Counter[str] = Counter()
    seen = {id(each) for each in without}
    waiting = deque([("", root) for root in roots] + list(_of_modules()))
    while waiting:
        label, obj = waiting.pop()
        if id(obj) in seen or isinstance(obj, str | bytes | int | float | type | ModuleType | None):
            continue
        seen.add(id(obj))
        if hasattr(obj, "cache_info"):
            _, _, most, size = obj.cache_info()
            found[label] += size if most is None else 1
            continue
        if isinstance(obj, Mapping | Set | Sequence | deque):
            found[label] += len(obj)
        waiting.extend(_children(label, obj))
    return found


def _of_modules() -> Iterator[Child]:
    for name, module in list(sys.modules.items()):
        if name.startswith(OURS + "."):
            yield from ((f"{name}.{key}", each) for key, each in vars(module).items())


def _children(label: str, obj: Any) -> Iterator[Child]:
    if isinstance(obj, Mapping):
        yield from ((label, each) for pair in obj.items() for each in pair)
    elif isinstance(obj, Sequence | Set | deque):
        yield from ((label, each) for each in obj)
    elif isinstance(obj, FunctionType):
        yield from ((obj.__qualname__, cell) for cell in obj.__closure__ or ())
        yield from ((obj.__qualname__, each) for each in obj.__defaults__ or ())
    elif isinstance(obj, MethodType):
        yield label, obj.__self__
    elif isinstance(obj, partial | CellType):
        yield from ((label, each) for each in gc.get_referents(obj))
    elif type(obj).__module__.startswith(OURS):
        name = type(obj).__qualname__
        if hasattr(obj, "__dict__"):
            yield from ((f"{name}.{key}", each) for key, each in vars(obj).items())
        else:
            yield from ((name, each) for each in gc.get_referents(obj))
