"""Lets events go an hour after they were last written, as Kubernetes does (--event-ttl).

When an object expires stands in the index, filed by the minute; nothing is looked at before its
minute has passed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from kcpfast.controllers.removal import stored_target
from kcpfast.registry import index, values
from kcpfast.registry.objects import Objects, Target
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Conflict, Index, Put, Write, number, number_bytes

LIFETIME = 60  # minutes
_BATCH = 200


def consequence(target: Target, _old: Object | None, new: Object | None) -> Iterable[Write]:
    """File when an object expires, anew with every write."""
    key = target.key()
    if new is None:
        yield Index(index.lives(key), None)
        return
    minute = int(time.time()) // 60 + LIFETIME
    yield Index(index.lives(key), number_bytes(minute))
    yield Index(index.expires(minute, key), key)


async def expire(objects: Objects, minute: int) -> None:
    """Delete what expired before a minute (Unix time in minutes)."""
    store = objects.store
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
        old = values.decode(target.resource, *record)
        writes += [Put(key, None, record.revision), *objects.carried(target, old, None)]
    try:
        await store.commit(writes)
    except Conflict:
        return  # written this very moment; the next round looks again
