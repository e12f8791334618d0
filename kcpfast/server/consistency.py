"""What the index must say, by reading every object: slow, and obvious.

The server writes each index_hook together with its cause and never looks at all objects again.
This does, for `kcpfast check` and for tests, and tells where the two disagree: counters, owners,
paths, subjects, lifecycles, what a workspace serves, who consumes an export. Everything but
consumers must agree at any moment, also after a crash; a consumer is filed one commit after its
binding, so it is asked about only where no work is left to do (`settled`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from kcpfast.registry import index
from kcpfast.registry.catalog import CatalogRow
from kcpfast.store.contract import Store, number
from kcpfast.store.keys import ObjectPlace, place
from kcpfast.store.lmdb import LmdbStore

_HEAD = b'{"metadata":{"resourceVersion":"0'
_UNCOUNTED = "core.kcp.io/logicalclusters"
_EVENTS = "/events"


class ScannedObject(NamedTuple):
    """An object as the scan met it."""

    key: bytes
    place: ObjectPlace
    obj: Any

    @property
    def kind(self) -> str:
        """Group and resource, without what tells storages of one kind apart."""
        return self.place.storage.decode().partition(":")[0]


def problems_of(folder: Path, *, settled: bool = False) -> list[str]:
    """Return what is wrong in a server's directory, while no server is on it."""
    store = LmdbStore(folder / "store")
    try:
        return problems(store, settled=settled)
    finally:
        store.close()


def problems(store: Store, *, settled: bool = False) -> list[str]:
    """Return where index and objects disagree."""
    scanned = list(_objects(store))
    tables = {
        "count": _counts(scanned),
        "total": _totals(scanned),
        "owner": dict(_owners(scanned)),
        "path": dict(_paths(scanned)),
        "subject": dict(_subjects(scanned)),
        "uses": _uses(store),
        "labelled": dict.fromkeys(_labelled(scanned), b""),
    }
    if settled:
        tables["consumer"] = dict.fromkeys(_consumers(scanned), b"")
    wrong = [line for word, expected in tables.items() for line in _compare(store, word, expected)]
    return [*wrong, *_missing_definitions(store), *_missing_sources(store, scanned)]


def _objects(store: Store) -> Iterator[ScannedObject]:
    for item in store.scan(b"").items:
        tail = item.value.partition(b"\0")[2]
        yield ScannedObject(item.key, place(item.key), json.loads(_HEAD + tail))


def _compare(store: Store, word: str, expected: dict[bytes, bytes]) -> Iterator[str]:
    filed = dict(store.index_scan(word.encode() + b"\0"))
    for key in sorted(filed.keys() | expected.keys()):
        if key not in filed:
            yield f"{key!r} is missing"
        elif key not in expected:
            yield f"{key!r} stands for nothing"
        elif expected[key] and filed[key] != expected[key]:
            yield f"{key!r} is {filed[key]!r}, not {expected[key]!r}"


def _numbers(keys: Iterable[bytes]) -> dict[bytes, bytes]:
    return {key: count.to_bytes(8, "big") for key, count in Counter(keys).items()}


def _counted(scanned: Iterable[ScannedObject]) -> Iterator[ObjectPlace]:
    return (entry.place for entry in scanned if entry.kind != _UNCOUNTED)


def _counts(scanned: Iterable[ScannedObject]) -> dict[bytes, bytes]:
    return _numbers(
        index.count(entry.cluster, entry.namespace, entry.storage) for entry in _counted(scanned)
    )


def _totals(scanned: Iterable[ScannedObject]) -> dict[bytes, bytes]:
    places = list(_counted(scanned))
    kinds = [index.total(counted_place.cluster, counted_place.storage) for counted_place in places]
    events = _EVENTS.encode()
    return _numbers(
        [
            *kinds,
            *(
                index.total(counted_place.cluster)
                for counted_place in places
                if counted_place.storage != events
            ),
        ]
    )


def _owners(scanned: Iterable[ScannedObject]) -> Iterator[tuple[bytes, bytes]]:
    for key, object_place, obj in scanned:
        for owner in obj["metadata"].get("ownerReferences") or ():
            yield index.owner(object_place.cluster, index.digest(owner["uid"]), key), key


def _paths(scanned: Iterable[ScannedObject]) -> Iterator[tuple[bytes, bytes]]:
    for entry in scanned:
        cluster = entry.obj.get("spec", {}).get("cluster")
        if entry.kind == "tenancy.kcp.io/workspaces" and cluster:
            yield index.path(entry.place.cluster, entry.place.name), cluster.encode()


def _subjects(scanned: Iterable[ScannedObject]) -> Iterator[tuple[bytes, bytes]]:
    for entry in scanned:
        if not entry.kind.startswith("rbac.authorization.k8s.io/") or "roleRef" not in entry.obj:
            continue
        for subject in entry.obj.get("subjects") or ():
            kind, name = subject["kind"], subject["name"]
            if kind == "ServiceAccount":
                name = f"{subject.get('namespace') or entry.place.namespace}/{name}"
            yield index.subject(entry.place.cluster, kind, name, entry.key), entry.key


def _labelled(scanned: Iterable[ScannedObject]) -> Iterator[bytes]:
    for entry in scanned:
        labels = entry.obj["metadata"].get("labels") or {}
        if entry.kind == _UNCOUNTED and labels.get("tenancy.kcp.io/phase") != "Ready":
            for key in labels:
                if key.startswith(("initializer.internal.kcp.io/", "terminator.internal.kcp.io/")):
                    yield index.labelled(key, entry.place.cluster)


def _consumers(scanned: Iterable[ScannedObject]) -> Iterator[bytes]:
    for entry in scanned:
        if entry.kind == "apis.kcp.io/apibindings":
            owner = entry.obj.get("status", {}).get("apiExportClusterName")
            name = entry.obj["spec"]["reference"]["export"]["name"]
            if owner:
                yield index.consumer(owner, name, entry.place.cluster, entry.place.name)


def _rows(store: Store) -> Iterator[tuple[str, CatalogRow]]:
    for key, data in store.index_scan(b"resource\0"):
        yield key.decode().split("\0")[1], CatalogRow.decode(data)


def _uses(store: Store) -> dict[bytes, bytes]:
    return _numbers(index.uses(row.shared.hash) for _, row in _rows(store))


def _missing_definitions(store: Store) -> Iterator[str]:
    for cluster, row in _rows(store):
        if store.index_get(index.definition(row.shared.hash)) is None:
            yield f"{row} of {cluster} has no definition"


def _missing_sources(store: Store, scanned: Iterable[ScannedObject]) -> Iterator[str]:
    """Yield rows whose CRD or binding is not there."""
    sources = {
        ("crd" if entry.kind.endswith("definitions") else "binding", *entry.place[1::2])
        for entry in scanned
        if entry.kind.endswith(("/customresourcedefinitions", "/apibindings"))
    }
    for cluster, row in _rows(store):
        if (row.source, cluster, row.name) not in sources:
            yield f"{row} of {cluster} has no source"


def unfinished(store: Store) -> list[bytes]:
    """Return the marks that are left."""
    return [key for key, value in store.index_scan(index.WORK_ITEMS) if number(value)]
