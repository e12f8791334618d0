"""kcp's own kinds, as schemas in assets/kcp.json.

`system` ones are served in every workspace as they are. The others are offered by APIExports of
the root workspace and reach a workspace through a binding, like anybody's; which identity they
have is decided when the installation is bootstrapped, so `Exported` finds them through the
catalog of root.

Importing this module reads and builds nothing; what is asked for first is built once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from kcpfast.kcp import conversion
from kcpfast.meta.cluster import ROOT
from kcpfast.registry.catalog import Catalog
from kcpfast.resources.asset import asset
from kcpfast.resources.definition import encode, resources_of
from kcpfast.resources.resource import Origin, Resource


@cache
def schemas() -> Mapping[str, Mapping[str, Any]]:
    """Return the asset: `system` and `exported` definitions by `plural.group`."""
    return asset("kcp.json")


@cache
def system_kinds() -> Mapping[tuple[str, str, str], Resource]:
    """Return the kinds that every workspace serves, by group, version and plural."""
    kinds = {}
    for spec in schemas()["system"].values():
        definition = dict(spec)
        digest, _ = encode(definition)
        for resource in resources_of(definition, Origin(digest, "")).values():
            kinds[resource.group, resource.version, resource.plural] = resource
    conversion.attach(kinds)
    return kinds


@cache
def logical_clusters() -> Resource:
    """Return the kind LogicalCluster."""
    return system_kinds()["core.kcp.io", "v1alpha1", "logicalclusters"]


@cache
def api_schemas() -> Resource:
    """Return the kind APIResourceSchema."""
    return system_kinds()["apis.kcp.io", "v1alpha1", "apiresourceschemas"]


@cache
def api_exports() -> Resource:
    """Return the kind APIExport, in the version that is stored."""
    return system_kinds()["apis.kcp.io", "v1alpha2", "apiexports"]


@cache
def api_bindings() -> Resource:
    """Return the kind APIBinding, in the version that is stored."""
    return system_kinds()["apis.kcp.io", "v1alpha2", "apibindings"]


@cache
def endpoint_slices() -> Resource:
    """Return the kind APIExportEndpointSlice."""
    return system_kinds()["apis.kcp.io", "v1alpha1", "apiexportendpointslices"]


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
