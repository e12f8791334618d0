"""Strategic merge patch: a merge patch for built-in kinds, whose schemas tell which lists merge.

A patch may hold directives beside its content:

    $patch: replace | delete | merge      what to do with this object or list item
    $retainKeys: [a, b]                   drop every other member of the object
    $deleteFromPrimitiveList/x: [1, 2]    drop these values of the list x
    $setElementOrder/x: [...]             bring the list x into this order

Items of merged lists are identified by the field's patch merge key. Where the patch sets no order,
its own items come in its order and the others keep theirs. The rules are those of
https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/
strategic-merge-patch.md and of k8s.io/apimachinery/pkg/util/strategicpatch/patch.go, with three
differences: a malformed patch is always a 4xx (upstream answers 500 to some), `$patch: merge` is
accepted as the default that it names, and no directive is ever stored.
"""

from __future__ import annotations

from collections import deque
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
    """Return `current` after the patch; `current` may be changed for it."""
    directive = patch.get(_PATCH, "merge")
    if directive == "delete":
        return {}
    if directive not in ("replace", "merge"):
        raise _bad_directive(directive, patch)
    if directive == "replace":
        current = {}
    if _RETAIN in patch:
        _retain_keys(current, patch)
    deletions = _lists_under(patch, _DELETE_FROM, "invalid patch format of primitive list")
    orders = _lists_under(patch, _SET_ORDER, "invalid patch format of setElementOrder list")
    names = dict.fromkeys(orders)
    names |= dict.fromkeys(name for name in patch if not _is_directive(name))
    names |= dict.fromkeys(deletions)
    for name in names:
        child = node.child(name)
        before = current.get(name, ABSENT)
        patched = patch.get(name, ABSENT)
        after = _merge_value(before, patched, child)
        if type(after) is list:
            if name in orders:
                after = _ordered(after, before, (patched, orders[name]), child)
            # Last: a value that the patch both adds and deletes is deleted.
            if name in deletions:
                after = _without(after, deletions[name])
        if after is ABSENT or _emptied(after, child):
            current.pop(name, None)
        else:
            current[name] = after
    return current


def _is_directive(name: str) -> bool:
    """Tell whether a member of a patch is an order to the server instead of content."""
    return name in (_PATCH, _RETAIN) or name.startswith((_DELETE_FROM, _SET_ORDER))


def _emptied(value: Any, node: MergeNode) -> bool:
    """Tell whether a value is an empty list or map; an empty struct of declared fields stays."""
    return value == [] or (value == {} and not node.fields)


def _lists_under(patch: Object, prefix: str, error: str) -> dict[str, list[Any]]:
    """Return the lists of the directive `prefix/<member>`, by member; 400 if one is malformed."""
    lists = {}
    for key, value in patch.items():
        if not key.startswith(prefix):
            continue
        _, slash, name = key.partition("/")
        has_name = key.startswith(prefix + slash) and bool(name)
        if not has_name or type(value) is not list:
            raise bad_request(error)
        lists[name] = value
    return lists


def _retain_keys(current: Object, patch: Object) -> None:
    """Drop the members of `current` that `$retainKeys` does not list; it must list the patch's."""
    keys = patch[_RETAIN]
    if type(keys) is not list or any(type(key) is not str for key in keys):
        raise bad_request("invalid patch format of retainKeys")
    retained = set(keys)
    for name, value in patch.items():
        # A member that the patch sets to null is deleted in any case.
        if value is None or name in retained or _is_directive(name):
            continue
        raise bad_request("invalid patch format of retainKeys")
    for name in current.keys() - retained:
        del current[name]


def _bad_directive(directive: Any, patch: Object) -> ApiError:
    # Both texts are the client's and may be huge: an answer quotes only their beginnings.
    named = str(directive)[:100]
    excerpt = str(patch)[:200]
    return bad_request(f"unknown patch type: {named} in map: {excerpt}")


def _merge_value(current: Any, patch: Any, node: MergeNode) -> Any:
    """Return a member after the patch, ABSENT if it is removed or was never there."""
    if patch is ABSENT:
        return current
    if patch is None:
        return ABSENT
    if type(patch) is dict:
        is_replaced = "replace" in node.patch_strategy
        if is_replaced or type(current) is not dict:
            current = {}
        return _merge_map(current, patch, node)
    if type(patch) is list and "merge" in node.patch_strategy:
        if type(current) is not list:
            current = []
        return _merge_list(current, patch, node)
    # A copy, since what is returned may be changed in place and the patch is the caller's.
    return copy_json(patch)


# ---------------------------------------------------------------- lists


def _merge_list(current: list[Any], patch: list[Any], node: MergeNode) -> list[Any]:
    """Return a list whose items are merged; 400 if they are of several kinds or have no key."""
    kinds = {_item_kind(item) for item in patch}
    kinds.update(_item_kind(item) for item in current)
    if list in kinds:
        raise ApiError("Invalid", "lists of lists are not supported", details={})
    if len(kinds) > 1:
        raise bad_request("list element types are not identical")
    if dict in kinds:
        return _merge_objects(current, patch, node)
    # A list of scalars is a set: a value that is there already is not added.
    values = {_identity(item): item for item in current}
    order = []
    for item in patch:
        identity = _identity(item)
        values[identity] = item
        order.append(identity)
    return _interleave(values, order, current, "")


def _merge_objects(current: list[Any], patch: list[Any], node: MergeNode) -> list[Any]:
    """Merge a list of objects by their merge key; 400 if the list has none."""
    key = node.patch_merge_key
    if not key:
        raise bad_request("cannot merge lists without merge key")
    items, replaced = _apply_directives(current, patch, key)
    merged = _by_identity(items, key)
    order = []
    for item in patch:
        if item.get(_PATCH) not in (None, "merge"):
            continue
        identity = _key_of(item, key)
        before = merged.get(identity, {})
        merged[identity] = _merge_map(before, item, node.other)
        order.append(identity)
    if replaced:
        # Nothing was left to merge with: the items stand as they came.
        order = []
    return _interleave(merged, order, items, key)


def _item_kind(item: Any) -> type:
    """Return dict, list, or str for any scalar: only items of one kind can be merged.

    The scalars are told apart no further, so that 1 and "1" may stand in one list; upstream's
    sliceElementType refuses that with a 500.
    """
    kind = type(item)
    return kind if kind is dict or kind is list else str


def _apply_directives(current: list[Any], patch: list[Any], key: str) -> tuple[list[Any], bool]:
    """Return the current items that `$patch` items leave, and whether they replace the list."""
    deleted = set()
    replaced = False
    # All directives are read before the list is: a malformed one after `replace` is refused too.
    for item in patch:
        directive = item.get(_PATCH)
        if directive == "delete":
            deleted.add(_key_of(item, key))
        elif directive == "replace":
            replaced = True
        elif directive not in (None, "merge"):
            raise _bad_directive(directive, item)
    if replaced:
        return [], True
    left = [item for item in current if _key_of(item, key) not in deleted]
    return left, False


# The key of an item: its scalar, with the scalar's type (true is not 1), and how many items before
# it have the same. Only the first of several is merged with.
_Identity = tuple[type, Any, int]


def _identity(value: Any) -> _Identity:
    kind = type(value)
    if kind is dict or kind is list:
        raise bad_request("a merge key must be a scalar")
    return kind, value, 0


def _key_of(item: Any, key: str) -> _Identity:
    """Return the identity of an item by its merge key, or of a scalar if `key` is ""."""
    if not key:
        return _identity(item)
    value = item.get(key) if type(item) is dict else None
    if value is None:
        excerpt = str(item)[:200]
        raise bad_request(f"map: {excerpt} does not contain declared merge key: {key}")
    return _identity(value)


def _identities(items: list[Any], key: str) -> list[_Identity]:
    """Return the identities of items, numbered where several have the same key."""
    counts: dict[_Identity, int] = {}
    identities = []
    for item in items:
        first = _key_of(item, key)
        count = counts.get(first, 0)
        counts[first] = count + 1
        kind, value, _ = first
        identities.append((kind, value, count))
    return identities


def _by_identity(items: list[Any], key: str) -> dict[_Identity, Any]:
    identities = _identities(items, key)
    return dict(zip(identities, items, strict=True))


def _without(items: list[Any], values: list[Any]) -> list[Any]:
    """Return the items without the scalars `values`; objects and lists among them stay."""
    deleted = {_identity(value) for value in values}
    kept = []
    for item in items:
        is_scalar = type(item) not in (dict, list)
        if is_scalar and _identity(item) in deleted:
            continue
        kept.append(item)
    return kept


def _ordered(
    items: list[Any], live: Any, patched: tuple[Any, list[Any]], node: MergeNode
) -> list[Any]:
    """Return the items in the order of `$setElementOrder`.

    `patched` holds the patch's own list, which must have its items in the same order (400), and
    the list of the directive. `live` is the value as it is stored, a list or not. Items that
    the patch deletes need no place in the order (upstream: validatePatchWithSetOrderList).
    """
    patch, order = patched
    key = node.patch_merge_key
    by_identity = _by_identity(items, key)
    set_order = [_key_of(item, key) for item in order]
    present = []
    if type(patch) is list:
        patch_order = [_key_of(item, key) for item in patch]
        present = [identity for identity in patch_order if identity in by_identity]
    if not _is_subsequence(present, set_order):
        raise bad_request(f"The order in patch list doesn't match {_SET_ORDER} list")
    live_items = live if type(live) is list else []
    return _interleave(by_identity, set_order, live_items, key)


def _is_subsequence(identities: list[_Identity], order: list[_Identity]) -> bool:
    remaining = iter(order)
    return all(identity in remaining for identity in identities)  # `in` advances the iterator


def _interleave(
    items: dict[_Identity, Any], order: list[_Identity], live: list[Any], key: str
) -> list[Any]:
    """Return the items: those named by `order` in that order, the others as they are in `live`.

    The two sequences are merged by the live positions: one of the others comes before an ordered
    item if both are in `live` and stand that way round; otherwise the ordered item comes first.
    (Upstream: mergeSortedSlice, which looks positions up anew for each comparison.)
    """
    live_identities = _identities(live, key)
    end = len(live_identities)
    position = dict(zip(live_identities, range(end), strict=True))
    ordered = {identity: None for identity in order if identity in items}

    def live_position(identity: _Identity) -> int:
        return position.get(identity, end)

    others = [identity for identity in items if identity not in ordered]
    others.sort(key=live_position)
    waiting = deque(others)
    merged = []
    for identity in ordered:
        # -1 for an item that is not in `live`: no other comes before it.
        limit = position.get(identity, -1)
        while waiting and live_position(waiting[0]) < limit:
            other = waiting.popleft()
            merged.append(items[other])
        merged.append(items[identity])
    merged += [items[other] for other in waiting]
    return merged
