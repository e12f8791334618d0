"""The JSON paths of printer columns, selectable fields and scale subresources.

A subset of kubectl's JSONPath (https://kubernetes.io/docs/reference/kubectl/jsonpath/): fields,
quoted fields, indexes, `[*]`, and filters that compare a field with a literal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from kcpfast.meta.bounded import kept_if_short

_STEP = re.compile(
    r"""\.(?P<field>(?:[^.\[\]'"\\]|\\.)+)
      | \[\s*'(?P<quoted>(?:[^'\\]|\\.)*)'\s*\]
      | \[\s*"(?P<double>(?:[^"\\]|\\.)*)"\s*\]
      | \[\s*(?P<index>-?\d+)\s*\]
      | \.?(?P<star>\[\s*\*\s*\]|\*)
      | \[\?\(\s*@(?P<left>(?:\.[^\s.=!<>]+|\['[^']*'\])+)\s*(?P<sign>==|!=)\s*
            (?P<right>"[^"]*"|'[^']*'|[^)\s]+)\s*\)\]""",
    re.VERBOSE,
)

PathStep = Callable[[Any], Iterator[Any]]


class JsonPathError(ValueError):
    """The path uses syntax that is not supported."""


@kept_if_short(1024)
def compile_path(path: str) -> tuple[PathStep, ...]:
    """Compile a path such as `.spec.type.name`; JsonPathError if it is not supported."""
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    if not text.startswith((".", "[")):
        raise JsonPathError(f"unsupported JSON path: {path}")
    steps: list[PathStep] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise JsonPathError(f"unsupported JSON path: {path}")
        steps.append(_step(match))
        position = match.end()
    return tuple(steps)


def _step(match: re.Match[str]) -> PathStep:
    groups = match.groupdict()
    if groups["index"] is not None:
        return _index(int(groups["index"]))
    if groups["star"] is not None:
        return _star
    if groups["left"] is not None:
        return _filter(groups["left"], groups["sign"] == "==", groups["right"])
    name = groups["field"] or groups["quoted"] or groups["double"] or ""
    return _field(re.sub(r"\\(.)", r"\1", name))


def _field(name: str) -> PathStep:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _index(position: int) -> PathStep:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= position < len(value):
            yield value[position]

    return step


def _star(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _filter(left: str, equal: bool, right: str) -> PathStep:
    path = compile_path(left)
    literal = right[1:-1] if right[0] in "\"'" else right

    def step(value: Any) -> Iterator[Any]:
        for item in value if isinstance(value, list) else ():
            holds = any(text(operand) == literal for operand in find(path, item))
            if holds is equal:
                yield item

    return step


def find(path: tuple[PathStep, ...], value: Any) -> list[Any]:
    """Return everything a path leads to."""
    values = [value]
    for step in path:
        values = [result for parent in values for result in step(parent)]
    return values


def text(value: Any) -> str:
    """Return a value as a JSON path prints it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
