"""Computes which fields an object has, and which of them differ between two objects.

The walks follow a MergeNode: granular objects and associative lists are walked into, everything
else is one leaf. `compare` runs for every write, so the work per field is kept to a minimum.

`fields_of` and `compare` differ in what counts besides leaves. An apply owns its leaves, the items
of its lists and the entries of its maps, but not the structs around them. Any other write owns
whatever was not there before, structs included.
(KEP-555; sigs.k8s.io/structured-merge-diff, typed/tofieldset.go and typed/compare.go.)
"""

from __future__ import annotations

from itertools import chain, filterfalse
from typing import Any

from kcpfast._core import fields as core
from kcpfast.patch.decoded import ABSENT, same
from kcpfast.patch.fieldset import LEAF, SELF, FieldSet, place, to_fields_v1
from kcpfast.patch.merge_type import MergeNode
from kcpfast.patch.path_element import item_element

Object = dict[str, Any]


def fields_of(value: Object, node: MergeNode) -> FieldSet:
    """Return the fields that an applied object claims; raises Unkeyed for items without keys."""
    out: FieldSet = {}
    fields = node.fields
    for key, item in value.items():
        kind = type(item)
        if kind is not dict and kind is not list:
            out["f:" + key] = LEAF
            continue
        child = fields.get(key)
        if child is None:
            out["f:" + key] = _as_member(item, node.other)
        elif not (child.granular if kind is dict else child.associative) or item == {}:
            out["f:" + key] = LEAF
        else:
            below = _below(item, child)
            if below:
                out["f:" + key] = below
    return out


def _below(value: Any, node: MergeNode) -> FieldSet:
    """Return the fields below a container, {} if it is a leaf or empty."""
    if type(value) is dict:
        return fields_of(value, node) if node.granular else {}
    if type(value) is not list or not node.associative:
        return {}
    fields: FieldSet = {}
    for element, items in items_by_element(value, node).items():
        unique = len(items) == 1
        fields[element] = _as_member(items[0], node.other) if unique else LEAF
    return fields


def _as_member(value: Any, node: MergeNode) -> FieldSet:
    below = _below(value, node)
    if not below:
        return LEAF
    below[SELF] = LEAF
    return below


def items_by_element(items: list[Any], node: MergeNode) -> dict[str, list[Any]]:
    """Return the items of an associative list by path element; duplicates stand together."""
    grouped: dict[str, list[Any]] = {}
    for item in items:
        grouped.setdefault(item_element(item, node), []).append(item)
    return grouped


# ---------------------------------------------------------------- comparison


def compare(old: Object, new: Object, node: MergeNode) -> tuple[FieldSet, FieldSet]:
    """Return the fields that `new` has changed or added, and those it has removed.

    Raises Unkeyed if an item of an associative list lacks its keys.
    """
    changed: FieldSet = {}
    removed: FieldSet = {}
    _compare_maps(old, new, node, changed, removed)
    return changed, removed


def all_fields(value: Any, node: MergeNode) -> FieldSet:
    """Return the set of a value that is new or removed as a whole: itself and all below it."""
    fields: FieldSet = core.all_fields(value, node, _listed)
    return fields


def new_fields(obj: Object, node: MergeNode) -> FieldSet:
    """Return what `compare` reports as changed since an empty object, in wire order."""
    fields: FieldSet = core.new_fields(obj, node, _listed)
    return fields


def _listed(items: list[Any], node: MergeNode) -> FieldSet:
    """Return the fields of a new associative list, itself included; the kernel calls this."""
    fields = {SELF: LEAF}
    for element, same_element in items_by_element(items, node).items():
        unique = len(same_element) == 1
        fields[element] = all_fields(same_element[0], node.other) if unique else LEAF
    return to_fields_v1(fields)


def _compare_maps(
    old: Object, new: Object, node: MergeNode, changed: FieldSet, removed: FieldSet
) -> None:
    fields = node.fields
    for key, item in new.items():
        before = old.get(key, ABSENT)
        if before is item:
            continue
        child = fields.get(key) or node.other
        if before is not ABSENT:
            _compare_values(before, item, child, "f:" + key, (changed, removed))
        elif child.always and type(item) is dict:
            _compare_values({}, item, child, "f:" + key, (changed, removed))
        else:
            changed["f:" + key] = all_fields(item, child)
    for key, before in old.items():
        if key not in new:
            child = fields.get(key) or node.other
            if child.always and type(before) is dict:
                _compare_values(before, {}, child, "f:" + key, (changed, removed))
            else:
                removed["f:" + key] = all_fields(before, child)


def _compare_values(
    old: Any, new: Any, node: MergeNode, element: str, outs: tuple[FieldSet, FieldSet]
) -> None:
    """Compare two values of one place; what differs is entered into (changed, removed)."""
    if same(old, new):
        return
    kind = _split_kind(new, node) or _split_kind(old, node)
    if kind is None:
        outs[0][element] = LEAF
        return
    changed: FieldSet = {}
    removed: FieldSet = {}
    replaced = not (_fits(old, kind) and _fits(new, kind))
    if replaced:
        # One of the two is no such container: the old content is gone, the new one is new.
        changed |= _without_self(all_fields(new, node))
        removed |= _without_self(all_fields(old, node))
    elif kind is dict:
        _compare_maps(old or {}, new or {}, node, changed, removed)
    else:
        _compare_lists(old or [], new or [], node, changed, removed)
    here = place(changed, member=replaced)
    if here is not None:
        outs[0][element] = here
    if removed:
        outs[1][element] = removed


def _split_kind(value: Any, node: MergeNode) -> type | None:
    """Return dict or list if the value is a container that is walked into."""
    if not value:
        return None
    if type(value) is dict:
        return dict if node.granular else None
    return list if type(value) is list and node.associative else None


def _fits(value: Any, kind: type) -> bool:
    return value is None or type(value) is kind


def _without_self(fields: FieldSet) -> FieldSet:
    return {element: below for element, below in fields.items() if element != SELF}


def _compare_lists(
    old: list[Any], new: list[Any], node: MergeNode, changed: FieldSet, removed: FieldSet
) -> None:
    """Compare associative lists item by item; items with one element in common are one leaf."""
    before = items_by_element(old, node)
    after = items_by_element(new, node)
    item_node = node.other
    outs = (changed, removed)
    # Not `before | after`: of hundreds of thousands of items that is one long step.
    for element in chain(before, filterfalse(before.__contains__, after)):
        old_items, new_items = before.get(element, []), after.get(element, [])
        if len(old_items) > 1 and len(new_items) > 1:
            if not same(old_items, new_items):
                changed[element] = LEAF
        elif len(old_items) > 1:
            removed[element] = LEAF
            if new_items:
                changed[element] = all_fields(new_items[0], item_node)
        elif len(new_items) > 1:
            changed[element] = LEAF
            if old_items:
                removed[element] = all_fields(old_items[0], item_node)
        elif not old_items:
            changed[element] = all_fields(new_items[0], item_node)
        elif not new_items:
            removed[element] = all_fields(old_items[0], item_node)
        else:
            _compare_values(old_items[0], new_items[0], item_node, element, outs)
