"""What a new installation begins with: root, system:admin, and kcp's own exports.

All of it is one commit on an empty store, so there is no half-made installation. Names, roles and
types follow a fresh kcp (assets/bootstrap.json).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec

from kcpfast.auth.tokens import SECRETS
from kcpfast.kcp import conditions
from kcpfast.kcp.creation import Export, Maker, locks_of, logical_cluster
from kcpfast.kcp.exports import (
    SECRET_NAMESPACE,
    Offer,
    identity_secret,
    new_identity_key,
    offer_of,
    view_url,
)
from kcpfast.kcp.kinds import api_exports, api_schemas, endpoint_slices, schemas
from kcpfast.kcp.types import type_status
from kcpfast.meta.cluster import PATH_ANNOTATION, ROOT, SYSTEM_ADMIN, identity_hash
from kcpfast.registry.objects import Objects, Target
from kcpfast.resources import definition
from kcpfast.resources.asset import asset
from kcpfast.resources.builtin import BUILTIN
from kcpfast.resources.resource import Object, Origin, Resource
from kcpfast.store.contract import Write

SHARD = "root"
_KINDS = {(each.api_version, each.kind): each for each in BUILTIN}


@cache
def _asset() -> Mapping[str, Any]:
    return asset("bootstrap.json")


def installation(objects: Objects, base_url: str) -> list[Write]:
    """Return the writes that make an empty store an installation."""
    admin = Maker(objects, SYSTEM_ADMIN, born=True)
    for obj in _asset()[SYSTEM_ADMIN]:
        _make(admin, _KINDS, obj)
    root = Maker(objects, ROOT, born=True)
    exports = [_export(root, row, base_url) for row in _asset()["exports"]]
    kinds = _exported_kinds(exports)
    bound = [
        root.bind(export.name, ROOT, export)
        for export in exports
        if export.name in _asset()["bindings"]
    ]
    for obj in _asset()[ROOT]:
        if obj["kind"] == "WorkspaceType":
            obj["metadata"].setdefault("annotations", {})[PATH_ANNOTATION] = ROOT
            type_status(obj, base_url, ROOT)
        _make(root, kinds, obj)
    root.make(Target(kinds[_SHARDS], ROOT, "", SHARD), _shard(base_url))
    root.logical_cluster(_root_cluster(base_url), locks_of(bound))
    return [*admin.writes, *root.writes]


_SHARDS = ("core.kcp.io/v1alpha1", "Shard")


def _make(maker: Maker, kinds: Mapping[tuple[str, str], Resource], obj: Object) -> None:
    obj = msgspec.json.decode(msgspec.json.encode(obj))
    meta = obj["metadata"]
    if obj["kind"] == "Namespace":
        maker.namespace(meta["name"], meta.get("annotations") or {})
        return
    resource = kinds[obj["apiVersion"], obj["kind"]]
    maker.make(Target(resource, maker.cluster, meta.get("namespace", ""), meta["name"]), obj)


def _export(root: Maker, row: Mapping[str, Any], base_url: str) -> Export:
    """Make an export of root with its schemas, identity and endpoint slice."""
    name = row["name"]
    offered: list[Offer] = []
    for group, plural, prefix in row["resources"]:
        spec = schemas()["exported"][f"{plural}.{group}"]
        schema = _schema(prefix, plural, group, spec)
        root.make(Target(api_schemas(), ROOT, "", schema["metadata"]["name"]), schema)
        offered.append(offer_of(schema))
    key = new_identity_key()
    secret = Target(SECRETS, ROOT, SECRET_NAMESPACE, name)
    root.make(secret, identity_secret(SECRET_NAMESPACE, name, key))
    identity = identity_hash(key)
    export = _export_object(name, offered, identity, row["policy"])
    root.make(Target(api_exports(), ROOT, "", name), export)
    root.make(Target(endpoint_slices(), ROOT, "", name), _slice(export, base_url))
    return Export(ROOT, ROOT, name, identity, offered, ())


def _schema(prefix: str, plural: str, group: str, spec: Mapping[str, Any]) -> Object:
    return {
        "apiVersion": api_schemas().api_version,
        "kind": "APIResourceSchema",
        "metadata": {"name": f"{prefix}.{plural}.{group}"},
        "spec": dict(spec),
    }


def _export_object(name: str, offered: Sequence[Offer], identity: str, policy: bool) -> Object:
    spec: dict[str, Any] = {
        "identity": {"secretRef": {"name": name, "namespace": SECRET_NAMESPACE}},
        "resources": [
            {
                "group": offer.group,
                "name": offer.plural,
                "schema": offer.schema["metadata"]["name"],
                "storage": {"crd": {}},
            }
            for offer in offered
        ],
    }
    if policy:
        spec["maximalPermissionPolicy"] = {"local": {}}
    export: Object = {
        "apiVersion": api_exports().api_version,
        "kind": "APIExport",
        "metadata": {"name": name, "annotations": {PATH_ANNOTATION: ROOT}},
        "spec": spec,
        "status": {"identityHash": identity},
    }
    conditions.mark_true(export, "IdentityValid")
    return export


def _slice(export: Object, base_url: str) -> Object:
    name = export["metadata"]["name"]
    owner = {
        "apiVersion": "apis.kcp.io/v1alpha1",
        "kind": "APIExport",
        "name": name,
        "uid": export["metadata"]["uid"],
    }
    endpoint_slice: Object = {
        "apiVersion": endpoint_slices().api_version,
        "kind": "APIExportEndpointSlice",
        "metadata": {"name": name, "ownerReferences": [owner]},
        "spec": {"export": {"name": name, "path": ROOT}},
        "status": {"endpoints": [{"url": view_url(base_url, ROOT, name)}]},
    }
    conditions.mark_true(endpoint_slice, "APIExportValid")
    conditions.mark_true(endpoint_slice, "PartitionValid")
    return endpoint_slice


def _shard(base_url: str) -> Object:
    return {
        "apiVersion": "core.kcp.io/v1alpha1",
        "kind": "Shard",
        "metadata": {"name": SHARD, "labels": {"name": SHARD}},
        "spec": {
            "baseURL": base_url,
            "externalURL": base_url,
            "virtualWorkspaceURL": base_url,
        },
    }


def _root_cluster(base_url: str) -> Object:
    obj = logical_cluster("root:root", "", SHARD, "Ready")
    annotations = obj["metadata"]["annotations"]
    annotations["experimental.tenancy.kcp.io/owner"] = '{"username":"system:kcp-bootstrapper"}'
    annotations["internal.kcp.io/replicate"] = "apis.kcp.io,tenancy.kcp.io"
    obj["status"]["URL"] = f"{base_url}/clusters/{ROOT}"
    conditions.mark_true(obj, "WorkspaceInitialized")
    return obj


def _exported_kinds(exports: Iterable[Export]) -> dict[tuple[str, str], Resource]:
    """Return the built-in kinds and those of the exports that root binds."""
    kinds = dict(_KINDS)
    for export in exports:
        for offer in export.offers:
            origin = Origin(offer.digest, export.identity, export.cluster, export.name)
            for resource in definition.resources_of(offer.definition, origin).values():
                kinds[resource.api_version, resource.kind] = resource
    return kinds
