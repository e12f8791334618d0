"""Events, in both of their groups; both are faces of one stored object.

Rules: k8s.io/kubernetes/pkg/apis/core/validation/events.go.
"""

from __future__ import annotations

from kcpfast.meta.errors import Cause, field_invalid, field_required
from kcpfast.registry.strategies.base import Strategy
from kcpfast.resources.resource import Object


def _check_core(obj: Object) -> list[Cause]:
    namespace = obj["metadata"].get("namespace", "")
    about = (obj.get("involvedObject") or {}).get("namespace", "")
    if (about and about != namespace) or (not about and namespace != "default"):
        why = "does not match event.namespace"
        return [field_invalid("involvedObject.namespace", about, why)]
    return []


def _check_new(obj: Object) -> list[Cause]:
    causes = []
    if not obj.get("eventTime"):
        causes.append(field_required("eventTime"))
    needed = ("reportingController", "reportingInstance", "action", "reason")
    causes += [field_required(name) for name in needed if not obj.get(name)]
    if obj.get("type") not in ("Normal", "Warning"):
        causes.append(field_invalid("type", obj.get("type", ""), ""))
    about = (obj.get("regarding") or {}).get("namespace", "")
    if about and about != obj["metadata"].get("namespace", ""):
        causes.append(field_invalid("regarding.namespace", about, "does not match event.namespace"))
    return causes


def _prepare_core(obj: Object) -> None:
    for name in ("source",):
        obj.setdefault(name, {})
    for name in ("reportingComponent", "reportingInstance"):
        obj.setdefault(name, "")
    for name in ("eventTime", "firstTimestamp", "lastTimestamp"):
        obj.setdefault(name, None)


STRATEGIES = {
    ("", "events"): Strategy(
        prepare_create=_prepare_core,
        prepare_update=lambda new, _old: _prepare_core(new),
        validate=_check_core,
        validate_update=lambda new, _old: _check_core(new),
    ),
    ("events.k8s.io", "events"): Strategy(validate=_check_new),
}
