"""CertificateSigningRequests: who asks is written down; who may approve and sign is asked.

See https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/. A signer
is a name that RBAC knows as resource `signers`; nobody here signs anything by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kcpfast.admission.chain import CREATE, UPDATE, Plugin, Review
from kcpfast.meta.errors import field_forbidden, go_value, invalid
from kcpfast.meta.user import Attributes, User, is_privileged
from kcpfast.registry.metadata import spec_of, status_of
from kcpfast.registry.strategies.certificates import (
    CERTIFICATES_GROUP,
    conditions_of,
    organizations,
)

_REQUESTS = ((CERTIFICATES_GROUP, "certificatesigningrequests"),)
_CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"
Allows = Callable[[User, str, Attributes], bool]


class Certificates:
    """The plugins; `allows` answers for a user in a cluster."""

    def __init__(self, allows: Allows) -> None:
        """Ask this."""
        self._allows = allows

    def plugins(self) -> list[Plugin]:
        """Return the plugins."""
        return [
            Plugin("CertificateRequester", _sign_in, (CREATE,), _REQUESTS, mutates=True),
            Plugin("CertificateSubjectRestriction", _check_subject, (CREATE,), _REQUESTS),
            Plugin("CertificateApproval", self._approve, (UPDATE,), _REQUESTS, ("approval",)),
            Plugin("CertificateSigning", self._sign, (UPDATE,), _REQUESTS, ("status",)),
        ]

    def _approve(self, review: Review) -> None:
        self._check(review, "approve")

    def _sign(self, review: Review) -> None:
        old = status_of(review.old)
        new = status_of(review.obj)
        changed = [key for key in ("certificate", "conditions") if old.get(key) != new.get(key)]
        if changed:
            self._check(review, "sign")
        _check_decisions(review)
        if old.get("certificate") and "certificate" in changed:
            message = "updates may not modify existing certificate content"
            raise _invalid(review, "status.certificate", message)

    def _check(self, review: Review, verb: str) -> None:
        """Ask for a verb on the signer, or on all signers of its domain."""
        signer = spec_of(review.old).get("signerName") or ""
        domain = signer.partition("/")[0]
        for name in (signer, f"{domain}/*"):
            attributes = Attributes(verb, CERTIFICATES_GROUP, "*", "signers", name=name)
            if self._allows(review.user, review.target.cluster, attributes):
                return
        raise review.refuse(
            f"user not permitted to {verb} requests with signerName {go_value(signer)}"
        )


def _sign_in(review: Review) -> None:
    """Say who asks for a certificate, whatever the request says of it."""
    spec = review.obj.setdefault("spec", {})
    for key in ("username", "uid", "groups", "extra"):
        spec.pop(key, None)
    info: dict[str, Any] = review.user.lasting().info()
    spec |= info


def _check_subject(review: Review) -> None:
    spec = review.obj["spec"]
    if spec.get("signerName") != _CLIENT_SIGNER:
        return
    for group in organizations(spec["request"]):
        if is_privileged(group):  # upstream knows of system:masters alone
            raise review.refuse(f"use of {_CLIENT_SIGNER} signer with {group} group is not allowed")


def _check_decisions(review: Review) -> None:
    """Approval and denial are decided through their own subresource only."""
    for kind in ("Approved", "Denied"):
        old, new = conditions_of(review.old or {}, kind), conditions_of(review.obj, kind)
        if old != new:
            verb = "add" if len(new) > len(old) else "modify"
            raise _invalid(
                review, "status.conditions", f'updates may not {verb} a condition of type "{kind}"'
            )


def _invalid(review: Review, field: str, message: str) -> Exception:
    causes = [field_forbidden(field, message)]
    return invalid("CertificateSigningRequest", CERTIFICATES_GROUP, review.name, causes)
