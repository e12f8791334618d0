"""The status of ResourceQuotas: what the index counts, written down for people to read.

Admission does not look at it: it asks the counters themselves. Upstream admission trusts the status
that k8s.io/kubernetes/pkg/controller/resourcequota keeps, and adds to it what it admits.
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
        """Write down what is used of all quotas of a workspace.

        That is due when it serves other resources than before.
        """
        namespaces = set()
        for key, _ in self._objects.store.index_scan(index.quotas(cluster)):
            _, _, namespace, *_ = key.split(b"\0")
            namespaces.add(namespace.decode())
        for name in sorted(namespaces):
            await self.namespace(cluster, name)
        return DONE

    async def _write(self, target: Target) -> None:
        async def change(old: Object) -> Change:
            hard: dict[str, Any] = spec_of(old).get("hard") or {}
            before = status_of(old).get("used") or {}
            # What cannot be counted (its kind is not served now) keeps the value it had.
            used = {name: before[name] for name in hard if name in before}
            status: dict[str, Any] = {}
            if hard:
                used |= await self._used(target, old)
                status = {"hard": hard, "used": {name: used[name] for name in sorted(used)}}
            return Change(old | {"status": status})

        await self._objects.adjust(target, change)

    async def _used(self, target: Target, quota: Object) -> dict[str, str]:
        """Return what is used, by the names of resources that the workspace serves."""
        used = {}
        counted = limits(quota)
        whole = is_whole(quota)
        hard = quota["spec"].get("hard") or ()
        for position, name in enumerate(hard):
            if position % _STEP == _STEP - 1:
                await asyncio.sleep(0)  # others have their turn
            storage = self._storage(target.cluster, name)
            if storage is None:
                continue
            amount = 0
            if name in counted:
                key = counter(target.cluster, target.namespace, storage, whole=whole)
                amount = number(self._objects.store.index_get(key))
            used[name] = canonical(str(amount))
        return used

    def _storage(self, cluster: str, name: str) -> bytes | None:
        """Return the storage that a limit counts; None if it is not one, or none is served.

        A limit names it as `count/<plural>.<group>`, or is one of the few old names ("secrets").
        """
        prefix, _, resource = name.rpartition("count/")
        if prefix:
            return None
        if not name.startswith("count/") and name not in CLASSIC:
            return None
        plural, _, group = resource.partition(".")
        resource_kind = self._catalog.stored(cluster, group, plural)
        return resource_kind.storage if resource_kind is not None else None
