"""Finds logical clusters: by path, by name, and what state they are in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from kcpfast.kcp.kinds import logical_clusters
from kcpfast.meta import cluster as names
from kcpfast.meta.errors import ApiError, bad_request, not_found
from kcpfast.meta.texts import embedded_object, signed
from kcpfast.meta.user import Attributes, User
from kcpfast.registry import index, values
from kcpfast.registry.derived import Derived
from kcpfast.registry.metadata import annotations_of, spec_of, status_of
from kcpfast.registry.objects import Objects, Target
from kcpfast.registry.reader import Reader
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Check, Put, Write

Lock = Mapping[str, Any]
LOGICAL_CLUSTER_NAME = "cluster"
TYPE_ANNOTATION = "internal.tenancy.kcp.io/type"
REQUIRED_GROUPS = "authorization.kcp.io/required-groups"
MAX_OBJECTS = "core.kcp.io/max-total-objects"
INACTIVE = "core.kcp.io/inactive"
_MAX_STATES = 4096
_MAX_NAME = 512  # no key is longer
LOCK_ANNOTATION = "internal.apis.kcp.io/resource-bindings"
# Paths that are answered also where a cluster sleeps.
_AWAKE = ("/openapi", "/healthz", "/livez", "/readyz")
_REGEX_TEXT = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$"


class ClusterState(NamedTuple):
    """What requests need to know of a logical cluster."""

    phase: str
    path: str
    type: str
    required_groups: str
    inactive: bool
    deleting: bool
    initializers: tuple[str, ...]
    terminators: tuple[str, ...]
    max_objects: int | None
    # Name and uid of the user whose home it is, ("", "") for other workspaces.
    home_of: tuple[str, str] = ("", "")

    def is_home_of_another(self, user: User) -> bool:
        """Tell whether it is the home of a user of this name who is somebody else: by the uid, if
        both have one."""
        name, uid = self.home_of
        return bool(name == user.name and uid and user.uid and uid != user.uid)


class Clusters:
    """Resolves paths through the index, and states through the registry."""

    def __init__(self, objects: Objects, reader: Reader) -> None:
        """Look through the registry; states are remembered while they hold."""
        self.objects = objects
        self._states: Derived[str, ClusterState | None] = Derived(reader, _MAX_STATES)

    def resolve(self, path: str) -> str:
        """Return the logical cluster name of a path.

        A single name is returned as it is, whether it exists or not. BadRequest for what is no
        path, NotFound for a workspace that is not there.
        """
        if path in ("", names.WILDCARD) or path.startswith("system:"):
            return path
        if not names.valid_path(path):
            text = f'invalid cluster: "{path}" does not match the regex {_REGEX_TEXT}'
            raise bad_request(text)
        if ":" not in path:
            return path
        cluster = self.walk(path)
        if not cluster:
            raise not_found("workspaces", "tenancy.kcp.io", path)
        return cluster

    def walk(self, path: str) -> str:
        """Return the cluster at a path, "" if there is none."""
        first, *rest = path.split(":")
        if first == "user" and rest:
            first = names.home_name(rest.pop(0))
        for segment in rest:
            data = self.objects.store.index_get(index.path(first, segment))
            if data is None:
                return ""
            first = data.decode()
        return first

    def logical_cluster(self, cluster: str) -> Object | None:
        """Return the LogicalCluster object of a cluster."""
        return self.objects.find(target(cluster))

    def state(self, cluster: str) -> ClusterState | None:
        """Return the state of a cluster, None if it does not exist."""
        if len(cluster) > _MAX_NAME:
            return None

        def read() -> ClusterState | None:
            logical = self.logical_cluster(cluster)
            return _state(logical) if logical is not None else None

        return self._states.get(cluster, read)

    def check_active(self, cluster: str, attributes: Attributes) -> None:
        """Forbidden for what is inside a cluster that sleeps; it can be looked at and woken."""
        if not cluster or cluster == names.WILDCARD or attributes.path.startswith(_AWAKE):
            return
        state = self.state(cluster)
        itself = (attributes.resource, attributes.name) == ("logicalclusters", LOGICAL_CLUSTER_NAME)
        if state is not None and state.inactive and not itself:
            raise inactive_error(cluster)

    def is_ending(self, cluster: str) -> bool:
        """Tell whether a cluster is being deleted."""
        state = self.state(cluster)
        return state is not None and state.deleting

    def object_limit(self, usual: int, cluster: str) -> int:
        """Return how many objects a cluster may hold, 0 for any number.

        `usual` is for clusters that say nothing else, but not for root, and not for new ones.
        """
        state = self.state(cluster)
        if state is None or state.phase != "Ready":
            return 0
        if state.max_objects is not None:
            return max(0, state.max_objects)
        return 0 if cluster == names.ROOT else usual

    def path_of(self, cluster: str) -> str:
        """Return the canonical path of a cluster; its name if it does not exist."""
        state = self.state(cluster)
        return (state.path if state is not None else "") or cluster


def target(cluster: str) -> Target:
    """Return where the LogicalCluster of a cluster is."""
    return Target(logical_clusters(), cluster, "", LOGICAL_CLUSTER_NAME)


def _is_inactive(annotations: Mapping[str, str]) -> bool:
    return "true" in (annotations.get(INACTIVE), annotations.get("internal.kcp.io/inactive"))


def falls_asleep(before: bytes | None, after: bytes | None) -> bool:
    """Tell whether a stored LogicalCluster is marked inactive by a write."""
    if after is None or b"kcp.io/inactive" not in after:
        return False
    then, now = (
        _is_inactive(values.metadata(value).get("annotations") or {}) if value else False
        for value in (before, after)
    )
    return now and not then


def _state(logical: Object) -> ClusterState:
    annotations = annotations_of(logical)
    status = status_of(logical)
    return ClusterState(
        status.get("phase", ""),
        annotations.get(names.PATH_ANNOTATION, ""),
        annotations.get(TYPE_ANNOTATION, ""),
        annotations.get(REQUIRED_GROUPS, ""),
        _is_inactive(annotations),
        "deletionTimestamp" in logical["metadata"],
        tuple(status.get("initializers") or ()),
        tuple(status.get("terminators") or ()),
        _integer(annotations.get(MAX_OBJECTS)),
        _home_of(logical),
    )


def _home_of(logical: Object) -> tuple[str, str]:
    """Return whose home a logical cluster is: it has a maker, and no Workspace stands for it."""
    spec = spec_of(logical)
    maker = spec.get("createdBy") or {}
    if spec.get("owner") or not maker:
        return "", ""
    return maker.get("username") or "", maker.get("uid") or ""


def lock_writes(objects: Objects, cluster: str, holders: Mapping[str, Lock | None]) -> list[Write]:
    """Return the writes that say, on the LogicalCluster, who brings which `resource.group`.

    None takes a lock away. Whoever brings a resource writes the same object and expects it as it
    was read: of two that want the same name at the same time, one is made to look again.
    """
    logical_target = target(cluster)
    record = objects.record(logical_target)
    if record is None:
        return []
    old = objects.load(logical_target)
    annotations = annotations_of(old)
    before = embedded_object(annotations.get(LOCK_ANNOTATION) or "")
    after = {key: before[key] for key in before if key not in holders}
    after |= {key: lock for key, lock in holders.items() if lock is not None}
    if after == before:
        return [Check(logical_target.key(), record.revision)]
    text = json.dumps({key: after[key] for key in sorted(after)}, separators=(",", ":"))
    meta = old["metadata"] | {"annotations": annotations | {LOCK_ANNOTATION: text}}
    new = old | {"metadata": meta}
    put = Put(logical_target.key(), values.encode(logical_target.resource, new), record.revision)
    return [put, *objects.index_writes(logical_target, old, new)]


def _integer(text: str | None) -> int | None:
    try:
        return signed(text) if text is not None else None
    except ValueError:
        return None


def inactive_error(cluster: str) -> ApiError:
    """403 for everything in a cluster that was put to sleep."""
    text = (
        f'logicalclusters.core.kcp.io "{cluster}" is forbidden: logical cluster is marked inactive'
    )
    details = {"name": cluster, "group": "core.kcp.io", "kind": "logicalclusters"}
    return ApiError("Forbidden", text, details=details)
