"""Files when events expire: an hour after they were last written, as Kubernetes (--event-ttl).

Minutes are those of the store's clock, which never jumps. `controllers/expiry.py` deletes what has
expired.
"""

from __future__ import annotations

from collections.abc import Iterable

from kcpfast.registry import index
from kcpfast.registry.objects import IndexHook, Target
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Index, Store, Write, number_bytes

EVENT_LIFETIME = 60  # minutes
MINUTE = 60_000  # milliseconds


def event_index_hook(store: Store) -> IndexHook:
    """Return the index hook that files an event under the minute it expires in, at each write."""

    def file(target: Target, _old: Object | None, new: Object | None) -> Iterable[Write]:
        key = target.key()
        if new is None:
            yield Index(index.lives(key), None)
            return
        minute = store.clock() // MINUTE + EVENT_LIFETIME
        yield Index(index.lives(key), number_bytes(minute))
        yield Index(index.expires(minute, key), key)

    return file
