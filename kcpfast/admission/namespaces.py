"""Objects are made only in namespaces that exist and stay; some namespaces never go."""

from __future__ import annotations

from collections.abc import Callable

from kcpfast.admission.chain import CREATE, DELETE, Plugin, Review
from kcpfast.meta.errors import ApiError, not_found
from kcpfast.registry.objects import Objects, Target
from kcpfast.registry.values import is_deleted
from kcpfast.resources.builtin import BY_PLACE
from kcpfast.store.contract import Check

NAMESPACES = BY_PLACE["", "v1", "namespaces"]
PROTECTED = ("default", "kube-system")
# Reviews are asked about namespaces that need not exist.
_FREE_GROUPS = ("authorization.k8s.io", "authentication.k8s.io")


def plugins(objects: Objects, is_ending: Callable[[str], bool]) -> list[Plugin]:
    """Return the plugins of namespace lifecycle; `is_ending` tells of a cluster being deleted."""

    def guard(review: Review) -> None:
        namespace = review.target.namespace
        if not namespace or review.resource.group in _FREE_GROUPS:
            return
        target = Target(NAMESPACES, review.target.cluster, "", namespace)
        record = objects.record(target)
        if record is None:
            raise not_found("namespaces", "", namespace)
        if is_deleted(record.value):
            raise _terminating(review, namespace)
        # The namespace must still be as it was when the object is committed.
        review.more.append(Check(target.key(), record.revision))

    def protect(review: Review) -> None:
        if review.target.name in PROTECTED and not is_ending(review.target.cluster):
            raise review.refuse("this namespace may not be deleted")

    return [
        Plugin("NamespaceLifecycle", guard, (CREATE,), mutates=True),
        Plugin("NamespaceLifecycle", protect, (DELETE,), (("", "namespaces"),)),
    ]


def _terminating(review: Review, namespace: str) -> ApiError:
    error = review.refuse(
        f"unable to create new content in namespace {namespace} because it is being terminated"
    )
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    details = dict(error.details or {}) | {"causes": [cause]}
    return ApiError("Forbidden", error.message, details=details)
