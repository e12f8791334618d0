"""Workspaces: admitted, scheduled, born, in the request that creates them.

A workspace whose types have no initializer of somebody else's is Ready in the answer to its own
POST: its LogicalCluster and everything in it are writes of the same commit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from kcpfast.admission.chain import CREATE, UPDATE, Plugin, Review
from kcpfast.kcp import conditions, creation, lifecycle
from kcpfast.kcp.authorizer import Authorizer, is_master
from kcpfast.kcp.clusters import REQUIRED_GROUPS, Clusters
from kcpfast.kcp.creation import Export, Maker
from kcpfast.kcp.exports import MissingSchema, find_export
from kcpfast.kcp.kinds import Exported, api_bindings
from kcpfast.kcp.types import TypeRefused, Types, WorkspaceType, check_limits, default_bindings
from kcpfast.meta.cluster import ROOT, default_binding_name, join, new_name, shard_hash
from kcpfast.meta.errors import ApiError, internal
from kcpfast.meta.selectors import check_object, from_object, matches
from kcpfast.meta.texts import embedded
from kcpfast.meta.user import Attributes, User, user_of
from kcpfast.registry import index, values
from kcpfast.registry.metadata import (
    add_finalizer,
    annotations_of,
    find_condition,
    spec_of,
    status_of,
)
from kcpfast.registry.naming import Claimed
from kcpfast.registry.objects import Objects, Target
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Index, Write

WORKSPACES_PLACE = ("tenancy.kcp.io", "workspaces")
WORKSPACE_FINALIZER = "core.kcp.io/logicalcluster"
WORKSPACE_CLUSTER_ANNOTATION = "internal.tenancy.kcp.io/cluster"
SHARD_HASH_ANNOTATION = "internal.tenancy.kcp.io/shard"
BINDINGS_INITIALIZER = "system:apibindings"
SYSTEM_INITIALIZERS = ("root:universal", BINDINGS_INITIALIZER)
SHARD = "root"
# Exports that are bound in the request that makes a workspace; others follow.
_MOST_AT_BIRTH = 20
_CAN_ONLY = "can only be {} by system privileged users"


class WorkspacePlan(NamedTuple):
    """What a new workspace is to be."""

    cluster: str
    path: str
    type: WorkspaceType
    aliases: Sequence[WorkspaceType]
    exports: Sequence[Export]
    waiting: Sequence[str]
    terminators: Sequence[str]


class Asked(NamedTuple):
    """A default binding: whether it is bound, or its export missing; the writes that ask for it."""

    name: str
    is_complete: bool = False
    is_missing: bool = False
    writes: Sequence[Write] = ()


class _Creator(msgspec.Struct):
    """The owner of a Workspace that was not scheduled at once (a UserInfo)."""

    username: str = ""
    uid: str = ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}


class Workspaces:
    """Admission and birth of workspaces."""

    def __init__(
        self,
        clusters: Clusters,
        kinds: Exported,
        authorizer: Authorizer,
        base_url: str,
    ) -> None:
        """Make workspaces with URLs below `base_url`."""
        self._clusters = clusters
        self._objects: Objects = clusters.objects
        self.types = Types(clusters, kinds)
        self._kinds = kinds
        self.authorizer = authorizer
        self._base_url = base_url

    def plugins(self) -> list[Plugin]:
        """Return the admission plugins of workspaces."""
        name = "tenancy.kcp.io/Workspace"
        return [
            # Once: it is born here. Only the policies of root look at it, whose export it is of.
            Plugin(name, self._admit, (CREATE,), (WORKSPACES_PLACE,), mutates=True, once=True),
            Plugin(name, self._admit_update, (UPDATE,), (WORKSPACES_PLACE,)),
        ]

    # ------------------------------------------------------------------------- admission

    def _admit(self, review: Review) -> None:
        obj, user = review.obj, review.user
        master = is_master(user, review.target.cluster)
        spec = obj.setdefault("spec", {})
        for field, label in (("cluster", "Cluster"), ("URL", "URL")):
            if spec.get(field) and not master:
                raise review.refuse(f"spec.{label} {_CAN_ONLY.format('set')}")
        if spec.get("mount"):
            self._check_mount(review, spec)
            return
        self._check_owner(review)
        if not master:
            annotations = obj["metadata"]["annotations"]
            annotations[creation.OWNER_ANNOTATION] = _compact(user.lasting().info())
        self._copy_required_groups(review)
        try:
            chosen = self._choose_type(review.target.cluster, spec)
            aliases = self.types.aliases(chosen)
            self._check_use(user, aliases)
            self._check_limits(review.target.cluster, chosen, aliases)
        except TypeRefused as refused:
            raise review.refuse(str(refused)) from None
        spec["type"] = {"name": chosen.name, "path": chosen.path}
        for alias in aliases:
            for key, value in (alias.spec.get("additionalWorkspaceLabels") or {}).items():
                obj["metadata"].setdefault("labels", {}).setdefault(key, value)
        if not review.dry_run:
            self._schedule(review, chosen, aliases)

    def _check_owner(self, review: Review) -> None:
        """Refuse an owner that nobody could read: the workspace would wait for it for ever."""
        text = (review.obj["metadata"].get("annotations") or {}).get(creation.OWNER_ANNOTATION)
        was = ((review.old or {}).get("metadata") or {}).get("annotations") or {}
        if text in (None, was.get(creation.OWNER_ANNOTATION)):
            return
        if embedded(text, creation.WorkspaceOwner) is None:
            field = f"metadata.annotations[{creation.OWNER_ANNOTATION}]"
            raise review.refuse(f"{field} must hold a UserInfo object as JSON")

    def _check_mount(self, review: Review, spec: dict[str, Any]) -> None:
        reference = spec["mount"].get("ref") or {}
        for field in ("kind", "name", "apiVersion"):
            if not reference.get(field):
                raise review.refuse(f"spec.mount.ref.{field} must be set")
        if spec.get("type"):
            raise review.refuse("spec.type cannot be set for mounted workspaces")

    def _copy_required_groups(self, review: Review) -> None:
        state = self._clusters.state(review.target.cluster)
        annotations = review.obj["metadata"]["annotations"]
        if state is not None and state.required_groups:
            annotations[REQUIRED_GROUPS] = state.required_groups
        elif not is_master(review.user, review.target.cluster):
            annotations.pop(REQUIRED_GROUPS, None)

    def _choose_type(self, parent: str, spec: dict[str, Any]) -> WorkspaceType:
        type_reference = spec.get("type")
        path = self._clusters.path_of(parent)
        if not type_reference:
            of_parent = self.types.of_cluster(parent)
            default = (of_parent.spec if of_parent else {}).get("defaultChildWorkspaceType")
            type_reference = default or {"name": "universal", "path": ROOT}
        name = str(type_reference.get("name") or "")
        if not type_reference.get("path"):
            workspace_type = self.types.search(path, name)
            if workspace_type is None:
                raise TypeRefused(f'workspace type "{name}" cannot be resolved')
            return workspace_type
        workspace_type = self.types.at(str(type_reference["path"]), name)
        if workspace_type is None:
            full = f"{type_reference['path']}:{name}"
            text = f'workspacetypes.tenancy.kcp.io "{full}" not found'
            raise TypeRefused(f"Internal error occurred: {text}")
        return workspace_type

    def _check_use(self, user: User, aliases: Iterable[WorkspaceType]) -> None:
        for alias in aliases:
            attributes = Attributes(
                "use", "tenancy.kcp.io", "v1alpha1", "workspacetypes", name=alias.name
            )
            if not self.authorizer.allows(user, alias.cluster, attributes, deep=True):
                raise TypeRefused(
                    f"unable to use workspace type {alias.full}: missing verb='use' permission on "
                    "workspacetype"
                )

    def _check_limits(
        self, parent: str, chosen: WorkspaceType, aliases: Sequence[WorkspaceType]
    ) -> None:
        of_parent = self.types.of_cluster(parent)
        if of_parent is not None:
            check_limits(chosen, aliases, of_parent, self.types.aliases(of_parent))

    def _admit_update(self, review: Review) -> None:
        """What a workspace was given when it was scheduled is not for users to change."""
        self._check_owner(review)
        old = spec_of(review.old)
        new = spec_of(review.obj)
        if old.get("cluster") and not new.get("cluster"):
            raise review.refuse("spec.cluster cannot be unset")
        if is_master(review.user, review.target.cluster):
            return
        for field in ("cluster", "URL"):
            if old.get(field) != new.get(field):
                raise review.refuse(f"spec.{field} {_CAN_ONLY.format('changed')}")

    # ------------------------------------------------------------------------- birth

    def _schedule(
        self, review: Review, chosen: WorkspaceType, aliases: Sequence[WorkspaceType]
    ) -> None:
        obj = review.obj
        causes = check_object(_location(obj), "spec.location.selector")
        if causes:
            raise review.refuse(causes[0].text())
        if not self.has_shard(obj):
            # Whoever schedules it later finds here for whom.
            owner = _compact(review.user.lasting().info())
            obj["metadata"]["annotations"].setdefault(creation.OWNER_ANNOTATION, owner)
            _wait(obj, "No available shards to schedule the workspace")
            return
        review.more += self._begin(review.target.cluster, obj, review.user, (chosen, aliases))

    def schedule_late(self, parent: str, obj: Object) -> list[Write]:
        """Schedule a Workspace, in place, for which there was no shard when it was made.

        Its owner is asked anew what they may; if that is not enough the Workspace says so.
        """
        annotations = annotations_of(obj)
        creator = embedded(annotations.get(creation.OWNER_ANNOTATION) or "", _Creator)
        type_reference = obj["spec"].get("type") or {}
        chosen = self.types.at(type_reference.get("path") or "", type_reference.get("name") or "")
        try:
            if creator is None or chosen is None:
                raise TypeRefused("the workspace has no owner, or its type is gone")
            owner, aliases = user_of(msgspec.to_builtins(creator)), self.types.aliases(chosen)
            if not is_master(owner, parent):
                self._check_use(owner, aliases)
            self._check_limits(parent, chosen, aliases)
        except TypeRefused as refused:
            _wait(obj, str(refused))
            return []
        return self._begin(parent, obj, owner, (chosen, aliases))

    def _begin(
        self,
        parent: str,
        obj: Object,
        creator: User,
        kind: tuple[WorkspaceType, Sequence[WorkspaceType]],
    ) -> list[Write]:
        """Complete a Workspace, in place; return the writes that make its logical cluster."""
        meta = obj["metadata"]
        plan = self.plan(join(self._clusters.path_of(parent), meta["name"]), *kind)
        self._complete(obj, plan, ready=not plan.waiting)
        owner = {
            "apiVersion": "tenancy.kcp.io/v1alpha1",
            "cluster": parent,
            "name": meta["name"],
            "resource": "workspaces",
            "uid": meta["uid"],
        }
        return self.born(plan, creator, owner, meta["annotations"].get(REQUIRED_GROUPS, ""))

    def has_shard(self, obj: Object) -> bool:
        """Tell whether there is a shard for a Workspace."""
        shard = self._objects.find(Target(self._kinds.shards, ROOT, "", SHARD))
        meta = (shard or {}).get("metadata") or {}
        if "experimental.core.kcp.io/unschedulable" in (meta.get("annotations") or {}):
            return False
        return matches(from_object(_location(obj)), meta.get("labels"))

    def plan(
        self, path: str, chosen: WorkspaceType, aliases: Sequence[WorkspaceType]
    ) -> WorkspacePlan:
        """Return what a workspace of a type will be.

        Exports that are not there yet are waited for, and what would take long; also what has the
        name of something that was named before it.
        """
        exports: list[Export] = []
        names, missing = Claimed(), False
        for export_path, name in default_bindings(aliases):
            if len(exports) >= _MOST_AT_BIRTH:
                missing = True
                break
            export = self._load(export_path, name)
            offered = export.offers if export is not None else ()
            named = [(offer.group, offer.definition["names"]) for offer in offered]
            if export is not None and names.take(named):
                exports.append(export)
            else:
                missing = True
        waiting = [
            alias.initializer
            for alias in aliases
            if alias.spec.get("initializer") and alias.initializer not in SYSTEM_INITIALIZERS
        ]
        if missing:
            waiting.append(BINDINGS_INITIALIZER)
        terminators = [alias.initializer for alias in aliases if alias.spec.get("terminator")]
        return WorkspacePlan(new_name(), path, chosen, aliases, exports, waiting, terminators)

    def _load(self, path: str, name: str) -> Export | None:
        try:
            cluster = self._clusters.resolve(path)
            return creation.load_export(self._objects, cluster, path, name)
        except (ApiError, MissingSchema):
            return None

    def _complete(self, obj: Object, plan: WorkspacePlan, *, ready: bool) -> None:
        """Give a Workspace what scheduling decides."""
        meta, spec = obj["metadata"], obj["spec"]
        annotations = meta["annotations"]
        annotations[creation.SHARD_ANNOTATION] = SHARD
        annotations[WORKSPACE_CLUSTER_ANNOTATION] = plan.cluster
        annotations[SHARD_HASH_ANNOTATION] = shard_hash(SHARD)
        add_finalizer(meta, WORKSPACE_FINALIZER)
        spec["cluster"] = plan.cluster
        spec["URL"] = f"{self._base_url}/clusters/{plan.path}"
        # One generation as the client asked for it, one as it was completed.
        meta["generation"] = meta.get("generation", 1) + 1
        lifecycle.set_phase(obj, "Ready" if ready else "Initializing")
        lifecycle.set_initializers(obj, plan.waiting)
        conditions.mark_true(obj, "WorkspaceScheduled")
        if ready and creation.OWNER_ANNOTATION in annotations:
            annotations[creation.OWNER_ANNOTATION] = creation.short_owner(
                annotations[creation.OWNER_ANNOTATION]
            )

    def home(self, cluster: str, user: User) -> list[Write]:
        """Return the writes that make a user's home workspace; internal error without its type."""
        chosen = self.types.at(ROOT, "home")
        if chosen is None:
            raise internal("the workspace type root:home does not exist")
        plan = self.plan(f"user:{user.name}", chosen, self.types.aliases(chosen))
        return self.born(plan._replace(cluster=cluster), user, None, "")

    def default_bindings(self, kind: WorkspaceType) -> list[tuple[str, str]]:
        """Return (path, export) of what workspaces of a type are bound to; TypeRefused if it
        cannot be told."""
        return list(default_bindings(self.types.aliases(kind)))

    def ask_for(self, cluster: str, own: str, export: tuple[str, str]) -> Asked:
        """Return how far the binding of a waiting workspace to an export (path and name) is.

        If there is none yet, with the writes that ask for it; `own` is the workspace's path.
        """
        path, name = export
        chosen = default_binding_name(cluster, path, name)
        record = self._objects.record(Target(api_bindings(), cluster, "", chosen))
        if record is not None:
            return Asked(chosen, is_complete(values.decode(api_bindings(), *record)))
        try:
            there = self._clusters.resolve(path)
        except ApiError:
            return Asked(chosen, is_missing=True)
        offered = find_export(self._objects, there, name)
        if offered is None:
            return Asked(chosen, is_missing=True)
        maker = Maker(self._objects, cluster)
        maker.ask(chosen, own, (there, path, name), offered)
        return Asked(chosen, writes=maker.writes)

    def born(
        self, plan: WorkspacePlan, creator: User, owner: dict[str, Any] | None, required_groups: str
    ) -> list[Write]:
        """Return the writes that make a logical cluster and all that is in it."""
        maker = Maker(self._objects, plan.cluster, born=True)
        phase = "Initializing" if plan.waiting else "Ready"
        cluster = creation.logical_cluster(plan.type.full, plan.path, SHARD, phase)
        annotations = cluster["metadata"]["annotations"]
        annotations[creation.OWNER_ANNOTATION] = _compact({"username": creator.name})
        if required_groups:
            annotations[REQUIRED_GROUPS] = required_groups
        spec = cluster["spec"]
        spec["createdBy"] = creator.lasting().info()
        if owner is not None:
            spec["owner"] = owner
        initializers = _initializers(plan.aliases)
        if initializers:
            spec["initializers"] = initializers
        if plan.terminators:
            spec["terminators"] = list(plan.terminators)
            cluster["status"]["terminators"] = list(plan.terminators)
            cluster["metadata"]["finalizers"].append(creation.TERMINATORS_FINALIZER)
        cluster["status"]["URL"] = f"{self._base_url}/clusters/{plan.cluster}"
        lifecycle.set_phase(cluster, phase)
        lifecycle.set_initializers(cluster, plan.waiting)
        lifecycle.relabel(cluster)
        if any(alias.initializer == "root:universal" for alias in plan.aliases):
            for name in ("default", "kube-system"):
                maker.namespace(name, creation.CREATE_ONLY)
        maker.admin(creator.name)
        bound = [
            maker.bind(creation.default_name(plan.cluster, export), plan.path, export)
            for export in plan.exports
        ]
        if bound and BINDINGS_INITIALIZER not in plan.waiting:
            conditions.mark_true(cluster, "APIBindingsInitialized")
            conditions.mark_true(cluster, "APIBindingsReconciled")
        maker.logical_cluster(cluster, creation.locks_of(bound))
        return maker.writes


def is_complete(binding: Object) -> bool:
    """Tell whether a binding has come as far as a new workspace waits for."""
    status, accepted = (
        status_of(binding),
        spec_of(binding).get("permissionClaims"),
    )
    applied = find_condition(binding, "PermissionClaimsApplied")
    return status.get("phase") == "Bound" and (
        not accepted or (applied is not None and applied["status"] == "True")
    )


def _location(workspace: Object) -> dict[str, Any]:
    return ((workspace["spec"].get("location") or {}).get("selector")) or {}


def _wait(workspace: Object, message: str) -> None:
    workspace["status"] = workspace.get("status") or {"phase": "Unavailable"}
    conditions.mark_false(workspace, "WorkspaceScheduled", "Unschedulable", message)
    lifecycle.set_phase(workspace, "Unavailable")


def _initializers(aliases: Iterable[WorkspaceType]) -> list[str]:
    names = [alias.initializer for alias in aliases if alias.spec.get("initializer")]
    if any(alias.spec.get("defaultAPIBindings") for alias in aliases):
        names.append(BINDINGS_INITIALIZER)
    return names


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def index_hooks(target: Target, old: Object | None, new: Object | None) -> Iterable[Write]:
    """File the path of a workspace."""
    key = index.path(target.cluster, target.name)
    before = spec_of(old).get("cluster")
    after = spec_of(new).get("cluster")
    if before != after:
        yield Index(key, after.encode() if after else None)
