"""The pieces that compiled programs are made of: functions that take a frame and return a value.

A frame is a list: the budget at 0, then variables, each at its slot. Costs that are known before
are charged by the block (a program, a branch, an iteration); only what depends on sizes is charged
by the closure itself. These run for every object that is written, hence one closure per shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..base import INT_MAX, INT_MIN, Budget, CelError
from ..library.operators import NO_OVERLOAD
from ..values import NO_VALUE, Optional, equal_within

Frame = list[Any]
Closure = Callable[[Frame], Any]
# A closure and what it costs to enter it.
Block = tuple[Closure, int]


def converted(base: Closure, convert: Callable[[Any], Any]) -> Closure:
    """Return what `base` gives as CEL sees it."""
    return lambda frame: convert(base(frame))


def boolean(base: Closure) -> Closure:
    """Return what `base` gives; CelError when that is no bool."""

    def check(frame: Frame) -> bool:
        value = base(frame)
        if value is True or value is False:
            return bool(value)
        raise CelError(NO_OVERLOAD)

    return check


def enter(budget: Budget, cost: int) -> None:
    """Charge for a block before it runs."""
    budget.used += cost
    if budget.used > budget.stop_at:
        budget.stop()


def either(first: Closure, second: Closure, cost: int, decisive: bool) -> Closure:
    """Return `first || second` when `decisive` is true, `first && second` when it is false.

    cel-spec, "Logical Operators": an error on one side does not count when the other decides.
    """

    def run(frame: Frame) -> Any:
        try:
            if first(frame) is decisive:
                return decisive
        except CelError as error:
            return _rescued(frame, second, cost, decisive, error)
        budget = frame[0]
        budget.used += cost
        if budget.used > budget.stop_at:
            budget.stop()
        return second(frame)

    return run


def _rescued(frame: Frame, second: Closure, cost: int, decisive: bool, error: CelError) -> Any:
    """Return what the second term decides after an error in the first; else raise the error."""
    try:
        if error.cancelled:
            raise error
        enter(frame[0], cost)
        try:
            if second(frame) is decisive:
                return decisive
        except CelError as later:
            if later.cancelled:
                raise
        raise error
    finally:
        del error  # which knows this frame: they would keep each other


def chain(terms: list[Block], decisive: bool) -> Closure:
    """Return three terms or more of `||` or `&&`."""

    def run(frame: Frame) -> Any:
        budget = frame[0]
        failed: CelError | None = None
        for term, cost in terms:
            enter(budget, cost)
            try:
                if term(frame) is decisive:
                    return decisive
            except CelError as error:
                if error.cancelled:
                    raise
                failed = failed or error
        if failed is not None:
            try:
                raise failed
            finally:
                del failed  # which knows this frame: they would keep each other
        return not decisive

    return run


def choice(test: Closure, yes: Block, no: Block) -> Closure:
    """Return `test ? yes : no`."""
    yes_run, yes_cost = yes
    no_run, no_cost = no

    def run(frame: Frame) -> Any:
        if test(frame):
            enter(frame[0], yes_cost)
            return yes_run(frame)
        enter(frame[0], no_cost)
        return no_run(frame)

    return run


def equality(
    first: Closure, second: Closure, cost: Callable[..., int], wants_equal: bool
) -> Closure:
    """Return `one == other`, or `!=` when `wanted` is false, for values of any type."""

    def run(frame: Frame) -> bool:
        left, right = first(frame), second(frame)
        enter(frame[0], cost(left, right))
        return equal_within(left, right, frame[0]) is wants_equal

    return run


def call(implementation: Callable[..., Any], args: list[Closure]) -> Closure:
    """Return a call of which the cost is known."""
    if len(args) == 1:
        only = args[0]
        return lambda frame: implementation(only(frame))
    if len(args) == 2:
        left, right = args
        return lambda frame: implementation(left(frame), right(frame))
    return lambda frame: implementation(*[arg(frame) for arg in args])


def costly_call(
    implementation: Callable[..., Any], args: list[Closure], cost: Callable[..., int]
) -> Closure:
    """Return a call of which the cost depends on the arguments; it is charged before."""

    def run(frame: Frame) -> Any:
        values = [arg(frame) for arg in args]
        enter(frame[0], cost(*values))
        return implementation(*values)

    return run


def metered_call(
    implementation: Callable[..., Any], args: list[Closure], cost: Callable[..., int]
) -> Closure:
    """Return a call that is charged before, and charges itself for what then turns out."""

    def run(frame: Frame) -> Any:
        values = [arg(frame) for arg in args]
        enter(frame[0], cost(*values))
        return implementation(*values, charge=frame[0].charge)

    return run


def bind_optional(slot: int, init: Closure, body: Block, wrap: bool) -> Closure:
    """Return optMap (`wrap`) or optFlatMap: `body` of the value held, or none."""
    run_body, cost = body

    def run(frame: Frame) -> Any:
        held = init(frame)
        if not isinstance(held, Optional):
            raise CelError(NO_OVERLOAD)
        if held is NO_VALUE:
            enter(frame[0], 1)
            return NO_VALUE
        enter(frame[0], cost)
        frame[slot] = held.held
        value = run_body(frame)
        return Optional(value) if wrap else value

    return run


def _add(left: Closure, right: Closure) -> Closure:
    def run(frame: Frame) -> Any:
        value = left(frame) + right(frame)
        if INT_MIN <= value <= INT_MAX:
            return value
        raise CelError("integer overflow")

    return run


def _subtract(left: Closure, right: Closure) -> Closure:
    def run(frame: Frame) -> Any:
        value = left(frame) - right(frame)
        if INT_MIN <= value <= INT_MAX:
            return value
        raise CelError("integer overflow")

    return run


# Operators that Python's own do right once the types are known; by function, then whether the
# right side is a constant (which is then given as it is).
COMPARISONS: dict[str, Callable[[Closure, Closure], Closure]] = {
    "_!=_": lambda left, right: lambda frame: left(frame) != right(frame),
    "_<=_": lambda left, right: lambda frame: left(frame) <= right(frame),
    "_<_": lambda left, right: lambda frame: left(frame) < right(frame),
    "_==_": lambda left, right: lambda frame: left(frame) == right(frame),
    "_>=_": lambda left, right: lambda frame: left(frame) >= right(frame),
    "_>_": lambda left, right: lambda frame: left(frame) > right(frame),
}
CONSTANT_COMPARISONS: dict[str, Callable[[Closure, Any], Closure]] = {
    "_!=_": lambda left, value: lambda frame: left(frame) != value,
    "_<=_": lambda left, value: lambda frame: left(frame) <= value,
    "_<_": lambda left, value: lambda frame: left(frame) < value,
    "_==_": lambda left, value: lambda frame: left(frame) == value,
    "_>=_": lambda left, value: lambda frame: left(frame) >= value,
    "_>_": lambda left, value: lambda frame: left(frame) > value,
}
INT_ARITHMETIC: dict[str, Callable[[Closure, Closure], Closure]] = {"_+_": _add, "_-_": _subtract}
