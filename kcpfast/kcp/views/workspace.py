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
        kind = self._catalog.find(cluster, group, version, plural)
        return kind if not identity or identity == identity_of(kind) else None

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

    def authorize(self, user: User, cluster: str, attributes: Attributes) -> None:
        """Ask the authorizer; a workspace that sleeps answers nobody."""
        self._clusters.check_active(cluster, attributes)
        decision = self.authorizer.decide(user, cluster, attributes)
        if not decision.allowed:
            raise denied(user, attributes, decision.reason)
        if cluster == WILDCARD and attributes.resource and attributes.verb not in ("list", "watch"):
            text = f"{attributes.verb} is not supported in the * logical cluster"
            details = {"group": attributes.group, "kind": attributes.resource}
            details = {key: value for key, value in details.items() if value}
            raise ApiError("MethodNotAllowed", text, details=details)

    def permits(self, user: User, cluster: str, attributes: Attributes) -> bool:
        """Ask the policy of the export that a resource is bound from."""
        return self.authorizer.permits(user, cluster, attributes)

    def scope(self, _cluster: str, _resource: Resource) -> ViewScope:
        """Show everything."""
        return WHOLE

    def admit(self, _cluster: str, _resource: Resource, _new: Object, _old: Object | None) -> None:
        """Let everything through."""

    def admitted_as(self, user: User, _cluster: str) -> User:
        """Admission sees the user."""
        return user
