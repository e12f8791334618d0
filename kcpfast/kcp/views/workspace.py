"""The plain view: one workspace, or for the privileged all of them (`/clusters/*`)."""

from __future__ import annotations

from collections.abc import Iterable

from kcpfast.kcp.authorizer import Authorizer
from kcpfast.kcp.clusters import Clusters
from kcpfast.kcp.views.base import WHOLE, ViewScope, denied, identity_of
from kcpfast.meta.cluster import WILDCARD
from kcpfast.meta.errors import ApiError
from kcpfast.meta.user import Attributes, User
from kcpfast.registry.catalog import Catalog, Served
from kcpfast.resources.resource import Object, Resource


class WorkspaceView:
    """See base.View."""

    def __init__(self, catalog: Catalog, authorizer: Authorizer, clusters: Clusters) -> None:
        """Look through these."""
        self._catalog = catalog
        self.authorizer = authorizer
        self._clusters = clusters

    def find(
        self, cluster: str, group: str, version: str, plural: str, identity: str = ""
    ) -> Served | None:
        """Return a resource of the workspace; of all of them, what is bound by an identity."""
        if cluster == WILDCARD:
            if identity:
                return self._by_identity(group, version, plural, identity)
            return self._catalog.find("", group, version, plural)
        found = self._catalog.find(cluster, group, version, plural)
        return found if not identity or identity == identity_of(found) else None

    def _by_identity(self, group: str, version: str, plural: str, identity: str) -> Served | None:
        row = self._catalog.by_identity(identity, group, plural)
        if row is None:
            return None
        resource = self._catalog.from_origin(row).get(version)
        return Served(resource) if resource is not None else None

    def resources(self, cluster: str) -> Iterable[Served]:
        """Return what the workspace serves."""
        static = (Served(resource) for resource in self._catalog.static())
        return [*static, *self._catalog.dynamic(cluster)]

    def fingerprint(self, cluster: str) -> bytes:
        """Return what the catalog files for the workspace."""
        return self._catalog.fingerprint(cluster)

    def authorize(self, user: User, cluster: str, wanted: Attributes) -> None:
        """Ask the authorizer; a workspace that sleeps answers nobody."""
        self._clusters.check_active(cluster, wanted)
        decision = self.authorizer.decide(user, cluster, wanted)
        if not decision.allowed:
            raise denied(user, wanted, decision.reason)
        if cluster == WILDCARD and wanted.resource and wanted.verb not in ("list", "watch"):
            text = f"{wanted.verb} is not supported in the * logical cluster"
            details = {"group": wanted.group, "kind": wanted.resource}
            details = {key: value for key, value in details.items() if value}
            raise ApiError("MethodNotAllowed", text, details=details)

    def permits(self, user: User, cluster: str, wanted: Attributes) -> bool:
        """Ask the policy of the export that a resource is bound from."""
        return self.authorizer.permits(user, cluster, wanted)

    def scope(self, _cluster: str, _resource: Resource) -> ViewScope:
        """Show everything."""
        return WHOLE

    def admit(self, _cluster: str, _resource: Resource, _new: Object, _old: Object | None) -> None:
        """Let everything through."""

    def admitted_as(self, user: User, _cluster: str) -> User:
        """Admission sees the user."""
        return user
