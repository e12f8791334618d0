"""What each function can cost, by the sizes of its arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from ..celtypes import is_optional
from ..syntax.nodes import FunctionCall, Literal, Node
from .ranges import ONE, UNBOUNDED, CostRange, Sizes, exactly

_TENTH, _QUARTER = 0.1, 0.25

# The cost of a call, and the size of its result where that is known.
Estimate = tuple[CostRange, CostRange | None]
EstimateRule = Callable[[Sizes, FunctionCall, list[Node]], Estimate]


def _scan(factor: float, place: int = 0, keep: bool = False) -> EstimateRule:
    def rule(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
        size = of.size(parts[place])
        return size.scaled(factor), size if keep else None

    return rule


def _check(_of: Sizes, _call: FunctionCall, _parts: list[Node]) -> Estimate:
    return exactly(350_000), None


def _dyn(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    return ONE, of.size(parts[0]) if isinstance(parts[0], Literal) else None


def _add(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    kinds = {of.kind(part).kind for part in parts} - {"dyn"}
    size = of.size(parts[0]).plus(of.size(parts[1]))
    if kinds == {"list"}:
        return ONE, size
    if kinds & {"string", "bytes"}:
        return size.scaled(_TENTH), size
    return (ONE.either(size.scaled(_TENTH)), size) if not kinds else (ONE, None)


def _compare(of: Sizes, call: FunctionCall, parts: list[Node]) -> Estimate:
    kinds = [of.kind(part) for part in parts]
    texts = all(kind.kind in ("string", "bytes", "dyn") for kind in kinds)
    equality = call.function in ("_==_", "_!=_")
    opaque = any(kind.kind == "opaque" and not is_optional(kind) for kind in kinds)
    if opaque or not (texts or equality):
        return ONE, None
    most = min(of.size(parts[0]).high, of.size(parts[1]).high)
    cost = CostRange(1 if most else 0, most).scaled(_TENTH)
    return cost if equality or "dyn" not in {k.kind for k in kinds} else cost.either(ONE), None


def _contains(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    text, part = of.size(parts[0]).scaled(_TENTH), of.size(parts[1]).scaled(_TENTH)
    return text.times(part), None


def _regex(of: Sizes, call: FunctionCall, parts: list[Node]) -> Estimate:
    size = of.size(parts[0])
    pattern = of.size(parts[1]).scaled(_QUARTER)
    result_size = None if call.function == "matches" else CostRange(0, size.high)
    return size.plus(ONE).scaled(_TENTH).times(pattern), result_size


def _member(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    kind = of.kind(parts[1]).kind
    count = of.size(parts[1])
    if kind == "list":
        return count, None
    return (ONE if kind == "map" else count.either(ONE)), None


def _convert(source: str) -> EstimateRule:
    """Estimate string() and bytes(), which walk over the one of the other kind."""

    def rule(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
        kind, walked = of.kind(parts[0]).kind, of.size(parts[0]).scaled(_TENTH)
        if kind == source:
            return walked, None
        return (walked.either(ONE) if kind == "dyn" else ONE), None

    return rule


def _walk(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    kind = of.kind(parts[0])
    size = of.size(parts[0])
    if kind.kind == "string":
        return size.scaled(_TENTH), None
    per_element = ONE
    if kind.params and kind.params[0].kind in ("string", "bytes"):
        per_element = per_element.plus(of.item_size(parts[0]).scaled(_TENTH))
    return size.times(per_element), None


def _replace(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    size, old, new = (of.size(part) for part in parts[:3])
    low_count, low_kept = _replaced(size.low, old.high, new.low, shorter=True)
    high_count, high_kept = _replaced(size.high, old.low, new.high, shorter=False)
    result = CostRange(low_count, high_count).times(new).plus(CostRange(low_kept, high_kept))
    return size.scaled(2 * _TENTH), result


def _replaced(size: int, old: int, new: int, shorter: bool) -> tuple[int, int]:
    """Return how many replacements make the extreme, and how much of the text stays."""
    if old == 0:
        return min(UNBOUNDED, size + 1), size
    if (old <= new) if shorter else (new <= old):
        return 0, size
    return math.ceil(size / old), 0


def _split(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    size = of.size(parts[0])
    most = size.high
    if len(parts) > 2 and isinstance(parts[2], Literal) and isinstance(parts[2].value, int):
        most = max(0, parts[2].value)
    return size.scaled(2 * _TENTH), CostRange(0, most)


def _join(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    count = of.size(parts[0])
    size = count.times(of.item_size(parts[0]))
    if len(parts) > 1:
        gaps = CostRange(max(0, count.low - 1), max(0, count.high - 1))
        size = size.plus(of.size(parts[1]).times(gaps))
    return size.scaled(_TENTH), size


def _inside(of: Sizes, call: FunctionCall, parts: list[Node]) -> Estimate:
    """Estimate containsIP and containsCIDR: addresses have 4 to 16 bytes."""
    address = CostRange(4, 16)
    cost = address.plus(address).scaled(_TENTH)
    if call.function == "containsCIDR":
        cost = cost.plus(address.scaled(_TENTH)).plus(ONE)
    if of.kind(parts[1]).kind == "string":
        cost = cost.plus(of.size(parts[1]).scaled(_TENTH))
    return cost, None


def _address(of: Sizes, call: FunctionCall, parts: list[Node]) -> Estimate:
    return (ONE, None) if call.target is not None else _scan(_TENTH)(of, call, parts)


def _validate(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    # Upstream does not know which format it is and takes a pattern of 128 characters.
    return of.size(parts[1]).scaled(_TENTH).times(exactly(32)), None


def _sets(factor: int) -> EstimateRule:
    def rule(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
        size = of.size(parts[0]).times(of.size(parts[1]))
        return size.scaled(factor).plus(ONE), None

    return rule


def _whole_list(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    size = of.size(parts[0])
    return size.plus(exactly(11)), size


def _quadratic(of: Sizes, call: FunctionCall, parts: list[Node]) -> Estimate:
    size = of.size(parts[0])
    kind = of.kind(parts[0])
    texts = kind.params and kind.params[0].kind in ("string", "bytes")
    cost = size.times(size).scaled(2 + _TENTH if texts else 2).plus(exactly(11))
    return cost, size if call.function == "sort" else CostRange(0, size.high)


def _flatten(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    depth = _int_of(parts[1]) if len(parts) > 1 else 1
    if depth is None:
        return exactly(UNBOUNDED), None
    return of.size(parts[0]).times(exactly(max(1, depth))).plus(exactly(11)), None


def _int_of(node: Node) -> int | None:
    value = node.value if isinstance(node, Literal) else None
    return value if isinstance(value, int) else None


def _range(_of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    count = _int_of(parts[0])
    if count is None:
        return exactly(UNBOUNDED), None
    count = max(0, count)
    return exactly(11 + count), exactly(count)


def _slice(_of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    start, end = _int_of(parts[1]), _int_of(parts[2])
    if start is None or end is None or end < start:
        return exactly(UNBOUNDED), None
    return exactly(11 + end - start), exactly(end - start)


# One row per function whose cost is not 1 whatever its arguments.
CALLS: Mapping[str, EstimateRule] = {
    **dict.fromkeys(("_!=_", "_<=_", "_<_", "_==_", "_>=_", "_>_"), _compare),
    **dict.fromkeys(("cidr", "isCIDR", "isIP", "isQuantity", "isSemver"), _scan(_TENTH)),
    **dict.fromkeys(("quantity", "semver", "strings.quote", "url"), _scan(_TENTH)),
    **dict.fromkeys(("lowerAscii", "substring", "trim", "upperAscii"), _scan(_TENTH, keep=True)),
    **dict.fromkeys(("endsWith", "startsWith"), _scan(_TENTH, place=1)),
    **dict.fromkeys(("find", "findAll", "matches"), _regex),
    **dict.fromkeys(("indexOf", "isSorted", "lastIndexOf", "max", "min", "sum"), _walk),
    **dict.fromkeys(("sets.contains", "sets.intersects"), _sets(1)),
    "@in": _member,
    "_+_": _add,
    "bytes": _convert("string"),
    "check": _check,
    "contains": _contains,
    "containsCIDR": _inside,
    "containsIP": _inside,
    "distinct": _quadratic,
    "dyn": _dyn,
    "flatten": _flatten,
    "format": _scan(_TENTH),
    "ip": _address,
    "ip.isCanonical": _scan(2 * _TENTH),
    "join": _join,
    "lists.range": _range,
    "replace": _replace,
    "reverse": _whole_list,
    "sets.equivalent": _sets(2),
    "slice": _slice,
    "sort": _quadratic,
    "split": _split,
    "string": _convert("bytes"),
    "validate": _validate,
}
