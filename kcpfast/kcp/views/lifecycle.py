"""The virtual workspaces of initializers and terminators.

A controller that a WorkspaceType asks for sees the LogicalClusters that wait for it, takes its own
name off their list, and works in them until then. Paths:
/services/initializingworkspaces/<cluster of the type>:<type>/clusters/<cluster or *>/..., and the
same with terminatingworkspaces.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from msgspec.structs import replace

from kcpfast.auth.rules import allows
from kcpfast.kcp import lifecycle
from kcpfast.kcp.authorizer import DENIED
from kcpfast.kcp.clusters import LOGICAL_CLUSTER_NAME, Clusters
from kcpfast.kcp.effective import acting_for
from kcpfast.kcp.kinds import logical_clusters
from kcpfast.kcp.types import Types, WorkspaceType
from kcpfast.kcp.views.base import WHOLE, ViewScope, denied
from kcpfast.kcp.views.workspace import WorkspaceView
from kcpfast.meta.cluster import WILDCARD
from kcpfast.meta.errors import ApiError, field_invalid, invalid, not_found
from kcpfast.meta.selectors import Requirement
from kcpfast.meta.user import Attributes, User
from kcpfast.registry.catalog import Served
from kcpfast.registry.metadata import spec_of, status_of
from kcpfast.resources.resource import Object, Resource, Subresource


class Kind(NamedTuple):
    """One of the two kinds of view: its verb, the list it is about, and when."""

    word: str
    verb: str
    field: str
    label: str
    phases: tuple[str, ...]


INITIALIZING = Kind(
    "initializer", "initialize", "initializers", lifecycle.INITIALIZER_LABEL, ("Initializing",)
)
TERMINATING = Kind(
    "terminator",
    "terminate",
    "terminators",
    lifecycle.TERMINATOR_LABEL,
    ("Terminating", "Deleting"),
)
_LOGICAL_CLUSTERS = ("core.kcp.io", "v1alpha1", "logicalclusters")


def _listed(verbs: tuple[str, ...], status_verbs: tuple[str, ...]) -> Resource:
    resource = logical_clusters()
    status = Subresource("status", status_verbs, resource.kind)
    return replace(resource, verbs=verbs, subresources={"status": status})


@cache
def _over_all() -> Served:
    """Return LogicalCluster as the view over all workspaces shows it."""
    return Served(_listed(("get", "list", "watch"), ()))


@cache
def _in_one() -> Served:
    """Return LogicalCluster as the view of one workspace shows it: its status may be written."""
    return Served(_listed(("get",), ("get", "update", "patch")))


class LifecycleView:
    """See base.View."""

    def __init__(
        self, kind: Kind, name: str, workspace: WorkspaceView, clusters: Clusters, types: Types
    ) -> None:
        """Look at the clusters that wait for `name` (`<cluster>:<type>`); NotFound for no name."""
        type_cluster, separator, type_name = name.rpartition(":")
        if not separator or not type_cluster or not type_name:
            raise not_found("workspacetypes", "tenancy.kcp.io", name)
        self._kind, self._name = kind, name
        self._type = (type_cluster, type_name)
        self._workspace, self._clusters, self._types = workspace, clusters, types

    def find(
        self, cluster: str, group: str, version: str, plural: str, identity: str = ""
    ) -> Served | None:
        """Return LogicalClusters or, in one of them, what the workspace serves."""
        if (group, version, plural) == _LOGICAL_CLUSTERS and not identity:
            return _over_all() if cluster == WILDCARD else _in_one()
        if cluster == WILDCARD:
            return None
        return self._workspace.find(cluster, group, version, plural, identity)

    def resources(self, cluster: str) -> Iterable[Served]:
        """Return what `find` finds."""
        if cluster == WILDCARD:
            return [_over_all()]
        return self._workspace.resources(cluster)

    def fingerprint(self, cluster: str) -> bytes:
        """Return the workspace's, or nothing: the view over all shows one resource."""
        return b"" if cluster == WILDCARD else b"." + self._workspace.fingerprint(cluster)

    # ------------------------------------------------------------------------- authorization

    def authorize(self, user: User, cluster: str, attributes: Attributes) -> None:
        """Refuse unless the user may play this part; content also asks for the cluster's consent.

        403 in plain text, as kcp has it, for a cluster that does not wait for this controller.
        """
        type_cluster, type_name = self._type
        part = Attributes(
            self._kind.verb, "tenancy.kcp.io", "v1alpha1", "workspacetypes", "", "", type_name
        )
        if not self._workspace.authorizer.allows(user, type_cluster, part) or not cluster:
            raise denied(user, attributes, DENIED)
        if cluster == WILDCARD:
            return
        group, _, plural = _LOGICAL_CLUSTERS
        if (attributes.group, attributes.resource) == (group, plural):
            if not self._waits(cluster) or attributes.name not in ("", LOGICAL_CLUSTER_NAME):
                raise denied(user, attributes, DENIED)
            return
        self._check_content(user, cluster, attributes)

    def permits(self, user: User, cluster: str, attributes: Attributes) -> bool:
        """Ask as in the workspace."""
        return self._workspace.permits(user, cluster, attributes)

    def _waits(self, cluster: str) -> bool:
        state = self._clusters.state(cluster)
        if state is None or state.phase not in self._kind.phases:
            return False
        listed: tuple[str, ...] = getattr(state, self._kind.field)
        return self._name in listed

    def _check_content(self, user: User, cluster: str, attributes: Attributes) -> None:
        word, name = self._kind.word, self._name
        if not self._waits(cluster):
            raise _plain(403, f'{word} "{name}" cannot access this workspace')
        workspace_type = self._types.in_cluster(*self._type)
        if workspace_type is None:
            raise _plain(503, f"workspacetype {name} is not available")
        rules = workspace_type.spec.get(f"{word}Permissions")
        self._clusters.check_active(cluster, attributes)
        if not attributes.resource:
            return
        if rules is None:
            self._workspace.authorize(self._owner(user, cluster), cluster, attributes)
        elif not any(allows(rule, attributes) for rule in rules):
            resource = attributes.full_resource()
            text = f'{word} "{name}" denied by {word}Permissions: no rule allows {attributes.verb}'
            raise _plain(403, f"{text} on {resource}")
        elif not self.permits(user, cluster, attributes):
            # What the owner of a type lets it do is no more than what an export permits.
            raise denied(user, attributes, DENIED)

    def _owner(self, user: User, cluster: str) -> User:
        """Return whom the controller acts as where its type names no permissions."""
        logical = self._clusters.logical_cluster(cluster) or {}
        return acting_for(spec_of(logical).get("createdBy") or {}, user, cluster)

    # ------------------------------------------------------------------------- scope

    def scope(self, cluster: str, resource: Resource) -> ViewScope:
        """Limit LogicalClusters to those that wait for this controller."""
        if resource not in (_over_all().resource, _in_one().resource):
            return WHOLE
        key, value = lifecycle.label(self._kind.label, self._name)
        phases = frozenset(self._kind.phases)
        return ViewScope(
            None,
            (
                Requirement(key, "in", frozenset((value,))),
                Requirement(lifecycle.PHASE_LABEL, "in", phases),
            ),
            lifecycle.labelled(self._clusters.objects.store, key) if cluster == WILDCARD else None,
        )

    def admit(self, _cluster: str, resource: Resource, new: Object, old: Object | None) -> None:
        """Refuse, on a LogicalCluster, all but taking the own name off the list."""
        if resource is not _in_one().resource or old is None:
            return
        field = self._kind.field
        before = list(status_of(old).get(field) or ())
        after = list(status_of(new).get(field) or ())
        rest = {key: value for key, value in status_of(old).items() if key != field}
        same = rest == {key: value for key, value in status_of(new).items() if key != field}
        if after in (before, [name for name in before if name != self._name]) and same:
            return
        message = f'only removing the "{self._name}" {self._kind.word} is supported'
        cause = field_invalid(f"status.{field}", after, message)
        raise invalid("LogicalCluster", "tenancy.kcp.io", LOGICAL_CLUSTER_NAME, [cause])

    def admitted_as(self, user: User, cluster: str) -> User:
        """Admission sees the workspace's owner, or with permissions of its own the controller."""
        workspace_type: WorkspaceType | None = self._types.in_cluster(*self._type)
        if cluster == WILDCARD or workspace_type is None:
            return user
        if workspace_type.spec.get(f"{self._kind.word}Permissions") is None:
            user = self._owner(user, cluster)
        group = f"system:kcp:{self._kind.word}:{self._name}"
        return user._replace(groups=(*user.groups, group))


def _plain(code: int, text: str) -> ApiError:
    """Return an error whose answer is its text alone."""
    error = ApiError("", text, code=code)
    error.plain = True
    return error
