"""Finds the smallest script that still shows a difference: fewer requests, fewer members."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from tests.differential.judge import Difference
from tests.differential.script import Script, Step

Compare = Callable[[Script], Difference | None]
_TRIES = 150


def shrunk(found: Difference, compare: Compare) -> Difference:
    """Return the same difference in a smaller script; gives up after so many tries."""
    tries = iter(range(_TRIES))
    progress = True
    while progress:
        progress = False
        for smaller in _smaller(found):
            if next(tries, None) is None:
                return found
            again = compare(smaller)
            if again is not None and again.kind == found.kind:
                found, progress = again, True
                break
    return found


def _smaller(found: Difference) -> Iterator[Script]:
    """Yield scripts with less in them, those with the most taken out first."""
    steps = found.script.steps[: found.at + 1]
    if len(steps) < len(found.script.steps):
        yield found.script._replace(steps=steps)
    for at in range(len(steps) - 1):
        yield found.script._replace(steps=steps[:at] + steps[at + 1 :])
    for at, each in enumerate(steps):
        for less in _less(each):
            yield found.script._replace(steps=(*steps[:at], less, *steps[at + 1 :]))


def _less(step: Step) -> Iterator[Step]:
    """Yield a request with one member of its JSON body left out."""
    try:
        body = json.loads(step.body)
    except ValueError:
        return
    for shorter in _without_one(body):
        yield step._replace(body=json.dumps(shorter).encode())


def _without_one(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield {name: item for name, item in value.items() if name != key}
            for shorter in _without_one(below):
                yield value | {key: shorter}
    elif isinstance(value, list):
        for at, below in enumerate(value):
            yield value[:at] + value[at + 1 :]
            for shorter in _without_one(below):
                yield [*value[:at], shorter, *value[at + 1 :]]
