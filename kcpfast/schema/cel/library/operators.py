"""Operators: arithmetic with overflow, ordering, equality, membership, index and size.

Rules: cel-spec, "Overflow", "Ordered Comparison", "Equality", "Numeric Values".
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ..base import INT_MAX, INT_MIN, UINT_MAX, CelError
from ..signatures import Row
from ..values import (
    NO_VALUE,
    NUMBER_TYPES,
    Built,
    ListView,
    Optional,
    Uint,
    equal,
    kind_of,
    type_name,
)

NO_OVERLOAD = "no such overload"


def checked(value: int) -> int:
    """Return an int result; CelError when it passes 64 bits."""
    if INT_MIN <= value <= INT_MAX:
        return value
    raise CelError("integer overflow")


def checked_uint(value: int) -> Uint:
    """Return a uint result; CelError when it passes 64 bits or is negative."""
    if 0 <= value <= UINT_MAX:
        return Uint(value)
    raise CelError("unsigned integer overflow")


def _divide(left: int, right: int) -> int:
    if right == 0:
        raise CelError("division by zero")
    # Toward zero, as Go divides; Python rounds down.
    quotient = abs(left) // abs(right)
    return checked(quotient if (left < 0) == (right < 0) else -quotient)


def _modulo(left: int, right: int) -> int:
    if right == 0:
        raise CelError("modulus by zero")
    if left == INT_MIN and right == -1:
        raise CelError("integer overflow")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def _divide_uint(left: int, right: int) -> Uint:
    if right == 0:
        raise CelError("division by zero")
    return Uint(left // right)


def _modulo_uint(left: int, right: int) -> Uint:
    if right == 0:
        raise CelError("modulus by zero")
    return Uint(left % right)


def _divide_double(left: float, right: float) -> float:
    try:
        return left / right
    except ZeroDivisionError:
        if left == 0 or left != left:
            return float("nan")
        negative = (left < 0) != (str(right)[0] == "-")
        return float("-inf") if negative else float("inf")


def _add_lists(left: Any, right: Any) -> Any:
    if isinstance(left, ListView):
        return left.plus(right)
    return [*left, *right]


def in_list(value: Any, items: Any) -> bool:
    """Tell whether a list holds an equal value."""
    if type(value) is str:
        return value in items if type(items) is list else value in list(items)
    return any(equal(element, value) for element in items)


def in_map(key: Any, entries: Any) -> bool:
    """Tell whether a map has a key; a bool is no number here, though Python thinks so."""
    try:
        if key not in entries:
            return False
    except TypeError:
        return False
    return type(key) not in _CONFUSED or _same_key(key, entries)


_CONFUSED = frozenset((bool, int, float, Uint))
_KEYS = _CONFUSED | {str}


def _same_key(key: Any, entries: Any) -> bool:
    key_is_bool = type(key) is bool
    return any(held == key and (type(held) is bool) is key_is_bool for held in entries)


def has_key(value: Any, key: str) -> bool:
    """Tell whether a value of any type has a field; CelError for a list, as cel-go has it."""
    kind = kind_of(value)
    if kind == "list":
        raise CelError("unsupported index type 'string' in list")
    return kind in ("map", "object") and key in value


def index_dyn(container: Any, key: Any) -> Any:
    """Return an element of a list or a value of a map of which the type was not known."""
    kind = kind_of(container)
    if kind == "list":
        return index_list(container, key)
    if isinstance(container, Optional):
        return optional_index(container, key)
    if type(key) not in _KEYS:
        raise CelError(f"invalid qualifier type: {type_name(key)}")
    if kind not in ("map", "object") or not in_map(key, container):
        raise CelError(f"no such key: {shown(key)}")
    return container[key]


def index_list(items: Any, index: Any) -> Any:
    """Return a list's element; any whole number will do, CelError when out of bounds."""
    if type(index) not in NUMBER_TYPES:
        raise CelError(f"unsupported index type '{type_name(index)}' in list")
    if index != index or index in (float("inf"), float("-inf")) or int(index) != index:
        raise CelError(f"unsupported index value {shown(index)} in list")
    if not 0 <= index < len(items):
        raise CelError(f"index out of bounds: {int(index)}")
    return items[int(index)]


def optional_index(container: Any, key: Any) -> Optional:
    """Return `container[?key]`: an optional, of a container that may be optional itself."""
    if isinstance(container, Optional):
        if container is NO_VALUE:
            return NO_VALUE
        container = container.held
    kind = kind_of(container)
    if kind == "list":
        if type(key) not in NUMBER_TYPES or int(key) != key or not 0 <= key < len(container):
            return NO_VALUE
        return Optional(container[int(key)])
    if kind in ("map", "object") and in_map(key, container):
        return Optional(container[key])
    return NO_VALUE


def shown(value: Any) -> str:
    """Return a key as error messages print it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def size(value: Any) -> int:
    """Return the number of characters, bytes, elements or entries."""
    return len(value)


def compare(left: Any, right: Any) -> int:
    """Return -1, 0 or 1 for two values that have an order; CelError for those that have none."""
    mine, yours = kind_of(left), kind_of(right)
    numbers = type(left) in NUMBER_TYPES and type(right) in NUMBER_TYPES
    if not numbers and (mine != yours or mine not in _ORDERED):
        raise CelError(NO_OVERLOAD)
    return int(left > right) - int(left < right)


_ORDERED = frozenset(("bool", "bytes", "duration", "string", "timestamp"))


def identity(value: Any) -> Any:
    """Return the value itself."""
    return value


def type_value(value: Any) -> Any:
    """Return the type of a value."""
    from ..values import TypeValue  # noqa: PLC0415 - the name would clash with celtypes' readers

    return TypeValue(value.type_name if isinstance(value, Built) else type_name(value))


def choose(test: bool, yes: Any, no: Any) -> Any:
    """Return one of two values; the compiler evaluates only the one."""
    return yes if test else no


def _orders(name: str, call: Callable[[Any, Any], bool]) -> list[Row]:
    return [
        (name, f"({kind}, {right}) -> bool", call, "compare" if kind in ("string", "bytes") else 1)
        for kind, others in _COMPARED.items()
        for right in others
    ]


_NUMERIC = ("double", "int", "uint")
_COMPARED = {
    "bool": ("bool",),
    "bytes": ("bytes",),
    "double": _NUMERIC,
    "duration": ("duration",),
    "int": _NUMERIC,
    "string": ("string",),
    "timestamp": ("timestamp",),
    "uint": _NUMERIC,
}

# fmt: off
ROWS: tuple[Row, ...] = (
    ("!_", "(bool) -> bool", operator.not_),
    ("-_", "(double) -> double", operator.neg),
    ("-_", "(int) -> int", lambda value: checked(-value)),
    ("@in", "(A, list(A)) -> bool", in_list, "in_list"),
    ("@in", "(A, map(A, B)) -> bool", in_map),
    ("_!=_", "(A, A) -> bool", lambda left, right: not equal(left, right), "compare"),
    ("_%_", "(int, int) -> int", _modulo),
    ("_%_", "(uint, uint) -> uint", _modulo_uint),
    ("_*_", "(double, double) -> double", operator.mul),
    ("_*_", "(int, int) -> int", lambda left, right: checked(left * right)),
    ("_*_", "(uint, uint) -> uint", lambda left, right: checked_uint(left * right)),
    ("_+_", "(bytes, bytes) -> bytes", operator.add, "concat"),
    ("_+_", "(double, double) -> double", operator.add),
    ("_+_", "(int, int) -> int", lambda left, right: checked(left + right)),
    ("_+_", "(list(A), list(A)) -> list(A)", _add_lists, "add_lists"),
    ("_+_", "(string, string) -> string", operator.add, "concat"),
    ("_+_", "(uint, uint) -> uint", lambda left, right: checked_uint(left + right)),
    ("_-_", "(double, double) -> double", operator.sub),
    ("_-_", "(int, int) -> int", lambda left, right: checked(left - right)),
    ("_-_", "(uint, uint) -> uint", lambda left, right: checked_uint(left - right)),
    ("_/_", "(double, double) -> double", _divide_double),
    ("_/_", "(int, int) -> int", _divide),
    ("_/_", "(uint, uint) -> uint", _divide_uint),
    *_orders("_<=_", operator.le),
    *_orders("_<_", operator.lt),
    ("_==_", "(A, A) -> bool", equal, "compare"),
    *_orders("_>=_", operator.ge),
    *_orders("_>_", operator.gt),
    ("_?_:_", "(bool, A, A) -> A", choose),
    ("_[?_]", "(list(A), int) -> optional(A)", optional_index),
    ("_[?_]", "(map(A, B), A) -> optional(B)", optional_index),
    ("_[?_]", "(optional(list(A)), int) -> optional(A)", optional_index),
    ("_[?_]", "(optional(map(A, B)), A) -> optional(B)", optional_index),
    ("_[_]", "(list(A), int) -> A", index_list),
    ("_[_]", "(map(A, B), A) -> B", index_dyn),
    ("_[_]", "(optional(list(A)), int) -> optional(A)", optional_index),
    ("_[_]", "(optional(map(A, B)), A) -> optional(B)", optional_index),
    ("dyn", "(A) -> dyn", identity),
    ("size", "(bytes) -> int", size),
    ("size", "(list(A)) -> int", size),
    ("size", "(map(A, B)) -> int", size),
    ("size", "(string) -> int", size),
    ("size", "bytes.() -> int", size),
    ("size", "list(A).() -> int", size),
    ("size", "map(A, B).() -> int", size),
    ("size", "string.() -> int", size),
    ("type", "(A) -> type(A)", type_value),
)
# fmt: on
