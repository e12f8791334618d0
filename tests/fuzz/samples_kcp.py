"""One valid object of each of kcp's own kinds."""

from __future__ import annotations

from tests.fuzz.sample import APIS, CLAIM, SCHEMA, TENANCY, Sample, names

KCPS = (
    Sample(
        f"{APIS}/v1alpha1",
        "apiresourceschemas",
        "APIResourceSchema",
        {
            "spec": {
                "group": "f.example.com",
                "scope": "Namespaced",
                "names": names("{n}s"),
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "schema": SCHEMA,
                        "subresources": {"status": {}},
                    }
                ],
            }
        },
        name="v1.{n}s.f.example.com",
    ),
    Sample(
        f"{APIS}/v1alpha2",
        "apiexports",
        "APIExport",
        {
            "spec": {
                "resources": [
                    {
                        "name": "lamps",
                        "group": "x.example.com",
                        "schema": "v1.lamps.x.example.com",
                        "storage": {"crd": {}},
                    }
                ],
                "permissionClaims": [CLAIM],
            }
        },
        subresources=("status",),
    ),
    Sample(
        f"{APIS}/v1alpha1",
        "apiexports",
        "APIExport",
        {
            "spec": {
                "latestResourceSchemas": [],
                "permissionClaims": [{"group": "", "resource": "configmaps", "all": True}],
                "maximalPermissionPolicy": {"local": {}},
            }
        },
        subresources=("status",),
    ),
    Sample(
        f"{APIS}/v1alpha2",
        "apibindings",
        "APIBinding",
        {
            "spec": {
                "reference": {"export": {"path": "root:shop", "name": "x.example.com"}},
                "permissionClaims": [CLAIM | {"state": "Accepted", "selector": {"matchAll": True}}],
            }
        },
        subresources=("status",),
    ),
    Sample(
        f"{APIS}/v1alpha1",
        "apibindings",
        "APIBinding",
        {
            "spec": {
                "reference": {"export": {"path": "root:shop", "name": "x.example.com"}},
                "permissionClaims": [
                    {"group": "", "resource": "configmaps", "all": True, "state": "Accepted"}
                ],
            }
        },
        subresources=("status",),
    ),
    Sample(
        f"{APIS}/v1alpha1",
        "apiexportendpointslices",
        "APIExportEndpointSlice",
        {"spec": {"export": {"path": "root:shop", "name": "x.example.com"}}},
        subresources=("status",),
    ),
    Sample(
        f"{APIS}/v1alpha1",
        "apiconversions",
        "APIConversion",
        {
            "spec": {
                "conversions": [
                    {
                        "from": "v1",
                        "to": "v2",
                        "rules": [{"field": ".spec.a", "destination": ".spec.b"}],
                    }
                ]
            }
        },
        name="v1.{n}s.f.example.com",
    ),
    Sample(
        TENANCY,
        "workspaces",
        "Workspace",
        {"spec": {"type": {"name": "universal", "path": "root"}}},
        subresources=("status",),
    ),
    Sample(
        TENANCY,
        "workspacetypes",
        "WorkspaceType",
        {
            "spec": {
                "extend": {"with": [{"name": "universal", "path": "root"}]},
                "defaultChildWorkspaceType": {"name": "universal", "path": "root"},
                "limitAllowedChildren": {"types": [{"name": "universal", "path": "root"}]},
                "defaultAPIBindings": [],
            }
        },
        subresources=("status",),
    ),
    Sample(
        "/apis/core.kcp.io/v1alpha1",
        "logicalclusters",
        "LogicalCluster",
        {"spec": {"directlyDeletable": True}},
        name="cluster",
        subresources=("status",),
    ),
    Sample(
        "/apis/core.kcp.io/v1alpha1",
        "shards",
        "Shard",
        {"spec": {"baseURL": "https://a", "virtualWorkspaceURL": "https://b"}},
    ),
    Sample(
        "/apis/topology.kcp.io/v1alpha1",
        "partitions",
        "Partition",
        {"spec": {"selector": {"matchLabels": {"a": "b"}}}},
    ),
    Sample(
        "/apis/topology.kcp.io/v1alpha1",
        "partitionsets",
        "PartitionSet",
        {"spec": {"dimensions": ["a"], "shardSelector": {"matchLabels": {"a": "b"}}}},
    ),
    Sample(
        "/apis/x.example.com/v1",
        "lamps",
        "Lamp",
        {"spec": {"size": 1}, "status": {"size": 1}},
        True,
        subresources=("status",),
    ),
)
