"""Warns by an event of owner references into another namespace: the object will be deleted.

Kubernetes' garbage collector holds all objects by uid in a graph and warns in this way
(k8s.io/kubernetes/pkg/controller/garbagecollector, reportInvalidNamespaceOwnerRef). Here there is
no index by uid. Looked for are the object of that kind and name in other namespaces, and the owner
that other objects name by the same uid; an owner that neither finds is not reported.
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
        if dependent_object is None:
            return
        references = dependent_object["metadata"].get("ownerReferences") or ()
        for reference in references:
            if index.digest(reference["uid"]) != uid:
                continue
            if self._leads_astray(dependent, reference):
                await self._warn(dependent, dependent_object, reference)

    def _leads_astray(self, dependent: Target, reference: dict[str, Any]) -> bool:
        resource = self._resource(dependent, reference)
        if resource is None:
            return False
        if self._is_in(resource, dependent, dependent.namespace, reference):
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
        """Yield where the owner may be, as arguments of `_is_in`.

        Both scans are bounded: a warning is worth no long search.
        """
        cluster = dependent.cluster
        uid = reference["uid"]
        scan = self._objects.store.index_scan
        siblings = index.owner(cluster, index.digest(uid))
        for _, key in scan(siblings, limit=_LOOKED_AT):
            sibling = stored_target(key)
            record = self._objects.store.get(key)
            if record is None or sibling.namespace == dependent.namespace:
                continue
            for other in values.metadata(record.value).get("ownerReferences") or ():
                if other["uid"] != uid:
                    continue
                kind = self._resource(sibling, other)
                if kind is not None and kind.namespaced:
                    yield kind, dependent, sibling.namespace, other
        if not resource.namespaced:
            return
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
        if record is None:
            return False
        uid = values.metadata(record.value)["uid"]
        return bool(uid == reference["uid"])

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
    meta = obj["metadata"]
    time_now = now()
    # Cut so that the whole is a valid name; client-go (GenerateEventName) takes a UUID instead.
    start = meta["name"][:230]
    name = f"{start}.{time.time_ns():x}"
    about = {
        "kind": kind[1],
        "namespace": meta.get("namespace"),
        "name": meta["name"],
        "uid": meta["uid"],
        "apiVersion": kind[0],
        "resourceVersion": meta["resourceVersion"],
    }
    involved = {key: value for key, value in about.items() if value}
    # Events of cluster-scoped objects are in "default", as client-go's recorder has it.
    namespace = meta.get("namespace") or "default"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": involved,
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
