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
    deletions = _lists_under(patch, _DELETE_FROM, "invalid patch format of primitive list")
    orders = _lists_under(patch, _SET_ORDER, "invalid patch format of setElementOrder list")
    members = [name for name in patch if not _is_directive(name)]
    for name in dict.fromkeys([*orders, *members, *deletions]):
        child = node.child(name)
        before = current.get(name, ABSENT)
        patched = patch.get(name, ABSENT)
        after = _merge_value(before, patched, child)
        if name in orders and type(after) is list:
            live = before if type(before) is list else []
            after = _ordered(after, live, (patched, orders[name]), child)
        if name in deletions and type(after) is list:
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
        if key.startswith(prefix):
            name = key[len(prefix) + 1 :]
            if not key.startswith(prefix + "/") or not name or type(value) is not list:
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
        if value is not None and not _is_directive(name) and name not in retained:
            raise bad_request("invalid patch format of retainKeys")
    for name in current.keys() - retained:
        del current[name]


def _bad_directive(directive: Any, patch: Object) -> ApiError:
    return bad_request(f"unknown patch type: {str(directive)[:100]} in map: {str(patch)[:200]}")


def _merge_value(current: Any, patch: Any, node: MergeNode) -> Any:
    """Return a member after the patch, ABSENT if it is removed or was never there."""
    if patch is ABSENT:
        return current
    if patch is None:
        return ABSENT
    if type(patch) is dict:
        merges = type(current) is dict and "replace" not in node.patch_strategy
        return _merge_map(current if merges else {}, patch, node)
    if type(patch) is list and "merge" in node.patch_strategy:
        return _merge_list(current if type(current) is list else [], patch, node)
    return copy_json(patch)


# ---------------------------------------------------------------- lists


def _merge_list(current: list[Any], patch: list[Any], node: MergeNode) -> list[Any]:
    kinds = {_item_kind(item) for item in patch} | {_item_kind(item) for item in current}
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
    items, replaced = _apply_directives(current, patch, key)
    content = [item for item in patch if item.get(_PATCH) in (None, "merge")]
    merged = dict(zip(_identities(items, key), items, strict=True))
    for item in content:
        identity = _key_of(item, key)
        merged[identity] = _merge_map(merged.get(identity, {}), item, node.other)
    order = [] if replaced else [_key_of(item, key) for item in content]
    return _interleave(merged, order, items, key)


def _item_kind(item: Any) -> type:
    """Return dict, list, or str for any scalar: only items of one kind can be merged."""
    kind = type(item)
    return kind if kind is dict or kind is list else str


def _apply_directives(current: list[Any], patch: list[Any], key: str) -> tuple[list[Any], bool]:
    """Return the current items that `$patch` items leave, and whether they replace the list."""
    deleted = set()
    replaced = False
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
    return [item for item in current if _key_of(item, key) not in deleted], False


# The key of an item: its scalar, with the scalar's type (true is not 1), and how many items before
# it have the same. Only the first of several is merged with.
_Identity = tuple[type, Any, int]


def _identity(value: Any) -> _Identity:
    if type(value) is dict or type(value) is list:
        raise bad_request("a merge key must be a scalar")
    return type(value), value, 0


def _key_of(item: Any, key: str) -> _Identity:
    """Return the identity of an item by its merge key, or of a scalar if `key` is ""."""
    if not key:
        return _identity(item)
    if type(item) is not dict or item.get(key) is None:
        raise bad_request(f"map: {str(item)[:200]} does not contain declared merge key: {key}")
    return _identity(item[key])


def _identities(items: list[Any], key: str) -> list[_Identity]:
    """Return the identities of items, numbered where several have the same key."""
    counts: dict[_Identity, int] = {}
    identities = []
    for item in items:
        first = _key_of(item, key)
        count = counts[first] = counts.get(first, -1) + 1
        identities.append((first[0], first[1], count))
    return identities


def _without(items: list[Any], values: list[Any]) -> list[Any]:
    deleted = {_identity(value) for value in values}
    return [item for item in items if type(item) in (dict, list) or _identity(item) not in deleted]


def _ordered(
    items: list[Any], live: list[Any], patched: tuple[Any, list[Any]], node: MergeNode
) -> list[Any]:
    """Return the items in the order of `$setElementOrder`.

    `patched` holds the patch's own list, which must have its items in the same order (400), and
    the list of the directive. `live` is the list as it is stored.
    """
    patch, order = patched
    key = node.patch_merge_key
    wanted_order = [_key_of(item, key) for item in order]
    by_identity = dict(zip(_identities(items, key), items, strict=True))
    patch_order = [_key_of(item, key) for item in patch] if type(patch) is list else []
    present = [identity for identity in patch_order if identity in by_identity]
    if not _is_subsequence(present, wanted_order):
        raise bad_request(f"The order in patch list doesn't match {_SET_ORDER} list")
    return _interleave(by_identity, wanted_order, live, key)


def _is_subsequence(identities: list[_Identity], order: list[_Identity]) -> bool:
    remaining = iter(order)
    return all(identity in remaining for identity in identities)  # `in` advances the iterator


def _interleave(
    items: dict[_Identity, Any], order: list[_Identity], live: list[Any], key: str
) -> list[Any]:
    """Return the items: those named by `order` in that order, the others as they are in `live`.

    The two sequences are merged by the live positions: one of the others comes before an ordered
    item if both are in `live` and stand that way round; otherwise the ordered item comes first.
    """
    position = {identity: index for index, identity in enumerate(_identities(live, key))}
    end = len(position)
    ordered = {identity: None for identity in order if identity in items}
    others = [identity for identity in items if identity not in ordered]
    others.sort(key=lambda identity: position.get(identity, end))
    merged = []
    taken = 0
    for identity in ordered:
        limit = position.get(identity, -1)
        while taken < len(others) and position.get(others[taken], end) < limit:
            merged.append(items[others[taken]])
            taken += 1
        merged.append(items[identity])
    merged += [items[identity] for identity in others[taken:]]
    return merged
