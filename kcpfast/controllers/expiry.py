"""Lets events go an hour after they were last written, as Kubernetes does (--event-ttl).

When an object expires stands in the index, filed by the minute; nothing is looked at before its
minute has passed. Minutes are those of the store's clock, which never jumps.
"""

from __future__ import annotations

from collections.abc import Iterable

from kcpfast.controllers.removal import stored_target
from kcpfast.registry import index, values
from kcpfast.registry.objects import IndexHook, Objects, Target
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Conflict, Index, Put, Store, Write, number, number_bytes

LIFETIME = 60  # minutes
_MINUTE = 60_000  # milliseconds
_BATCH = 200


def index_hook(store: Store) -> IndexHook:
    """Return what files when an object expires, anew with every write."""

    def file(target: Target, _old: Object | None, new: Object | None) -> Iterable[Write]:
        key = target.key()
        if new is None:
            yield Index(index.lives(key), None)
            return
        minute = store.clock() // _MINUTE + LIFETIME
        yield Index(index.lives(key), number_bytes(minute))
        yield Index(index.expires(minute, key), key)

    return file


async def expire(objects: Objects, now: int) -> None:
    """Delete what has expired at a time of the store's clock."""
    store, minute = objects.store, now // _MINUTE
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
