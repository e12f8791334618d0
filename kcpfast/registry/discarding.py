"""Deleting an object that cannot be read: nobody knows what it was, so what it carried is searched.

A damaged object blocks every list that it is in, and can neither be changed nor deleted as others
are. What follows from its key is undone (counters); entries of the index that name it are looked
for; what only its content would tell stays: `kcpfast check` names it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from kcpfast.meta.errors import not_found
from kcpfast.registry import index
from kcpfast.registry.objects import UNCOUNTED_RESOURCE, Objects, Target, counting
from kcpfast.store.contract import Conflict, Corrupted, Discard, Index, Write

# By these the server knows what exists where: without one, what it stood for is left alone.
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
    """Return the entries of the index that its key tells of."""
    cluster, namespace, name, key = target.cluster, target.namespace, target.name, target.key()
    kind = (target.resource.group, target.resource.plural)
    if kind == ("tenancy.kcp.io", "workspaces"):
        return [index.path(cluster, name)]
    if kind == ("", "resourcequotas"):
        return [index.quota(cluster, namespace, name), index.quota(cluster, "", name)]
    return [index.lives(key), index.aggregated(cluster, key)]


async def _naming(objects: Objects, target: Target) -> AsyncIterator[bytes]:
    """Yield the entries by which others find an object: as a dependent, as a role binding."""
    key, store = target.key(), objects.store
    for table in ("owner", "subject"):
        start, after = f"{table}\0{target.cluster}\0".encode(), b""
        while page := store.index_scan(start, after, _AT_ONCE):
            for entry, value in page:
                if value == key:
                    yield entry
            after = page[-1][0]
            await asyncio.sleep(0)
