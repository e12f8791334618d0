"""APIBindings: what a binding brings into a workspace, and what that writes into the index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from kcpfast.kcp import claims, conditions
from kcpfast.kcp.exports import Offer
from kcpfast.meta.cluster import export_hash
from kcpfast.registry import index
from kcpfast.registry.catalog import CatalogRow, drop_row, file_row
from kcpfast.registry.metadata import spec_of, status_of
from kcpfast.registry.objects import IndexHook, Target
from kcpfast.resources.definition import storage_of
from kcpfast.resources.resource import Object, Origin
from kcpfast.store.contract import Index, Present, PutRevision, Store, Write

# The group and plural by which admission knows a binding (see Review.place).
API_BINDINGS_PLACE = ("apis.kcp.io", "apibindings")
BINDING_FINALIZER = "apis.kcp.io/apibinding-finalizer"
EXPORT_LABEL = "internal.apis.kcp.io/export"
# The index entry of a consumer that is not bound yet.
WAITING = b""


def labels(export_cluster: str, export: str) -> dict[str, str]:
    """Return the labels of a binding that is bound."""
    value = export_hash(export_cluster, export)
    return {claims.LABEL + value: claims.REFLEXIVE, EXPORT_LABEL: value}


def reference(binding: Object) -> Mapping[str, Any]:
    """Return the export that a binding refers to: name and path."""
    spec = spec_of(binding)
    references = spec.get("reference") or {}
    export: Mapping[str, Any] = references.get("export") or {}
    return export


def in_force(export: Object, binding: Object) -> list[dict[str, Any]]:
    """Return the claims that an export makes and a binding accepts."""
    offered = spec_of(export).get("permissionClaims") or ()
    answers = spec_of(binding).get("permissionClaims") or ()
    return claims.in_force(offered, answers)


def bound_resources(
    offers: Sequence[Offer], identity: str, before: Sequence[dict[str, Any]] = ()
) -> list[dict[str, Any]]:
    """Return status.boundResources; storage versions add to those of `before`."""
    by_resource = {(entry["group"], entry["resource"]): entry for entry in before}
    entries = []
    for offer in offers:
        old = by_resource.get((offer.group, offer.plural)) or {}
        versions = list(old.get("storageVersions") or ())
        stored = storage_of(offer.definition)
        # None is taken away: objects in a version that was stored once may still be there.
        if stored not in versions:
            versions.append(stored)
        meta = offer.schema["metadata"]
        schema = {"UID": meta["uid"], "identityHash": identity, "name": meta["name"]}
        entry = {
            "group": offer.group,
            "resource": offer.plural,
            "schema": schema,
            "storageVersions": versions,
        }
        entries.append(entry)
    return entries


def mark_bound(binding: Object, export_cluster: str, bound: list[dict[str, Any]]) -> None:
    """Give a binding the status of one that is bound."""
    status = binding.setdefault("status", {})
    status["apiExportClusterName"] = export_cluster
    status["boundResources"] = bound
    status["phase"] = "Bound"
    for kind in ("APIExportValid", "BindingUpToDate", "InitialBindingCompleted"):
        conditions.mark_true(binding, kind)


def row_writes(
    store: Store,
    cluster: str,
    binding: str,
    export: tuple[str, str],
    offers: Iterable[Offer],
    identity: str,
) -> list[Write]:
    """Return the writes of a binding's catalog rows and identities, without those in the store."""
    writes: list[Write] = []
    for offer in offers:
        group, plural = offer.group, offer.plural
        origin = Origin(offer.digest, identity, *export)
        row = CatalogRow("binding", binding, origin)
        filed = store.index_get(index.resource(cluster, group, plural))
        if filed != row.encode():
            writes += file_row(store, cluster, (group, plural), row, offer.data)
        key = index.identity(identity, group, plural)
        entry = "\0".join(origin).encode()
        if store.index_get(key) != entry:
            writes.append(Index(key, entry))
    return writes


def file_consumer(
    store: Store,
    export: tuple[str, str],
    cluster: str,
    binding: str,
    terms: Terms | None,
) -> list[Write]:
    """Return the writes that file a binding with its export, none if it is filed already.

    `terms` are those of the binding, None while it waits to be bound. The export's endpoint slices
    are queued for its first consumer only; while there is another they have their URL. That the
    other is still there is then checked in the commit.
    """
    own = index.consumer(*export, cluster, binding)
    filed = consumer_entry(terms)
    entry = store.index_get(own)
    if entry is not None:
        return [Index(own, filed)] if entry != filed else []
    for key, _ in store.index_scan(index.consumer(*export), limit=1):
        return [Index(own, filed), Present(key)]
    return [Index(own, filed), PutRevision(index.work_item("slices", *export))]


class Terms(NamedTuple):
    """What a binding has agreed to: the claims in force, and with whom: the export of an identity.

    Who makes an export of the same name anew, with another identity, is somebody else.
    """

    identity: str
    claims: Sequence[Mapping[str, Any]]


def consumer_entry(terms: Terms | None) -> bytes:
    """Return what is filed of a consumer."""
    if terms is None:
        return WAITING
    return msgspec.json.encode([terms.identity, list(terms.claims)])


def terms_of(entry: bytes) -> Terms | None:
    """Return the terms in an entry; entries of before them hold claims alone."""
    if entry == WAITING:
        return None
    decoded = msgspec.json.decode(entry)
    if decoded and isinstance(decoded[0], str):
        return Terms(*decoded)
    return Terms("", decoded)


def consumers(
    store: Store, export: tuple[str, str], identity: str, cluster: str = ""
) -> Iterable[tuple[str, str, Sequence[Mapping[str, Any]] | None]]:
    """Yield (cluster, binding, claims in force) of an export's consumers, or of one of them.

    The claims are None for a binding that is not bound yet, or to an export of another identity.
    """
    for key, data in store.index_scan(index.consumer(*export, cluster)):
        _, _, _, consumer, binding = key.decode().split("\0")
        terms = terms_of(data)
        claimed = None
        if terms is not None and terms.identity in ("", identity):
            claimed = terms.claims
        yield consumer, binding, claimed


def index_hooks(store: Store) -> IndexHook:
    """Return the index hook of bindings.

    It removes the entry with an export that a binding has left, closes the catalog rows of one
    that is being deleted, and drops its rows and claims once it is gone.
    """

    def index_hook(target: Target, old: Object | None, new: Object | None) -> Iterable[Write]:
        cluster, name = target.cluster, target.name
        owner = _owner(old)
        if owner and owner != _owner(new):
            export = reference(old or {}).get("name") or ""
            yield Index(index.consumer(owner, export, cluster, name), None)
        if new is not None:
            if "deletionTimestamp" in new["metadata"]:
                for key, row in _rows(store, cluster, name, new):
                    yield Index(key, row._replace(closing=True).encode())
            return
        gone = old or {}
        if owner:
            applied = status_of(gone).get("appliedPermissionClaims") or ()
            export = reference(gone).get("name") or ""
            label = export_hash(owner, export)
            yield from claims.index_writes((cluster, name), label, applied, ())
        for key, row in _rows(store, cluster, name, gone):
            _, _, group, plural = key.decode().split("\0")
            yield from drop_row(cluster, group, plural, row)

    return index_hook


def _rows(
    store: Store, cluster: str, name: str, binding: Object
) -> Iterable[tuple[bytes, CatalogRow]]:
    """Yield the catalog rows that a binding brought, by their keys."""
    for bound in status_of(binding).get("boundResources") or ():
        key = index.resource(cluster, bound["group"], bound["resource"])
        data = store.index_get(key)
        row = CatalogRow.decode(data) if data is not None else None
        if row is not None and (row.source, row.name) == ("binding", name):
            yield key, row


def _owner(binding: Object | None) -> str:
    """Return the cluster of the export that a binding is filed with, "" for none."""
    status = status_of(binding)
    return status.get("apiExportClusterName") or ""
