"""WorkspaceTypes, LogicalClusters and Shards: what they may say and who may change what.

Rules: kcp's admission plugins tenancy.kcp.io/WorkspaceType, core.kcp.io/LogicalCluster,
tenancy.kcp.io/LogicalClusterDeletionFinalizer and tenancy.kcp.io/Shard.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kcpfast.admission.chain import CREATE, DELETE, UPDATE, Plugin, Review
from kcpfast.kcp.admit.exports import WORKSPACE_TYPES, Binders
from kcpfast.kcp.authorizer import is_member
from kcpfast.kcp.clusters import INACTIVE
from kcpfast.kcp.creation import DELETION_FINALIZER
from kcpfast.kcp.lifecycle import relabel
from kcpfast.meta.cluster import ROOT
from kcpfast.meta.user import BOOTSTRAPPER_GROUP, CLUSTER_ADMIN_GROUPS, MASTERS
from kcpfast.registry.metadata import spec_of, status_of
from kcpfast.resources.resource import Object

CLUSTERS = ("core.kcp.io", "logicalclusters")
SHARDS = ("core.kcp.io", "shards")
_PHASES = ("Scheduling", "Initializing", "Ready", "Inactive", "Terminating", "Deleting")
_STATUS = ("status",)
_KEEPERS = (MASTERS, BOOTSTRAPPER_GROUP, *CLUSTER_ADMIN_GROUPS)


def plugins(binders: Binders) -> list[Plugin]:
    """Return the plugins."""

    def workspace_type(review: Review) -> None:
        _admit_type(review, binders)

    clusters = "core.kcp.io/LogicalCluster"
    return [
        Plugin(
            "tenancy.kcp.io/WorkspaceType", workspace_type, places=(WORKSPACE_TYPES,), mutates=True
        ),
        Plugin(clusters, _create_cluster, (CREATE,), (CLUSTERS,)),
        Plugin(clusters, _update_cluster, (UPDATE,), (CLUSTERS,), mutates=True),
        Plugin(clusters, _update_status, (UPDATE,), (CLUSTERS,), _STATUS, mutates=True),
        Plugin(clusters, _delete_cluster, (DELETE,), (CLUSTERS,)),
        Plugin("tenancy.kcp.io/Shard", _admit_shard, places=(SHARDS,), mutates=True),
    ]


# ------------------------------------------------------------------------- types


def _admit_type(review: Review, binders: Binders) -> None:
    obj, cluster = review.obj, review.target.cluster
    if obj["metadata"].get("name") == "root" and cluster != ROOT:
        raise review.refuse("root workspace type can only be created in root cluster")
    path = binders.path_of(cluster)
    for reference in _references(spec_of(obj)):
        reference.setdefault("path", path)
    before = _defaults(review.old or {})
    for bound in _defaults(obj) - before:
        binders.check_path(review, *bound)


def _references(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what in a type refers to another type or to an export."""
    yield from (spec.get("extend") or {}).get("with") or ()
    for side in ("limitAllowedChildren", "limitAllowedParents"):
        yield from (spec.get(side) or {}).get("types") or ()
    yield from spec.get("defaultAPIBindings") or ()
    if spec.get("defaultChildWorkspaceType"):
        yield spec["defaultChildWorkspaceType"]


def _defaults(obj: Object) -> set[tuple[str, str]]:
    listed = spec_of(obj).get("defaultAPIBindings") or ()
    return {(reference.get("path") or "", reference.get("export") or "") for reference in listed}


# ------------------------------------------------------------------------- logical clusters


def _is_keeper(review: Review) -> bool:
    return is_member(review.user, review.target.cluster, _KEEPERS)


def _create_cluster(review: Review) -> None:
    if not _is_keeper(review):
        raise review.refuse("LogicalCluster cannot be created")


def _delete_cluster(review: Review) -> None:
    spec = spec_of(review.old)
    if not spec.get("directlyDeletable") and not _is_keeper(review):
        raise review.refuse("LogicalCluster cannot be deleted")


def _lists(obj: Object, section: str) -> dict[str, list[str]]:
    parent = obj.get(section) or {}
    return {key: list(parent.get(key) or ()) for key in ("initializers", "terminators")}


def _update_cluster(review: Review) -> None:
    obj = review.obj
    meta = obj["metadata"]
    if "deletionTimestamp" not in meta and DELETION_FINALIZER not in (meta.get("finalizers") or ()):
        meta["finalizers"] = [*(meta.get("finalizers") or ()), DELETION_FINALIZER]
    _check_inactive(review)
    relabel(obj)


def _check_inactive(review: Review) -> None:
    annotations = review.obj["metadata"].get("annotations") or {}
    before = (review.old or {})["metadata"].get("annotations") or {}
    phase = status_of(review.obj).get("phase", "")
    if annotations.get(INACTIVE) == "true" != before.get(INACTIVE) and phase != "Ready":
        text = 'LogicalCluster can only be marked inactive in phase "Ready", but is in phase'
        raise review.refuse(f'{text} "{phase}"')


def _update_status(review: Review) -> None:
    obj, old = review.obj, review.old or {}
    was, now = (
        status_of(old).get("phase", ""),
        status_of(obj).get("phase", ""),
    )
    before, after = _lists(old, "status"), _lists(obj, "status")
    if not set(after["initializers"]) <= set(before["initializers"]):
        raise review.refuse("status.initializers must not grow")
    if not set(after["terminators"]) <= set(before["terminators"]):
        raise review.refuse("status.terminators must not grow")
    if (
        was not in ("", "Scheduling", "Initializing")
        and before["initializers"] != (after["initializers"])
    ):
        raise review.refuse("status.initializers is immutable after initialization")
    if was != now:
        _check_transition(review, was, now)
        if now == "Ready" and after["initializers"]:
            raise review.refuse("status.initializers is not empty")
    relabel(obj)


def _check_transition(review: Review, was: str, now: str) -> None:
    order = {phase: number for number, phase in enumerate(_PHASES)}
    back_to_work = (was, now) == ("Inactive", "Ready")
    if order.get(now, -1) < order.get(was, 0) and not back_to_work:
        raise review.refuse(f'cannot transition from "{was}" to "{now}"')


# ------------------------------------------------------------------------- shards


def _admit_shard(review: Review) -> None:
    spec = spec_of(review.obj)
    base = spec.get("baseURL") or ""
    if not base:
        raise review.refuse("spec.baseURL is required")
    spec.setdefault("externalURL", base)
    spec.setdefault("virtualWorkspaceURL", spec["externalURL"])
