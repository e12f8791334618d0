"""APIBindings: what a binding brings into a workspace, and what that writes into the index."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from kcpfast.kcp import conditions
from kcpfast.kcp.exports import Offer
from kcpfast.meta.cluster import export_hash
from kcpfast.registry import index
from kcpfast.registry.catalog import Row, drop_row, file_row
from kcpfast.registry.objects import Consequence, Target
from kcpfast.resources.definition import storage_of
from kcpfast.resources.resource import Object, Origin
from kcpfast.store.contract import Index, Stamp, Store, Write

FINALIZER = "apis.kcp.io/apibinding-finalizer"
EXPORT_LABEL = "internal.apis.kcp.io/export"
CLAIM_LABEL = "claimed.internal.apis.kcp.io/"
# The claim on bindings themselves that every export has: base 62 of the bytes 0..9, 0..9, 0..7.
REFLEXIVE = "LstvmbbzVDDOn90ZbhzSQO5U3DMCf88h1pZ"
LOCK_ANNOTATION = "internal.apis.kcp.io/resource-bindings"


def labels(export_cluster: str, export: str) -> dict[str, str]:
    """Return the labels of a binding that is bound."""
    value = export_hash(export_cluster, export)
    return {CLAIM_LABEL + value: REFLEXIVE, EXPORT_LABEL: value}


def bound_resources(
    offers: Sequence[Offer], identity: str, before: Sequence[dict[str, Any]] = ()
) -> list[dict[str, Any]]:
    """Return status.boundResources; storage versions add to those of `before`."""
    known = {(each["group"], each["resource"]): each for each in before}
    found = []
    for offer in offers:
        old = known.get((offer.group, offer.plural)) or {}
        versions = list(old.get("storageVersions") or ())
        stored = storage_of(offer.definition)
        if stored not in versions:
            versions.append(stored)
        meta = offer.schema["metadata"]
        schema = {"UID": meta["uid"], "identityHash": identity, "name": meta["name"]}
        found.append(
            {
                "group": offer.group,
                "resource": offer.plural,
                "schema": schema,
                "storageVersions": versions,
            }
        )
    return found


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
    """Return what files the resources of a binding in a workspace's catalog."""
    writes: list[Write] = []
    for offer in offers:
        origin = Origin(offer.digest, identity, *export)
        row = Row("binding", binding, origin)
        writes += file_row(store, cluster, (offer.group, offer.plural), row, offer.data)
        key = index.identity(identity, offer.group, offer.plural)
        writes.append(Index(key, "\0".join(origin).encode()))
    return writes


def consumer_write(
    export: tuple[str, str], cluster: str, binding: str, claims: Sequence[dict[str, Any]]
) -> Write:
    """Return what tells an export of a consumer, and which claims it has accepted."""
    key = index.consumer(*export, cluster, binding)
    return Index(key, msgspec.json.encode(list(claims)))


def consequences(store: Store) -> Consequence:
    """Return what a binding carries along: work when it changes, the end of its rows with it."""

    def consequence(target: Target, old: Object | None, new: Object | None) -> Iterable[Write]:
        cluster, name = target.cluster, target.name
        if new is not None:
            if old is None or _asks(old) != _asks(new):
                yield Stamp(index.mark("apibinding", cluster, name))
            return
        status = (old or {}).get("status") or {}
        export = (((old or {}).get("spec") or {}).get("reference") or {}).get("export") or {}
        owner = status.get("apiExportClusterName")
        if owner:
            yield Index(index.consumer(owner, export["name"], cluster, name), None)
            yield Stamp(index.mark("apiexport", owner, export["name"]))
        for each in status.get("boundResources") or ():
            key = index.resource(cluster, each["group"], each["resource"])
            data = store.index_get(key)
            row = Row.decode(data) if data is not None else None
            if row is not None and (row.source, row.name) == ("binding", name):
                yield from drop_row(cluster, each["group"], each["resource"], row)

    return consequence


def _asks(binding: Object) -> object:
    """Return what of a binding its reconciler answers to."""
    return binding.get("spec"), binding["metadata"].get("deletionTimestamp")
