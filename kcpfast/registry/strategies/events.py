"""Events, in both of their groups; both are faces of one stored object.

Rules: k8s.io/kubernetes/pkg/apis/core/validation/events.go. They speak of the fields of core/v1,
whichever face a client has used.
"""

from __future__ import annotations

from kcpfast.meta.errors import Cause, field_invalid, field_required
from kcpfast.meta.names import dns_subdomain, qualified_name
from kcpfast.meta.objectmeta import IMMUTABLE
from kcpfast.registry.strategies.base import Strategy
from kcpfast.resources.events import complete, to_core
from kcpfast.resources.resource import Object

_LIMITS = (("reportingInstance", 128), ("action", 128), ("reason", 128), ("message", 1024))
_FIXED = (
    "involvedObject",
    "reason",
    "message",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "reportingComponent",
    "reportingInstance",
    "action",
    "related",
    "eventTime",
    "type",
)
_UNSET = ("firstTimestamp", "lastTimestamp", "count", "source")


def _check_old(obj: Object, reporting: str = "reportingComponent") -> list[Cause]:
    """Check what holds for the events of both groups; see legacyValidateEvent."""
    namespace = obj["metadata"].get("namespace", "")
    about = (obj.get("involvedObject") or {}).get("namespace", "")
    namespace_field = "involvedObject.namespace"
    causes = []
    if not obj.get("eventTime"):
        # Clients of core/v1 that set no eventTime name no reporter either.
        fits = about == namespace if about else namespace in ("", "default")
        if not fits:
            causes.append(field_invalid(namespace_field, about, "does not match event.namespace"))
    else:
        if not about and namespace not in ("default", "kube-system"):
            causes.append(field_invalid(namespace_field, about, "does not match event.namespace"))
        causes += _check_reporter(obj, reporting)
    return causes + [
        field_invalid("namespace", namespace, message) for message in dns_subdomain(namespace)
    ]


def _check_reporter(obj: Object, reporting: str) -> list[Cause]:
    reporter = obj.get("reportingComponent") or ""
    causes = [] if reporter else [field_required(reporting)]
    causes += [field_invalid(reporting, reporter, message) for message in qualified_name(reporter)]
    for name, limit in _LIMITS:
        text = obj.get(name) or ""
        if not text and name != "message":
            causes.append(field_required(name))
        if len(text) > limit:
            causes.append(field_invalid(name, "", f"can have at most {limit} characters"))
    return causes


def _check_series(obj: Object) -> list[Cause]:
    series = obj.get("series")
    if series is None:
        return []
    causes = []
    if (series.get("count") or 0) < 2:
        causes.append(field_invalid("series.count", "", "should be at least 2"))
    if not series.get("lastObservedTime"):
        causes.append(field_required("series.lastObservedTime"))
    return causes


def _check_new(obj: Object) -> list[Cause]:
    """Check a new event of events.k8s.io."""
    core = to_core(obj)
    causes = _check_old(core, "reportingController") + _check_series(core)
    if not core.get("eventTime"):
        causes.append(field_required("eventTime"))
    if core.get("type") not in ("Normal", "Warning"):
        causes.append(field_invalid("type", "", f"has invalid value: {core.get('type', '')}"))
    causes += [field_invalid(name, "", "needs to be unset") for name in _UNSET if core.get(name)]
    return causes


def _check_change(new: Object, old: Object) -> list[Cause]:
    """Check a changed event of events.k8s.io: only its series goes on."""
    core, was = to_core(new), to_core(old)
    causes = _check_old(core, "reportingController")
    if core.get("series") != was.get("series"):
        causes += _check_series(core)
    causes += [
        field_invalid(name, core.get(name), IMMUTABLE)
        for name in _FIXED
        if (core.get(name) or None) != (was.get(name) or None)
    ]
    return causes


STRATEGIES = {
    ("", "events"): Strategy(
        prepare_create=complete,
        prepare_update=lambda new, _old: complete(new),
        validate=_check_old,
        validate_update=lambda new, _old: _check_old(new),
        owns=False,
        created_by_update=True,
        qualified_finalizers=False,
    ),
    ("events.k8s.io", "events"): Strategy(
        validate=_check_new,
        validate_update=_check_change,
        owns=False,
        created_by_update=True,
    ),
}
