"""Puts the labels of permission claims on objects as they are written; nobody else may."""

from __future__ import annotations

from kcpfast.admission.chain import Plugin, Review
from kcpfast.kcp.bindings import API_BINDINGS_PLACE
from kcpfast.kcp.claims import LABEL, Claims, own_labels


def plugins(claims: Claims) -> list[Plugin]:
    """Return the plugin `apis.kcp.io/PermissionClaims`."""

    def label(review: Review) -> None:
        meta = review.obj["metadata"]
        given: dict[str, str] = meta.get("labels") or {}
        if (
            review.place != API_BINDINGS_PLACE
            and not claims.marks(review.target.cluster, review.resource.storage)
            and not any(name.startswith(LABEL) for name in given)
        ):
            return
        own = own_labels(given)
        claim_labels = claims.labels(review.target.cluster, review.resource.storage, own)
        if review.place == API_BINDINGS_PLACE and review.old is not None:
            # A binding also carries the label by which its export finds it.
            was = review.old["metadata"].get("labels") or {}
            claim_labels = {key: was[key] for key in was if key.startswith(LABEL)} | claim_labels
        labels = own | claim_labels
        if labels == given:
            return
        if labels:
            meta["labels"] = labels
        else:
            meta.pop("labels", None)

    # Some subresources write labels, too.
    return [Plugin("apis.kcp.io/PermissionClaims", label, subresources=None, mutates=True)]
