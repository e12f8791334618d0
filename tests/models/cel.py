"""An obvious twin of CEL's arithmetic, comparison and logic: trees of tuples, walked each time."""

from typing import Any

from hypothesis import strategies as st

# ("int", 5), ("bool", True), or (operator, left, right), ("!", term), ("?", test, yes, no).
Tree = tuple[Any, ...]
LIMIT = 2**63


class Failed(Exception):
    """The expression has no value."""


def value_of(tree: Tree) -> Any:
    """Return the value of a tree; Failed where CEL gives an error."""
    operator, *parts = tree
    if operator in ("int", "bool"):
        return parts[0]
    if operator == "!":
        return not value_of(parts[0])
    if operator == "?":
        return value_of(parts[1]) if value_of(parts[0]) else value_of(parts[2])
    if operator in ("&&", "||"):
        return _logic(operator == "||", *parts)
    left, right = value_of(parts[0]), value_of(parts[1])
    if operator in _COMPARISONS:
        return bool(_COMPARISONS[operator](left, right))
    result = _arithmetic(operator, left, right)
    if not -LIMIT <= result < LIMIT:
        raise Failed
    return result


def _logic(decisive: bool, left: Tree, right: Tree) -> bool:
    failed = False
    for term in (left, right):
        try:
            if value_of(term) is decisive:
                return bool(decisive)
        except Failed:
            failed = True
    if failed:
        raise Failed
    return not decisive


def _arithmetic(operator: str, left: int, right: int) -> int:
    if operator in "+-*":
        return {"+": left + right, "-": left - right, "*": left * right}[operator]
    if right == 0 or (left, right) == (-LIMIT, -1):
        raise Failed
    quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
    return quotient if operator == "/" else left - quotient * right


_COMPARISONS = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def text_of(tree: Tree) -> str:
    """Return a tree as CEL source."""
    operator, *parts = tree
    if operator == "int":
        return str(parts[0])
    if operator == "bool":
        return "true" if parts[0] else "false"
    if operator == "!":
        return f"!({text_of(parts[0])})"
    if operator == "?":
        return f"({text_of(parts[0])} ? {text_of(parts[1])} : {text_of(parts[2])})"
    return f"({text_of(parts[0])} {operator} {text_of(parts[1])})"


_EDGES = st.sampled_from([0, 1, -1, 2, -3, LIMIT - 1, -LIMIT])
_INTS = st.tuples(st.just("int"), st.one_of(_EDGES, st.integers(-LIMIT, LIMIT - 1)))
_BOOLS = st.tuples(st.just("bool"), st.booleans())


def trees(depth: int = 4) -> st.SearchStrategy[Tree]:
    """Return a strategy of bool trees."""
    return _bool_trees(depth)


def _int_trees(depth: int) -> st.SearchStrategy[Tree]:
    if depth == 0:
        return _INTS
    inner = _int_trees(depth - 1)
    return st.one_of(
        _INTS,
        st.tuples(st.sampled_from("+-*/%"), inner, inner),
        st.tuples(st.just("?"), _bool_trees(depth - 1), inner, inner),
    )


def _bool_trees(depth: int) -> st.SearchStrategy[Tree]:
    if depth == 0:
        return _BOOLS
    inner, ints = _bool_trees(depth - 1), _int_trees(depth - 1)
    return st.one_of(
        _BOOLS,
        st.tuples(st.just("!"), inner),
        st.tuples(st.sampled_from(["&&", "||"]), inner, inner),
        st.tuples(st.sampled_from(sorted(_COMPARISONS)), ints, ints),
    )
