"""CertificateSigningRequests: requests are stored and approved, nobody here signs them.

Rules: k8s.io/kubernetes/pkg/apis/certificates/validation and pkg/registry/certificates.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Sequence
from typing import Any

from kcpfast.meta.errors import (
    MAX_CAUSES,
    Cause,
    field_duplicate,
    field_forbidden,
    field_invalid,
    field_not_supported,
    field_required,
    field_too_long,
)
from kcpfast.meta.names import dns_label, dns_subdomain
from kcpfast.meta.objectmeta import now
from kcpfast.registry.strategies.base import Strategy
from kcpfast.resources.resource import Object

CERTIFICATES_GROUP = "certificates.k8s.io"
_DECISIONS = ("Approved", "Denied", "Failed")
_USAGES = (
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
)
_SHORTEST = 600
_LEGACY = "kubernetes.io/legacy-unknown"


def conditions_of(request: Object, kind: str) -> list[dict[str, Any]]:
    """Return the conditions of one type in the status of a CertificateSigningRequest."""
    return [condition for condition in _conditions(request) if condition.get("type") == kind]


def _conditions(request: Object) -> Sequence[dict[str, Any]]:
    return (request.get("status") or {}).get("conditions") or ()


def organizations(encoded: str) -> list[str]:
    """Return the organizations in the subject of a PKCS #10 request (base64 of PEM)."""
    from cryptography.x509.oid import NameOID  # noqa: PLC0415 - 13 MB, few ask for certificates

    names = _parse(encoded).subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return [str(name.value) for name in names]


def _parse(encoded: str) -> Any:
    """Return a decoded request; ValueError with what is told if it is none."""
    from cryptography import x509  # noqa: PLC0415 - 13 MB, few ask for certificates

    data = b64decode(encoded or "")
    if b"-----BEGIN CERTIFICATE REQUEST-----" not in data:
        raise ValueError("PEM block type must be CERTIFICATE REQUEST")
    request = x509.load_pem_x509_csr(data)
    if not request.is_signature_valid:
        raise ValueError("the signature of the request is not valid")
    return request


def _prepare(obj: Object) -> None:
    obj["status"] = {}


def _prepare_update(new: Object, old: Object) -> None:
    for key in ("spec", "status"):
        if key in old:
            new[key] = old[key]


def _prepare_status(new: Object, old: Object) -> None:
    """Fill in the times that the conditions of a changed status lack.

    `lastTransitionTime` stays what it was where the status of a condition stays the same. Rule:
    populateConditionTimestamps in pkg/registry/certificates/certificates/strategy.go.
    """
    before = {condition.get("type"): condition for condition in _conditions(old)}
    for condition in _conditions(new):
        if not condition.get("lastUpdateTime"):
            condition["lastUpdateTime"] = now()
        if condition.get("lastTransitionTime"):
            continue
        was = before.get(condition.get("type"))
        kept = None
        if was is not None and was.get("status") == condition.get("status"):
            kept = was.get("lastTransitionTime")
        condition["lastTransitionTime"] = kept or now()


# ------------------------------------------------------------------------- validation


def _check(obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = _check_request(spec.get("request") or "")
    causes += _check_usages(spec.get("usages") or ())
    causes += _check_signer(spec.get("signerName") or "", "spec.signerName")
    if spec.get("signerName") == _LEGACY:
        message = "the legacy signerName is not allowed via this API version"
        causes.append(field_invalid("spec.signerName", _LEGACY, message))
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _SHORTEST:
        message = "may not specify a duration less than 600 seconds (10 minutes)"
        causes.append(field_invalid("spec.expirationSeconds", seconds, message))
    return causes + _check_certificate(obj) + _check_conditions(obj)


def _check_certificate(obj: Object) -> list[Cause]:
    issued = (obj.get("status") or {}).get("certificate")
    if not issued:
        return []
    from cryptography import x509  # noqa: PLC0415 - 13 MB, few ask for certificates

    try:
        x509.load_pem_x509_certificates(b64decode(issued))
    except ValueError as error:
        return [field_invalid("status.certificate", "<certificate data>", str(error))]
    return []


def _check_request(encoded: str) -> list[Cause]:
    try:
        _parse(encoded)
    except ValueError as error:
        return [field_invalid("spec.request", encoded, str(error))]
    return []


def _check_usages(usages: Any) -> list[Cause]:
    if not usages:
        return [field_required("spec.usages")]
    causes: list[Cause] = []
    before: set[str] = set()
    for number, usage in enumerate(usages):
        field = f"spec.usages[{number}]"
        if usage not in _USAGES:
            causes.append(field_not_supported(field, usage, _USAGES))
        if usage in before:
            causes.append(field_duplicate(field, usage))
        before.add(usage)
        if len(causes) > MAX_CAUSES:  # nobody is told of more
            break
    return causes


def _check_signer(name: str, field: str) -> list[Cause]:
    if not name:
        return [field_required(field)]
    domain, _, path = name.partition("/")
    if not path or "/" in path:
        message = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        return [field_invalid(field, name, message)]
    causes = [field_too_long(field, 253)] if len(domain) > 253 else []
    causes += _check_labels(domain, dns_label, field)
    if "." not in domain:
        message = "should be a domain with at least two segments separated by dots"
        causes.append(field_invalid(field, domain, message))
    return causes + _check_labels(path, dns_subdomain, field)


def _check_labels(value: str, rule: Callable[[str], list[str]], field: str) -> list[Cause]:
    """Return what is wrong with the first label that is not right."""
    for label in value.split("."):
        wrong = rule(label)
        if wrong:
            return [
                field_invalid(field, value, f'validating label "{label}": {text}') for text in wrong
            ]
    return []


def _check_conditions(obj: Object) -> list[Cause]:
    causes = []
    seen: set[str] = set()
    for number, condition in enumerate(_conditions(obj)):
        field = f"status.conditions[{number}]"
        kind, status = condition.get("type") or "", condition.get("status") or ""
        if not kind:
            causes.append(field_required(f"{field}.type"))
        allowed = ("True",) if kind in _DECISIONS else ("True", "False", "Unknown")
        if status not in allowed:
            causes.append(field_not_supported(f"{field}.status", status, allowed))
        if {kind, *seen} >= {"Approved", "Denied"}:
            message = "Approved and Denied conditions are mutually exclusive"
            causes.append(field_invalid(f"{field}.type", kind, message))
        if kind in seen:
            causes.append(field_duplicate(f"{field}.type", kind))
        seen.add(kind)
    return causes


def _check_update(new: Object, old: Object) -> list[Cause]:
    causes = [
        field_forbidden("status.conditions", f'updates may not remove a condition of type "{kind}"')
        for kind in _DECISIONS
        if len(conditions_of(new, kind)) < len(conditions_of(old, kind))
    ]
    return causes + _check(new)


STRATEGIES = {
    (CERTIFICATES_GROUP, "certificatesigningrequests"): Strategy(
        prepare_create=_prepare,
        prepare_update=_prepare_update,
        prepare_status=_prepare_status,
        validate=_check,
        validate_update=_check_update,
    )
}
