"""The status of ResourceQuotas: what the index counts, written down for people to read.

Admission does not look at it: it asks the counters themselves.
"""

from __future__ import annotations

import asyncio
from typing import Any

from kcpfast.admission.quota import QUOTAS, WHOLE_NAMESPACE, counter, is_whole, limits
from kcpfast.controllers.runtime import DONE, Outcome
from kcpfast.meta.quantity import canonical
from kcpfast.registry import index
from kcpfast.registry.catalog import Catalog
from kcpfast.registry.metadata import spec_of, status_of
from kcpfast.registry.objects import Change, Objects, Target
from kcpfast.registry.strategies.quota import CLASSIC
from kcpfast.resources.resource import Object
from kcpfast.store.contract import number

# Counters that are read in one turn of the loop.
_STEP = 500


class QuotaController:
    """Reconciles the quotas of a namespace, or ("") those of a whole workspace."""

    def __init__(self, objects: Objects, catalog: Catalog) -> None:
        """Work on the registry."""
        self._objects = objects
        self._catalog = catalog

    async def namespace(self, cluster: str, namespace: str) -> Outcome:
        """Write down what is used of the quotas that hold for a namespace."""
        for key, _ in self._objects.store.index_scan(index.quota(cluster, namespace)):
            name = key.rpartition(b"\0")[2].decode()
            await self._write(Target(QUOTAS, cluster, namespace or WHOLE_NAMESPACE, name))
        return DONE

    async def cluster(self, cluster: str, _name: str) -> Outcome:
        """Do so for all quotas of a workspace: it serves other resources than before."""
        places = {
            key.split(b"\0")[2].decode()
            for key, _ in self._objects.store.index_scan(index.quotas(cluster))
        }
        for namespace in sorted(places):
            await self.namespace(cluster, namespace)
        return DONE

    async def _write(self, target: Target) -> None:
        async def change(old: Object) -> Change:
            hard: dict[str, Any] = spec_of(old).get("hard") or {}
            before = status_of(old).get("used") or {}
            used = {name: before[name] for name in hard if name in before}
            status: dict[str, Any] = {}
            if hard:
                used |= await self._used(target, old)
                status = {"hard": hard, "used": {name: used[name] for name in sorted(used)}}
            return Change(old | {"status": status})

        await self._objects.adjust(target, change)

    async def _used(self, target: Target, quota: Object) -> dict[str, str]:
        """Return what is used, by the names of resources that the workspace serves."""
        used, counted = {}, limits(quota)
        for place, name in enumerate((quota["spec"].get("hard")) or ()):
            if place % _STEP == _STEP - 1:
                await asyncio.sleep(0)  # others have their turn
            storage = self._storage(target.cluster, name)
            if storage is None:
                continue
            key = counter(target.cluster, target.namespace, storage, whole=is_whole(quota))
            amount = number(self._objects.store.index_get(key)) if name in counted else 0
            used[name] = canonical(str(amount))
        return used

    def _storage(self, cluster: str, name: str) -> bytes | None:
        prefix, _, resource = name.rpartition("count/")
        plural, _, group = resource.partition(".")
        if prefix or (not name.startswith("count/") and name not in CLASSIC):
            return None
        resource_kind = self._catalog.stored(cluster, group, plural)
        return resource_kind.storage if resource_kind is not None else None
