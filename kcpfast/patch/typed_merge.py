"""Merging an applied object into the live one, and cutting fields out of an object.

`merge_objects` never removes anything; `remove_items` does, by a set of fields. Items that only
the live list has keep its order, the others follow the applied order. Results share parts with
their arguments: the caller copies them before it changes any.
(KEP-555; sigs.k8s.io/structured-merge-diff, typed/merge.go and typed/remove.go.)
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from kcpfast.patch.fieldset import SELF, FieldSet, is_member
from kcpfast.patch.merge_type import MergeNode
from kcpfast.patch.owned_fields import items_by_element
from kcpfast.patch.path_element import item_element

Members = dict[str, Any]


def merge_objects(live: Any, applied: Any, node: MergeNode) -> Any:
    """Return `live` with everything that `applied` holds; raises Unkeyed."""
    if not live and not applied:
        return applied
    kind = type(live) if live else type(applied)
    # What is atomic, or has changed its kind, is replaced whole.
    if not _is_walked(kind, node):
        return applied
    if not _fits(live, kind) or not _fits(applied, kind):
        return applied
    if kind is list:
        return _merge_lists(live or [], applied or [], node)
    return _merge_members(live or {}, applied or {}, node)


def _merge_members(live: Members, applied: Members, node: MergeNode) -> Members:
    merged = dict(live)
    for key, value in applied.items():
        before = merged.get(key)
        is_container = type(before) is dict or type(before) is list
        if is_container:
            value = merge_objects(before, value, node.child(key))
        merged[key] = value
    return merged


def _is_walked(kind: type, node: MergeNode) -> bool:
    if kind is dict:
        return node.granular
    return kind is list and node.associative


def _fits(value: Any, kind: type) -> bool:
    return value is None or type(value) is kind


def _merge_lists(live: list[Any], applied: list[Any], node: MergeNode) -> list[Any]:
    """Merge associative lists: a walk along both, as the items' path elements direct.

    `pending` are the elements that both lists have, the next one in applied order at its end. A
    live item that is not the next one is passed over, and merged where the applied list has it.
    The order that comes out is that of upstream's visitListItems (typed/merge.go).
    """
    live_names = [item_element(item, node) for item in live]
    live_items = _single_items(live, live_names)
    applied_items = {item_element(item, node): item for item in applied}
    names = list(applied_items)
    shared = set(live_names).intersection(names)
    pending = [name for name in reversed(names) if name in shared]
    merged: list[Any] = []
    done: set[str] = set()
    live_index = applied_index = 0
    while live_index < len(live) or applied_index < len(names):
        has_applied = applied_index < len(names)
        if live_index < len(live):
            name = live_names[live_index]
            if name not in applied_items:
                merged.append(live[live_index])
                live_index += 1
                continue
            meets = has_applied and name == names[applied_index]
            too_early = bool(pending) and pending[-1] != name
            if has_applied and not meets and too_early:
                live_index += 1
                continue
            if meets or name in done:
                live_index += 1
        if has_applied:
            name = names[applied_index]
            item = applied_items[name]
            before = live_items.get(name)
            if before is not None:
                item = merge_objects(before, item, node.other)
            merged.append(item)
            done.add(name)
            applied_index += 1
            if pending and pending[-1] == name:
                pending.pop()
    return merged


def _single_items(items: list[Any], names: list[str]) -> Members:
    """Return by element the live items that an applied item is merged with.

    Duplicates cannot be merged with: the applied item replaces all of them.
    """
    counts = Counter(names)
    named_items = zip(names, items, strict=True)
    return {name: item for name, item in named_items if counts[name] == 1}


# ---------------------------------------------------------------- cutting


def remove_items(value: Any, fields: FieldSet, node: MergeNode) -> Any:
    """Return the object without the members of the set; a leaf is removed whole or not at all."""
    if type(value) is dict and node.granular:
        kept_members = {}
        for key, item in value.items():
            below = fields.get("f:" + key)
            if below is None:
                kept_members[key] = item
            elif not is_member(below):
                child = node.child(key)
                kept_members[key] = remove_items(item, below, child)
        return kept_members
    if type(value) is list and node.associative:
        kept_items = []
        for item in value:
            element = item_element(item, node)
            below = fields.get(element)
            if below is None:
                kept_items.append(item)
            elif not is_member(below):
                kept = remove_items(item, below, node.other)
                kept_items.append(kept)
        return kept_items
    return value


def extract_items(value: Any, fields: FieldSet, node: MergeNode) -> Any:
    """Return the part of the object that is in the set, list items with their keys."""
    if type(value) is dict and node.granular:
        members = {}
        for key, item in value.items():
            below = fields.get("f:" + key)
            if below is None:
                continue
            if _has_members(below):
                item = extract_items(item, below, node.child(key))
            members[key] = item
        return members
    if type(value) is list and node.associative:
        extracted = []
        for element, items in items_by_element(value, node).items():
            below = fields.get(element)
            if below is not None:
                extracted.append(_extract_item(items, below, node))
        return extracted
    return value


def _has_members(fields: FieldSet) -> bool:
    return any(element != SELF for element in fields)


def _extract_item(items: list[Any], fields: FieldSet, node: MergeNode) -> Any:
    """Return the part of a list item that is in the set, the first of several with its element."""
    item = items[0]
    if type(item) is not dict or not _has_members(fields):
        return item
    # Without its keys an item could not be recognized when it is applied again.
    keys = {key: item[key] for key in node.keys if key in item}
    return keys | extract_items(item, fields, node.other)
