"""Puts the labels of permission claims on objects as they are written; nobody else may.

In kcp this is pkg/admission/permissionclaims. It also has a step that refuses other labels of this
prefix after the mutation; here what a client wrote of them is dropped or put right.
"""

from __future__ import annotations

from kcpfast.admission.chain import Plugin, Review
from kcpfast.kcp.bindings import API_BINDINGS_PLACE
from kcpfast.kcp.claims import LABEL, Claims, own_labels


def plugins(claims: Claims) -> list[Plugin]:
    """Return the plugin `apis.kcp.io/PermissionClaims`."""

    def label(review: Review) -> None:
        meta = review.obj["metadata"]
        given: dict[str, str] = meta.get("labels") or {}
        cluster = review.target.cluster
        storage = review.resource.storage
        is_binding = review.place == API_BINDINGS_PLACE
        # Most writes are under no claim: they pay for one look at what is remembered.
        if not is_binding and not claims.marks(cluster, storage):
            has_claim_label = any(name.startswith(LABEL) for name in given)
            if not has_claim_label:
                return
        own = own_labels(given)
        claim_labels = claims.labels(cluster, storage, own)
        if is_binding and review.old is not None:
            # A binding also carries the label by which its export finds it.
            was = review.old["metadata"].get("labels") or {}
            kept = {key: was[key] for key in was if key.startswith(LABEL)}
            claim_labels = kept | claim_labels
        labels = own | claim_labels
        if labels == given:
            return
        if labels:
            meta["labels"] = labels
        else:
            meta.pop("labels", None)

    # Some subresources write labels, too; kcp's plugin passes all subresources over.
    return [Plugin("apis.kcp.io/PermissionClaims", label, subresources=None, mutates=True)]
