"""Merging an applied object into the live one, and cutting fields out of an object.

`merge_objects` never removes anything: that is `remove_items`' part, which is told by sets of
fields. Lists keep the live order where the applied one says nothing, and follow the applied order
where it does. Results share parts with their arguments; the caller copies when it is done.
(KEP-555; "structured-merge-diff", TypedValue.Merge, RemoveItems and ExtractItems.)
"""

from __future__ import annotations

from typing import Any

from kcpfast.patch.fieldset import SELF, FieldSet, is_member
from kcpfast.patch.merge_type import MergeNode
from kcpfast.patch.owned_fields import items_by_element
from kcpfast.patch.path_element import item_element


def merge_objects(live: Any, applied: Any, node: MergeNode) -> Any:
    """Return `live` with everything that `applied` says; raises Unkeyed."""
    kind = type(live) if live else type(applied)
    walked = node.granular if kind is dict else kind is list and node.associative
    if not walked or not _fits(live, kind) or not _fits(applied, kind) or not (live or applied):
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


def _fits(value: Any, kind: type) -> bool:
    return value is None or type(value) is kind


def _merge_lists(live: list[Any], applied: list[Any], node: MergeNode) -> list[Any]:
    """Merge associative lists: a walk along both, as the items' path elements direct.

    `pending` are the elements that both have, in applied order, so that a live item which comes
    too early is passed over and taken up where the applied list has it.
    """
    live_names = [item_element(item, node) for item in live]
    # Duplicates in the live list cannot be merged with: the applied item stands for all of them.
    olds = {name: items[0] for name, items in _groups(live, live_names) if len(items) == 1}
    news = {item_element(item, node): item for item in applied}
    names, live_name_set = list(news), set(live_names)
    pending = [name for name in reversed(names) if name in live_name_set]
    out: list[Any] = []
    done: set[str] = set()
    live_index = applied_index = 0
    while live_index < len(live) or applied_index < len(names):
        if live_index < len(live):
            name = live_names[live_index]
            if name not in news:
                out.append(live[live_index])
                live_index += 1
                continue
            meets = applied_index < len(names) and name == names[applied_index]
            if applied_index < len(names) and not meets and pending and pending[-1] != name:
                live_index += 1
                continue
            live_index += meets or name in done
        if applied_index < len(names):
            name = names[applied_index]
            old = olds.get(name)
            out.append(news[name] if old is None else merge_objects(old, news[name], node.other))
            done.add(name)
            applied_index += 1
            if pending and pending[-1] == name:
                pending.pop()
    return out


def _groups(items: list[Any], names: list[str]) -> list[tuple[str, list[Any]]]:
    groups: dict[str, list[Any]] = {}
    for name, item in zip(names, items, strict=True):
        groups.setdefault(name, []).append(item)
    return list(groups.items())


# ---------------------------------------------------------------- cutting


def remove_items(value: Any, fields: FieldSet, node: MergeNode) -> Any:
    """Return the object without the members of the set; leaves are never cut into."""
    if type(value) is dict and node.granular:
        out = {}
        for key, item in value.items():
            here = fields.get("f:" + key)
            if here is None:
                out[key] = item
            elif not is_member(here):
                out[key] = remove_items(item, here, node.child(key))
        return out
    if type(value) is list and node.associative:
        kept = []
        for item in value:
            here = fields.get(item_element(item, node))
            if here is None:
                kept.append(item)
            elif not is_member(here):
                kept.append(remove_items(item, here, node.other))
        return kept
    return value


def extract_items(value: Any, fields: FieldSet, node: MergeNode) -> Any:
    """Return only what the set holds of the object, and the keys of the list items it is in."""
    if type(value) is dict and node.granular:
        out = {}
        for key, item in value.items():
            here = fields.get("f:" + key)
            if here is not None:
                out[key] = extract_items(item, here, node.child(key)) if _below(here) else item
        return out
    if type(value) is list and node.associative:
        grouped = items_by_element(value, node)
        return [
            _extract_item(grouped[element], fields[element], node)
            for element in grouped
            if element in fields
        ]
    return value


def _below(here: FieldSet) -> bool:
    return any(element != SELF for element in here)


def _extract_item(items: list[Any], here: FieldSet, node: MergeNode) -> Any:
    item = items[0]
    if type(item) is not dict or not _below(here):
        return item
    keys = {key: item[key] for key in node.keys if key in item}
    return keys | extract_items(item, here, node.other)
