"""Keeps the labels of permission claims on the objects that were there before the claim.

Objects written later get theirs from admission (kcp/admit/claims.py). In kcp this is
pkg/reconciler/apis/permissionclaimlabel.
"""

from __future__ import annotations

from collections.abc import Sequence

from kcpfast.controllers.removal import pages, stored_target, weight
from kcpfast.controllers.runtime import DONE, Outcome
from kcpfast.kcp.claims import LABEL, Claims, own_labels
from kcpfast.kcp.kinds import api_bindings
from kcpfast.registry import values
from kcpfast.registry.objects import Change, Objects, Target
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Conflict, Item, Put, Write
from kcpfast.store.keys import prefix


class ClaimController:
    """Reconciles the storages of a cluster that claims are about."""

    def __init__(self, objects: Objects, marked: Claims) -> None:
        """Work on the registry."""
        self._objects = objects
        self._claims = marked

    async def claims(self, cluster: str, storage: str) -> Outcome:
        """Label what is in a storage."""
        await relabel(self._objects, self._claims, cluster, storage.encode())
        return DONE


async def relabel(objects: Objects, marked: Claims, cluster: str, storage: bytes) -> None:
    """Give every object of a storage in a cluster the claim labels that are due, and no others."""
    for items in pages(objects, prefix(storage, cluster)):
        await _relabel_page(objects, marked, items)


async def _relabel_page(objects: Objects, marked: Claims, items: Sequence[Item]) -> None:
    cluster = stored_target(items[0].key).cluster
    size = weight(items)
    run = objects.aside.run
    writes, changed = await run(size, cluster, _relabelling, objects, marked, items)
    if not writes:
        return
    try:
        await objects.store.commit(writes)
    except Conflict:
        # Somebody changed one of them, which failed the whole page: now one by one.
        for target in changed:
            await _relabel_one(objects, marked, target)


def _relabelling(
    objects: Objects, marked: Claims, items: Sequence[Item]
) -> tuple[list[Write], list[Target]]:
    """Return the writes that relabel objects, and the objects that they change.

    This may run outside of the loop, on values that are old by the time of the commit: each write
    carries the revision that it was made from, and the commit refuses it if there is another.
    """
    writes: list[Write] = []
    changed: list[Target] = []
    for item in items:
        target = stored_target(item.key)
        old = values.decode(target.resource, item.revision, item.value)
        new = _relabelled(objects, marked, target, old)
        if new is None:
            continue
        changed.append(target)
        value = values.encode(target.resource, new, item.value)
        writes.append(Put(item.key, value, item.revision))
        writes += objects.index_writes(target, old, new)
    return writes, changed


async def _relabel_one(objects: Objects, marked: Claims, target: Target) -> None:
    async def change(old: Object) -> Change:
        return Change(_relabelled(objects, marked, target, old) or old)

    await objects.adjust(target, change)


def _relabelled(objects: Objects, marked: Claims, target: Target, obj: Object) -> Object | None:
    """Return an object with the labels that are due, None if it has them."""
    given: dict[str, str] = obj["metadata"].get("labels") or {}
    own = own_labels(given)
    storage = target.resource.storage
    due = objects.aside.on_loop(marked.labels, target.cluster, storage, own)
    if storage == api_bindings().storage:
        # A binding also carries the label by which its own export finds it.
        due = {key: value for key, value in given.items() if key.startswith(LABEL)} | due
    labels = own | due
    if labels == given:
        return None
    meta = {key: value for key, value in obj["metadata"].items() if key != "labels"}
    if labels:
        meta["labels"] = labels
    return obj | {"metadata": meta}
