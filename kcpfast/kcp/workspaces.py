"""Workspaces: admitted, scheduled, born, in the request that creates them.

A workspace whose types have no initializer of somebody else's is Ready in the answer to its own
POST: its LogicalCluster and everything in it are writes of the same commit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from kcpfast.admission.chain import CREATE, UPDATE, Plugin, Review
from kcpfast.kcp import birth, conditions, lifecycle
from kcpfast.kcp.authorizer import Authorizer, is_master
from kcpfast.kcp.birth import Export, Maker
from kcpfast.kcp.clusters import REQUIRED_GROUPS, Clusters
from kcpfast.kcp.exports import MissingSchema
from kcpfast.kcp.kinds import API_BINDINGS, Exported
from kcpfast.kcp.types import Type, TypeRefused, Types, check_limits, default_bindings
from kcpfast.meta.cluster import ROOT, join, new_name, shard_hash
from kcpfast.meta.errors import ApiError, internal
from kcpfast.meta.selectors import check_object, from_object, matches
from kcpfast.meta.texts import embedded
from kcpfast.meta.user import Attributes, User
from kcpfast.registry import index
from kcpfast.registry.objects import Objects, Target
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Index, Write

PLACE = ("tenancy.kcp.io", "workspaces")
FINALIZER = "core.kcp.io/logicalcluster"
CLUSTER_ANNOTATION = "internal.tenancy.kcp.io/cluster"
SHARD_HASH_ANNOTATION = "internal.tenancy.kcp.io/shard"
BINDINGS_INITIALIZER = "system:apibindings"
SYSTEM_INITIALIZERS = ("root:universal", BINDINGS_INITIALIZER)
SHARD = "root"
_CAN_ONLY = "can only be {} by system privileged users"


class Plan(NamedTuple):
    """What a new workspace is to be."""

    cluster: str
    path: str
    type: Type
    aliases: Sequence[Type]
    exports: Sequence[Export]
    waiting: Sequence[str]
    terminators: Sequence[str]


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
        return [
            Plugin("tenancy.kcp.io/Workspace", self._admit, (CREATE,), (PLACE,), mutates=True),
            Plugin("tenancy.kcp.io/Workspace", self._admit_update, (UPDATE,), (PLACE,)),
        ]

    # ------------------------------------------------------------------------- admission

    def _admit(self, review: Review) -> None:
        obj, user = review.obj, review.user
        master = is_master(user, review.target.cluster)
        spec = obj.setdefault("spec", {})
        for field, shown in (("cluster", "Cluster"), ("URL", "URL")):
            if spec.get(field) and not master:
                raise review.refuse(f"spec.{shown} {_CAN_ONLY.format('set')}")
        if spec.get("mount"):
            self._check_mount(review, spec)
            return
        self._check_owner(review)
        if not master:
            annotations = obj["metadata"]["annotations"]
            annotations[birth.OWNER_ANNOTATION] = _compact(user.lasting().info())
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
        text = (review.obj["metadata"].get("annotations") or {}).get(birth.OWNER_ANNOTATION)
        was = ((review.old or {}).get("metadata") or {}).get("annotations") or {}
        if text in (None, was.get(birth.OWNER_ANNOTATION)):
            return
        if embedded(text, birth.Owner) is None:
            where = f"metadata.annotations[{birth.OWNER_ANNOTATION}]"
            raise review.refuse(f"{where} must hold a UserInfo object as JSON")

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

    def _choose_type(self, parent: str, spec: dict[str, Any]) -> Type:
        wanted = spec.get("type")
        path = self._clusters.path_of(parent)
        if not wanted:
            of_parent = self.types.of_cluster(parent)
            default = (of_parent.spec if of_parent else {}).get("defaultChildWorkspaceType")
            wanted = default or {"name": "universal", "path": ROOT}
        name = str(wanted.get("name") or "")
        if not wanted.get("path"):
            found = self.types.search(path, name)
            if found is None:
                raise TypeRefused(f'workspace type "{name}" cannot be resolved')
            return found
        found = self.types.at(str(wanted["path"]), name)
        if found is None:
            full = f"{wanted['path']}:{name}"
            text = f'workspacetypes.tenancy.kcp.io "{full}" not found'
            raise TypeRefused(f"Internal error occurred: {text}")
        return found

    def _check_use(self, user: User, aliases: Iterable[Type]) -> None:
        for alias in aliases:
            wanted = Attributes(
                "use", "tenancy.kcp.io", "v1alpha1", "workspacetypes", name=alias.name
            )
            if not self.authorizer.allows(user, alias.cluster, wanted, deep=True):
                raise TypeRefused(
                    f"unable to use workspace type {alias.full}: missing verb='use' permission on "
                    "workspacetype"
                )

    def _check_limits(self, parent: str, chosen: Type, aliases: Sequence[Type]) -> None:
        of_parent = self.types.of_cluster(parent)
        if of_parent is not None:
            check_limits(chosen, aliases, of_parent, self.types.aliases(of_parent))

    def _admit_update(self, review: Review) -> None:
        """What a workspace was given when it was scheduled is not for users to change."""
        self._check_owner(review)
        old = (review.old or {}).get("spec") or {}
        new = review.obj.get("spec") or {}
        if old.get("cluster") and not new.get("cluster"):
            raise review.refuse("spec.cluster cannot be unset")
        if is_master(review.user, review.target.cluster):
            return
        for field in ("cluster", "URL"):
            if old.get(field) != new.get(field):
                raise review.refuse(f"spec.{field} {_CAN_ONLY.format('changed')}")

    # ------------------------------------------------------------------------- birth

    def _schedule(self, review: Review, chosen: Type, aliases: Sequence[Type]) -> None:
        obj = review.obj
        if not self._has_shard(review):
            obj["status"] = {"phase": "Unavailable"}
            text = "No available shards to schedule the workspace"
            conditions.mark_false(obj, "WorkspaceScheduled", "Unschedulable", text)
            lifecycle.set_phase(obj, "Unavailable")
            return
        parent = review.target.cluster
        path = join(self._clusters.path_of(parent), review.name)
        plan = self.plan(path, chosen, aliases)
        ready = not plan.waiting
        self._complete(obj, plan, ready=ready)
        creator = review.user
        owner = {
            "apiVersion": "tenancy.kcp.io/v1alpha1",
            "cluster": parent,
            "name": review.name,
            "resource": "workspaces",
            "uid": obj["metadata"]["uid"],
        }
        annotations = obj["metadata"]["annotations"]
        review.more += self.born(plan, creator, owner, annotations.get(REQUIRED_GROUPS, ""))

    def _has_shard(self, review: Review) -> bool:
        selector = ((review.obj["spec"].get("location") or {}).get("selector")) or {}
        causes = check_object(selector, "spec.location.selector")
        if causes:
            raise review.refuse(causes[0].text())
        shard = self._objects.find(Target(self._kinds.shards, ROOT, "", SHARD))
        meta = (shard or {}).get("metadata") or {}
        if "experimental.core.kcp.io/unschedulable" in (meta.get("annotations") or {}):
            return False
        return matches(from_object(selector), meta.get("labels"))

    def plan(self, path: str, chosen: Type, aliases: Sequence[Type]) -> Plan:
        """Return what a workspace of a type will be; exports that are not there yet are waited
        for."""
        exports, missing = [], False
        for export_path, name in default_bindings(aliases):
            found = self._load(export_path, name)
            missing = missing or found is None
            exports += [found] if found is not None else []
        waiting = [
            alias.initializer
            for alias in aliases
            if alias.spec.get("initializer") and alias.initializer not in SYSTEM_INITIALIZERS
        ]
        if missing:
            waiting.append(BINDINGS_INITIALIZER)
        terminators = [alias.initializer for alias in aliases if alias.spec.get("terminator")]
        return Plan(new_name(), path, chosen, aliases, exports, waiting, terminators)

    def _load(self, path: str, name: str) -> Export | None:
        try:
            cluster = self._clusters.resolve(path)
            return birth.load_export(self._objects, cluster, path, name)
        except (ApiError, MissingSchema):
            return None

    def _complete(self, obj: Object, plan: Plan, *, ready: bool) -> None:
        """Give a Workspace what scheduling decides."""
        meta, spec = obj["metadata"], obj["spec"]
        annotations = meta["annotations"]
        annotations[birth.SHARD_ANNOTATION] = SHARD
        annotations[CLUSTER_ANNOTATION] = plan.cluster
        annotations[SHARD_HASH_ANNOTATION] = shard_hash(SHARD)
        meta["finalizers"] = [*(meta.get("finalizers") or ()), FINALIZER]
        spec["cluster"] = plan.cluster
        spec["URL"] = f"{self._base_url}/clusters/{plan.path}"
        # One generation as the client asked for it, one as it was completed.
        meta["generation"] = 2
        lifecycle.set_phase(obj, "Ready" if ready else "Initializing")
        lifecycle.set_initializers(obj, plan.waiting)
        conditions.mark_true(obj, "WorkspaceScheduled")
        if ready and birth.OWNER_ANNOTATION in annotations:
            annotations[birth.OWNER_ANNOTATION] = birth.short_owner(
                annotations[birth.OWNER_ANNOTATION]
            )

    def home(self, cluster: str, user: User) -> list[Write]:
        """Return the writes that make a user's home workspace; internal error without its type."""
        chosen = self.types.at(ROOT, "home")
        if chosen is None:
            raise internal("the workspace type root:home does not exist")
        plan = self.plan(f"user:{user.name}", chosen, self.types.aliases(chosen))
        return self.born(plan._replace(cluster=cluster), user, None, "")

    def complete(self, cluster: str, path: str, kind: Type) -> list[Write] | None:
        """Return the writes that bind what a waiting workspace has not been bound to yet.

        None while an export that its type names is still not there.
        """
        maker = Maker(self._objects, cluster)
        for export_path, name in default_bindings(self.types.aliases(kind)):
            export = self._load(export_path, name)
            if export is None:
                return None
            chosen = birth.default_name(cluster, export)
            if self._objects.record(Target(API_BINDINGS, cluster, "", chosen)) is None:
                maker.bind(chosen, path, export)
        return maker.writes

    def born(
        self, plan: Plan, creator: User, owner: dict[str, Any] | None, required_groups: str
    ) -> list[Write]:
        """Return the writes that make a logical cluster and all that is in it."""
        maker = Maker(self._objects, plan.cluster, born=True)
        phase = "Initializing" if plan.waiting else "Ready"
        cluster = birth.logical_cluster(plan.type.full, plan.path, SHARD, phase)
        annotations = cluster["metadata"]["annotations"]
        annotations[birth.OWNER_ANNOTATION] = _compact({"username": creator.name})
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
            cluster["metadata"]["finalizers"].append(birth.TERMINATORS_FINALIZER)
        cluster["status"]["URL"] = f"{self._base_url}/clusters/{plan.cluster}"
        lifecycle.set_phase(cluster, phase)
        lifecycle.set_initializers(cluster, plan.waiting)
        lifecycle.relabel(cluster)
        if any(alias.initializer == "root:universal" for alias in plan.aliases):
            for name in ("default", "kube-system"):
                maker.namespace(name, birth.CREATE_ONLY)
        maker.admin(creator.name)
        bound = [
            maker.bind(birth.default_name(plan.cluster, export), plan.path, export)
            for export in plan.exports
        ]
        if bound and BINDINGS_INITIALIZER not in plan.waiting:
            conditions.mark_true(cluster, "APIBindingsInitialized")
            conditions.mark_true(cluster, "APIBindingsReconciled")
        maker.logical_cluster(cluster, birth.locks_of(bound))
        return maker.writes


def _initializers(aliases: Iterable[Type]) -> list[str]:
    found = [alias.initializer for alias in aliases if alias.spec.get("initializer")]
    if any(alias.spec.get("defaultAPIBindings") for alias in aliases):
        found.append(BINDINGS_INITIALIZER)
    return found


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def consequences(target: Target, old: Object | None, new: Object | None) -> Iterable[Write]:
    """File the path of a workspace."""
    key = index.path(target.cluster, target.name)
    before = ((old or {}).get("spec") or {}).get("cluster")
    after = ((new or {}).get("spec") or {}).get("cluster")
    if before != after:
        yield Index(key, after.encode() if after else None)
