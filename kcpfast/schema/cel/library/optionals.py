"""Optional values: `optional.of(x)`, `a.?b.orValue(c)`.

Rules: cel-go cel/library.go, OptionalTypes.
"""

from __future__ import annotations

from typing import Any

from ..signatures import Row
from ..values import NO_VALUE, Optional, Timestamp, kind_of
from .operators import has_key


def of_non_zero(value: Any) -> Optional:
    """Return an optional of a value, none for the zero value of its type."""
    kind = kind_of(value)
    if kind in ("list", "map", "object", "string", "bytes"):
        return Optional(value) if len(value) else NO_VALUE
    if kind == "opaque":
        return Optional(value) if value is not NO_VALUE else NO_VALUE
    if isinstance(value, Timestamp):
        return Optional(value)
    return Optional(value) if value else NO_VALUE


def unwrap(items: Any) -> list[Any]:
    """Return the values of those optionals that have one."""
    return [item.held for item in items if item is not NO_VALUE]


def select(target: Any, field: str) -> Optional:
    """Return `target.?field`; the target may be optional itself, or of any type."""
    if isinstance(target, Optional):
        if target is NO_VALUE:
            return NO_VALUE
        target = target.held
    if not has_key(target, field):
        return NO_VALUE
    return Optional(target[field])


# fmt: off
ROWS: tuple[Row, ...] = (
    ("hasValue", "optional(A).() -> bool", lambda value: value is not NO_VALUE),
    ("optional.none", "() -> optional(A)", lambda: NO_VALUE),
    ("optional.of", "(A) -> optional(A)", Optional),
    ("optional.ofNonZeroValue", "(A) -> optional(A)", of_non_zero),
    ("optional.unwrap", "(list(optional(A))) -> list(A)", unwrap),
    # The compiler evaluates the argument of these two only when it is needed.
    ("or", "optional(A).(optional(A)) -> optional(A)", Optional.get, 0),
    ("orValue", "optional(A).(A) -> A", Optional.get, 0),
    ("unwrapOpt", "list(optional(A)).() -> list(A)", unwrap),
    ("value", "optional(A).() -> A", Optional.get),
)
# fmt: on
