"""Strategic merge patch: merge patch for built-in kinds, which knows which lists are merged.

A patch may carry orders to the server beside its content:

    $patch: replace | delete | merge      what to do with this object or list item
    $retainKeys: [a, b]                   drop every other member of the object
    $deleteFromPrimitiveList/x: [1, 2]    drop these values of the list x
    $setElementOrder/x: [...]             bring the list x into this order

Items of merged lists are told apart by the field's patch merge key. Where the patch gives no
order, its own items come in its order and the others keep theirs. The rules are those of
https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/
strategic-merge-patch.md and of kube-apiserver's behaviour, but for three points: whatever the
patch says wrongly is a 4xx (some of it is a 500 upstream), `$patch: merge` is taken for the
default that it names, and no order is left over in what is stored.
"""

from __future__ import annotations

from typing import Any

from kcpfast.meta.copies import copy_json
from kcpfast.meta.errors import ApiError, bad_request
from kcpfast.patch.decoded import ABSENT, refuse_too_deep
from kcpfast.patch.merge_type import MergeNode

_PATCH = "$patch"
_RETAIN = "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList"
_SET_ORDER = "$setElementOrder"

Object = dict[str, Any]


@refuse_too_deep
def apply_strategic_patch(document: Object, patch: Any, node: MergeNode) -> Object:
    """Return the object that a strategic merge patch makes of `document`; neither is changed.

    Lists and maps that the patch empties are left out, as they are from kube-apiserver's own
    types. 400 if the patch is malformed, 422 for lists of lists.
    """
    if type(patch) is not dict:
        raise bad_request("a strategic merge patch must be an object")
    return _merge_map(copy_json(document), patch, node)


def _merge_map(current: Object, patch: Object, node: MergeNode) -> Object:
    """Return `current`, which may be changed, after the patch."""
    if _PATCH in patch:
        directive = patch[_PATCH]
        if directive == "delete":
            return {}
        if directive not in ("replace", "merge"):
            raise _bad_directive(directive, patch)
        if directive == "replace":
            current = {}
    if _RETAIN in patch:
        _retain_keys(current, patch)
    deletions = _beside(patch, _DELETE_FROM, "invalid patch format of primitive list")
    orders = _beside(patch, _SET_ORDER, "invalid patch format of setElementOrder list")
    plain = [name for name in patch if not _is_order(name)]
    for name in dict.fromkeys([*orders, *plain, *deletions]):
        child = node.child(name)
        before = current.get(name, ABSENT)
        after = _merge_value(before, patch.get(name, ABSENT), child)
        if name in orders and type(after) is list:
            live = before if type(before) is list else []
            after = _ordered(after, live, (patch.get(name, ABSENT), orders[name]), child)
        if name in deletions and type(after) is list:
            after = _without(after, deletions[name])
        if after is ABSENT or _emptied(after, child):
            current.pop(name, None)
        else:
            current[name] = after
    return current


def _is_order(name: str) -> bool:
    return name in (_PATCH, _RETAIN) or name.startswith((_DELETE_FROM, _SET_ORDER))


def _emptied(value: Any, node: MergeNode) -> bool:
    """Tell whether a value is an empty list or map; an empty struct is something else."""
    return value == [] or (value == {} and not node.fields)


def _beside(patch: Object, prefix: str, error: str) -> dict[str, list[Any]]:
    """Return the lists that stand beside members, by the member's name."""
    lists = {}
    for key, value in patch.items():
        if key.startswith(prefix):
            name = key[len(prefix) + 1 :]
            if not key.startswith(prefix + "/") or not name or type(value) is not list:
                raise bad_request(error)
            lists[name] = value
    return lists


def _retain_keys(current: Object, patch: Object) -> None:
    keys = patch[_RETAIN]
    said = {name for name, value in patch.items() if value is not None and not _is_order(name)}
    if type(keys) is not list or any(type(key) is not str for key in keys) or said - set(keys):
        raise bad_request("invalid patch format of retainKeys")
    for name in current.keys() - set(keys):
        del current[name]


def _bad_directive(directive: Any, patch: Object) -> ApiError:
    return bad_request(f"unknown patch type: {str(directive)[:100]} in map: {str(patch)[:200]}")


def _merge_value(current: Any, patch: Any, node: MergeNode) -> Any:
    """Return a member after the patch, ABSENT if it is gone or was never there."""
    if patch is ABSENT:
        return current
    if patch is None:
        return ABSENT
    if type(patch) is dict:
        merged = type(current) is dict and "replace" not in node.patch_strategy
        return _merge_map(current if merged else {}, patch, node)
    if type(patch) is list and "merge" in node.patch_strategy:
        return _merge_list(current if type(current) is list else [], patch, node)
    return copy_json(patch)


# ---------------------------------------------------------------- lists


def _merge_list(current: list[Any], patch: list[Any], node: MergeNode) -> list[Any]:
    kinds = {dict if type(item) is dict else list if type(item) is list else str for item in patch}
    kinds |= {type(item) if type(item) in (dict, list) else str for item in current}
    if list in kinds:
        raise ApiError("Invalid", "lists of lists are not supported", details={})
    if len(kinds) > 1:
        raise bad_request("list element types are not identical")
    if dict not in kinds:
        values = {_identity(item): item for item in [*current, *patch]}
        return _interleave(values, [_identity(item) for item in patch], current, "")
    key = node.patch_merge_key
    if not key:
        raise bad_request("cannot merge lists without merge key")
    items, replaced = _special_items(current, patch, key)
    said = [item for item in patch if item.get(_PATCH) in (None, "merge")]
    merged = dict(zip(_identities(items, key), items, strict=True))
    for item in said:
        identity = _key_of(item, key)
        merged[identity] = _merge_map(merged.get(identity, {}), item, node.other)
    order = [] if replaced else [_key_of(item, key) for item in said]
    return _interleave(merged, order, items, key)


def _special_items(current: list[Any], patch: list[Any], key: str) -> tuple[list[Any], bool]:
    """Return the current items that the patch's directives leave, and if it replaces the list."""
    gone = set()
    replaced = False
    for item in patch:
        directive = item.get(_PATCH)
        if directive == "delete":
            gone.add(_key_of(item, key))
        elif directive == "replace":
            replaced = True
        elif directive not in (None, "merge"):
            raise _bad_directive(directive, item)
    if replaced:
        return [], True
    return [item for item in current if _key_of(item, key) not in gone], False


# What tells an item from the others: its scalar with its type (true is not 1), and a number
# for those that have it again; only the first of them is merged with.
_Identity = tuple[type, Any, int]


def _identity(value: Any) -> _Identity:
    if type(value) is dict or type(value) is list:
        raise bad_request("a merge key must be a scalar")
    return type(value), value, 0


def _key_of(item: Any, key: str) -> _Identity:
    if not key:
        return _identity(item)
    if type(item) is not dict or item.get(key) is None:
        raise bad_request(f"map: {str(item)[:200]} does not contain declared merge key: {key}")
    return _identity(item[key])


def _identities(items: list[Any], key: str) -> list[_Identity]:
    counts: dict[_Identity, int] = {}
    identities = []
    for item in items:
        first = _key_of(item, key)
        count = counts[first] = counts.get(first, -1) + 1
        identities.append((first[0], first[1], count))
    return identities


def _without(items: list[Any], values: list[Any]) -> list[Any]:
    gone = {_identity(value) for value in values}
    return [item for item in items if type(item) in (dict, list) or _identity(item) not in gone]


def _ordered(
    items: list[Any], live: list[Any], said: tuple[Any, list[Any]], node: MergeNode
) -> list[Any]:
    """Return the items as `$setElementOrder` wants them; its list must agree with the patch."""
    patch, order = said
    key = node.patch_merge_key
    wanted_order = [_key_of(item, key) for item in order]
    kept = dict(zip(_identities(items, key), items, strict=True))
    named = [_key_of(item, key) for item in patch] if type(patch) is list else []
    remaining = iter(wanted_order)
    if not all(each in remaining for each in named if each in kept):
        raise bad_request(f"The order in patch list doesn't match {_SET_ORDER} list")
    return _interleave(kept, wanted_order, live, key)


def _interleave(
    items: dict[_Identity, Any], order: list[_Identity], live: list[Any], key: str
) -> list[Any]:
    """Return the items: those in `order` so ordered, the others as they are in `live`.

    The two orders are merged by the live one: an item comes before one that is to follow it if
    the live list has both and has them this way round, otherwise the ordered ones come first.
    """
    rank = {identity: place for place, identity in enumerate(_identities(live, key))}
    ahead = {each: None for each in order if each in items}
    others = [each for each in items if each not in ahead]
    others.sort(key=lambda each: rank.get(each, len(rank)))
    out = []
    waiting = iter(others)
    other = next(waiting, None)
    for each in ahead:
        while other is not None and rank.get(other, len(rank)) < rank.get(each, -1):
            out.append(items[other])
            other = next(waiting, None)
        out.append(items[each])
    while other is not None:
        out.append(items[other])
        other = next(waiting, None)
    return out
