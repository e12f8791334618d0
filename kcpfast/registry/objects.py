"""Reads and writes of single objects, and of the index entries that belong to them.

Verbs and controllers decide what an object becomes. This module stores it, and in the same commit
what follows from the change: counters, entries by owner, and what the index hooks of its kind
return. Either all of it is committed or nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from kcpfast.meta.copies import copy_json
from kcpfast.meta.errors import (
    MODIFIED,
    ApiError,
    already_exists,
    bad_request,
    conflict,
    internal,
    no_room,
    not_found,
)
from kcpfast.registry import index, values
from kcpfast.registry.identity import assign_identity
from kcpfast.registry.reader import Reader
from kcpfast.resources.resource import Object, Resource
from kcpfast.store.contract import (
    Check,
    Conflict,
    Count,
    Full,
    Index,
    Item,
    Put,
    PutRevision,
    Record,
    StoreError,
    Write,
)
from kcpfast.store.keys import object_key, place, prefix, storage_name
from kcpfast.work.aside import LARGE, Aside

_ATTEMPTS = 16
# What has less bytes takes no more memory than any request does.
_LARGE = 4096
ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
# The object that stands for its whole cluster is not counted: the cluster is empty without it.
UNCOUNTED_RESOURCE = "logicalclusters"
# Events are counted by themselves, but not among all objects of a cluster.
EVENT_STORAGE = storage_name("", "events")


class Target(NamedTuple):
    """One object: its resource and where it is; the name may still be empty before a create."""

    resource: Resource
    cluster: str
    namespace: str
    name: str

    def key(self) -> bytes:
        """Return the object's key; NotFound for coordinates that no object can have."""
        try:
            return object_key(self.resource.storage, self.cluster, self.namespace, self.name)
        except ValueError:
            raise not_found(self.resource.plural, self.resource.group, self.name) from None


class Change(NamedTuple):
    """What a write is to make of an object: `new` None deletes it.

    `more` are writes of the same commit: expectations that must still hold, other objects; `always`
    asks for a write even if nothing is changed. `size` is how many bytes the object may have, as
    far as is known: what is larger than the stored one is encoded beside the loop.
    """

    new: Object | None
    more: Sequence[Write] = ()
    always: bool = False
    size: int = 0


class Saved(NamedTuple):
    """An object after a write: decoded, and as stored (revision 0 = not stored, a dry run)."""

    obj: Object
    revision: int
    value: bytes


IndexHook = Callable[[Target, Object | None, Object | None], Iterable[Write]]
Prepare = Callable[[], Awaitable[Change]]
Changing = Callable[[Object], Awaitable[Change]]
# Changes an object in place; returns the writes of the same commit.
Transition = Callable[[Object], Sequence[Write] | None]
# As Changing, told how many bytes the object has as it is stored.
Revising = Callable[[Object, int], Awaitable[Change]]
# Told of a stored object before it is decoded: whoever counts memory may refuse it.
ClaimBytes = Callable[[bytes], None]


class Objects:
    """Stores objects; `index_hooks` maps a storage's resource to what its writes carry along."""

    def __init__(
        self, store: Reader, index_hooks: Mapping[tuple[str, str], Sequence[IndexHook]]
    ) -> None:
        """Write into a store; `aside` runs what is long, here and for who writes."""
        self.store = store
        self.aside = Aside()
        self._index_hooks = index_hooks

    # ------------------------------------------------------------------------- reading

    def record(self, target: Target, revision: int = 0) -> Record | None:
        """Return an object as it is stored, at a revision (0 = the newest); None if absent."""
        return self.store.get(target.key(), revision)

    def find(self, target: Target) -> Object | None:
        """Return an object decoded, None if it does not exist."""
        record = self.record(target)
        return values.decode(target.resource, *record) if record is not None else None

    def load(self, target: Target) -> Object:
        """Return an object decoded; NotFound if it does not exist."""
        obj = self.find(target)
        if obj is None:
            raise not_found(target.resource.plural, target.resource.group, target.name)
        return obj

    def all(self, resource: Resource, cluster: str, namespace: str = "") -> list[Object]:
        """Return every object of a resource, decoded; for short lists only."""
        within = object_prefix(resource, cluster, namespace)
        return [
            values.decode(resource, item.revision, item.value)
            for item in self.store.scan(within).items
        ]

    # The same for who may wait: what is large is decoded, and copied, beside the loop.

    async def read(self, target: Target) -> Object | None:
        """Return an object decoded, None if it does not exist."""
        record = self.record(target)
        if record is None:
            return None
        size = len(record.value)
        return await self.aside.run(size, target.cluster, values.decode, target.resource, *record)

    async def read_all(self, resource: Resource, cluster: str, namespace: str = "") -> list[Object]:
        """Return every object of a resource, decoded."""
        items = self.store.scan(object_prefix(resource, cluster, namespace)).items
        size = sum(len(item.value) for item in items)
        return await self.aside.run(size, cluster, _decoded, resource, items)

    async def copy(self, target: Target, obj: Object) -> Object:
        """Return a copy of an object that was read."""
        size = self.size(target)
        copied: Object = await self.aside.run(size, target.cluster, copy_json, obj)
        return copied

    def size(self, target: Target) -> int:
        """Return how many bytes an object has as it is stored, 0 if it is not."""
        record = self.record(target)
        return len(record.value) if record is not None else 0

    # ------------------------------------------------------------------------- writing

    async def create(
        self, target: Target, prepare: Prepare, *, dry_run: bool = False, who: str = ""
    ) -> Saved:
        """Store a new object: what `prepare` returns, asked again if the ground moved under it.

        AlreadyExists if there is one of that name; a generated name is tried again instead.
        BadRequest where there is no logical cluster: a path without `/clusters/`.
        """
        if not target.cluster:
            raise bad_request("no logical cluster on request: it has no path below /clusters/")
        for attempt in range(_ATTEMPTS):
            change = await prepare()
            assert change.new is not None
            name = change.new["metadata"]["name"]
            named = Target(target.resource, target.cluster, target.namespace, name)
            key = named.key()
            size = _long(change.size)
            value = await self.aside.run(size, who, values.encode, named.resource, change.new)
            if dry_run:
                if self.store.get(key) is not None:
                    raise already_exists(named.resource.plural, named.resource.group, named.name)
                return Saved(change.new, 0, value)
            carried = await self.aside.run(
                len(value), who, self.index_writes, named, None, change.new
            )
            writes = [Put(key, value, 0), *change.more, *carried]
            try:
                revision = await self._commit(writes)
            except Conflict as lost:
                # Another name is generated up to seven times, as createWithGenerateNameRetry of
                # k8s.io/apiserver/pkg/registry/generic/registry/store.go does (8 attempts).
                generated = change.new["metadata"].get("generateName") and not target.name
                if lost.key == key and not (generated and attempt < 7):
                    resource = named.resource
                    raise already_exists(resource.plural, resource.group, named.name) from lost
            else:
                return _saved(change.new, revision, value)
        raise _contended(target)

    async def update(self, target: Target, change: Changing, *, dry_run: bool = False) -> Saved:
        """Store what `change` makes of the object; see `revise`."""
        return await self.revise(target, lambda old, _size: change(old), dry_run=dry_run)

    async def revise(
        self,
        target: Target,
        change: Revising,
        *,
        dry_run: bool = False,
        who: str = "",
        claim: ClaimBytes | None = None,
    ) -> Saved:
        """Store what `change` makes of the object; asked again if somebody else was faster.

        NotFound if there is no object. An object that `change` leaves as it is takes no revision,
        whatever is written with it. One that is being deleted and has no finalizer left is
        deleted. `who` it is for takes turns with others (Aside), `claim` counts what it takes.
        """
        resource, aside = target.resource, self.aside.run
        key = target.key()
        for _ in range(_ATTEMPTS):
            record = self.store.get(key)
            if record is None:
                raise not_found(resource.plural, resource.group, target.name)
            size = len(record.value)
            if size > _LARGE and claim is not None:
                claim(record.value)
            old = await aside(size, who, values.decode, resource, *record)
            new, more, always, larger = await change(old, size)
            if not always and await aside(size, who, _equal, new, old):
                if dry_run or await self._written(Check(key, record.revision), more):
                    return Saved(old, *record)
                continue
            kept = None if new is None or is_finished(new) else new
            left = new if new is not None else old
            long = _long(max(size, larger))
            value = await aside(long, who, values.encode, resource, left, record.value)
            if dry_run:
                return Saved(new if new is not None else old, 0, value)
            put = Put(key, value if kept is not None else None, record.revision)
            try:
                carried = await aside(len(value) + size, who, self.index_writes, target, old, kept)
                revision = await self._commit([put, *more, *carried])
            except Conflict:
                continue
            return _saved(new if new is not None else old, revision, value)
        raise _contended(target)

    async def _written(self, unless: Check, writes: Sequence[Write]) -> bool:
        """Write what goes with an object that stays as it is; False if it does not."""
        try:
            if writes:
                await self._commit([unless, *writes])
        except Conflict:
            return False
        return True

    async def adjust(self, target: Target, change: Changing) -> Saved | None:
        """Update an object as a controller does: nothing happens if it is gone."""
        try:
            return await self.update(target, change)
        except ApiError as error:
            if error.reason != "NotFound":
                raise
        return None

    async def transition(self, target: Target, step: Transition) -> Saved | None:
        """Have a controller take an object one step further: nothing happens if it is gone.

        `step` changes a copy of the object in place and returns the writes that belong to the same
        commit. It is called again if somebody else was faster.
        """

        async def change(old: Object) -> Change:
            new = await self.copy(target, old)
            return Change(new, step(new) or ())

        return await self.adjust(target, change)

    def creation_writes(self, target: Target, obj: Object) -> list[Write]:
        """Return the writes that store a new object, for a commit of several.

        The object is given its identity; nothing else is asked, admitted or validated.
        """
        assign_identity(target.resource, obj, target.cluster, target.namespace)
        put = Put(target.key(), values.encode(target.resource, obj), 0)
        return [put, *self.index_writes(target, None, obj)]

    async def _commit(self, writes: Sequence[Write]) -> int:
        try:
            return await self.store.commit(writes)
        except Conflict:
            raise
        except Full as error:
            raise no_room(str(error)) from error
        except StoreError as error:
            raise internal(str(error)) from error

    def index_writes(self, target: Target, old: Object | None, new: Object | None) -> list[Write]:
        """Return the writes that follow from a change of an object (None = it does not exist)."""
        writes: list[Write] = []
        resource = target.resource
        if (old is None or new is None) and resource.plural != UNCOUNTED_RESOURCE:
            delta = 1 if old is None else -1
            writes += counting(target.cluster, target.namespace, resource.storage, delta)
        writes += _owner_writes(target, old, new)
        if old is not None:
            writes += _waiting_writes(target, old, new)
            if new is None:
                writes += _wake(target, old)
        return writes + self.hook_writes(target, old, new)

    def hook_writes(self, target: Target, old: Object | None, new: Object | None) -> list[Write]:
        """Return the writes of the index hooks that are registered for the object's kind."""
        kind = (target.resource.group, target.resource.plural)
        writes: list[Write] = []
        for index_hook in self._index_hooks.get(kind, ()):
            if getattr(index_hook, "reads", False):
                writes += self.aside.on_loop(_listed, index_hook, target, old, new)
            else:
                writes += index_hook(target, old, new)
        return writes


def reading(index_hook: IndexHook) -> IndexHook:
    """Mark an index hook that reads the store, so that it is called on the event loop's thread."""
    index_hook.reads = True  # type: ignore[attr-defined]
    return index_hook


def _listed(
    index_hook: IndexHook, target: Target, old: Object | None, new: Object | None
) -> list[Write]:
    return list(index_hook(target, old, new))


@lru_cache(maxsize=4096)
def counting(cluster: str, namespace: str, storage: bytes, delta: int) -> tuple[Write, ...]:
    """Count an object that comes or goes; what quotas say of it is to be written down anew."""
    writes: list[Write] = [
        Count(index.count(cluster, namespace, storage), delta),
        Count(index.total(cluster, storage), delta),
    ]
    if storage != EVENT_STORAGE:
        writes.append(Count(index.total(cluster), delta))
    writes += [
        PutRevision(index.work_item("quota", cluster, scope), index.quota(cluster, scope))
        for scope in dict.fromkeys((namespace, ""))
    ]
    return tuple(writes)


def _wake(target: Target, old: Object) -> Iterable[Write]:
    """Wake a deletion that waits for what is now gone."""
    if "deletionTimestamp" not in old["metadata"]:
        return
    cluster, namespace = target.cluster, target.namespace
    whole = index.work_item("logicalcluster", cluster, "cluster")
    yield PutRevision(whole, index.waiting(cluster, ""))
    if namespace:
        mark = index.work_item("namespace", cluster, namespace)
        yield PutRevision(mark, index.waiting(cluster, namespace))


def _decoded(resource: Resource, items: Sequence[Item]) -> list[Object]:
    return [values.decode(resource, item.revision, item.value) for item in items]


def _equal(new: Object | None, old: Object) -> bool:
    return new == old


def _long(size: int) -> int:
    """Return a size, or 0 for what is encoded in less time than a job beside the loop takes."""
    return size if size > LARGE else 0


def _saved(obj: Object, revision: int, value: bytes) -> Saved:
    obj["metadata"]["resourceVersion"] = str(revision)
    return Saved(obj, revision, value)


def _contended(target: Target) -> ApiError:
    return conflict(target.resource.plural, target.resource.group, target.name, MODIFIED)


def is_finished(obj: Object) -> bool:
    """Tell whether an object is being deleted and nothing holds it any more.

    Rule: ShouldDeleteDuringUpdate of k8s.io/apiserver/pkg/registry/generic/registry/store.go; a
    Namespace has finalizers in its spec, too (pkg/registry/core/namespace/storage).
    """
    meta = obj["metadata"]
    if not meta.get("deletionTimestamp") or meta.get("finalizers"):
        return False
    return not (obj.get("kind") == "Namespace" and (obj.get("spec") or {}).get("finalizers"))


def awaited(meta: Mapping[str, Any]) -> str:
    """Return the finalizer by which an object being deleted waits for its dependents, or ""."""
    if "deletionTimestamp" not in meta:
        return ""
    finalizers = meta.get("finalizers") or ()
    return next((name for name in (ORPHAN, FOREGROUND) if name in finalizers), "")


def _waiting_writes(target: Target, old: Object, new: Object | None) -> Iterable[Write]:
    """File an owner that waits for its dependents; look for dependents of one that goes."""
    before = awaited(old["metadata"])
    after = awaited(new["metadata"]) if new is not None else ""
    if new is not None and before == after:
        return
    cluster, uid = target.cluster, index.digest(old["metadata"].get("uid", ""))
    if new is None:
        yield PutRevision(index.work_item("gc", cluster, uid), index.owner(cluster, uid))
    if after and after != before:
        yield Index(index.awaits(cluster, uid), target.key())
        yield PutRevision(index.work_item("dependents", cluster, uid))
    elif before and not after:
        yield Index(index.awaits(cluster, uid), None)


def _owners(obj: Object | None) -> dict[str, bool]:
    """Return the digest of each owner's uid, and whether the object blocks its deletion."""
    blocks: dict[str, bool] = {}
    if obj is None:
        return blocks
    for reference in obj["metadata"].get("ownerReferences") or ():
        uid = index.digest(reference["uid"])
        # Two references may name one uid; one that blocks is enough.
        blocks[uid] = blocks.get(uid, False) or bool(reference.get("blockOwnerDeletion"))
    return blocks


def _owner_writes(target: Target, old: Object | None, new: Object | None) -> Iterable[Write]:
    before, after = _owners(old), _owners(new)
    if not before and not after:
        return
    cluster, key = target.cluster, target.key()
    for uid, blocked in before.items():
        if uid not in after:
            yield Index(index.owner(cluster, uid, key), None)
        if blocked and not after.get(uid):
            yield PutRevision(
                index.work_item("unblocked", cluster, uid), index.awaits(cluster, uid)
            )
    for uid in after.keys() - before.keys():
        yield Index(index.owner(cluster, uid, key), key)
        # The owner may be gone already, or never have been: the collector looks.
        yield PutRevision(index.work_item("dependent", cluster, f"{uid}\0{index.digest(key)}"))


def object_prefix(resource: Resource, cluster: str, namespace: str = "") -> bytes:
    """Return the range of a resource's objects in all clusters, one cluster, or one namespace."""
    return prefix(resource.storage, "" if cluster == "*" else cluster, namespace)


def target_of(resource: Resource, key: bytes) -> Target:
    """Return the target of an object's key."""
    _, cluster, namespace, name = place(key)
    return Target(resource, cluster, namespace, name)
