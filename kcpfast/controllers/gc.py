"""Garbage collection: what has owners goes with the last of them.

See https://kubernetes.io/docs/concepts/architecture/garbage-collection/; the rules are those of
k8s.io/kubernetes/pkg/controller/garbagecollector. There is no graph: the index files every
object under the uids of its owners, and a write leaves one of four work items:

    dependent   a reference was added       -> is that owner there?
    gc          an owner is gone            -> look at all its dependents
    dependents  an owner waits              -> delete its dependents, or set them free
    unblocked   one that held it up is gone -> may the owner go now?

An owner is solid, dangling (not there, or another object by now), or waiting (being deleted in the
foreground). Something with a solid owner stays and loses its other references; something without
one is deleted. A reference that cannot be resolved keeps its object, whatever the others are.

Admission is asked before a deletion, as it is upstream, where this is a client like any other; what
it refuses is tried again, later and later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from kcpfast.admission.chain import DeletionRefused, Deletions
from kcpfast.controllers.misplaced import MisplacedOwners
from kcpfast.controllers.removal import stored_target
from kcpfast.controllers.runtime import DONE, Again, Outcome
from kcpfast.meta.errors import ApiError
from kcpfast.registry import index, values
from kcpfast.registry.catalog import Catalog
from kcpfast.registry.deletion import deleted
from kcpfast.registry.metadata import remove_finalizer
from kcpfast.registry.objects import (
    EVENT_STORAGE,
    FOREGROUND,
    ORPHAN,
    Change,
    Objects,
    Target,
    awaited,
)
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Empty, PutRevision, Write
from kcpfast.store.keys import storage_name
from kcpfast.work.aside import LARGE

SOLID, DANGLING, GONE, WAITING = "solid", "dangling", "gone", "waiting"
UNKNOWN, MISPLACED = "unknown", "misplaced"
Reference = dict[str, Any]

# Events go by themselves. A workspace ends as its parent says: who may write into its
# LogicalCluster may not end it, and so not by what they call its owner either.
_SPARED = (EVENT_STORAGE, storage_name("core.kcp.io", "logicalclusters"))
_BATCH = 64
_RETRY = 60.0
# As client-go's queues do.
_LONGEST_REFUSED = 1000.0


class GarbageCollector:
    """Reconciles owners and dependents."""

    def __init__(self, objects: Objects, catalog: Catalog, deletions: Deletions) -> None:
        """Work on the registry."""
        self._objects = objects
        self._catalog = catalog
        self._deleter = deletions.by("generic-garbage-collector")
        self._strays = MisplacedOwners(objects, catalog)

    # ------------------------------------------------------------------------- work items

    async def dependent(self, cluster: str, name: str) -> Outcome:
        """Look at an object that has a new owner reference, by the last parts of its entry."""
        key = self._objects.store.index_get(index.owner_entry(cluster, name))
        if key is None:
            return DONE
        await self._strays.report(key, name.partition("\0")[0])
        return await self._attempt(key)

    async def owner_gone(self, cluster: str, uid: str) -> Outcome:
        """Look at everything that names an owner (by its uid's digest) which is deleted."""
        refused: list[DeletionRefused] = []

        async def attempt(key: bytes) -> Outcome:
            try:
                return await self._attempt(key, uid)
            except DeletionRefused as error:  # that is not to stop the others
                refused.append(error)
                return DONE

        outcomes = await self._each(cluster, uid, attempt)
        if refused:
            raise refused.pop(0)
        return next((outcome for outcome in outcomes if outcome != DONE), DONE)

    async def dependents(self, cluster: str, uid: str) -> Outcome:
        """Do for the dependents of an owner being deleted what its finalizer says."""
        owner, finalizer = await self._waiting_owner(cluster, uid)
        if finalizer == ORPHAN:
            await self._each(cluster, uid, lambda key: self._set_free(key, uid))
            await self._release(owner, ORPHAN, [Empty(index.owner(cluster, uid))])
        elif finalizer == FOREGROUND:
            await self._each(cluster, uid, lambda key: self._attempt_marked(key, uid))
            return await self.unblocked(cluster, uid)
        return DONE

    async def unblocked(self, cluster: str, uid: str) -> Outcome:
        """Let an owner go that waits in the foreground, unless a dependent still blocks it."""
        owner, finalizer = await self._waiting_owner(cluster, uid)
        if finalizer == FOREGROUND and not await self._is_blocked(cluster, uid):
            await self._release(owner, FOREGROUND)
        return DONE

    async def _waiting_owner(self, cluster: str, uid: str) -> tuple[Target, str]:
        """Return an owner that waits for its dependents, and its finalizer ("" = it does not)."""
        key = self._objects.store.index_get(index.awaits(cluster, uid))
        if key is None:
            return _NOBODY, ""
        meta = await self._metadata(key)
        # Another object may have the owner's name by now.
        is_owner = index.digest(meta.get("uid", "")) == uid
        finalizer = awaited(meta) if is_owner else ""
        return stored_target(key), finalizer

    async def _is_blocked(self, cluster: str, uid: str) -> bool:
        for number, key in enumerate(self._keys(cluster, uid)):
            if number % _BATCH == _BATCH - 1:
                await asyncio.sleep(0)  # others have their turn
            meta = await self._metadata(key)
            for reference in _references(meta):
                is_blocking = reference.get("blockOwnerDeletion")
                if is_blocking and index.digest(reference["uid"]) == uid:
                    return True
        return False

    async def _release(self, owner: Target, finalizer: str, more: Sequence[Write] = ()) -> None:
        async def change(old: Object) -> Change:
            new = old | {"metadata": dict(old["metadata"])}
            remove_finalizer(new["metadata"], finalizer)
            return Change(new, more)

        await self._objects.adjust(owner, change)

    # ------------------------------------------------------------------------- dependents

    async def _each(
        self, cluster: str, uid: str, act: Callable[[bytes], Awaitable[Outcome]]
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        batch: list[bytes] = []
        for key in self._keys(cluster, uid):
            batch.append(key)
            if len(batch) == _BATCH:
                outcomes += await asyncio.gather(*map(act, batch))
                batch = []
        return outcomes + await asyncio.gather(*map(act, batch))

    def _keys(self, cluster: str, uid: str) -> Iterator[bytes]:
        """Yield the keys of an owner's dependents, as they are when it comes to them."""
        within, after = index.owner(cluster, uid), b""
        while page := self._objects.store.index_scan(within, after, _BATCH):
            after = page[-1][0]
            yield from (key for _, key in page)

    async def _metadata(self, key: bytes) -> dict[str, Any]:
        record = self._objects.store.get(key)
        if record is None:
            return {}
        size = len(record.value) if len(record.value) > LARGE else 0
        run, cluster = self._objects.aside.run, stored_target(key).cluster
        return await run(size, cluster, values.metadata, record.value)

    async def _attempt_marked(self, key: bytes, uid: str) -> Outcome:
        """Attempt a deletion; leave one that is undecided or refused to a work item of its own."""
        try:
            outcome = await self._attempt(key)
        except DeletionRefused:
            outcome = Again(_RETRY)
        if outcome != DONE:
            cluster = stored_target(key).cluster
            name = f"{uid}\0{index.digest(key)}"
            await self._objects.store.commit(
                [PutRevision(index.work_item("dependent", cluster, name))]
            )
        return outcome

    async def _attempt(self, key: bytes, gone: str = "") -> Outcome:
        """Delete an object unless an owner holds it; `gone` is known not to be one any more."""
        target = stored_target(key)
        if target.resource.storage in _SPARED:
            return DONE
        outcome: Outcome = DONE

        async def change(old: Object) -> Change:
            nonlocal outcome
            meta = old["metadata"]
            if "deletionTimestamp" in meta or not meta.get("ownerReferences"):
                return Change(old)
            references = meta["ownerReferences"]
            states = [await self._state(target, reference, gone) for reference in references]
            outcome = Again(_RETRY) if UNKNOWN in states else DONE
            return await self._judged(target, old, states)

        await self._objects.adjust(target, change)
        return outcome

    async def _judged(self, target: Target, old: Object, states: list[str]) -> Change:
        """Return what becomes of an object whose owners are in these states."""
        if MISPLACED in states:
            return Change(old)
        if UNKNOWN in states:
            return Change(_without(old, states, (GONE,)))
        if SOLID in states:
            return Change(_without(old, states, (DANGLING, GONE, WAITING)))
        propagation = ""
        if WAITING in states:
            uid = index.digest(old["metadata"]["uid"])
            dependents = list(self._keys(target.cluster, uid))
            if dependents:
                propagation = "Foreground"
                for key in dependents:
                    if awaited(await self._metadata(key)) == FOREGROUND:
                        old = _unblocking(old)  # they wait for each other, in a circle
                        break
        more = await self._admitted(target, propagation)
        size = self._objects.size(target)
        run, cluster = self._objects.aside.run, target.cluster
        new = await run(size, cluster, deleted, target.resource, old, propagation)
        return Change(new, more)

    async def _admitted(self, target: Target, propagation: str) -> Sequence[Write]:
        """Return what goes with a deletion; Refused if admission is against it."""
        if not self._deleter.must_ask(target):
            return ()
        record = self._objects.record(target)
        if record is None:
            return ()  # nothing is left to be deleted: the commit will tell
        try:
            return await self._deleter.ask(target, *record, propagation or "Background")
        except DeletionRefused as refused:
            refused.longest = _LONGEST_REFUSED
            raise

    async def _state(self, target: Target, reference: Reference, gone: str) -> str:
        if gone and index.digest(reference["uid"]) == gone:
            return GONE  # whatever has become of its kind
        group, _, version = reference["apiVersion"].rpartition("/")
        served = self._catalog.of_kind(target.cluster, group, version, reference["kind"])
        if served is None:
            return UNKNOWN
        resource = served.resource
        if resource.namespaced and not target.namespace:
            return MISPLACED
        namespace = target.namespace if resource.namespaced else ""
        owner = Target(resource, target.cluster, namespace, reference["name"])
        try:
            meta = await self._metadata(owner.key())
        except ApiError:
            return DANGLING  # nothing can have that name
        if meta.get("uid") != reference["uid"]:
            return DANGLING
        return WAITING if awaited(meta) == FOREGROUND else SOLID

    async def _set_free(self, key: bytes, uid: str) -> Outcome:
        async def change(old: Object) -> Change:
            references = _references(old["metadata"])
            states = [index.digest(reference["uid"]) for reference in references]
            return Change(_without(old, states, (uid,)))

        await self._objects.adjust(stored_target(key), change)
        return DONE


_NOBODY = stored_target(b"/\0\0\0")


def _references(meta: dict[str, Any]) -> list[Reference]:
    return meta.get("ownerReferences") or []


def _without(old: Object, states: list[str], dropped: tuple[str, ...]) -> Object:
    """Return an object without the owner references that are in one of the states dropped."""
    meta = dict(old["metadata"])
    pairs = zip(_references(meta), states, strict=True)
    left = [reference for reference, state in pairs if state not in dropped]
    meta["ownerReferences"] = left
    if not left:
        del meta["ownerReferences"]
    return old | {"metadata": meta}


def _unblocking(old: Object) -> Object:
    """Return an object that holds up none of its owners."""
    meta = old["metadata"]
    references = [{**reference, "blockOwnerDeletion": False} for reference in _references(meta)]
    return old | {"metadata": meta | {"ownerReferences": references}}
