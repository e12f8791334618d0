"""Functions on lists and, as sets, on lists.

Rules: k8s.io/apiserver/pkg/cel/library/lists.go; cel-go ext/lists.go and ext/sets.go.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import cmp_to_key
from typing import Any

from ..base import CelError
from ..signatures import Row
from ..values import NO_VALUE, Duration, ListView, Optional, Uint, equal, kind_of
from .operators import checked, checked_uint, compare, in_list
from .times import add_duration


def _is_sorted(items: Any) -> bool:
    last = None
    for index, item in enumerate(items):
        if index and compare(last, item) > 0:
            return False
        last = item
    return True


def _extreme(name: str, sign: int) -> Callable[[Any], Any]:
    def find(items: Any) -> Any:
        best = NO_VALUE
        for item in items:
            if best is NO_VALUE or compare(item, best) * sign > 0:
                best = item
        if best is NO_VALUE:
            raise CelError(f"{name} called on empty list")
        return best

    return find


def _sum(zero: Any, add: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    def total(items: Any) -> Any:
        # Of a list of dyn only the elements tell the type.
        result, kind = zero, type(zero)
        for item in items:
            if type(item) is not kind:
                raise CelError("no such overload")
            result = add(result, item)
        return result

    return total


def _index_of(items: Any, element: Any) -> int:
    for index, item in enumerate(items):
        if equal(item, element):
            return index
    return -1


def _last_index_of(items: Any, element: Any) -> int:
    for index in range(len(items) - 1, -1, -1):
        if equal(items[index], element):
            return index
    return -1


def _distinct(items: Any) -> list[Any]:
    kept: list[Any] = []
    for item in items:
        if not in_list(item, kept):
            kept.append(item)
    return kept


def _flatten(items: Any, depth: int = 1) -> list[Any]:
    if depth < 0:
        raise CelError("level must be non-negative")
    flat = list(items)
    for _ in range(depth):
        if not any(type(item) in (list, ListView) for item in flat):
            break
        flat = [
            part for item in flat for part in (item if type(item) in (list, ListView) else (item,))
        ]
    return flat


def _slice(items: Any, start: int, end: int) -> list[Any]:
    what = f"cannot slice({start}, {end})"
    if start < 0 or end < 0:
        raise CelError(f"{what}, negative indexes not supported")
    if start > end:
        raise CelError(f"{what}, start index must be less than or equal to end index")
    if end > len(items):
        raise CelError(f"{what}, list is length {len(items)}")
    return list(items)[start:end]


def sort_by_keys(items: Any, keys: Any) -> list[Any]:
    """Return the items in the order of their keys; CelError for keys of mixed types."""
    kinds = {kind_of(key) for key in keys}
    if len(kinds) > 1:
        raise CelError("list elements must have the same type")
    if len(keys) == 1:
        compare(keys[0], keys[0])
    order = sorted(range(len(keys)), key=cmp_to_key(lambda a, b: compare(keys[a], keys[b])))
    return [items[index] for index in order]


def _sort(items: Any) -> list[Any]:
    plain = list(items)
    return sort_by_keys(plain, plain)


def _contains_all(left: Any, right: Any) -> bool:
    return all(in_list(item, left) for item in right)


def _first(items: Any) -> Optional:
    return Optional(items[0]) if len(items) else NO_VALUE


def _last(items: Any) -> Optional:
    return Optional(items[len(items) - 1]) if len(items) else NO_VALUE


_COMPARABLE = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")


def _over(name: str, kinds: tuple[str, ...], call: Callable[..., Any], result: str) -> list[Row]:
    return [(name, f"list({kind}).() -> {result or kind}", call, "traverse") for kind in kinds]


# fmt: off
ROWS: tuple[Row, ...] = (
    ("distinct", "list(A).() -> list(A)", _distinct, "quadratic"),
    ("first", "list(A).() -> optional(A)", _first),
    ("flatten", "list(list(A)).() -> list(A)", _flatten, "flatten"),
    ("flatten", "list(dyn).(int) -> list(dyn)", _flatten, "flatten"),
    ("indexOf", "list(A).(A) -> int", _index_of, "traverse"),
    *_over("isSorted", _COMPARABLE, _is_sorted, "bool"),
    ("last", "list(A).() -> optional(A)", _last),
    ("lastIndexOf", "list(A).(A) -> int", _last_index_of, "traverse"),
    ("lists.range", "(int) -> list(int)", lambda count: list(range(count)), "range"),
    *_over("max", _COMPARABLE, _extreme("max", 1), ""),
    *_over("min", _COMPARABLE, _extreme("min", -1), ""),
    ("reverse", "list(A).() -> list(A)", lambda items: list(items)[::-1], "copy"),
    ("sets.contains", "(list(A), list(A)) -> bool", _contains_all, "sets"),
    ("sets.equivalent", "(list(A), list(A)) -> bool",
     lambda left, right: _contains_all(left, right) and _contains_all(right, left), "sets_twice"),
    ("sets.intersects", "(list(A), list(A)) -> bool",
     lambda left, right: any(in_list(item, left) for item in right), "sets"),
    ("slice", "list(A).(int, int) -> list(A)", _slice, "slice"),
    *(("sort", f"list({kind}).() -> list({kind})", _sort, "quadratic") for kind in _COMPARABLE),
    # In cel-go's order: the first decides the type of the sum of an empty list.
    *_over("sum", ("int",), _sum(0, lambda left, right: checked(left + right)), ""),
    *_over("sum", ("uint",), _sum(Uint(0), lambda left, right: checked_uint(left + right)), ""),
    *_over("sum", ("double",), _sum(0.0, operator.add), ""),
    *_over("sum", ("duration",), _sum(Duration(0), add_duration), ""),
)
# fmt: on
