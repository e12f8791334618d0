"""CertificateSigningRequests: requests are stored and approved, nobody here signs them.

Rules: k8s.io/kubernetes/pkg/apis/certificates/validation.
"""

from __future__ import annotations

from kcpfast.meta.errors import Cause, field_invalid, field_required
from kcpfast.registry.strategies.base import Strategy
from kcpfast.resources.resource import Object


def _prepare(obj: Object) -> None:
    obj["status"] = {}


def _prepare_update(new: Object, old: Object) -> None:
    for key in ("spec", "status"):
        if key in old:
            new[key] = old[key]


def _check(obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = []
    if not spec.get("signerName"):
        causes.append(field_required("spec.signerName"))
    elif "/" not in spec["signerName"]:
        why = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        causes.append(field_invalid("spec.signerName", spec["signerName"], why))
    if not spec.get("usages"):
        causes.append(field_required("spec.usages"))
    if not spec.get("request"):
        causes.append(
            field_invalid("spec.request", "", "PEM block type must be CERTIFICATE REQUEST")
        )
    return causes


STRATEGIES = {
    ("certificates.k8s.io", "certificatesigningrequests"): Strategy(
        prepare_create=_prepare, prepare_update=_prepare_update, validate=_check
    )
}
