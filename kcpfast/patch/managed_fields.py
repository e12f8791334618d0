"""Who set which field: `metadata.managedFields`, as every write keeps it.

What a write changed belongs to its writer alone afterwards; what it removed belongs to nobody.
How an apply takes fields is another matter and told in server_side_apply.

kcpfast's versions of a kind have one shape, so the sets of entries of other versions are compared
as they are and keep their version. The annotation that tells an object's workspace belongs to the
answer, not to the object, and is nobody's field.
(KEP-555; https://kubernetes.io/docs/reference/using-api/server-side-apply/; apimachinery,
pkg/util/managedfields.)
"""

from __future__ import annotations

from typing import Any

from kcpfast._core.fields import outline
from kcpfast.patch.decoded import refuse_too_deep, same
from kcpfast.patch.fieldset import (
    LEAF,
    FieldSet,
    difference,
    reconciled,
    recursive_difference,
    to_fields_v1,
    union,
)
from kcpfast.patch.managers import (
    FieldWriter,
    Managers,
    Owned,
    Role,
    entries_of,
    role_of,
    sent_managers,
    stored_managers,
    to_entries,
)
from kcpfast.patch.merge_type import MergeNode
from kcpfast.patch.owned_fields import Object, compare, new_fields
from kcpfast.patch.path_element import Unkeyed

MAX_UPDATE_MANAGERS = 10
CLUSTER_ANNOTATION = "kcp.io/cluster"

_ANCIENT = "ancient-changes"
_MAX_OUTLINES = 64

# Fields that are never anybody's, apart from managedFields and the cluster annotation.
_STRIPPED: FieldSet = {
    "f:apiVersion": LEAF,
    "f:kind": LEAF,
    "f:metadata": {
        ".": LEAF,
        "f:clusterName": LEAF,
        "f:creationTimestamp": LEAF,
        "f:generation": LEAF,
        "f:name": LEAF,
        "f:namespace": LEAF,
        "f:resourceVersion": LEAF,
        "f:selfLink": LEAF,
        "f:uid": LEAF,
    },
}

# What the two endpoints of a custom kind with a status subresource ignore (`reset_fields`).
RESET_BY_MAIN: FieldSet = {"f:status": LEAF}
RESET_BY_STATUS: FieldSet = {"f:metadata": LEAF, "f:spec": LEAF}


def tracked(obj: Object) -> Object:
    """Return the object as fields are counted: without managedFields and cluster annotation."""
    metadata = obj.get("metadata")
    if type(metadata) is not dict:
        return obj
    metadata = dict(metadata)
    metadata.pop("managedFields", None)
    annotations = metadata.get("annotations")
    if type(annotations) is dict and CLUSTER_ANNOTATION in annotations:
        others = {key: text for key, text in annotations.items() if key != CLUSTER_ANNOTATION}
        metadata["annotations"] = others
        if not others:
            del metadata["annotations"]
    return {**obj, "metadata": metadata}


# ---------------------------------------------------------------- writes other than apply


@refuse_too_deep
def update_managers(
    old: Object | None,
    new: Object,
    node: MergeNode,
    writer: FieldWriter,
    *,
    reset_fields: FieldSet | None = None,
) -> list[Object]:
    """Return the managedFields of `new` after a create, update or patch; [] means none.

    `old` is what is stored, None on create. `reset_fields` are those that this endpoint ignores
    (RESET_BY_MAIN, RESET_BY_STATUS, or as a built-in kind has it). What the client sent as
    managedFields counts, except on subresources: `[]` and `[{}]` clear the record, a well-formed
    list replaces it, anything else is ignored. An object without a record stays without. Neither
    object is changed; 400 if they are nested too deeply. Errors of the object itself are not
    looked for: where fields cannot be told apart the record stays as it was.
    """
    stored = entries_of(old)
    sent = entries_of(new)
    if writer.subresource or sent is None or sent == stored:
        managers = stored_managers(stored)
    else:
        managers = _managers_to_start_from(sent, stored)
        stored = None
    if old is not None and not managers:
        return []
    if old is None and not managers:
        return _first_entries(new, node, writer, reset_fields)
    before = tracked(old) if old else {}
    try:
        managers, changed = take_fields(managers, before, tracked(new), node, reset_fields)
    except Unkeyed:
        return to_entries(managers)
    if not changed and stored is not None and managers == stored_managers(stored):
        return list(stored)
    if changed:
        _add_update(managers, changed, writer)
        managers = _capped(managers)
    return to_entries(managers)


def _first_entries(
    obj: Object, node: MergeNode, writer: FieldWriter, reset_fields: FieldSet | None
) -> list[Object]:
    """Return the managedFields of an object that nobody has written to before."""
    try:
        fields = _first_fields(obj, node, reset_fields)
    except Unkeyed:
        return []
    if not fields:
        return []
    return to_entries({role_of(writer, "Update"): Owned(fields, writer.api_version, writer.time)})


def _first_fields(obj: Object, node: MergeNode, reset_fields: FieldSet | None) -> FieldSet:
    """Return the fields of a new object: made once for all that have the same outline."""
    shape = outline(obj, node)
    fields: FieldSet | None = node.outlines.get(shape)
    if fields is None:
        fields = strip(new_fields(tracked(obj), node))
        if shape is not None:
            if len(node.outlines) >= _MAX_OUTLINES:
                node.outlines.clear()
            node.outlines[shape] = fields
    return recursive_difference(fields, reset_fields) if reset_fields else fields


def _managers_to_start_from(sent: Any, stored: Any) -> Managers:
    if sent in ([], [{}]):
        return {}
    try:
        managers = sent_managers(sent)
    except (ValueError, OverflowError, RecursionError):
        managers = {}
    return managers or stored_managers(stored)


def take_fields(
    managers: Managers,
    old: Object,
    new: Object,
    node: MergeNode,
    reset_fields: FieldSet | None,
) -> tuple[Managers, FieldSet]:
    """Return the managers without what a write changed or removed, and what it changed.

    The second is what its writer may claim: without the fields that are never anybody's.
    """
    changed, removed = compare(old, new, node)
    if reset_fields:
        changed = recursive_difference(changed, reset_fields)
        removed = recursive_difference(removed, reset_fields)
    left: Managers = {}
    for role, owned in managers.items():
        fields = owned.fields
        for taken in (changed, removed):
            if taken:
                fields = difference(reconciled(fields, node, taken), taken)
        if fields:
            left[role] = owned if fields is owned.fields else owned._replace(fields=fields)
    return left, strip(changed)


def strip(fields: FieldSet) -> FieldSet:
    """Return the set without the fields that are never anybody's."""
    return difference(fields, _STRIPPED)


def _add_update(managers: Managers, changed: FieldSet, writer: FieldWriter) -> None:
    role = role_of(writer, "Update")
    previous = managers.get(role)
    fields = union(changed, previous.fields) if previous else changed
    managers[role] = Owned(to_fields_v1(fields), writer.api_version, writer.time)


def before_first_apply(
    live: Object, node: MergeNode, writer: FieldWriter, reset_fields: FieldSet | None
) -> Managers:
    """Return the managers of an object that had none: one who has set everything in it."""
    _, changed = take_fields({}, {}, tracked(live), node, reset_fields)
    managers: Managers = {}
    if changed:
        _add_update(managers, changed, writer._replace(manager="before-first-apply"))
    return managers


def _capped(managers: Managers) -> Managers:
    """Return the managers with the oldest updates put into one bucket per version.

    An entry alone in its version stays: there is nothing to merge it with.
    """
    updates = [role for role in managers if role.operation == "Update"]
    excess = len(updates) - MAX_UPDATE_MANAGERS
    if excess <= 0:
        return managers
    kept = dict(managers)
    updates.sort(key=lambda role: (managers[role].time, role))
    first_of_version: dict[str, Role] = {}
    for role in updates:
        if excess <= 0:
            break
        version = role.api_version
        first = first_of_version.setdefault(version, role)
        if first == role:
            continue
        bucket = Role(_ANCIENT, "Update", version, "")
        if bucket not in kept:
            kept[bucket] = kept.pop(first)
        merged = kept.pop(first if role == bucket else role)
        fields = to_fields_v1(union(merged.fields, kept[bucket].fields))
        kept[bucket] = Owned(fields, version, managers[role].time)
        excess -= 1
    return kept


def keep_times(old: Object, new: Object) -> Object:
    """Return `new`, or with the times of `old` if nothing else of it is different.

    For the moment before an object is stored: defaults may have made an apply or update one that
    changes nothing, and then not even the times of the record may change.
    """
    ours, theirs = entries_of(old), entries_of(new)
    if not ours or not theirs or ours == theirs:
        return new
    if any(new[key] != old.get(key) for key in new if key != "metadata"):
        return new  # as most writes are
    if _timeless(ours) != _timeless(theirs):
        return new
    if not same({**old, "metadata": _bare(old)}, {**new, "metadata": _bare(new)}):
        return new
    return {**new, "metadata": {**new["metadata"], "managedFields": ours}}


def _timeless(entries: list[Object]) -> Managers:
    managers = stored_managers(entries)
    return {role: owned._replace(time="") for role, owned in managers.items()}


def _bare(obj: Object) -> Object:
    return {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
