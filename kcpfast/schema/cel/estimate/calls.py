"""What each function can cost, by the sizes of its arguments.

Rules: EstimateCallCost of k8s.io/apiserver/pkg/cel/library/cost.go; for standard functions cel-go
checker/cost.go, functionCost; ext/lists.go and ext/sets.go. A rule takes the sizes, one overload
that fits the call and the operands (target first), and returns the cost of the call itself,
without that of its operands.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from ..celtypes import CelType
from ..signatures import Overload
from ..syntax.nodes import Literal, Node
from .ranges import ANY_SIZE, ONE, UNBOUNDED, CostRange, Sizes, exactly

# cel-go: StringTraversalCostFactor and RegexStringLengthCostFactor.
_TENTH, _QUARTER = 0.1, 0.25
# What making a list costs upstream: ListCreateBaseCost and the call itself.
_NEW_LIST = 11
_LONGEST_FORMAT = 64

# The cost of a call, and the size of its result where that is known.
Estimate = tuple[CostRange, CostRange | None]
EstimateRule = Callable[[Sizes, Overload, list[Node]], Estimate]


def _scan(factor: float, place: int = 0, keep: bool = False) -> EstimateRule:
    """Return the rule of a walk over one argument; `keep` if the result has its size."""

    def rule(of: Sizes, _overload: Overload, parts: list[Node]) -> Estimate:
        size = of.size(parts[place])
        return size.scaled(factor), size if keep else None

    return rule


def _authorizer_check(_of: Sizes, _overload: Overload, _parts: list[Node]) -> Estimate:
    return exactly(350_000), None


def _add(of: Sizes, overload: Overload, parts: list[Node]) -> Estimate:
    kind = overload.params[0].kind
    if kind not in ("bytes", "list", "string"):
        return ONE, None
    size = of.size(parts[0]).plus(of.size(parts[1]))
    return ONE if kind == "list" else size.scaled(_TENTH), size


def _order(of: Sizes, overload: Overload, parts: list[Node]) -> Estimate:
    if overload.params[0].kind not in ("bytes", "string"):
        return ONE, None
    return _alike(of, overload, parts)


def _alike(of: Sizes, _overload: Overload, parts: list[Node]) -> Estimate:
    most = min(of.size(parts[0]).high, of.size(parts[1]).high)
    return CostRange(1 if most else 0, most).scaled(_TENTH), None


def _equal(of: Sizes, overload: Overload, parts: list[Node]) -> Estimate:
    """Estimate `==`, which alone knows the types of Kubernetes: `!=` walks over them."""
    left, right = (of.kind(part) for part in parts)
    if left.kind != "opaque" or left.name != right.name:
        return _alike(of, overload, parts)
    if left.name == "kubernetes.NamedFormat":
        return CostRange(1, _LONGEST_FORMAT).scaled(_TENTH), None
    if left.name == "kubernetes.URL":
        size = of.size(parts[1])
        most = 1 if size == ANY_SIZE else size.high
        return CostRange(1, most).scaled(_TENTH), None
    return (ONE, None) if left.name in _EQUAL_AT_ONCE else _alike(of, overload, parts)


_EQUAL_AT_ONCE = frozenset(
    (
        "kubernetes.Quantity",
        "kubernetes.Semver",
        "kubernetes.authorization.Authorizer",
        "kubernetes.authorization.Decision",
        "kubernetes.authorization.GroupCheck",
        "kubernetes.authorization.PathCheck",
        "kubernetes.authorization.ResourceCheck",
        "net.CIDR",
        "net.IP",
    )
)


def _contains(of: Sizes, _overload: Overload, parts: list[Node]) -> Estimate:
    text, part = of.size(parts[0]), of.size(parts[1])
    return text.scaled(_TENTH).times(part.scaled(_TENTH)), None


def _regex(of: Sizes, overload: Overload, parts: list[Node]) -> Estimate:
    if overload.function == "matches" and not overload.method:
        return ONE, None
    size = of.size(parts[0])
    pattern = of.size(parts[1]).scaled(_QUARTER)
    cost = size.plus(ONE).scaled(_TENTH).times(pattern)
    return cost, None if overload.function == "matches" else CostRange(0, size.high)


def _member(of: Sizes, overload: Overload, parts: list[Node]) -> Estimate:
    return (of.size(parts[1]) if overload.params[1].kind == "list" else ONE), None


def _bytes(of: Sizes, overload: Overload, parts: list[Node]) -> Estimate:
    if overload.params[0].kind != "string":
        return ONE, None
    size = of.size(parts[0])
    # A character takes up to four bytes; upstream's product may overflow.
    return size.scaled(_TENTH), CostRange(size.low, size.high * 4 & UNBOUNDED)


def _string(of: Sizes, overload: Overload, parts: list[Node]) -> Estimate:
    if overload.params[0].kind != "bytes":
        return ONE, None
    size = of.size(parts[0])
    return size.scaled(_TENTH), CostRange(size.low // 4, size.high)


def _quote(of: Sizes, _overload: Overload, parts: list[Node]) -> Estimate:
    size = of.size(parts[0])
    # Every character may be escaped, and two quotes are added; this sum may overflow, too.
    longest = (size.high * 2 + 2) & UNBOUNDED
    return size.scaled(_TENTH), CostRange(size.low + 2, longest)


def _walk(of: Sizes, _overload: Overload, parts: list[Node]) -> Estimate:
    kind = of.kind(parts[0])
    size = of.size(parts[0])
    if not kind.params:
        return size.scaled(_TENTH), None
    per_element = ONE
    if _holds_texts(kind):
        per_element = ONE.plus(of.item_size(parts[0]).scaled(_TENTH))
    return size.times(per_element), None


def _holds_texts(kind: CelType) -> bool:
    return bool(kind.params) and kind.params[0].kind in ("string", "bytes")


def _replace(of: Sizes, _overload: Overload, parts: list[Node]) -> Estimate:
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


def _split(of: Sizes, _overload: Overload, parts: list[Node]) -> Estimate:
    size = of.size(parts[0])
    most = size.high
    limit = parts[2] if len(parts) > 2 else None
    if isinstance(limit, Literal) and isinstance(limit.value, int):
        most = limit.value & UNBOUNDED  # a negative one means no limit
    return size.scaled(2 * _TENTH), CostRange(0, most)


def _join(of: Sizes, _overload: Overload, parts: list[Node]) -> Estimate:
    count = of.size(parts[0])
    size = exactly(0)
    if of.kind(parts[0]).params:
        size = count.times(of.item_size(parts[0]))
    if len(parts) > 1:
        gaps = CostRange(max(0, count.low - 1), max(0, count.high - 1))
        size = size.plus(of.size(parts[1]).times(gaps))
    return size.scaled(_TENTH), size


def _inside(of: Sizes, overload: Overload, parts: list[Node]) -> Estimate:
    """Estimate containsIP and containsCIDR: addresses have 4 to 16 bytes."""
    address = CostRange(4, 16)
    cost = address.plus(address).scaled(_TENTH)
    if overload.function == "containsCIDR":
        cost = cost.plus(address.scaled(_TENTH)).plus(ONE)
    if overload.params[1].kind == "string":
        cost = cost.plus(of.size(parts[1]).scaled(_TENTH))
    return cost, None


def _address(of: Sizes, overload: Overload, parts: list[Node]) -> Estimate:
    return (ONE, None) if overload.method else _scan(_TENTH)(of, overload, parts)


def _validate(of: Sizes, _overload: Overload, parts: list[Node]) -> Estimate:
    # Upstream does not know which format it is and takes a pattern of 128 characters.
    return of.size(parts[1]).scaled(_TENTH).times(exactly(32)), None


def _sets(factor: int) -> EstimateRule:
    def rule(of: Sizes, _overload: Overload, parts: list[Node]) -> Estimate:
        size = of.size(parts[0]).times(of.size(parts[1]))
        return size.scaled(factor).plus(ONE), None

    return rule


def _whole_list(of: Sizes, _overload: Overload, parts: list[Node]) -> Estimate:
    size = of.size(parts[0])
    return size.plus(exactly(_NEW_LIST)), size


def _distinct(of: Sizes, _overload: Overload, parts: list[Node]) -> Estimate:
    size = of.size(parts[0])
    pairs = size.times(size)
    # Upstream gives the result that size, too.
    return pairs.scaled(2).plus(exactly(_NEW_LIST)), pairs


def _sort(of: Sizes, overload: Overload, parts: list[Node]) -> Estimate:
    size = of.size(parts[0])
    pairs = size.times(size)
    factor = 2 + _TENTH if _holds_texts(overload.params[0]) else 2
    return pairs.scaled(factor).plus(exactly(_NEW_LIST)), pairs


def _flatten(of: Sizes, _overload: Overload, parts: list[Node]) -> Estimate:
    depth = _int_of(parts[1], UNBOUNDED) if len(parts) > 1 else 1
    size = of.size(parts[0])
    return size.scaled(depth).plus(exactly(_NEW_LIST)), size


def _int_of(node: Node, otherwise: int) -> int:
    """Return the value of an int literal, at least 0; for any other node `otherwise`."""
    if isinstance(node, Literal) and node.type.kind == "int" and isinstance(node.value, int):
        return max(0, node.value)
    return otherwise


def _range(_of: Sizes, _overload: Overload, parts: list[Node]) -> Estimate:
    return _made(_int_of(parts[0], UNBOUNDED))


def _slice(of: Sizes, _overload: Overload, parts: list[Node]) -> Estimate:
    start = _int_of(parts[1], 0)
    end = _int_of(parts[2], of.size(parts[0]).high)
    return _made((end - start) & UNBOUNDED)


def _made(count: int) -> Estimate:
    size = exactly(count)
    return size.plus(exactly(_NEW_LIST)), size


# One row per function whose cost is not 1 whatever its arguments.
CALLS: Mapping[str, EstimateRule] = {
    **dict.fromkeys(("_<=_", "_<_", "_>=_", "_>_"), _order),
    **dict.fromkeys(("cidr", "isCIDR", "isIP", "isQuantity", "isSemver"), _scan(_TENTH)),
    **dict.fromkeys(("quantity", "semver"), _scan(_TENTH)),
    **dict.fromkeys(("lowerAscii", "substring", "trim", "upperAscii"), _scan(_TENTH, keep=True)),
    **dict.fromkeys(("jsonpatch.escapeKey", "url"), _scan(_TENTH, keep=True)),
    **dict.fromkeys(("endsWith", "startsWith"), _scan(_TENTH, place=1)),
    **dict.fromkeys(("find", "findAll", "matches"), _regex),
    **dict.fromkeys(("indexOf", "isSorted", "lastIndexOf", "max", "min", "sum"), _walk),
    **dict.fromkeys(("sets.contains", "sets.intersects"), _sets(1)),
    "@in": _member,
    "_!=_": _alike,
    "_+_": _add,
    "_==_": _equal,
    "bytes": _bytes,
    "check": _authorizer_check,
    "contains": _contains,
    "containsCIDR": _inside,
    "containsIP": _inside,
    "distinct": _distinct,
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
    "sort": _sort,
    "split": _split,
    "strings.quote": _quote,
    "string": _string,
    "validate": _validate,
}
