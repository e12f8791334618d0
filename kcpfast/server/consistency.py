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
    found = list(_objects(store))
    tables = {
        "count": _counts(found),
        "total": _totals(found),
        "owner": dict(_owners(found)),
        "path": dict(_paths(found)),
        "subject": dict(_subjects(found)),
        "uses": _uses(store),
        "labelled": dict.fromkeys(_labelled(found), b""),
    }
    if settled:
        tables["consumer"] = dict.fromkeys(_consumers(found), b"")
    wrong = [line for word, wanted in tables.items() for line in _compare(store, word, wanted)]
    return [*wrong, *_missing_definitions(store), *_missing_sources(store, found)]


def _objects(store: Store) -> Iterator[ScannedObject]:
    for item in store.scan(b"").items:
        tail = item.value.partition(b"\0")[2]
        yield ScannedObject(item.key, place(item.key), json.loads(_HEAD + tail))


def _compare(store: Store, word: str, wanted: dict[bytes, bytes]) -> Iterator[str]:
    filed = dict(store.index_scan(word.encode() + b"\0"))
    for key in sorted(filed.keys() | wanted.keys()):
        if key not in filed:
            yield f"{key!r} is missing"
        elif key not in wanted:
            yield f"{key!r} stands for nothing"
        elif wanted[key] and filed[key] != wanted[key]:
            yield f"{key!r} is {filed[key]!r}, not {wanted[key]!r}"


def _numbers(keys: Iterable[bytes]) -> dict[bytes, bytes]:
    return {key: count.to_bytes(8, "big") for key, count in Counter(keys).items()}


def _counted(found: Iterable[ScannedObject]) -> Iterator[ObjectPlace]:
    return (each.place for each in found if each.kind != _UNCOUNTED)


def _counts(found: Iterable[ScannedObject]) -> dict[bytes, bytes]:
    return _numbers(
        index.count(each.cluster, each.namespace, each.storage) for each in _counted(found)
    )


def _totals(found: Iterable[ScannedObject]) -> dict[bytes, bytes]:
    places = list(_counted(found))
    kinds = [index.total(each.cluster, each.storage) for each in places]
    events = _EVENTS.encode()
    return _numbers(
        [*kinds, *(index.total(each.cluster) for each in places if each.storage != events)]
    )


def _owners(found: Iterable[ScannedObject]) -> Iterator[tuple[bytes, bytes]]:
    for key, where, obj in found:
        for owner in obj["metadata"].get("ownerReferences") or ():
            yield index.owner(where.cluster, index.digest(owner["uid"]), key), key


def _paths(found: Iterable[ScannedObject]) -> Iterator[tuple[bytes, bytes]]:
    for each in found:
        cluster = each.obj.get("spec", {}).get("cluster")
        if each.kind == "tenancy.kcp.io/workspaces" and cluster:
            yield index.path(each.place.cluster, each.place.name), cluster.encode()


def _subjects(found: Iterable[ScannedObject]) -> Iterator[tuple[bytes, bytes]]:
    for each in found:
        if not each.kind.startswith("rbac.authorization.k8s.io/") or "roleRef" not in each.obj:
            continue
        for subject in each.obj.get("subjects") or ():
            kind, name = subject["kind"], subject["name"]
            if kind == "ServiceAccount":
                name = f"{subject.get('namespace') or each.place.namespace}/{name}"
            yield index.subject(each.place.cluster, kind, name, each.key), each.key


def _labelled(found: Iterable[ScannedObject]) -> Iterator[bytes]:
    for each in found:
        labels = each.obj["metadata"].get("labels") or {}
        if each.kind == _UNCOUNTED and labels.get("tenancy.kcp.io/phase") != "Ready":
            for key in labels:
                if key.startswith(("initializer.internal.kcp.io/", "terminator.internal.kcp.io/")):
                    yield index.labelled(key, each.place.cluster)


def _consumers(found: Iterable[ScannedObject]) -> Iterator[bytes]:
    for each in found:
        if each.kind == "apis.kcp.io/apibindings":
            owner = each.obj.get("status", {}).get("apiExportClusterName")
            name = each.obj["spec"]["reference"]["export"]["name"]
            if owner:
                yield index.consumer(owner, name, each.place.cluster, each.place.name)


def _rows(store: Store) -> Iterator[tuple[str, CatalogRow]]:
    for key, data in store.index_scan(b"resource\0"):
        yield key.decode().split("\0")[1], CatalogRow.decode(data)


def _uses(store: Store) -> dict[bytes, bytes]:
    return _numbers(index.uses(row.shared.hash) for _, row in _rows(store))


def _missing_definitions(store: Store) -> Iterator[str]:
    for cluster, row in _rows(store):
        if store.index_get(index.definition(row.shared.hash)) is None:
            yield f"{row} of {cluster} has no definition"


def _missing_sources(store: Store, found: Iterable[ScannedObject]) -> Iterator[str]:
    """Yield rows whose CRD or binding is not there."""
    sources = {
        ("crd" if each.kind.endswith("definitions") else "binding", *each.place[1::2])
        for each in found
        if each.kind.endswith(("/customresourcedefinitions", "/apibindings"))
    }
    for cluster, row in _rows(store):
        if (row.source, cluster, row.name) not in sources:
            yield f"{row} of {cluster} has no source"


def unfinished(store: Store) -> list[bytes]:
    """Return the marks that are left."""
    return [key for key, value in store.index_scan(index.WORK_ITEMS) if number(value)]
