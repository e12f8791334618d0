"""What exists in a new workspace: made in the commit that makes the workspace."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from kcpfast.auth.rbac import CLUSTER_ROLE_BINDINGS
from kcpfast.auth.rbac import RBAC_GROUP as RBAC
from kcpfast.auth.tokens import ACCOUNTS
from kcpfast.kcp import bindings, claims, conditions
from kcpfast.kcp.clusters import LOCK_ANNOTATION, LOGICAL_CLUSTER_NAME, TYPE_ANNOTATION
from kcpfast.kcp.exports import Offer, find_export, offers, resources
from kcpfast.kcp.kinds import api_bindings, logical_clusters
from kcpfast.kcp.lifecycle import PHASE_LABEL
from kcpfast.meta.cluster import PATH_ANNOTATION, default_binding_name, export_hash
from kcpfast.meta.texts import embedded
from kcpfast.registry import index
from kcpfast.registry.metadata import status_of
from kcpfast.registry.objects import IndexHook, Objects, Target
from kcpfast.resources.builtin import BY_PLACE
from kcpfast.resources.resource import Object
from kcpfast.store.contract import PutRevision, Write

NAMESPACES = BY_PLACE["", "v1", "namespaces"]
CONFIG_MAPS = BY_PLACE["", "v1", "configmaps"]
DELETION_FINALIZER = "core.kcp.io/logicalcluster-deletion"
TERMINATORS_FINALIZER = "kcp.io/has-terminators"
OWNER_ANNOTATION = "experimental.tenancy.kcp.io/owner"
SHARD_ANNOTATION = "core.kcp.io/shard"
REPLICATE = "internal.kcp.io/replicate"
CREATE_ONLY = {"bootstrap.kcp.io/create-only": "true"}


class WorkspaceOwner(msgspec.Struct):
    """What is read of the owner that an annotation names (a UserInfo)."""

    username: str = ""


def short_owner(text: str) -> str:
    """Return an owner's annotation with nothing in it but the name, "" for one of no name."""
    owner = embedded(text, WorkspaceOwner) or WorkspaceOwner()
    return json.dumps({"username": owner.username}, separators=(",", ":"), ensure_ascii=False)


class Export(NamedTuple):
    """An export that is bound at creation."""

    cluster: str
    path: str
    name: str
    identity: str
    offers: Sequence[Offer]
    claims: Sequence[dict[str, Any]]


class Maker:
    """Makes objects of one cluster, and collects the writes that store them."""

    def __init__(self, objects: Objects, cluster: str, *, born: bool = False) -> None:
        """Begin without writes; `born` tells that the cluster is made with them: nobody claims
        anything of it yet."""
        self._objects = objects
        self.cluster = cluster
        self._born = born
        self.writes: list[Write] = []

    def make(self, target: Target, obj: Object) -> Object:
        """Store a new object of this cluster with the others."""
        self.writes += self._objects.creation_writes(target, obj)
        if not self._born:
            storage = target.resource.storage
            mark = index.work_item("claims", self.cluster, storage.decode())
            self.writes.append(PutRevision(mark, index.claim(self.cluster, storage)))
        return obj

    def namespace(self, name: str, annotations: Mapping[str, str] = {}) -> None:
        """Make a namespace; what every namespace holds is a index_hook of it."""
        meta: dict[str, Any] = {
            "name": name,
            "labels": {"kubernetes.io/metadata.name": name},
        }
        if annotations:
            meta["annotations"] = dict(annotations)
        obj = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": meta,
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        }
        self.make(Target(NAMESPACES, self.cluster, "", name), obj)

    def namespace_content(self, namespace: str, ca: str) -> None:
        """Make the service account and the CA certificate of a namespace."""
        self.account(namespace)
        self.root_ca(namespace, ca)

    def account(self, namespace: str) -> None:
        """Make the service account that every namespace has."""
        self.make(Target(ACCOUNTS, self.cluster, namespace, "default"), account(namespace))

    def root_ca(self, namespace: str, ca: str) -> None:
        """Make the ConfigMap with the server's CA certificate."""
        self.make(Target(CONFIG_MAPS, self.cluster, namespace, ROOT_CA), root_ca(namespace, ca))

    def admin(self, user: str) -> None:
        """Make a user the administrator of the workspace."""
        obj = {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {
                "name": "workspace-admin",
                "annotations": {REPLICATE: "apis.kcp.io,tenancy.kcp.io"},
            },
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
        }
        self.make(Target(CLUSTER_ROLE_BINDINGS, self.cluster, "", "workspace-admin"), obj)

    def bind(self, name: str, path: str, export: Export) -> Object:
        """Bind an export: the binding is made as one that is bound already."""
        meta: dict[str, Any] = {
            "name": name,
            "annotations": {PATH_ANNOTATION: path},
            "finalizers": [bindings.BINDING_FINALIZER],
            "labels": bindings.labels(export.cluster, export.name),
        }
        spec: dict[str, Any] = {"reference": {"export": {"name": export.name, "path": export.path}}}
        accepted = [accept(claim) for claim in export.claims]
        if accepted:
            spec["permissionClaims"] = accepted
        obj = {
            "apiVersion": api_bindings().api_version,
            "kind": "APIBinding",
            "metadata": meta,
            "spec": spec,
        }
        bound = bindings.bound_resources(export.offers, export.identity)
        bindings.mark_bound(obj, export.cluster, bound)
        force = claims.in_force(export.claims, accepted)
        if accepted:
            status: Any = obj["status"]
            status["exportPermissionClaims"] = list(export.claims)
            status["appliedPermissionClaims"] = force
        for kind in ("PermissionClaimsApplied", "PermissionClaimsValid"):
            conditions.mark_true(obj, kind)
        conditions.summarize(obj)
        self.make(Target(api_bindings(), self.cluster, "", name), obj)
        origin = (export.cluster, export.name)
        self.writes += bindings.row_writes(
            self._objects.store, self.cluster, name, origin, export.offers, export.identity
        )
        self.writes += bindings.file_consumer(
            self._objects.store, origin, self.cluster, name, bindings.Terms(export.identity, force)
        )
        self.writes += claims.index_writes((self.cluster, name), export_hash(*origin), (), force)
        # What is born in this very commit gets its labels a moment later.
        for claim in force:
            storage = claims.storage(claim).decode()
            self.writes.append(PutRevision(index.work_item("claims", self.cluster, storage)))
        return obj

    def ask(self, name: str, path: str, export: tuple[str, str, str], offered: Object) -> None:
        """Make a binding that is to be bound to an export (its cluster, path and name)."""
        cluster, export_path, export_name = export
        spec: dict[str, Any] = {"reference": {"export": {"name": export_name, "path": export_path}}}
        accepted = [accept(claim) for claim in offered["spec"].get("permissionClaims") or ()]
        if accepted:
            spec["permissionClaims"] = accepted
        obj = {
            "apiVersion": api_bindings().api_version,
            "kind": "APIBinding",
            "metadata": {
                "name": name,
                "annotations": {PATH_ANNOTATION: path},
                "finalizers": [bindings.BINDING_FINALIZER],
                "labels": {bindings.EXPORT_LABEL: export_hash(cluster, export_name)},
            },
            "spec": spec,
        }
        self.make(Target(api_bindings(), self.cluster, "", name), obj)

    def logical_cluster(self, obj: Object, locks: Mapping[str, str]) -> None:
        """Make the LogicalCluster; `locks` says which binding each resource is of."""
        if locks:
            text = json.dumps(
                {key: {"n": locks[key]} for key in sorted(locks)}, separators=(",", ":")
            )
            obj["metadata"]["annotations"][LOCK_ANNOTATION] = text
        self.make(Target(logical_clusters(), self.cluster, "", LOGICAL_CLUSTER_NAME), obj)


ROOT_CA = "kube-root-ca.crt"


def account(namespace: str) -> Object:
    """Return the service account that every namespace has."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": namespace},
    }


def root_ca(namespace: str, ca: str) -> Object:
    """Return the ConfigMap with the server's CA certificate."""
    description = (
        "Contains a CA bundle that can be used to verify the kube-apiserver when using internal "
        "endpoints such as the internal service IP or kubernetes.default.svc. No other usage is "
        "guaranteed across distributions of Kubernetes clusters."
    )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": ROOT_CA,
            "namespace": namespace,
            "annotations": {"kubernetes.io/description": description},
        },
        "data": {"ca.crt": ca},
    }


def accept(claim: Mapping[str, Any]) -> dict[str, Any]:
    """Return a claim as a default binding accepts it."""
    kept = {key: value for key, value in claim.items() if key != "defaultSelector"}
    selector = claim.get("defaultSelector") or {"matchAll": True}
    return kept | {"selector": selector, "state": "Accepted"}


def locks_of(bindings_bound: Iterable[Object]) -> dict[str, str]:
    """Return `resource.group` -> binding name for bindings that are bound."""
    locks = {}
    for binding in bindings_bound:
        for bound in binding["status"]["boundResources"]:
            locks[f"{bound['resource']}.{bound['group']}"] = binding["metadata"]["name"]
    return locks


def logical_cluster(type_name: str, path: str, shard: str, phase: str) -> Object:
    """Return a LogicalCluster, to be completed by who makes it."""
    annotations = {SHARD_ANNOTATION: shard, TYPE_ANNOTATION: type_name}
    if path:
        annotations[PATH_ANNOTATION] = path
    return {
        "apiVersion": logical_clusters().api_version,
        "kind": "LogicalCluster",
        "metadata": {
            "name": LOGICAL_CLUSTER_NAME,
            "annotations": annotations,
            "finalizers": [DELETION_FINALIZER],
            "labels": {PHASE_LABEL: phase},
        },
        "spec": {"directlyDeletable": False},
        "status": {"phase": phase},
    }


# Resources of one export that are bound in the request that makes a workspace.
_MOST_OFFERS = 50


def load_export(objects: Objects, cluster: str, path: str, name: str) -> Export | None:
    """Return an export ready to be bound at birth, None if it is not there or has no identity.

    Nor if it offers so much that it takes long. Raises exports.MissingSchema if it offers what does
    not exist.
    """
    export = find_export(objects, cluster, name)
    identity = status_of(export).get("identityHash") or ""
    if export is None or not identity or len(resources(export)) > _MOST_OFFERS:
        return None
    claims = export["spec"].get("permissionClaims") or ()
    return Export(cluster, path, name, identity, offers(objects, cluster, export), claims)


def default_name(cluster: str, export: Export) -> str:
    """Return the name of a default binding."""
    return default_binding_name(cluster, export.path, export.name)


def namespace_index_hook(ca: str, objects: Objects) -> IndexHook:
    """Return what a namespace carries along: its content at creation."""

    def index_hook(target: Target, old: Object | None, new: Object | None) -> Iterable[Write]:
        cluster, name = target.cluster, target.name
        if old is None and new is not None and ca:
            maker = Maker(objects, cluster)
            maker.namespace_content(name, ca)
            yield from maker.writes

    return index_hook
