"""The maximal permission policy: what an export allows its consumers at most.

With `spec.maximalPermissionPolicy.local`, RBAC in the export's own workspace is asked whether
`apis.kcp.io:binding:<user>` may do what a consumer wants to do to a resource bound from it.
"""

from __future__ import annotations

from kcpfast.auth.rbac import Identity, Rbac
from kcpfast.kcp.effective import consumers
from kcpfast.kcp.kinds import api_exports
from kcpfast.meta.cluster import SYSTEM_ADMIN
from kcpfast.meta.user import Attributes, User
from kcpfast.registry.catalog import Catalog
from kcpfast.registry.derived import Derived
from kcpfast.registry.metadata import spec_of
from kcpfast.registry.objects import Objects, Target
from kcpfast.registry.reader import Reader

_MAX_EXPORTS = 4096
POLICY_PREFIX = "apis.kcp.io:binding:"


class Policies:
    """Looks policies up and asks RBAC."""

    def __init__(self, objects: Objects, catalog: Catalog, rbac: Rbac, reader: Reader) -> None:
        """Read exports through the registry."""
        self._objects = objects
        self._catalog = catalog
        self._rbac = rbac
        self._with_policy: Derived[tuple[str, str], bool] = Derived(reader, _MAX_EXPORTS)

    def permits(self, user: User, cluster: str, attributes: Attributes) -> bool:
        """Tell whether the export behind a resource, if any, permits a request in a consumer."""
        group, plural = attributes.group, attributes.resource
        if not plural or self._catalog.is_static(group, plural):
            return True
        row = self._catalog.row(cluster, group, plural)
        if row is None or not row.shared.export:
            return True
        export = (row.shared.export_cluster, row.shared.export)
        return self.export_permits(user, cluster, export, attributes)

    def export_permits(
        self, user: User, cluster: str, export: tuple[str, str], attributes: Attributes
    ) -> bool:
        """Tell whether one export permits a request in a consumer's cluster (in any: `*`).

        An export that is gone permits all.
        """
        export_cluster, name = export
        if not self._has_policy(export_cluster, name):
            return True
        who = tuple(_prefixed(identity) for identity in consumers(user, cluster))
        return self._rbac.allowed(export_cluster, who, attributes) or self._rbac.allowed(
            SYSTEM_ADMIN, who, attributes
        )

    def _has_policy(self, cluster: str, export: str) -> bool:
        def read() -> bool:
            export_object = self._objects.find(Target(api_exports(), cluster, "", export))
            spec = spec_of(export_object)
            policy = spec.get("maximalPermissionPolicy") or {}
            return policy.get("local") is not None

        return self._with_policy.get((cluster, export), read)


def _prefixed(who: Identity) -> Identity:
    return Identity(POLICY_PREFIX + who.name, tuple(POLICY_PREFIX + group for group in who.groups))
