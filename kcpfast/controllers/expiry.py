"""Deletes events whose time has come: nothing is looked at before its minute has passed.

`registry/expiry.py` files them by that minute.
"""

from __future__ import annotations

from kcpfast.controllers.removal import stored_target
from kcpfast.registry import index, values
from kcpfast.registry.expiry import MINUTE
from kcpfast.registry.objects import Objects
from kcpfast.store.contract import Conflict, Index, Put, Write, number

_BATCH = 200


async def expire(objects: Objects, now: int) -> None:
    """Delete what has expired at a time of the store's clock."""
    store, minute = objects.store, now // MINUTE
    while True:
        due = [
            (filed, key)
            for filed, key in store.index_scan(index.EXPIRES, limit=_BATCH)
            if index.expiry_minute(filed) < minute
        ]
        if not due:
            return
        for filed, key in due:
            await _expire_one(objects, filed, key)


async def _expire_one(objects: Objects, filed: bytes, key: bytes) -> None:
    store = objects.store
    writes: list[Write] = [Index(filed, None)]
    record = store.get(key)
    # An object that was written since then is filed under a later minute as well.
    if record is not None and number(store.index_get(index.lives(key))) == index.expiry_minute(
        filed
    ):
        target = stored_target(key)
        run, size = objects.aside.run, len(record.value)
        old = await run(size, target.cluster, values.decode, target.resource, *record)
        writes += [Put(key, None, record.revision), *objects.index_writes(target, old, None)]
    try:
        await store.commit(writes)
    except Conflict:
        return  # written this very moment; the next round looks again
