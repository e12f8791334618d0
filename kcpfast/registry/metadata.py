"""Parts that objects have in common: finalizers and conditions, read and changed in one way.

The two flavours of conditions differ in when `lastTransitionTime` moves. Kubernetes' own kinds
move it when the status changes (`set_conditions`, as SetCRDCondition of apiextensions-apiserver);
kcp's kinds move it when anything of the condition changes (`kcp/conditions.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kcpfast.meta.objectmeta import now
from kcpfast.resources.resource import Object

Condition = dict[str, Any]
_EMPTY: Mapping[str, Any] = {}


def spec_of(obj: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the spec of an object to look at, empty if there is no object or no spec."""
    return (obj or _EMPTY).get("spec") or {}


def status_of(obj: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the status of an object to look at, empty if there is no object or no status."""
    return (obj or _EMPTY).get("status") or {}


def annotations_of(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Return the annotations of an object to look at, empty if it has none."""
    return obj["metadata"].get("annotations") or {}


def set_finalizers(meta: dict[str, Any], finalizers: list[str]) -> None:
    """Replace the finalizers in metadata; an empty list removes the member."""
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)


def add_finalizer(meta: dict[str, Any], name: str) -> None:
    """Append a finalizer to metadata unless it is there; the old list is not changed in place."""
    finalizers = meta.get("finalizers") or ()
    if name not in finalizers:
        meta["finalizers"] = [*finalizers, name]


def remove_finalizer(meta: dict[str, Any], name: str) -> None:
    """Remove a finalizer from metadata; the old list is not changed in place."""
    finalizers = meta.get("finalizers") or ()
    set_finalizers(meta, [finalizer for finalizer in finalizers if finalizer != name])


def conditions_of(obj: Object) -> list[Condition]:
    """Return a copy of the list of an object's conditions, empty if it has none.

    A condition may have been written in any shape: it is read as Go reads it into its type, with
    an empty text for a type or status that is missing.
    """
    listed = status_of(obj).get("conditions")
    entries = listed if isinstance(listed, list) else ()
    return [_whole(entry) for entry in entries if isinstance(entry, dict)]


def _whole(condition: Condition) -> Condition:
    missing = [key for key in ("type", "status") if not isinstance(condition.get(key), str)]
    return condition | dict.fromkeys(missing, "") if missing else condition


def find_condition(obj: Object, kind: str) -> Condition | None:
    """Return the condition of a type, None if an object has none of it."""
    for condition in conditions_of(obj):
        if condition["type"] == kind:
            return condition
    return None


def is_condition_true(obj: Object, kind: str) -> bool:
    """Tell whether an object has a condition of a type with the status True."""
    condition = find_condition(obj, kind)
    return condition is not None and condition["status"] == "True"


def set_conditions(obj: Object, conditions: Iterable[Condition]) -> None:
    """Add conditions to an object, each in the place of the one of its type.

    A condition that says what it said before is left as it is.
    """
    listed = conditions_of(obj)
    for condition in conditions:
        before = find_condition(obj, condition["type"])
        if before is None:
            listed.append(condition)
        elif not is_same_condition(before, condition):
            keep_transition_time(condition, before)
            listed[listed.index(before)] = condition
    obj.setdefault("status", {})["conditions"] = listed


def is_same_condition(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Tell whether two conditions are equal but for the time of their last transition."""
    timeless = {"lastTransitionTime": ""}
    return {**before, **timeless} == {**after, **timeless}


def keep_transition_time(condition: Condition, before: Condition | None) -> None:
    """Give a condition the time of its last transition: now, unless the status stays the same."""
    time = None
    if before is not None and before["status"] == condition["status"]:
        time = before.get("lastTransitionTime")
    condition["lastTransitionTime"] = time or now()
