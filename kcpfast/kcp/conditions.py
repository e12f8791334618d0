"""Conditions of kcp's objects: set, summarized, sorted.

They follow kcp's third_party/conditions (from cluster-api): the list is sorted, Ready first;
`lastTransitionTime` moves when anything of a condition changes; Ready repeats the worst of the
others.
"""

from __future__ import annotations

from kcpfast.meta.objectmeta import now
from kcpfast.registry.metadata import (
    Condition,
    conditions_of,
    find_condition,
    is_same_condition,
)
from kcpfast.resources.resource import Object

_READY = "Ready"
_SEVERITY_ORDER = {"Error": 0, "Warning": 1, "Info": 2}
_LAST = len(_SEVERITY_ORDER)
_SUMMARIZED = ("message", "reason", "severity", "status")


def mark_true(obj: Object, kind: str) -> None:
    """Set a condition to True."""
    put(obj, {"status": "True", "type": kind})


def mark_false(obj: Object, kind: str, reason: str, message: str, severity: str = "Error") -> None:
    """Set a condition to False; `severity` is Error, Warning or Info."""
    condition = {
        "message": message,
        "reason": reason,
        "severity": severity,
        "status": "False",
        "type": kind,
    }
    put(obj, condition)


def put(obj: Object, condition: Condition) -> None:
    """Set a condition, in the place of the one of its type, with a transition time of its own."""
    before = find_condition(obj, condition["type"])
    time = None
    if before is not None and is_same_condition(before, condition):
        time = before.get("lastTransitionTime")
    time = time or now()
    timed = {"lastTransitionTime": time}
    others = [other for other in conditions_of(obj) if other["type"] != condition["type"]]
    listed = [*others, timed | condition | timed]  # the time is the first member
    obj.setdefault("status", {})["conditions"] = sorted(listed, key=_order)


def summarize(obj: Object) -> None:
    """Set Ready to the worst of the other conditions: True if all of them are."""
    others = [condition for condition in conditions_of(obj) if condition["type"] != _READY]
    failing = [condition for condition in others if condition["status"] != "True"]
    if failing:
        worst = min(failing, key=_severity)
        summary = {key: worst[key] for key in _SUMMARIZED if key in worst}
        put(obj, summary | {"type": _READY})
    elif others:
        mark_true(obj, _READY)


def _order(condition: Condition) -> tuple[bool, str]:
    kind = condition["type"]
    return kind != _READY, kind


def _severity(condition: Condition) -> int:
    return _SEVERITY_ORDER.get(condition.get("severity", ""), _LAST)
