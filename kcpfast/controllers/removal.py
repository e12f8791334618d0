"""Empties a namespace or a whole logical cluster: what may go goes, what has finalizers is asked.

Nothing is discovered or listed: the counters of the index say what is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from kcpfast.registry import index, values
from kcpfast.registry.deletion import deleted
from kcpfast.registry.objects import FOREGROUND, ORPHAN, Change, Objects, Target
from kcpfast.resources.builtin import BUILTIN
from kcpfast.resources.resource import Names, Object, Resource
from kcpfast.schema.program import compile_schema
from kcpfast.store.contract import Conflict, Item, Put, Write
from kcpfast.store.keys import place, prefix

_BATCH = 200
# What these ask for is not done for who loses everything.
_IGNORED = (ORPHAN, FOREGROUND)


class Content(NamedTuple):
    """Objects of one storage in one namespace ("" = cluster-scoped)."""

    namespace: str
    storage: bytes


class Remaining(NamedTuple):
    """What could not go yet: instances by resource, and by finalizer."""

    resources: dict[str, int]
    finalizers: dict[str, int]

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


def contents(objects: Objects, cluster: str, namespace: str | None = None) -> Iterator[Content]:
    """Yield what there is in a cluster, or in one namespace of it."""
    for key, _ in objects.store.index_scan(index.counts(cluster, namespace)):
        _, _, found, storage = key.split(b"\0", 3)
        yield Content(found.decode(), storage)


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
    names = Names(plural, plural)
    resource = Resource(
        group,
        "v1",
        names,
        namespaced=namespaced,
        storage=storage,
        make_program=lambda: compile_schema({}),
    )
    resource.header = b""
    return resource


def stored_target(key: bytes) -> Target:
    """Return the target of an object of which only the key is known."""
    storage, cluster, namespace, name = place(key)
    resource = raw_resource(storage, namespaced=bool(namespace))
    return Target(resource, cluster, namespace, name)


async def remove(
    objects: Objects, cluster: str, found: Iterable[Content], remaining: Remaining
) -> None:
    """Delete objects; those with finalizers are marked as being deleted and counted."""
    for content in list(found):
        resource = raw_resource(content.storage, namespaced=bool(content.namespace))
        within = prefix(content.storage, cluster, content.namespace)
        if not content.namespace:
            within += b"\0"
        after = b""
        while True:
            page = objects.store.scan(within, after, _BATCH).items
            if not page:
                break
            after = page[-1].key
            await _remove_page(objects, resource, page, remaining)


async def _remove_page(
    objects: Objects, resource: Resource, page: Iterable[Item], remaining: Remaining
) -> None:
    writes: list[Write] = []
    for item in page:
        obj = values.decode(resource, item.revision, item.value)
        finalizers = [
            name for name in obj["metadata"].get("finalizers") or () if name not in _IGNORED
        ]
        target = Target(resource, *place(item.key)[1:])
        if finalizers:
            remaining.resources[_shown(resource)] = remaining.resources.get(_shown(resource), 0) + 1
            for name in finalizers:
                remaining.finalizers[name] = remaining.finalizers.get(name, 0) + 1
            if "deletionTimestamp" not in obj["metadata"]:
                await _ask(objects, target)
            continue
        writes.append(Put(item.key, None, item.revision))
        writes += objects.carried(target, obj, None)
    if writes:
        try:
            await objects.store.commit(writes)
        except Conflict:
            # Somebody changed one of them; the next round takes the rest.
            shown = _shown(resource)
            remaining.resources[shown] = remaining.resources.get(shown, 0) + 1


def _shown(resource: Resource) -> str:
    return f"{resource.plural}.{resource.group}"


async def _ask(objects: Objects, target: Target) -> None:
    async def change(old: Object) -> Change:
        return Change(deleted(target.resource, old, "Background"))

    await objects.adjust(target, change)
