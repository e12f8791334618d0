"""Deletes events that have expired.

`registry/expiry.py` files each under the minute in which it expires, and nothing is looked at
before that minute has passed. (kube-apiserver leaves this to etcd's leases: `--event-ttl`.)
"""

from __future__ import annotations

from kcpfast.controllers.removal import stored_target
from kcpfast.registry import index, values
from kcpfast.registry.expiry import MINUTE
from kcpfast.registry.objects import Objects
from kcpfast.store.contract import Conflict, Index, Put, Write, number

_BATCH = 200


async def expire(objects: Objects, now: int) -> None:
    """Delete what has expired at `now`, a time of the store's clock."""
    store = objects.store
    minute = now // MINUTE
    while True:
        # The index is in the order of minutes: its first entries are the oldest.
        entries = store.index_scan(index.EXPIRES, limit=_BATCH)
        due = [entry for entry in entries if index.expiry_minute(entry[0]) < minute]
        if not due:
            return
        for filed, key in due:
            await _expire_one(objects, filed, key)


async def _expire_one(objects: Objects, filed: bytes, key: bytes) -> None:
    store = objects.store
    writes: list[Write] = [Index(filed, None)]
    record = store.get(key)
    expires = number(store.index_get(index.lives(key)))
    # An object that was written since then is filed under a later minute as well.
    if record is not None and expires == index.expiry_minute(filed):
        target = stored_target(key)
        run = objects.aside.run
        size = len(record.value)
        old = await run(size, target.cluster, values.decode, target.resource, *record)
        writes += [Put(key, None, record.revision), *objects.index_writes(target, old, None)]
    try:
        await store.commit(writes)
    except Conflict:
        return  # written this very moment; the next round looks again
