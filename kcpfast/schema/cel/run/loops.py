"""The closures of comprehensions: all, exists, map and the rest.

Each iteration is charged before it runs, so that no loop outlives the budget. The constants are
what cel-go charges for the accumulator of each macro, besides the bodies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from ..base import CelError
from ..library.costs import COSTS
from ..library.lists import sort_by_keys
from ..values import kind_of
from .closures import Closure, Frame, enter

ALL_STEP = 3
EXISTS_STEP = 4
COLLECT_STEP = 12
INSERT_STEP = 3
MERGE_STEP = 2
COUNT_HIT = 2


class LoopParts(NamedTuple):
    """A compiled comprehension: source, slot of the first variable, and the bodies with costs."""

    source: Closure
    slot: int
    names: int
    test: Closure | None
    test_cost: int
    step: Closure | None
    step_cost: int


def _items(parts: LoopParts, frame: Frame) -> Iterable[Any]:
    """Return what the loop runs over: elements or keys, or pairs for two variables."""
    source = parts.source(frame)
    kind = kind_of(source)
    if kind == "list":
        return source if parts.names == 1 else enumerate(source)
    if kind == "map":
        return source if parts.names == 1 else [(key, source[key]) for key in source]
    raise CelError("no such overload")


def _quantified(decisive: bool, base: int) -> Callable[[LoopParts], Closure]:
    """Make exists (`decisive` true) or all: one such element decides, errors notwithstanding."""

    def build(parts: LoopParts) -> Closure:
        test, place = parts.test, _placer(parts)
        assert test is not None
        cost = base + parts.test_cost

        def run(frame: Frame) -> bool:
            budget = frame[0]
            failed: CelError | None = None
            rest = iter(_items(parts, frame))
            for item in rest:
                budget.used += cost
                if budget.used > budget.stop_at:
                    budget.stop()
                place(frame, item)
                try:
                    if test(frame) is decisive:
                        return _decided(frame, rest, base, decisive)
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

    return build


def _decided(frame: Frame, rest: Iterator[Any], base: int, decisive: bool) -> bool:
    """End a loop early; cel-go looks at its condition once more when something is left."""
    if next(rest, rest) is not rest:
        enter(frame[0], base - 1)
    return decisive


def _placer(parts: LoopParts) -> Callable[[Frame, Any], None]:
    """Return a function that sets the loop variables."""
    slot = parts.slot

    def place(frame: Frame, item: Any) -> None:
        frame[slot] = item

    def place_pair(frame: Frame, item: Any) -> None:
        frame[slot], frame[slot + 1] = item

    return place if parts.names == 1 else place_pair


def _exists_one(parts: LoopParts) -> Closure:
    test, place = parts.test, _placer(parts)
    assert test is not None

    def run(frame: Frame) -> bool:
        hits = 0
        for item in _items(parts, frame):
            enter(frame[0], parts.test_cost)
            place(frame, item)
            if test(frame):
                enter(frame[0], COUNT_HIT)
                hits += 1
        return hits == 1

    return run


def _steps(parts: LoopParts, frame: Frame, cost: int) -> Iterable[Any]:
    """Yield what `step` makes of each element that passes the test."""
    budget, test, step, place = frame[0], parts.test, parts.step, _placer(parts)
    assert step is not None
    cost += parts.step_cost
    for item in _items(parts, frame):
        place(frame, item)
        if test is not None:
            enter(budget, parts.test_cost)
            if not test(frame):
                continue
        enter(budget, cost)
        yield step(frame)


def _collect(parts: LoopParts) -> Closure:
    return lambda frame: list(_steps(parts, frame, COLLECT_STEP))


def _sort_by(parts: LoopParts) -> Closure:
    def run(frame: Frame) -> list[Any]:
        source = list(parts.source(frame))
        keys = list(_steps(parts._replace(source=lambda _: source), frame, COLLECT_STEP))
        enter(frame[0], COSTS["quadratic"](keys))
        return sort_by_keys(source, keys)

    return run


def _transform_map(parts: LoopParts) -> Closure:
    slot = parts.slot

    def run(frame: Frame) -> dict[Any, Any]:
        entries: dict[Any, Any] = {}
        for value in _steps(parts, frame, INSERT_STEP):
            entries[frame[slot]] = value
        return entries

    return run


def _transform_entries(parts: LoopParts) -> Closure:
    def run(frame: Frame) -> dict[Any, Any]:
        collected: dict[Any, Any] = {}
        for entries in _steps(parts, frame, MERGE_STEP):
            if kind_of(entries) != "map":
                raise CelError("no such overload")
            for key in entries:
                if key in collected:
                    raise CelError(f"insert failed: key {key} already exists")
                collected[key] = entries[key]
        return collected

    return run


LOOPS: dict[str, Callable[[LoopParts], Closure]] = {
    "all": _quantified(False, ALL_STEP),
    "exists": _quantified(True, EXISTS_STEP),
    "exists_one": _exists_one,
    "map": _collect,
    "sortBy": _sort_by,
    "transformMap": _transform_map,
    "transformMapEntry": _transform_entries,
}
# What each costs once, besides the source: reading the result.
RESULT_COST = {"exists_one": 2, "sortBy": 3}
