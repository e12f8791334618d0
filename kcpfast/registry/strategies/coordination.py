"""Leases. Rules: ValidateLeaseSpec in k8s.io/kubernetes/pkg/apis/coordination/validation."""

from __future__ import annotations

from kcpfast.meta.errors import Cause, field_forbidden, field_invalid
from kcpfast.registry.strategies.base import Strategy
from kcpfast.resources.resource import Object


def _check(obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = []
    seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        causes.append(field_invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"))
    if transitions is not None and transitions < 0:
        message = "must be greater than or equal to 0"
        causes.append(field_invalid("spec.leaseTransitions", transitions, message))
    causes += [
        field_invalid(f"spec.{name}", "", "must not be empty")
        for name in ("holderIdentity", "preferredHolder")
        if spec.get(name) == ""
    ]
    if spec.get("preferredHolder") and not spec.get("strategy"):
        message = "may only be specified if `strategy` is defined"
        causes.append(field_forbidden("spec.preferredHolder", message))
    return causes


def _prepare(obj: Object) -> None:
    obj.setdefault("spec", {})


STRATEGIES = {
    ("coordination.k8s.io", "leases"): Strategy(
        prepare_create=_prepare,
        prepare_update=lambda new, _old: _prepare(new),
        validate=_check,
        validate_update=lambda new, _old: _check(new),
        created_by_update=True,
        qualified_finalizers=False,
    )
}
