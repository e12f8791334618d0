"""What the server says of an object's identity, whatever the client said.

Follows BeforeCreate and BeforeUpdate of k8s.io/apiserver/pkg/registry/rest.
"""

from __future__ import annotations

from typing import Any

from kcpfast.meta.cluster import CLUSTER_ANNOTATION
from kcpfast.meta.objectmeta import generate_name, new_uid, now
from kcpfast.resources.resource import Object, Resource

_SERVER_SET = (
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "resourceVersion",
    "selfLink",
)


def assign_identity(resource: Resource, obj: Object, cluster: str, namespace: str) -> None:
    """Give a new object its identity: uid, creation time, generated name, cluster."""
    meta: dict[str, Any] = obj["metadata"]
    for key in _SERVER_SET:
        meta.pop(key, None)
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = generate_name(meta["generateName"])
    if resource.namespaced:
        meta["namespace"] = namespace
    meta["uid"] = new_uid()
    meta["creationTimestamp"] = now()
    if resource.generation or not resource.builtin:
        meta["generation"] = 1
    mark_cluster(meta, cluster)


def mark_cluster(meta: dict[str, Any], cluster: str) -> None:
    """Set the annotation that names an object's logical cluster, over what a client may claim."""
    annotations = meta.get("annotations") or {}
    meta["annotations"] = annotations | {CLUSTER_ANNOTATION: cluster}


def carry_over(resource: Resource, new: Object, old: Object) -> None:
    """Copy the metadata that only the server may change from the old object to the new one."""
    meta, was = new["metadata"], old["metadata"]
    meta["creationTimestamp"] = was["creationTimestamp"]
    # A uid that the client sent is kept here, as by BeforeUpdate: it is compared later.
    meta["uid"] = meta.get("uid") or was["uid"]
    if "deletionTimestamp" in was:
        meta["deletionTimestamp"] = was["deletionTimestamp"]
    if "deletionGracePeriodSeconds" in was:
        meta.setdefault("deletionGracePeriodSeconds", was["deletionGracePeriodSeconds"])
    meta.pop("selfLink", None)
    meta["resourceVersion"] = was["resourceVersion"]
    if resource.namespaced:
        meta["namespace"] = was["namespace"]
    mark_cluster(meta, was["annotations"][CLUSTER_ANNOTATION])
    if "generation" in was:
        meta["generation"] = was["generation"]
    elif resource.generation or not resource.builtin:
        meta.pop("generation", None)


def count_generation(resource: Resource, new: Object, old: Object) -> None:
    """Raise the generation if anything but metadata (and status, where it is apart) changed."""
    if not (resource.generation or not resource.builtin):
        return
    apart = ("metadata", "status") if resource.status else ("metadata",)
    before = {key: value for key, value in old.items() if key not in apart}
    after = {key: value for key, value in new.items() if key not in apart}
    if before != after:
        new["metadata"]["generation"] = (old["metadata"].get("generation") or 0) + 1


def begin_deletion(obj: Object) -> None:
    """Mark an object as being deleted: from now on it waits for its finalizers."""
    meta = obj["metadata"]
    if "deletionTimestamp" in meta:
        return
    meta["deletionTimestamp"] = now()
    meta["deletionGracePeriodSeconds"] = 0
    if meta.get("generation"):
        meta["generation"] += 1
