"""Conditions of kcp's objects: set, summarized, sorted (the cluster-api flavour)."""

from __future__ import annotations

from typing import Any

from kcpfast.meta.objectmeta import now
from kcpfast.resources.resource import Object

Condition = dict[str, Any]


def find(obj: Object, kind: str) -> Condition | None:
    """Return a condition of an object."""
    listed = (obj.get("status") or {}).get("conditions") or ()
    return next((each for each in listed if each["type"] == kind), None)


def is_true(obj: Object, kind: str) -> bool:
    """Tell whether a condition is there and True."""
    found = find(obj, kind)
    return found is not None and found["status"] == "True"


def mark_true(obj: Object, kind: str) -> None:
    """Set a condition to True."""
    _set(obj, {"status": "True", "type": kind})


def mark_false(obj: Object, kind: str, reason: str, message: str, severity: str = "Error") -> None:
    """Set a condition to False, with why."""
    _set(
        obj,
        {
            "message": message,
            "reason": reason,
            "severity": severity,
            "status": "False",
            "type": kind,
        },
    )


def put(obj: Object, condition: Condition) -> None:
    """Set a condition as it stands on another object."""
    _set(obj, {key: value for key, value in condition.items() if key != "lastTransitionTime"})


def remove(obj: Object, kind: str) -> None:
    """Take a condition away."""
    status = obj.setdefault("status", {})
    left = [each for each in status.get("conditions") or () if each["type"] != kind]
    if left:
        status["conditions"] = left
    else:
        status.pop("conditions", None)


def _set(obj: Object, condition: Condition) -> None:
    """Put a condition in its place; its time changes only if something else of it does."""
    status = obj.setdefault("status", {})
    listed = [each for each in status.get("conditions") or () if each["type"] != condition["type"]]
    old = find(obj, condition["type"])
    same = old is not None and {**old, "lastTransitionTime": ""} == {
        **condition,
        "lastTransitionTime": "",
    }
    time = old["lastTransitionTime"] if same and old is not None else now()
    listed.append({"lastTransitionTime": time} | condition)
    status["conditions"] = sorted(listed, key=lambda each: (each["type"] != "Ready", each["type"]))


def summarize(obj: Object) -> None:
    """Set Ready to the worst of the other conditions."""
    listed = (obj.get("status") or {}).get("conditions") or ()
    others = [each for each in listed if each["type"] != "Ready"]
    wrong = [each for each in others if each["status"] != "True"]
    ranks = {"Error": 0, "Warning": 1, "Info": 2}
    wrong.sort(key=lambda each: ranks.get(each.get("severity", ""), 3))
    if not wrong:
        if others:
            mark_true(obj, "Ready")
        return
    worst = wrong[0]
    _set(
        obj,
        {key: worst[key] for key in ("message", "reason", "severity", "status") if key in worst}
        | {"type": "Ready"},
    )
