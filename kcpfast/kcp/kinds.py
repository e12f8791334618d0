"""kcp's own kinds, as schemas in assets/kcp.json.

`system` ones are served in every workspace as they are. The others are offered by APIExports of
the root workspace and reach a workspace through a binding, like anybody's; which identity they
have is decided when the installation is bootstrapped, so `Exported` finds them through the
catalog of root.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from kcpfast.kcp import conversion
from kcpfast.meta.cluster import ROOT
from kcpfast.registry.catalog import Catalog
from kcpfast.resources import definition
from kcpfast.resources.asset import asset
from kcpfast.resources.resource import Origin, Resource


@cache
def schemas() -> Mapping[str, Mapping[str, Any]]:
    """Return the asset: `system` and `exported` definitions by `plural.group`."""
    return asset("kcp.json")


def _system() -> dict[tuple[str, str, str], Resource]:
    found = {}
    for spec in schemas()["system"].values():
        digest, _ = definition.encode(dict(spec))
        for resource in definition.resources_of(dict(spec), Origin(digest, "")).values():
            found[resource.group, resource.version, resource.plural] = resource
    return found


SYSTEM = _system()
conversion.attach(SYSTEM)
LOGICAL_CLUSTERS = SYSTEM["core.kcp.io", "v1alpha1", "logicalclusters"]
API_SCHEMAS = SYSTEM["apis.kcp.io", "v1alpha1", "apiresourceschemas"]
API_EXPORTS = SYSTEM["apis.kcp.io", "v1alpha2", "apiexports"]
API_BINDINGS = SYSTEM["apis.kcp.io", "v1alpha2", "apibindings"]
ENDPOINT_SLICES = SYSTEM["apis.kcp.io", "v1alpha1", "apiexportendpointslices"]


class Exported:
    """The kinds that root exports and kcp itself works with."""

    def __init__(self, catalog: Catalog) -> None:
        """Find them in root's catalog; the installation must be bootstrapped."""
        self.workspaces = _of_root(catalog, "tenancy.kcp.io", "workspaces")
        self.workspace_types = _of_root(catalog, "tenancy.kcp.io", "workspacetypes")
        self.shards = _of_root(catalog, "core.kcp.io", "shards")
        self.partitions = _of_root(catalog, "topology.kcp.io", "partitions")


def _of_root(catalog: Catalog, group: str, plural: str) -> Resource:
    served = catalog.find(ROOT, group, "v1alpha1", plural)
    if served is None:
        raise LookupError(f"root does not serve {plural}.{group}")
    return served.resource
