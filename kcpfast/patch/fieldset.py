"""Sets of fields, as managed fields hold them.

A set has the form that it has on the wire (FieldsV1): nested dicts of path elements. So reading
one from an object and putting it back costs nothing, and each operation is a walk that stops where
one of the two sides does. At each place

    {}                          the place is in the set, nothing below it is
    {".": {}, "f:a": {}}        the place and its member a are
    {"f:a": {}}                 only the member a is

except that the outermost dict is no place: there, {} is the empty set. A place that neither is a
member nor has members below it does not occur. Sets are immutable by agreement: no function
changes one, results share parts with their arguments, and callers may not change them either.

(KEP-555; the operations are those of sigs.k8s.io/structured-merge-diff, fieldpath/set.go.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import merge
from typing import Any, TypeAlias

from kcpfast._core.fields import in_order
from kcpfast.patch.merge_type import DEDUCED, MergeNode
from kcpfast.patch.path_element import element_order, element_text, parse_element

FieldSet: TypeAlias = "dict[str, FieldSet]"

SELF = "."
_RUN = 8192
LEAF: FieldSet = {}


def is_member(place: FieldSet) -> bool:
    """Tell whether a place is itself in the set."""
    return not place or SELF in place


def place(below: FieldSet, *, member: bool) -> FieldSet | None:
    """Return a place from the set below it, None if neither it nor anything below is a member."""
    if not below:
        return LEAF if member else None
    return {SELF: LEAF, **below} if member else below


def _closed(out: FieldSet) -> FieldSet | None:
    """Return a place in its normal form ({".": {}} alone is {}), or None if it is empty."""
    if not out:
        return None
    return LEAF if len(out) == 1 and SELF in out else out


# ---------------------------------------------------------------- operations


def union(fields: FieldSet, other: FieldSet) -> FieldSet:
    """Return what is in either set."""
    if not fields or not other:
        return fields or other
    return _join(fields, other)


def _join(fields: FieldSet, other: FieldSet) -> FieldSet:
    if fields is other:
        return fields
    if not fields or not other:
        below = fields or other
        if is_member(below):
            return below
        # Copying and adding SELF is faster than building {SELF: LEAF, **below}.
        out = dict(below)
        out[SELF] = LEAF
        return out
    out = dict(fields)
    for element, theirs in other.items():
        ours = out.get(element)
        if ours is None:
            out[element] = theirs
        elif ours or theirs:
            out[element] = _join(ours, theirs)
    return out


def difference(fields: FieldSet, other: FieldSet) -> FieldSet:
    """Return `fields` without what is in `other`; what is below a place of `other` stays."""
    if not fields or not other:
        return fields
    return _minus(fields, other) or {}


def _minus(fields: FieldSet, other: FieldSet) -> FieldSet | None:
    if not fields:
        return None if is_member(other) else fields
    if not other:
        return _closed({element: below for element, below in fields.items() if element != SELF})
    out: FieldSet = {}
    for element, ours in fields.items():
        theirs = other.get(element)
        if theirs is None:
            out[element] = ours
        elif ours or theirs:
            left = _minus(ours, theirs)
            if left is not None:
                out[element] = left
    return _closed(out)


def recursive_difference(fields: FieldSet, other: FieldSet) -> FieldSet:
    """Return `fields` without what is in `other` and without anything below that."""
    if not fields or not other:
        return fields
    return _minus_deep(fields, other) or {}


def _minus_deep(fields: FieldSet, other: FieldSet) -> FieldSet | None:
    if is_member(other):
        return None
    out: FieldSet = {}
    for element, ours in fields.items():
        theirs = other.get(element)
        if theirs is None:
            out[element] = ours
        elif not is_member(theirs):
            left = _minus_deep(ours, theirs) if ours else ours
            if left is not None:
                out[element] = left
    return _closed(out)


def intersection(fields: FieldSet, other: FieldSet) -> FieldSet:
    """Return what is in both sets."""
    if not fields or not other:
        return {}
    return _common(fields, other) or {}


def _common(fields: FieldSet, other: FieldSet) -> FieldSet | None:
    if not fields or not other:
        return LEAF if is_member(fields) and is_member(other) else None
    out: FieldSet = {}
    for element, ours in fields.items():
        theirs = other.get(element)
        if theirs is not None:
            both = _common(ours, theirs)
            if both is not None:
                out[element] = both
    return _closed(out)


def leaves(fields: FieldSet) -> FieldSet:
    """Return the members that have no member below them."""
    return {element: leaves(below) for element, below in fields.items() if element != SELF}


def paths(fields: FieldSet, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield every member as its path elements, a place before what is below it."""
    for element in _in_order(fields):
        if element == SELF:
            continue
        below = fields[element]
        path = (*prefix, element)
        if is_member(below):
            yield path
        yield from paths(below, path)


def path_text(path: tuple[str, ...]) -> str:
    """Return a path as error texts show it: `.spec.ports[name="x"].port`."""
    return "".join(map(element_text, path))


def with_named_fields(fields: FieldSet, node: MergeNode) -> FieldSet:
    """Return the set with each declared member that has members below it made a member too."""
    out: FieldSet = {}
    for element, below in fields.items():
        declared = None
        if element.startswith("f:"):
            declared = node.fields.get(element[2:])
        inner = below
        if below:
            child = declared or node.other
            inner = with_named_fields(below, child)
        if inner and declared and SELF not in inner:
            inner[SELF] = LEAF
        out[element] = inner
    return out


def reconciled(fields: FieldSet, node: MergeNode, within: FieldSet | None = None) -> FieldSet:
    """Return the set with every place that the schema now makes one leaf cut down to a member.

    With `within`, only places on the way to that set's members are looked at. The set itself is
    returned if nothing changed. (typed/reconcile_schema.go of structured-merge-diff.)
    """
    out = fields
    for element in fields if within is None else within:
        below = fields.get(element)
        if not below:
            continue
        child = node.child(element[2:]) if element.startswith("f:") else node.other
        if child is DEDUCED or not (child.is_map or child.is_list):
            continue
        walked = child.granular if child.is_map else child.associative
        after = LEAF
        if walked:
            after = reconciled(below, child, within and within[element])
        if after is not below:
            if out is fields:
                out = dict(fields)
            out[element] = after
    return out


# ---------------------------------------------------------------- the wire


def from_fields_v1(fields: Any) -> FieldSet:
    """Return the set that a client sent; ValueError if it is none.

    Path elements of unknown kinds are dropped, as upstream does.
    """
    if not isinstance(fields, Mapping):
        raise ValueError("fieldsV1 must be an object")
    out: FieldSet = {}
    for text, below in fields.items():
        element = parse_element(text) if text != SELF else ""
        if not element:
            continue
        inner = from_fields_v1(below)
        member = not inner or SELF in below
        out[element] = place(inner, member=member) or LEAF
    return out


def to_fields_v1(fields: FieldSet) -> FieldSet:
    """Return the set with everything in the order in which kube-apiserver writes it."""
    ordered: FieldSet = {}
    for element in _in_order(fields):
        below = fields[element]
        ordered[element] = to_fields_v1(below) if below else LEAF
    return ordered


def _in_order(fields: FieldSet) -> list[str]:
    """Return the path elements of one level in wire order."""
    elements: list[str] = in_order(list(fields))
    # Members and "." are in order as text, and come before all others as text, too.
    if not elements or elements[-1][0] <= "f":
        return elements
    # In runs: one long sort would hold the interpreter lock to its end.
    starts = range(0, len(elements), _RUN)
    runs = [sorted(elements[start : start + _RUN], key=element_order) for start in starts]
    return runs[0] if len(runs) == 1 else list(merge(*runs, key=element_order))
