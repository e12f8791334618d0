"""Empties a namespace or a whole logical cluster: what may go goes, what has finalizers is asked.

Admission is asked for each object as it is for a request to delete it, where anybody looks at such
requests. What a workspace registered itself does not outlive it: the end of a workspace takes that
along first (kcp: in the first round), so that it cannot hold the rest; what was registered in
another workspace for bound resources goes on to be asked.

Nothing is discovered or listed: the counters of the index say what is there. A cluster in which
nothing has to be waited for is swept: all of it goes in one commit, and what the index says of it
as ranges.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from kcpfast.admission.chain import Deleter, DeletionRefused
from kcpfast.registry import index, values
from kcpfast.registry.deletion import deleted
from kcpfast.registry.objects import EVENT_STORAGE, FOREGROUND, ORPHAN, Objects, Target
from kcpfast.resources.builtin import BUILTIN
from kcpfast.resources.compiled import CompiledSchema
from kcpfast.resources.resource import Names, Object, Resource
from kcpfast.schema.program import compile_schema
from kcpfast.store.contract import Below, Clear, Conflict, Item, Put, PutRevision, Write, number
from kcpfast.store.keys import place, prefix
from kcpfast.work.aside import LARGE

# What is read, and removed, at once: so many objects, and about so many bytes of them.
_BATCH, _BYTES = 200, 128 * 1024
# Deletions that admission is asked for at the same time.
_ASKED = 16
# A cluster that holds more is not swept in one commit.
_SWEPT_BYTES = 1024 * 1024
# What these ask for is not done for who loses everything.
_IGNORED = (ORPHAN, FOREGROUND)


class StoredRange(NamedTuple):
    """Objects of one storage in one namespace ("" = cluster-scoped)."""

    namespace: str
    storage: bytes

    def target(self, cluster: str) -> Target:
        """Return what stands for any of them in a cluster."""
        resource = raw_resource(self.storage, namespaced=bool(self.namespace))
        return Target(resource, cluster, self.namespace, "")


class Remaining:
    """What could not go yet: instances by resource, and by finalizer; `refused` by resource says
    what admission said of the first that it holds."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.resources: dict[str, int] = {}
        self.finalizers: dict[str, int] = {}
        self.refused: dict[str, str] = {}

    def add(self, resource: str, count: int = 1) -> None:
        """Count instances of a resource."""
        self.resources[resource] = self.resources.get(resource, 0) + count

    def raise_refused(self) -> None:
        """Raise Refused if admission refused anything: it is asked again after longer waits."""
        if self.refused:
            raise DeletionRefused(self.refused_text())

    def refused_text(self) -> str:
        """Say what admission refused, as Kubernetes does for namespaces."""
        texts = ", ".join(sorted(self.refused.values()))
        return f"Failed to delete all resource types, {len(self.refused)} remaining: {texts}"

    def resources_text(self) -> str:
        """Say what remains, as Kubernetes does for namespaces."""
        listed = sorted(self.resources.items())
        texts = [f"{name} has {count} resource instances" for name, count in listed]
        return "Some resources are remaining: " + ", ".join(texts)

    def finalizers_text(self, where: str) -> str:
        """Say what it waits for; `where` is `namespace` or `logical cluster`."""
        listed = sorted(self.finalizers.items())
        texts = [f"{name} in {count} resource instances" for name, count in listed]
        return f"Some content in the {where} has finalizers remaining: " + ", ".join(texts)


def pages(objects: Objects, within: bytes) -> Iterator[Sequence[Item]]:
    """Yield what is stored in a range, some of it at a time, as it is when it is asked for."""
    after = b""
    while True:
        page = objects.store.scan(within, after, _BATCH, 0, _BYTES)
        if page.items:
            yield page.items
        after = page.last
        if not after:
            return


def weight(items: Sequence[Item]) -> int:
    """Return what it costs to decode a page, as Aside asks: nothing if all of it is small."""
    if any(len(item.value) > LARGE for item in items):
        return sum(len(item.value) for item in items)
    return 0


def contents(objects: Objects, cluster: str, namespace: str | None = None) -> Iterator[StoredRange]:
    """Yield what there is in a cluster, or in one namespace of it."""
    for key, _ in objects.store.index_scan(index.counts(cluster, namespace)):
        _, _, namespace_name, storage = key.split(b"\0", 3)
        yield StoredRange(namespace_name.decode(), storage)


_BUILTIN = {each.storage: each for each in reversed(BUILTIN)}


@lru_cache(maxsize=512)
def raw_resource(storage: bytes, *, namespaced: bool) -> Resource:
    """Return a resource that is good enough to finish what is stored under a name.

    The real one may be gone: a CRD, or the schema of a binding. What is written back keeps the
    header it was stored under: nothing is converted.
    """
    if storage in _BUILTIN:
        return _BUILTIN[storage]
    group, _, plural = storage.decode().partition(":")[0].partition("/")
    return Resource(
        group=group,
        version="v1",
        names=Names(plural, plural),
        namespaced=namespaced,
        storage=storage,
        compiled=CompiledSchema(lambda: compile_schema({}), header=b""),
    )


def stored_target(key: bytes) -> Target:
    """Return the target of an object of which only the key is known."""
    storage, cluster, namespace, name = place(key)
    resource = raw_resource(storage, namespaced=bool(namespace))
    return Target(resource, cluster, namespace, name)


_BINDINGS = b"apis.kcp.io/apibindings"
# Whoever may do what goes at the very end.
_LAST = (
    b"rbac.authorization.k8s.io/clusterroles",
    b"rbac.authorization.k8s.io/clusterrolebindings",
)
_ORDER = {_BINDINGS: 1, **dict.fromkeys(_LAST, 2)}
_NAMESPACES = b"/namespaces"
_ADMISSION = b"admissionregistration.k8s.io/"
# What goes with one of these is filed, or is to be told, outside of its cluster. All that other
# objects carry along is of the cluster itself.
_FAR = {
    ("", "events"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("apis.kcp.io", "apibindings"),
    ("apis.kcp.io", "apiexportendpointslices"),
    ("apis.kcp.io", "apiexports"),
    ("events.k8s.io", "events"),
}


def in_order(
    ranges: Iterable[StoredRange], must_ask: Callable[[StoredRange], bool]
) -> Iterator[Sequence[StoredRange]]:
    """Yield the content of a cluster in the stages in which it goes; bindings end by themselves.

    What the cluster has registered for admission is the first of all, then comes what admission
    is to be asked for, while its namespaces are there to be looked at.
    """
    listed = [content for content in ranges if content.storage != _BINDINGS]
    yield [content for content in listed if content.storage.startswith(_ADMISSION)]
    late = (_NAMESPACES, *_LAST)
    asked = [content for content in listed if content.storage not in late and must_ask(content)]
    yield asked
    yield [content for content in listed if content not in asked and content.storage not in _LAST]
    yield [content for content in listed if content.storage in _LAST]


def _order(content: StoredRange) -> int:
    return _ORDER.get(content.storage, 0)


def sweep(
    objects: Objects, cluster: str, must_ask: Callable[[Target], bool], most: int = 0
) -> list[Write] | None:
    """Return the writes that empty a cluster, to be one commit; it fails if anything comes between.

    None if something has finalizers, is not to go unasked, or there are more than `most` objects
    (0 = any number). The finalizers of bindings wait for what was bound, which goes along.
    """
    listed = sorted(contents(objects, cluster), key=_order)
    swept: list[tuple[Resource, Item]] = []
    events = 0
    for content in listed:
        resource = raw_resource(content.storage, namespaced=bool(content.namespace))
        limits = (most + 1, 0, _SWEPT_BYTES) if most else (0,)
        page = objects.store.scan(_range(cluster, content), b"", *limits)
        items = page.items
        if most and (page.last or len(swept) + len(items) > most):
            return None
        if content.storage != _BINDINGS and any(_finalizers(item.value) for item in items):
            return None
        if items and must_ask(content.target(cluster)):
            return None
        swept += [(resource, item) for item in items]
        events += len(items) if content.storage == EVENT_STORAGE else 0
    writes: list[Write] = [
        Below(index.total(cluster), len(swept) - events + 1),
        Below(index.total(cluster, EVENT_STORAGE), events + 1),
    ]
    ranges = index.of_cluster(cluster)
    local = tuple(ranges)
    for resource, item in swept:
        writes.append(Put(item.key, None, item.revision))
        if (resource.group, resource.plural) in _FAR:
            target = Target(resource, *place(item.key)[1:])
            hook_writes = objects.hook_writes(target, values.decode(resource, *item[1:]), None)
            writes += [
                write
                for write in hook_writes
                if not write.key.startswith(local) and not _is_local_mark(write.key, cluster)
            ]
    return writes + [Clear(within) for within in ranges]


def _is_local_mark(key: bytes, cluster: str) -> bool:
    """Tell whether a mark asks for work in a cluster only; an export's is for its consumers."""
    if not key.startswith(index.WORK_ITEMS):
        return False
    controller, item_cluster, _ = index.parse_work_item(key)
    return item_cluster == cluster and controller != "apiexport"


def _finalizers(value: bytes) -> list[str]:
    """Return what an object waits for."""
    if b'"finalizers"' not in value:
        return []
    listed = values.metadata(value).get("finalizers") or ()
    return [name for name in listed if name not in _IGNORED]


def _range(cluster: str, content: StoredRange) -> bytes:
    within = prefix(content.storage, cluster, content.namespace)
    return within if content.namespace else within + b"\0"


Along = Callable[[Target, Object], Sequence[Write]]


def nothing(_target: Target, _asked: Object) -> Sequence[Write]:
    """Return no writes."""
    return ()


async def remove(
    objects: Objects,
    cluster: str,
    ranges: Iterable[StoredRange],
    remaining: Remaining,
    deleter: Deleter,
    along: Along = nothing,
) -> None:
    """Delete objects; those with finalizers are marked as being deleted and counted.

    `deleter` asks admission; once it refuses some of a kind, the others of that kind wait as well,
    as upstream. `along` returns what goes with the mark, in place of the work that is usually asked
    for.
    """
    for content in list(ranges):
        resource = raw_resource(content.storage, namespaced=bool(content.namespace))
        must_ask = deleter.must_ask(content.target(cluster))
        before = remaining.resources.get(_shown(resource), 0)
        for page in pages(objects, _range(cluster, content)):
            allowed, more = page, list[Write]()
            if must_ask:
                allowed, more = await _allowed(resource, page, remaining, deleter)
            await _remove_page(objects, resource, allowed, remaining, along, more)
            if len(allowed) < len(page):
                key = index.count(cluster, content.namespace, content.storage)
                remaining.resources[_shown(resource)] = before + number(
                    objects.store.index_get(key)
                )
                break


async def _allowed(
    resource: Resource, page: Sequence[Item], remaining: Remaining, deleter: Deleter
) -> tuple[list[Item], list[Write]]:
    """Return what of a page admission lets go, and what goes with it.

    What is being deleted already was asked for when that began.
    """
    allowed: list[Item] = []
    more: list[Write] = []
    for start in range(0, len(page), _ASKED):
        some = page[start : start + _ASKED]
        asking = [_asked(resource, item, deleter) for item in some]
        for item, answer in zip(some, await asyncio.gather(*asking), strict=True):
            if isinstance(answer, DeletionRefused):
                remaining.refused.setdefault(_shown(resource), str(answer))
            else:
                allowed.append(item)
                more += answer
        await asyncio.sleep(0)  # others have their turn
    return allowed, more


async def _asked(resource: Resource, item: Item, deleter: Deleter) -> list[Write] | DeletionRefused:
    if values.is_deleted(item.value):
        return []
    target = Target(resource, *place(item.key)[1:])
    try:
        return await deleter.ask(target, item.revision, item.value, "Background")
    except DeletionRefused as refused:
        return refused


async def _remove_page(
    objects: Objects,
    resource: Resource,
    page: Sequence[Item],
    remaining: Remaining,
    along: Along,
    more: Sequence[Write],
) -> None:
    if not page:
        return
    cluster = place(page[0].key).cluster
    writes = await objects.aside.run(
        weight(page), cluster, _removing, objects, resource, page, remaining, along
    )
    if writes:
        try:
            await objects.store.commit([*writes, *more])
        except Conflict:
            # Somebody changed one of them; the next round takes the rest.
            remaining.add(_shown(resource))


def _removing(
    objects: Objects,
    resource: Resource,
    page: Sequence[Item],
    remaining: Remaining,
    along: Along,
) -> list[Write]:
    """Return the writes that remove what may go, and mark and count what has to wait."""
    writes: list[Write] = []
    for item in page:
        obj = values.decode(resource, item.revision, item.value)
        finalizers = _finalizers(item.value)
        target = Target(resource, *place(item.key)[1:])
        if finalizers:
            remaining.add(_shown(resource))
            for name in finalizers:
                remaining.finalizers[name] = remaining.finalizers.get(name, 0) + 1
            if "deletionTimestamp" not in obj["metadata"]:
                asked = deleted(resource, obj, "Background")
                assert asked is not None
                writes.append(
                    Put(item.key, values.encode(resource, asked, item.value), item.revision)
                )
                carried = objects.index_writes(target, obj, asked)
                more = objects.aside.on_loop(along, target, asked)
                writes += [write for write in carried if not (more and _is_mark(write))]
                writes += more
            continue
        writes.append(Put(item.key, None, item.revision))
        writes += objects.index_writes(target, obj, None)
    return writes


def _is_mark(write: Write) -> bool:
    return (
        isinstance(write, PutRevision) and write.key.startswith(index.WORK_ITEMS) and not write.when
    )


def _shown(resource: Resource) -> str:
    return f"{resource.plural}.{resource.group}"
