"""The two faces of events: stored as core/v1, served as events.k8s.io/v1 too.

Names follow k8s.io/kubernetes/pkg/apis/events/v1/conversion.go.
"""

from __future__ import annotations

from kcpfast.resources.resource import Object

# name in core/v1 -> name in events.k8s.io/v1
_RENAMED = {
    "count": "deprecatedCount",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "involvedObject": "regarding",
    "lastTimestamp": "deprecatedLastTimestamp",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
}
_BACK = {new: old for old, new in _RENAMED.items()}
# What core/v1 writes even when it is empty; None is an empty time.
_ALWAYS: Object = {
    "involvedObject": {},
    "source": {},
    "firstTimestamp": None,
    "lastTimestamp": None,
    "eventTime": None,
    "reportingComponent": "",
    "reportingInstance": "",
}


def complete(obj: Object) -> None:
    """Give a core event the members that it always has."""
    for name, value in _ALWAYS.items():
        obj.setdefault(name, dict(value) if isinstance(value, dict) else value)


def to_core(obj: Object) -> Object:
    """Return an event of events.k8s.io/v1 as core/v1."""
    converted = {_BACK.get(name, name): value for name, value in obj.items()}
    complete(converted)
    return converted


def from_core(obj: Object) -> Object:
    """Return an event of core/v1 as events.k8s.io/v1, which leaves out empty strings."""
    return {_RENAMED.get(name, name): value for name, value in obj.items() if value != ""}
