"""Merging an applied object into the live one, and cutting fields out of an object.

`merge_objects` never removes anything; `remove_items` does, by a set of fields. Items that only
the live list has keep its order, the others follow the applied order. Results share parts with
their arguments: the caller copies them before it changes any.
(KEP-555; sigs.k8s.io/structured-merge-diff, typed/merge.go and typed/remove.go.)
"""

from __future__ import annotations

from typing import Any

from kcpfast.patch.fieldset import SELF, FieldSet, is_member
from kcpfast.patch.merge_type import MergeNode
from kcpfast.patch.owned_fields import items_by_element
from kcpfast.patch.path_element import item_element


def merge_objects(live: Any, applied: Any, node: MergeNode) -> Any:
    """Return `live` with everything that `applied` holds; raises Unkeyed."""
    kind = type(live) if live else type(applied)
    if not _is_walked(kind, node) or not _fits(live, kind) or not _fits(applied, kind):
        return applied
    if not live and not applied:
        return applied
    if kind is list:
        return _merge_lists(live or [], applied or [], node)
    merged = dict(live or ())
    for key, value in (applied or {}).items():
        before = merged.get(key)
        if type(before) is dict or type(before) is list:
            merged[key] = merge_objects(before, value, node.child(key))
        else:
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
    """
    live_names = [item_element(item, node) for item in live]
    live_name_set = set(live_names)
    # Duplicates in the live list cannot be merged with: the applied item replaces all of them.
    live_items = {name: items[0] for name, items in _groups(live, live_names) if len(items) == 1}
    applied_items = {item_element(item, node): item for item in applied}
    names = list(applied_items)
    pending = [name for name in reversed(names) if name in live_name_set]
    merged: list[Any] = []
    done: set[str] = set()
    live_index = applied_index = 0
    while live_index < len(live) or applied_index < len(names):
        if live_index < len(live):
            name = live_names[live_index]
            if name not in applied_items:
                merged.append(live[live_index])
                live_index += 1
                continue
            meets = applied_index < len(names) and name == names[applied_index]
            too_early = bool(pending) and pending[-1] != name
            if applied_index < len(names) and not meets and too_early:
                live_index += 1
                continue
            if meets or name in done:
                live_index += 1
        if applied_index < len(names):
            name = names[applied_index]
            item = applied_items[name]
            before = live_items.get(name)
            merged.append(item if before is None else merge_objects(before, item, node.other))
            done.add(name)
            applied_index += 1
            if pending and pending[-1] == name:
                pending.pop()
    return merged


def _groups(items: list[Any], names: list[str]) -> list[tuple[str, list[Any]]]:
    groups: dict[str, list[Any]] = {}
    for name, item in zip(names, items, strict=True):
        groups.setdefault(name, []).append(item)
    return list(groups.items())


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
                kept_members[key] = remove_items(item, below, node.child(key))
        return kept_members
    if type(value) is list and node.associative:
        kept_items = []
        for item in value:
            below = fields.get(item_element(item, node))
            if below is None:
                kept_items.append(item)
            elif not is_member(below):
                kept_items.append(remove_items(item, below, node.other))
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
        return [
            _extract_item(items, fields[element], node)
            for element, items in items_by_element(value, node).items()
            if element in fields
        ]
    return value


def _has_members(fields: FieldSet) -> bool:
    return any(element != SELF for element in fields)


def _extract_item(items: list[Any], fields: FieldSet, node: MergeNode) -> Any:
    item = items[0]
    if type(item) is not dict or not _has_members(fields):
        return item
    keys = {key: item[key] for key in node.keys if key in item}
    return keys | extract_items(item, fields, node.other)
