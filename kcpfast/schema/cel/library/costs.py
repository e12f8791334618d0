"""What a call costs at run time, by the name of the rule that a library row gives.

Rules: cel-go interpreter/runtimecost.go; CallCost of k8s.io/apiserver/pkg/cel/library/cost.go. A
rule takes the arguments (target first) and returns the cost. It is computed before the call, so
that a call that would build something huge never starts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..base import CelError
from ..values import check_weight, kind_of

# Upstream counts a concatenation of lists as 1, since it shares them. Here they are copied: so many
# elements cost 1 more, and a list that doubles in a loop stops at a maximum.
_LIST_COPY = 50
_MAX_LIST = 1_000_000
# What making a list costs upstream: ListCreateBaseCost and the call itself.
_NEW_LIST = 11


def size_of(value: Any) -> int:
    """Return the size that costs count: characters, bytes, elements or entries; else 1."""
    kind = kind_of(value)
    if kind in ("string", "bytes", "list", "map"):
        return len(value)
    return getattr(value, "cel_size", 1)


def tenth(size: int) -> int:
    """Return a tenth, rounded up: the cost of walking over characters."""
    return (size + 9) // 10


def quarter(size: int) -> int:
    """Return a quarter, rounded up: the cost of a regular expression's length."""
    return (size + 3) // 4


def traversal(value: Any) -> int:
    """Return the cost of walking over a value and all its parts.

    Raises the error of a spent budget for a value that is short in memory and long to walk over.
    """
    check_weight(value)
    return _traversal(value)


def _traversal(value: Any) -> int:
    kind = kind_of(value)
    if kind == "string":
        return len(value.encode()) // 10
    if kind == "bytes":
        return len(value) // 10
    if kind == "list":
        return sum(_traversal(element) for element in value)
    if kind == "map":
        return sum(_traversal(key) + _traversal(value[key]) for key in value)
    return 1


def _compare(left: Any, right: Any) -> int:
    if kind_of(left) == "opaque":
        return 1
    return tenth(min(size_of(left), size_of(right)))


def _add_lists(left: Any, right: Any) -> int:
    size = len(left) + len(right)
    if size > _MAX_LIST:
        raise CelError(f"a list of {size} elements is too long")
    return 1 + size // _LIST_COPY


def _regex(text: Any, pattern: Any, *_: Any) -> int:
    return tenth(1 + size_of(text)) * quarter(size_of(pattern))


def _join(items: Any, separator: Any = "") -> int:
    gaps = max(0, len(items) - 1)
    size = sum(map(len, items)) + len(separator) * gaps
    return tenth(2 * size)


def _replace(text: str, old: str, new: str, limit: int = -1) -> int:
    count = text.count(old)
    if limit >= 0:
        count = min(limit, count)
    cost = tenth(2 * len(text))
    # Upstream charges the input only; a result that outgrows it tenfold is charged here.
    growth = max(0, count * (len(new) - len(old)))
    if growth > 10 * len(text) + 1000:
        cost += tenth(growth)
    return cost


def _contains_ip(cidr: Any, other: Any) -> int:
    parsing = tenth(len(other)) if isinstance(other, str) else 0
    return tenth(2 * size_of(cidr)) + parsing


def _contains_cidr(cidr: Any, right: Any) -> int:
    return _contains_ip(cidr, right) + tenth(size_of(cidr)) + 1


def _validate(named: Any, text: str) -> int:
    return tenth(1 + len(text)) * int(named.regex_cost)


def _slice(_items: Any, start: int, end: int) -> int:
    return _NEW_LIST + max(0, end - start)


# Implementations under these rules also take `charge`, for costs that only show during the call.
METERED = frozenset(("format", "regex"))
COSTS: dict[str, Callable[..., int]] = {
    "add_lists": _add_lists,
    "compare": _compare,
    "concat": lambda left, right: tenth(size_of(left) + size_of(right)),
    "contains": lambda text, part: tenth(size_of(text)) * tenth(size_of(part)),
    "contains_cidr": _contains_cidr,
    "contains_ip": _contains_ip,
    "copy": lambda items, *_: _NEW_LIST + len(items),
    "flatten": lambda items, depth=1: _NEW_LIST + len(items) * max(1, depth),
    "format": lambda template, _args: tenth(len(template)),
    "in_list": lambda _value, items: size_of(items),
    "join": _join,
    "quadratic": lambda items, *_: _NEW_LIST + 2 * len(items) ** 2,
    "range": lambda count: _NEW_LIST + max(0, count),
    "regex": _regex,
    "replace": _replace,
    "scan": lambda text, *_: tenth(size_of(text)),
    "scan_twice": lambda text, *_: tenth(2 * size_of(text)),
    "sets": lambda left, right: 1 + len(left) * len(right),
    "sets_twice": lambda left, right: 1 + 2 * len(left) * len(right),
    "slice": _slice,
    "traverse": lambda value, *_: traversal(value),
    "validate": _validate,
}
