"""Puts into a review what webhooks and policies make of its object, and who is to look again."""

from __future__ import annotations

from collections.abc import Hashable

import msgspec

from kcpfast.admission.chain import CREATE, Review
from kcpfast.admission.matching import converted, is_scale
from kcpfast.meta.cluster import CLUSTER_ANNOTATION
from kcpfast.meta.copies import copy_json
from kcpfast.meta.errors import ApiError, internal
from kcpfast.registry.metadata import annotations_of, spec_of
from kcpfast.registry.typed import conform
from kcpfast.resources.resource import Object, Resource
from kcpfast.resources.scale import set_replicas


class Seen:
    """What webhooks and policies saw of an object when they were done with it.

    With `again` set, only those are due that want to look at what others have changed since.
    """

    def __init__(self) -> None:
        """Begin the first round."""
        self._prints: dict[Hashable, bytes] = {}
        self.again = False

    def is_due(self, key: Hashable, review: Review) -> bool:
        """Tell whether a webhook or policy is to look at an object in this round."""
        return not self.again or self._prints.get(key, _NEVER) not in (_NEVER, _print(review))

    def note(self, key: Hashable, reinvocation: str | None, review: Review) -> None:
        """Remember what one has seen, if it wants to look again when that has changed."""
        if reinvocation == "IfNeeded":
            self._prints[key] = _print(review)


_NEVER = b""


def _print(review: Review) -> bytes:
    return msgspec.json.encode(review.new, order="sorted")


def rewrite(review: Review, rewritten: Object, matched: Resource) -> bool:
    """Replace the object of a review, in place; tell whether that changed it.

    It is pruned and defaulted as what clients send is. InternalError if it is no object of its
    kind any more: it is not the client's fault.
    """
    if is_scale(review):
        changed = _rescale(review, rewritten)
    else:
        changed = _replace(review, rewritten, matched)
    review.rewritten = review.rewritten or changed
    return changed


def _replace(review: Review, rewritten: Object, matched: Resource) -> bool:
    new = converted(copy_json(rewritten), matched, review.resource)
    assert new is not None
    if not isinstance(new.get("metadata"), dict):
        raise internal("the mutated object has no metadata")
    given = (new.get("apiVersion"), new.get("kind"))
    if given != (review.resource.api_version, review.resource.kind):
        raise internal(f"the mutated object is a {given[1]} of {given[0]}")
    try:
        conform(review.resource, new)
    except ApiError as error:
        raise internal(f"the mutated object cannot be decoded: {error.message}") from None
    _keep(review, new)
    if new == review.obj:
        return False
    review.obj.clear()
    review.obj.update(new)
    return True


def _keep(review: Review, new: Object) -> None:
    """Put back, in place, what a request of this kind cannot change: its admission cannot either.

    A kube-apiserver drops it once more behind admission (BeforeCreate and BeforeUpdate of
    k8s.io/apiserver/pkg/registry/rest, and the strategies of subresources).
    """
    old, part = review.obj, review.subresource
    meta = new["metadata"]
    for key in _SERVERS if review.operation == CREATE else (*_SERVERS, "name"):
        _put_back(meta, old["metadata"], key)
    annotations = dict(meta.get("annotations") or {})
    _put_back(annotations, annotations_of(old), CLUSTER_ANNOTATION)
    if annotations or meta.get("annotations") is not None:
        meta["annotations"] = annotations
    if part:
        written = _WRITTEN.get(part, part)
        for key in {*new, *old} - {written, "metadata"}:
            _put_back(new, old, key)
        if not review.resource.builtin:
            new["metadata"] = old["metadata"]
    elif review.resource.status:
        _put_back(new, old, "status")


# What of metadata the server alone says, and which member of an object its subresources write.
_SERVERS = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
)
_WRITTEN = {"approval": "status", "finalize": "spec"}


def _put_back(new: Object, old: Object, key: str) -> None:
    if key in old:
        new[key] = old[key]
    else:
        new.pop(key, None)


def _rescale(review: Review, rewritten: Object) -> bool:
    """Take over the replicas of a Scale."""
    paths = review.resource.scale
    replicas = spec_of(rewritten).get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise internal("the mutated object cannot be decoded: spec.replicas is of another type")
    assert paths is not None
    before = copy_json(review.obj)
    set_replicas(review.obj, paths, replicas)
    return bool(review.obj != before)
