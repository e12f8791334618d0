"""Server-side apply: a client states what it wants of an object and owns what it states.

Applying merges the statement into the live object, refuses to overwrite what others own unless
forced, and removes what the same manager stated last time, states no more, and nobody else owns.
(KEP-555; https://kubernetes.io/docs/reference/using-api/server-side-apply/; the Updater of
"structured-merge-diff"; apimachinery, pkg/util/managedfields.)
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from kcpfast.meta.copies import copy_json
from kcpfast.meta.errors import ApiError, Cause, bad_request
from kcpfast.patch.decoded import refuse_too_deep, same
from kcpfast.patch.fieldset import (
    FieldSet,
    difference,
    intersection,
    path_text,
    paths,
    reconciled,
    recursive_difference,
    to_fields_v1,
    union,
    with_named_fields,
)
from kcpfast.patch.last_applied import (
    LAST_APPLIED,
    MANAGER,
    last_applied_fields,
    renew_last_applied,
)
from kcpfast.patch.managed_fields import before_first_apply, strip, tracked
from kcpfast.patch.managers import (
    FieldWriter,
    Managers,
    Owned,
    Role,
    entries_of,
    role_of,
    stored_managers,
    to_entries,
)
from kcpfast.patch.merge_type import MergeNode
from kcpfast.patch.owned_fields import Object, compare, fields_of
from kcpfast.patch.path_element import Unkeyed
from kcpfast.patch.typed_check import check_applied, group_version
from kcpfast.patch.typed_merge import merge_objects, remove_items


class Applied(NamedTuple):
    """What an apply makes: the object, its managedFields included, and these once more."""

    object: Object
    managed_fields: list[Object]


class _Step(NamedTuple):
    """What all parts of one apply look at. `base` is the live object without its record."""

    base: Object
    applied: Object
    node: MergeNode
    writer: FieldWriter
    reset_fields: FieldSet


@refuse_too_deep
def apply(
    live: Object | None,
    applied: Any,
    node: MergeNode,
    writer: FieldWriter,
    *,
    kind: str = "",
    force: bool = False,
    reset_fields: FieldSet | None = None,
) -> Applied:
    """Return what applying `applied` makes of `live` (None: it is to be created).

    `kind` is the one the endpoint serves, by default the live object's. `reset_fields` as in
    `update_managers`. Neither object is changed and the outcome shares nothing with them, except
    that field sets are values. Where the apply changes nothing the object equals the live one, so
    that the caller can see there is nothing to store.

    400 if `applied` is of another type, brings managedFields, or does not fit the schema;
    409 with one cause per field that another manager owns with another value.
    """
    _check_request(live, applied, writer, kind)
    check_applied(applied, node)
    base = _without_record(live) if live else {}
    step = _Step(base, applied, node, writer, reset_fields or {})
    managers = stored_managers(entries_of(live))
    try:
        if live and not managers:
            managers = before_first_apply(live, node, writer, reset_fields)
        return _apply(step, managers, force, created=live is None)
    except Unkeyed as unkeyed:
        raise bad_request(f"failed to create typed live object: {unkeyed}") from None


def _check_request(live: Object | None, applied: Any, writer: FieldWriter, kind: str) -> None:
    if type(applied) is not dict:
        raise bad_request("an applied configuration must be an object")
    expected = kind or (live or {}).get("kind")
    sent = applied.get("kind")
    if not sent or not applied.get("apiVersion") or (expected and sent != expected):
        raise bad_request(f"invalid object type: {group_version(applied)}, Kind={sent or ''}")
    if applied["apiVersion"] != writer.api_version:
        raise bad_request(
            "Incorrect version specified in apply patch. Specified patch version: "
            f"{applied['apiVersion']}, expected: {writer.api_version}"
        )
    if type(applied.get("metadata") or {}) is not dict:
        raise bad_request("metadata must be an object")
    if entries_of(applied) is not None:
        raise bad_request("metadata.managedFields must be nil")


def _without_record(live: Object) -> Object:
    metadata = live.get("metadata") or {}
    kept = {key: value for key, value in metadata.items() if key != "managedFields"}
    return {**live, "metadata": kept}


def _apply(step: _Step, managers: Managers, force: bool, *, created: bool) -> Applied:
    node, writer = step.node, step.writer
    mine = role_of(writer, "Apply")
    others = {
        role: owned._replace(fields=reconciled(owned.fields, node))
        for role, owned in managers.items()
    }
    last = others.pop(mine, None)
    claimed = recursive_difference(fields_of(tracked(step.applied), node), step.reset_fields)
    merged = merge_objects(step.base, step.applied, node)
    if last is not None:
        merged = _prune(merged, last.fields, claimed, others, node)
    left = _take_over(step, merged, others, force)
    unchanged = not created and same(step.base, merged)
    claimed = strip(claimed)
    if claimed:
        time = (last.time if last else "") if unchanged else writer.time
        fields = last.fields if last and same(last.fields, claimed) else to_fields_v1(claimed)
        left[mine] = Owned(fields, writer.api_version, time)
    return _outcome(step, merged, to_entries(left))


def _prune(
    merged: Object, last: FieldSet, claimed: FieldSet, others: Managers, node: MergeNode
) -> Object:
    """Return the merged object without what this manager no longer claims and nobody else has.

    First everything it claimed last time goes, with all that is below; then what is somebody's
    comes back; then what was never claimed itself comes back, it only stood below what was.
    """
    if not difference(last, claimed):
        return merged

    def named(fields: FieldSet) -> FieldSet:
        return with_named_fields(fields, node)

    last, present = named(last), named(fields_of(merged, node))
    kept = named(fields_of(remove_items(merged, last, node), node))
    owned = claimed
    for other in others.values():
        owned = union(owned, other.fields)
    gone = difference(present, union(kept, named(owned)))
    kept = named(fields_of(remove_items(merged, gone, node), node))
    gone = intersection(difference(present, kept), last)
    pruned: Object = remove_items(merged, gone, node)
    return pruned


def _outcome(step: _Step, merged: Object, entries: list[Object]) -> Applied:
    outcome = copy_json(merged)
    metadata = outcome["metadata"] = outcome.get("metadata") or {}
    annotations = metadata.get("annotations")
    if step.writer.manager == MANAGER and annotations and annotations.get(LAST_APPLIED):
        renew_last_applied(annotations, step.applied)
    if entries:
        metadata["managedFields"] = entries
    return Applied(outcome, entries)


# ---------------------------------------------------------------- conflicts


def _take_over(step: _Step, merged: Object, others: Managers, force: bool) -> Managers:
    """Return the other managers without what the apply changes or removes; raises the 409."""
    changed, removed = compare(tracked(step.base), tracked(merged), step.node)
    changed = recursive_difference(changed, step.reset_fields)
    removed = recursive_difference(removed, step.reset_fields)
    if not force:
        conflicts = {
            role: fields
            for role, owned in others.items()
            if (fields := intersection(owned.fields, changed))
        }
        if step.writer.manager == MANAGER and conflicts:
            allowed = last_applied_fields(step.base, step.node, step.writer)
            left = {role: difference(fields, allowed) for role, fields in conflicts.items()}
            conflicts = {role: fields for role, fields in left.items() if fields}
        if conflicts:
            raise _conflict(conflicts)
    kept = {}
    for role, owned in others.items():
        fields = difference(difference(owned.fields, changed), removed)
        if fields:
            kept[role] = owned._replace(fields=fields)
    return kept


def _conflict(conflicts: dict[Role, FieldSet]) -> ApiError:
    causes: list[Cause] = []
    texts: list[str] = []
    for role, fields in sorted(conflicts.items()):
        who = _manager_text(role)
        texts.append(f"conflicts with {who}:")
        for path in paths(fields):
            texts.append(f"- {path_text(path)}")
            causes.append(Cause("FieldManagerConflict", f"conflict with {who}", path_text(path)))
    if len(causes) == 1:
        listed = f"1 conflict: {causes[0].message}: {causes[0].field}"
    else:
        listed = f"{len(causes)} conflicts: " + "\n".join(texts)
    return ApiError("Conflict", f"Apply failed with {listed}", causes=causes)


def _manager_text(role: Role) -> str:
    text = json.dumps(role.manager, ensure_ascii=False)
    if role.subresource:
        text += f" with subresource {json.dumps(role.subresource)}"
    return f"{text} using {role.api_version}" if role.operation == "Update" else text
