"""The JSON paths of printer columns, selectable fields and scale subresources.

The language is kubectl's (https://kubernetes.io/docs/reference/kubectl/jsonpath/) without range:
fields, indexes, slices, unions, filters, wildcards, recursive descent. Rules: parser.go and
jsonpath.go of k8s.io/client-go/util/jsonpath, with missing keys allowed.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from kcpfast.meta.bounded import kept_if_short

# What ends a name, unless a backslash stands before it.
_NAME = re.compile(r"(?:\\.|[^\s.,\[\]$@{}\\])*")
_NUMBER = re.compile(r"[+-]?[0-9.]*")
_QUOTED = re.compile(r'"(?:\\.|[^"\\\n])*"' + r"|'(?:\\.|[^'\\\n])*'")
_KEY = re.compile(r"'([^']*)'")
_SLICE = re.compile(r"(-?\d*)(:-?\d*)?(:-?\d*)?", re.ASCII)
# A filter ends at the first `)` outside of the first quoted text in it.
_FILTER = re.compile(
    r"""\[\?\(((?:[^"')\n]*)(?:"(?:\\.|[^"\n])*"|'(?:\\.|[^'\n])*')?[^)\n]*)\)\]"""
)
_COMPARISON = re.compile(r"([^!<>=]+)([!<>=]+)(.+)", re.DOTALL)
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

# Takes the values found so far and returns those one step on; JsonPathError if it cannot.
PathStep = Callable[[list[Any]], list[Any]]


class JsonPathError(ValueError):
    """The path is malformed, or asks of a value what it cannot give."""


@kept_if_short(1024)
def compile_path(path: str) -> tuple[PathStep, ...]:
    """Compile a path such as `.spec.type.name`; JsonPathError if it is malformed."""
    return _parse(path.strip().removeprefix("{").removesuffix("}"), 0)


def find(path: tuple[PathStep, ...], value: Any) -> list[Any]:
    """Return everything a path leads to; nothing if it cannot be followed in this value."""
    try:
        return _walk(path, value)
    except (JsonPathError, RecursionError):
        return []


def text(value: Any) -> str:
    """Return a value as a JSON path prints it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _walk(path: tuple[PathStep, ...], value: Any) -> list[Any]:
    values = [value]
    for step in path:
        values = step(values)
    return values


# ------------------------------------------------------------------------- parsing


def _parse(source: str, depth: int) -> tuple[PathStep, ...]:
    if depth > 20:
        raise JsonPathError("the path nests too deeply")
    steps: list[PathStep] = []
    position = 0
    while position < len(source):
        taken, step = _next_step(source, position, steps[-1:], depth)
        if step is not None:
            steps += step
        position += taken
    return tuple(steps)


def _next_step(
    source: str, at: int, last: list[PathStep], depth: int
) -> tuple[int, list[PathStep] | None]:
    """Return the length of the part at a position and its steps, None for one without meaning."""
    character = source[at]
    if source.startswith("[?(", at):
        return _read_filter(source, at, depth)
    if source.startswith("..", at):
        if last == [_recursive]:
            raise JsonPathError("invalid multiple recursive descent")
        name = _match(_NAME, source, at + 2)
        return 2 + len(name), [_recursive, *([_field_step(name)] if name else [])]
    if character in " @$":
        return 1, None
    if character == "[":
        return _read_array(source, at, depth)
    if character == ".":
        name = _match(_NAME, source, at + 1)
        return 1 + len(name), [_field_step(name)]
    return _read_literal(source, at)


def _read_literal(source: str, at: int) -> tuple[int, list[PathStep]]:
    character = source[at]
    if character in "\"'":
        quoted = _match(_QUOTED, source, at)
        if not quoted:
            raise JsonPathError("unterminated quoted string")
        return len(quoted), [_literal(re.sub(r"\\(.)", r"\1", quoted[1:-1]))]
    if character in "+-" or character.isdigit():
        number = _match(_NUMBER, source, at)
        return len(number), [_literal(_number(number))]
    word = _match(_NAME, source, at)
    if word in ("true", "false"):
        return len(word), [_literal(word == "true")]
    raise JsonPathError(f"unrecognized character in action: {character}")


def _match(pattern: re.Pattern[str], source: str, at: int) -> str:
    found = pattern.match(source, at)
    return found[0] if found is not None else ""


def _number(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:
        pass
    try:
        return float(digits)
    except ValueError:
        raise JsonPathError(f"cannot parse number {digits}") from None


def _read_filter(source: str, at: int, depth: int) -> tuple[int, list[PathStep]]:
    whole = _FILTER.match(source, at)
    if whole is None:
        raise JsonPathError("unterminated filter")
    comparison = _COMPARISON.fullmatch(whole[1])
    if comparison is None:
        return len(whole[0]), [_exists(_parse(whole[1], depth + 1))]
    left, sign, right = comparison.groups()
    compare = _OPERATORS.get(sign)
    return len(whole[0]), [_filter(_parse(left, depth + 1), compare, _parse(right, depth + 1))]


def _read_array(source: str, at: int, depth: int) -> tuple[int, list[PathStep]]:
    end = source.find("]", at)
    if end < 0 or "\n" in source[at:end]:
        raise JsonPathError("unterminated array")
    inside, length = source[at + 1 : end], end + 1 - at
    parts = inside.split(",")
    if len(parts) > 1:
        return length, [_union([_parse(f"[{part.strip(' ')}]", depth + 1) for part in parts])]
    key = _KEY.fullmatch(inside)
    if key is not None:
        return length, list(_parse(f".{key[1]}", depth + 1))
    bounds = _SLICE.fullmatch(":" if inside == "*" else inside)
    if bounds is None:
        raise JsonPathError(f"invalid array index {inside}")
    start, stop, stride = (_int(part) for part in bounds.groups())
    return length, [_slice(start, stop, stride, derived=not bounds[2])]


def _int(part: str | None) -> int | None:
    digits = (part or "").removeprefix(":")
    if digits == "-":
        raise JsonPathError(f"array index {digits} is not a number")
    return int(digits) if digits else None


# ------------------------------------------------------------------------- steps


def _field_step(name: str) -> PathStep:
    return _wildcard if name == "*" else _field(name.replace("\\", ""))


def _field(name: str) -> PathStep:
    def step(values: list[Any]) -> list[Any]:
        return [value[name] for value in values if isinstance(value, dict) and name in value]

    return step


def _literal(literal: Any) -> PathStep:
    def step(values: list[Any]) -> list[Any]:
        return [literal] if isinstance(literal, str) else [literal] * len(values)

    return step


def _parts(value: Any) -> list[Any]:
    """Return what is directly in a container; of a text nothing is ever printed."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _wildcard(values: list[Any]) -> list[Any]:
    return [part for value in values for part in _parts(value)]


def _recursive(values: list[Any]) -> list[Any]:
    containers: list[Any] = []
    for value in values:
        parts = _parts(value)
        if parts:
            containers.append(value)
            containers += _recursive(parts)
    return containers


def _slice(start: int | None, stop: int | None, stride: int | None, derived: bool) -> PathStep:
    """Return the step of `[start:stop:stride]`; `derived` for `[start]`, which is one element."""

    def step(values: list[Any]) -> list[Any]:
        items: list[Any] = []
        for value in values:
            if value is not None:
                items += _sliced(value)
        return items

    def _sliced(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise JsonPathError(f"{type(value).__name__} is not array or slice")
        size, first = len(value), start or 0
        last = first + 1 if derived else stop
        first += size if first < 0 else 0
        last = size if last is None else last
        last += size if last < 0 or (last == 0 and derived) else 0
        if first == last:
            return []
        if not (0 <= first < size and 0 <= last <= size):
            raise JsonPathError(f"array index out of bounds: index {first}, length {size}")
        if first > last:
            raise JsonPathError(f"starting index {first} is greater than ending index {last}")
        if stride is not None and stride <= 0:
            raise JsonPathError("step must be > 0")
        return value[first : last : stride or 1]

    return step


def _union(paths: list[tuple[PathStep, ...]]) -> PathStep:
    def step(values: list[Any]) -> list[Any]:
        found: list[Any] = []
        for path in paths:
            reached = values
            for part in path:
                reached = part(reached)
            found += reached
        return found

    return step


def _items(values: list[Any]) -> list[Any]:
    """Return the items of lists, which alone can be filtered."""
    for value in values:
        if not isinstance(value, list):
            raise JsonPathError(f"{value} is not array or slice and cannot be filtered")
    return [item for value in values for item in value]


def _exists(path: tuple[PathStep, ...]) -> PathStep:
    def step(values: list[Any]) -> list[Any]:
        return [item for item in _items(values) if find(path, item)]

    return step


def _filter(
    left: tuple[PathStep, ...],
    compare: Callable[[Any, Any], bool] | None,
    right: tuple[PathStep, ...],
) -> PathStep:
    def step(values: list[Any]) -> list[Any]:
        return [item for item in _items(values) if _holds(item)]

    def _holds(item: Any) -> bool:
        lefts, rights = _walk(left, item), _walk(right, item)
        if not lefts or not rights:
            return False
        if len(lefts) > 1 or len(rights) > 1:
            raise JsonPathError("can only compare one element at a time")
        if compare is None:
            raise JsonPathError("unrecognized filter operator")
        one, other = lefts[0], rights[0]
        if type(one) is not type(other) or not isinstance(one, str | bool | int | float):
            raise JsonPathError("incompatible types for comparison")
        if isinstance(one, bool) and compare not in (operator.eq, operator.ne):
            raise JsonPathError("invalid type for comparison")
        return compare(one, other)

    return step
