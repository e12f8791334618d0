"""Deletes an object whose stored bytes are damaged, and the index entries that can be found.

A damaged object makes every list that contains it fail, and can neither be updated nor deleted in
the usual way. Its counters follow from its key and are corrected. Entries by owner and by subject
are searched for. Entries that only its content could name stay behind: `kcpfast check` reports
them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from kcpfast.meta.errors import not_found
from kcpfast.registry import index
from kcpfast.registry.objects import UNCOUNTED_RESOURCE, Objects, Target, counting
from kcpfast.store.contract import Conflict, Corrupted, Discard, Index, Write

# The server learns from these kinds what exists where. Discarding one leaves what it stood for
# (the objects of a workspace, of a CRD) without anything that would ever clean it up.
BREAKING = frozenset(
    (
        ("", "namespaces"),
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        ("apis.kcp.io", "apibindings"),
        ("apis.kcp.io", "apiexportendpointslices"),
        ("core.kcp.io", "logicalclusters"),
        ("tenancy.kcp.io", "workspaces"),
    )
)
_AT_ONCE = 1000


def is_readable(objects: Objects, target: Target) -> bool:
    """Tell whether an object can be read; NotFound if it is not there."""
    try:
        stored = objects.record(target)
    except Corrupted:
        return False
    if stored is None:
        raise not_found(target.resource.plural, target.resource.group, target.name)
    return True


async def discard(objects: Objects, target: Target) -> bool:
    """Delete a damaged object; False if it is whole by now, or gone."""
    writes: list[Write] = [Discard(target.key())]
    if target.resource.plural != UNCOUNTED_RESOURCE:
        writes += counting(target.cluster, target.namespace, target.resource.storage, -1)
    writes += [Index(entry, None) for entry in _entries(target)]
    writes += [Index(entry, None) async for entry in _naming(objects, target)]
    try:
        revision = await objects.store.commit(writes)
    except Conflict:
        return False
    await objects.store.compact(revision)
    return True


def _entries(target: Target) -> list[bytes]:
    """Return the keys of the index entries that follow from an object's key."""
    cluster, namespace, name, key = target.cluster, target.namespace, target.name, target.key()
    kind = (target.resource.group, target.resource.plural)
    if kind == ("tenancy.kcp.io", "workspaces"):
        return [index.path(cluster, name)]
    if kind == ("", "resourcequotas"):
        return [index.quota(cluster, namespace, name), index.quota(cluster, "", name)]
    return [index.lives(key), index.aggregated(cluster, key)]


async def _naming(objects: Objects, target: Target) -> AsyncIterator[bytes]:
    """Yield the keys of entries that hold an object's key: by its owners, by its subjects.

    These tables are keyed by digests, so all entries of the cluster are read, in pages.
    """
    key, store = target.key(), objects.store
    for table in ("owner", "subject"):
        start, after = f"{table}\0{target.cluster}\0".encode(), b""
        while page := store.index_scan(start, after, _AT_ONCE):
            for entry, value in page:
                if value == key:
                    yield entry
            after = page[-1][0]
            await asyncio.sleep(0)
