"""What each function can cost, by the sizes of its arguments.

Rules: EstimateCallCost of k8s.io/apiserver/pkg/cel/library/cost.go, and for standard functions
cel-go checker/cost.go. A rule takes the sizes, the call and its operands (target first), and
returns the cost of the call itself, without that of its operands.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from ..celtypes import CelType, is_optional
from ..syntax.nodes import FunctionCall, Literal, Node
from .ranges import ONE, UNBOUNDED, CostRange, Sizes, exactly

# cel-go: StringTraversalCostFactor and RegexStringLengthCostFactor.
_TENTH, _QUARTER = 0.1, 0.25
# What making a list costs upstream: ListCreateBaseCost and the call itself.
_NEW_LIST = 11

# The cost of a call, and the size of its result where that is known.
Estimate = tuple[CostRange, CostRange | None]
EstimateRule = Callable[[Sizes, FunctionCall, list[Node]], Estimate]


def _scan(factor: float, place: int = 0, keep: bool = False) -> EstimateRule:
    """Return the rule of a walk over one argument; `keep` if the result has its size."""

    def rule(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
        size = of.size(parts[place])
        return size.scaled(factor), size if keep else None

    return rule


def _authorizer_check(_of: Sizes, _call: FunctionCall, _parts: list[Node]) -> Estimate:
    return exactly(350_000), None


def _dyn(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    value = parts[0]
    return ONE, of.size(value) if isinstance(value, Literal) else None


def _add(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    left, right = parts
    known_kinds = {of.kind(left).kind, of.kind(right).kind} - {"dyn"}
    size = of.size(left).plus(of.size(right))
    copying = size.scaled(_TENTH)
    if not known_kinds:
        return ONE.either(copying), size
    if known_kinds == {"list"}:
        return ONE, size
    if known_kinds & {"string", "bytes"}:
        return copying, size
    return ONE, None


def _compare(of: Sizes, call: FunctionCall, parts: list[Node]) -> Estimate:
    left, right = parts
    types = (of.kind(left), of.kind(right))
    kinds = {kind.kind for kind in types}
    equality = call.function in ("_==_", "_!=_")
    may_be_texts = kinds <= {"string", "bytes", "dyn"}
    opaque = any(kind.kind == "opaque" and not is_optional(kind) for kind in types)
    if opaque or not (may_be_texts or equality):
        return ONE, None
    most = min(of.size(left).high, of.size(right).high)
    least = 1 if most else 0
    cost = CostRange(least, most).scaled(_TENTH)
    if "dyn" in kinds and not equality:
        cost = cost.either(ONE)
    return cost, None


def _contains(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    text, part = of.size(parts[0]), of.size(parts[1])
    return text.scaled(_TENTH).times(part.scaled(_TENTH)), None


def _regex(of: Sizes, call: FunctionCall, parts: list[Node]) -> Estimate:
    size = of.size(parts[0])
    pattern = of.size(parts[1]).scaled(_QUARTER)
    cost = size.plus(ONE).scaled(_TENTH).times(pattern)
    if call.function == "matches":
        return cost, None
    return cost, CostRange(0, size.high)


def _member(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    container = parts[1]
    kind = of.kind(container).kind
    if kind == "map":
        return ONE, None
    count = of.size(container)
    return (count if kind == "list" else count.either(ONE)), None


def _convert(source: str) -> EstimateRule:
    """Return the rule of string() or bytes(): values of kind `source` are walked over."""

    def rule(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
        kind = of.kind(parts[0]).kind
        if kind not in (source, "dyn"):
            return ONE, None
        walk = of.size(parts[0]).scaled(_TENTH)
        return (walk.either(ONE) if kind == "dyn" else walk), None

    return rule


def _walk(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    kind = of.kind(parts[0])
    size = of.size(parts[0])
    if kind.kind == "string":
        return size.scaled(_TENTH), None
    per_element = ONE
    if _holds_texts(kind):
        per_element = ONE.plus(of.item_size(parts[0]).scaled(_TENTH))
    return size.times(per_element), None


def _holds_texts(kind: CelType) -> bool:
    return bool(kind.params) and kind.params[0].kind in ("string", "bytes")


def _replace(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    size, old, new = (of.size(part) for part in parts[:3])
    fewest, kept_low = _replaced(size.low, old.high, new.low, shorter=True)
    most, kept_high = _replaced(size.high, old.low, new.high, shorter=False)
    inserted = CostRange(fewest, most).times(new)
    return size.scaled(2 * _TENTH), inserted.plus(CostRange(kept_low, kept_high))


def _replaced(size: int, old: int, new: int, shorter: bool) -> tuple[int, int]:
    """Return how many replacements give the extreme length, and how many characters stay.

    The extreme is the shortest result if `shorter`, else the longest; `old` and `new` are lengths.
    """
    if old == 0:
        return min(UNBOUNDED, size + 1), size
    replacing_does_not_help = (old <= new) if shorter else (new <= old)
    if replacing_does_not_help:
        return 0, size
    return math.ceil(size / old), 0


def _split(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    size = of.size(parts[0])
    most = size.high
    limit = _int_of(parts[2]) if len(parts) > 2 else None
    if limit is not None:
        most = max(0, limit)
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
    return size.plus(exactly(_NEW_LIST)), size


def _quadratic(of: Sizes, call: FunctionCall, parts: list[Node]) -> Estimate:
    size = of.size(parts[0])
    per_pair = 2 + _TENTH if _holds_texts(of.kind(parts[0])) else 2
    cost = size.times(size).scaled(per_pair).plus(exactly(_NEW_LIST))
    return cost, size if call.function == "sort" else CostRange(0, size.high)


def _flatten(of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    depth = _int_of(parts[1]) if len(parts) > 1 else 1
    if depth is None:
        return exactly(UNBOUNDED), None
    walks = exactly(max(1, depth))
    return of.size(parts[0]).times(walks).plus(exactly(_NEW_LIST)), None


def _int_of(node: Node) -> int | None:
    """Return the value of an int literal, None for any other node."""
    value = node.value if isinstance(node, Literal) else None
    return value if isinstance(value, int) else None


def _range(_of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    count = _int_of(parts[0])
    if count is None:
        return exactly(UNBOUNDED), None
    count = max(0, count)
    return exactly(_NEW_LIST + count), exactly(count)


def _slice(_of: Sizes, _call: FunctionCall, parts: list[Node]) -> Estimate:
    start, end = _int_of(parts[1]), _int_of(parts[2])
    if start is None or end is None or end < start:
        return exactly(UNBOUNDED), None
    return exactly(_NEW_LIST + end - start), exactly(end - start)


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
    "check": _authorizer_check,
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
