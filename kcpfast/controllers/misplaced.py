"""Tells of owner references that lead into another namespace: the object is about to be deleted.

Kubernetes' garbage collector knows where every uid is and warns of such references by an event.
Here nobody knows; what can be found through the index is found: the object of that kind and name in
another namespace, or the owner that others name by the same uid.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from kcpfast.controllers.removal import stored_target
from kcpfast.meta.errors import ApiError
from kcpfast.meta.objectmeta import now
from kcpfast.registry import index, values
from kcpfast.registry.catalog import Catalog
from kcpfast.registry.objects import Objects, Target
from kcpfast.resources.builtin import BY_PLACE
from kcpfast.resources.resource import Object, Resource
from kcpfast.store.contract import EXISTS, Check, Conflict

EVENT_RESOURCE = BY_PLACE["", "v1", "events"]
NAMESPACES = BY_PLACE["", "v1", "namespaces"]
SOURCE = "garbage-collector-controller"
_LOOKED_AT = 1000


class MisplacedOwners:
    """Looks for owners in the wrong namespace."""

    def __init__(self, objects: Objects, catalog: Catalog) -> None:
        """Work on the registry."""
        self._objects = objects
        self._catalog = catalog

    async def report(self, key: bytes, uid: str) -> None:
        """Record an event if an object's owner with this uid (digest) is in another namespace."""
        dependent = stored_target(key)
        dependent_object = await self._objects.read(dependent)
        for reference in (dependent_object or {}).get("metadata", {}).get("ownerReferences") or ():
            if index.digest(reference["uid"]) == uid and self._leads_astray(dependent, reference):
                assert dependent_object is not None
                await self._warn(dependent, dependent_object, reference)

    def _leads_astray(self, dependent: Target, reference: dict[str, Any]) -> bool:
        resource = self._resource(dependent, reference)
        if resource is None or self._is_in(resource, dependent, dependent.namespace, reference):
            return False
        candidates = self._candidates(resource, dependent, reference)
        return any(self._is_in(*candidate) for candidate in candidates)

    def _resource(self, dependent: Target, reference: dict[str, Any]) -> Resource | None:
        group, _, version = reference["apiVersion"].rpartition("/")
        served = self._catalog.of_kind(dependent.cluster, group, version, reference["kind"])
        return served.resource if served is not None else None

    def _candidates(
        self, resource: Resource, dependent: Target, reference: dict[str, Any]
    ) -> Iterator[tuple[Resource, Target, str, dict[str, Any]]]:
        """Yield where the owner may be: what to look for, for whom, in which namespace, as what."""
        cluster, uid = dependent.cluster, reference["uid"]
        scan = self._objects.store.index_scan
        for _, key in scan(index.owner(cluster, index.digest(uid)), limit=_LOOKED_AT):
            sibling = stored_target(key)
            record = self._objects.store.get(key)
            if record is None or sibling.namespace == dependent.namespace:
                continue
            for other in values.metadata(record.value).get("ownerReferences") or ():
                kind = self._resource(sibling, other)
                if other["uid"] == uid and kind is not None and kind.namespaced:
                    yield kind, dependent, sibling.namespace, other
        if resource.namespaced:
            for key, _ in scan(index.counts(cluster), limit=_LOOKED_AT):
                _, _, namespace, storage = key.split(b"\0", 3)
                if storage == resource.storage:
                    yield resource, dependent, namespace.decode(), reference

    def _is_in(
        self, resource: Resource, dependent: Target, namespace: str, reference: dict[str, Any]
    ) -> bool:
        place = namespace if resource.namespaced else ""
        target = Target(resource, dependent.cluster, place, reference["name"])
        try:
            record = self._objects.record(target)
        except ApiError:
            return False  # nothing can have that name
        return record is not None and values.metadata(record.value)["uid"] == reference["uid"]

    async def _warn(self, dependent: Target, obj: Object, reference: dict[str, Any]) -> None:
        namespace = dependent.namespace or "default"
        owner = (
            f"[{reference['apiVersion']}/{reference['kind']}, namespace: {dependent.namespace}, "
            f"name: {reference['name']}, uid: {reference['uid']}]"
        )
        text = f'ownerRef {owner} does not exist in namespace "{dependent.namespace}"'
        event = warning(obj, self._api_kind(dependent), "OwnerRefInvalidNamespace", text)
        target = Target(EVENT_RESOURCE, dependent.cluster, namespace, event["metadata"]["name"])
        home = Target(NAMESPACES, dependent.cluster, "", namespace).key()
        writes = [Check(home, EXISTS), *self._objects.creation_writes(target, event)]
        try:
            await self._objects.store.commit(writes)
        except Conflict:
            return  # the namespace is gone: nobody is left to be told

    def _api_kind(self, dependent: Target) -> tuple[str, str]:
        resource = dependent.resource
        versions = self._catalog.versions(dependent.cluster, resource.group, resource.plural)
        version = versions[0] if versions else resource
        return version.api_version, version.kind


def warning(obj: Object, kind: tuple[str, str], reason: str, text: str) -> Object:
    """Return the event, as client-go's recorder makes it, that warns of an object."""
    meta, time_now = obj["metadata"], now()
    name = f"{meta['name'][:230]}.{time.time_ns():x}"
    about = {
        "kind": kind[1],
        "namespace": meta.get("namespace"),
        "name": meta["name"],
        "uid": meta["uid"],
        "apiVersion": kind[0],
        "resourceVersion": meta["resourceVersion"],
    }
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": meta.get("namespace") or "default"},
        "involvedObject": {key: value for key, value in about.items() if value},
        "reason": reason,
        "message": text,
        "source": {"component": SOURCE},
        "firstTimestamp": time_now,
        "lastTimestamp": time_now,
        "count": 1,
        "type": "Warning",
        "eventTime": None,
        "reportingComponent": SOURCE,
        "reportingInstance": "",
    }
