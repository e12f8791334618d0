"""APIExports: their identity, their schemas, and where their virtual workspaces are."""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from kcpfast.kcp.clusters import Clusters
from kcpfast.kcp.kinds import api_exports, api_schemas
from kcpfast.meta.cluster import identity_hash
from kcpfast.meta.errors import ApiError
from kcpfast.registry import index
from kcpfast.registry.derived import Kept
from kcpfast.registry.metadata import spec_of
from kcpfast.registry.objects import IndexHook, Objects, Target
from kcpfast.registry.values import decode
from kcpfast.resources import definition
from kcpfast.resources.definition import Definition
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Index, Record, Write

SECRET_NAMESPACE = "kcp-system"
# What schemas come to as offers, in bytes, and how many times its definition an offer takes.
_KEPT_BYTES, _GROWTH = 64 << 20, 15


class Offer(NamedTuple):
    """One resource of an export, with its schema object and definition."""

    group: str
    plural: str
    schema: Object
    definition: Definition
    digest: str
    data: bytes


def new_identity_key() -> str:
    """Return the key of a new identity."""
    return secrets.token_urlsafe(32)


def identity_secret(namespace: str, name: str, key: str) -> Object:
    """Return the secret that holds an identity's key."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "data": {"key": b64encode(key.encode()).decode()},
        "type": "Opaque",
    }


def hash_of_secret(secret: Object) -> str:
    """Return the identity that a secret stands for, "" if it holds no key."""
    encoded = (secret.get("data") or {}).get("key") or ""
    return identity_hash(b64decode(encoded).decode("utf-8", "replace")) if encoded else ""


def resources(export: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the resources that an export (v1alpha2) offers."""
    listed: list[dict[str, Any]] = spec_of(export).get("resources") or []
    return listed


def schema_definition(schema: Object) -> Definition:
    """Return the definition in an APIResourceSchema."""
    spec = schema["spec"]
    return definition.definition(spec, spec["names"], lambda version: version["schema"])


class MissingSchema(LookupError):
    """An export names a schema that does not exist (yet)."""


def offers(objects: Objects, cluster: str, export: Object) -> list[Offer]:
    """Return what an export in a cluster offers; MissingSchema if a schema is not there."""
    return offers_of(schemas(objects, cluster, export))


def schemas(objects: Objects, cluster: str, export: Object) -> list[Record]:
    """Return the schemas of an export as they are stored; MissingSchema if one is not there."""
    records = []
    for resource in resources(export):
        try:
            record = objects.record(Target(api_schemas(), cluster, "", resource["schema"]))
        except ApiError:  # a name that nothing can have
            record = None
        if record is None:
            raise MissingSchema(resource["schema"])
        records.append(record)
    return records


def offers_of(records: Sequence[Record]) -> list[Offer]:
    """Return what schemas that are stored come to as offers."""
    return [_OFFERS.get(record, partial(_offer, record)) for record in records]


# Schemas never change, so each is worked out once.
_OFFERS: Kept[Offer] = Kept(_KEPT_BYTES, lambda offer: _GROWTH * len(offer.data))


def _offer(record: Record) -> Offer:
    """Return a stored schema as an offer."""
    return offer_of(decode(api_schemas(), *record))


def offer_of(schema: Object) -> Offer:
    """Return an APIResourceSchema as an offer."""
    encoded = schema_definition(schema)
    digest, data = definition.encode(encoded)
    return Offer(encoded["group"], encoded["names"]["plural"], schema, encoded, digest, data)


def find_export(objects: Objects, cluster: str, name: str) -> Object | None:
    """Return an APIExport."""
    return objects.find(Target(api_exports(), cluster, "", name))


def view_url(base: str, cluster: str, export: str) -> str:
    """Return the URL of an export's virtual workspace."""
    return f"{base}/services/apiexport/{cluster}/{export}"


def named_export(endpoint_slice: Object | None) -> Mapping[str, Any]:
    """Return the reference (`path`, `name`) of an APIExportEndpointSlice, empty if it has none."""
    spec = spec_of(endpoint_slice)
    reference: Mapping[str, Any] = spec.get("export") or {}
    return reference


def slice_index_hook(clusters: Clusters) -> IndexHook:
    """Return the index hook that files an APIExportEndpointSlice under its export."""

    def file(target: Target, old: Object | None, new: Object | None) -> Iterable[Write]:
        reference = named_export(new or old)
        if not reference.get("name"):
            return
        try:
            owner = clusters.resolve(reference.get("path") or target.cluster)
        except ApiError:
            return  # the reconciler files it once there is a workspace at the path
        key = index.endpoint_slice(owner, reference["name"], target.cluster, target.name)
        yield Index(key, None if new is None else b"")

    return file
