"""Gives APIExports an identity and an endpoint slice, slices their URLs, types theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kcpfast.auth.tokens import SECRETS
from kcpfast.controllers.runtime import DONE, Again, Outcome
from kcpfast.kcp import conditions
from kcpfast.kcp.bindings import consumers
from kcpfast.kcp.clusters import Clusters
from kcpfast.kcp.creation import NAMESPACES, Maker
from kcpfast.kcp.exports import (
    SECRET_NAMESPACE,
    hash_of_secret,
    identity_secret,
    named_export,
    new_identity_key,
    resources,
    view_url,
)
from kcpfast.kcp.kinds import Exported, api_exports, endpoint_slices
from kcpfast.kcp.types import type_status
from kcpfast.meta.cluster import PATH_ANNOTATION
from kcpfast.meta.errors import ApiError
from kcpfast.registry import index
from kcpfast.registry.identity import count_generation
from kcpfast.registry.metadata import spec_of
from kcpfast.registry.objects import Change, Objects, Target
from kcpfast.registry.reader import Notes
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Conflict, Index, PutRevision, Write

SKIP_SLICE = "apiexports.apis.kcp.io/skip-endpointslice"
_BATCH = 500
_UNRESOLVED = 60.0


class ExportController:
    """Reconciles APIExports, APIExportEndpointSlices and WorkspaceTypes."""

    def __init__(self, objects: Objects, clusters: Clusters, kinds: Exported, url: str) -> None:
        """Work on the registry; virtual workspaces are below `url`."""
        self._objects = objects
        self._clusters = clusters
        self._kinds = kinds
        self._url = url

    # ------------------------------------------------------------------------- exports

    async def export(self, cluster: str, name: str) -> Outcome:
        """See to an export's identity and slice, then let its consumers look at it again."""
        target = Target(api_exports(), cluster, "", name)
        export_object = await self._objects.read(target)
        if export_object is not None and "deletionTimestamp" not in export_object["metadata"]:
            secret = _secret(export_object) or (SECRET_NAMESPACE, name)
            if not _secret(export_object) and not await self._make_secret(cluster, *secret):
                return Again(0.0)
            await self._identify(target, secret)
            await self._make_slice(cluster, export_object)
        await self._queue(_of_slices(self._objects, cluster, name))
        await self._queue(_of_consumers(self._objects, cluster, name))
        return DONE

    async def _make_secret(self, cluster: str, namespace: str, name: str) -> bool:
        """Make the secret of an identity unless it is there; False if others were faster."""
        maker = Maker(self._objects, cluster)
        if self._objects.record(Target(SECRETS, cluster, namespace, name)) is not None:
            return True
        if self._objects.record(Target(NAMESPACES, cluster, "", namespace)) is None:
            maker.namespace(namespace)
        secret = identity_secret(namespace, name, new_identity_key())
        maker.make(Target(SECRETS, cluster, namespace, name), secret)
        try:
            await self._objects.store.commit(maker.writes)
        except Conflict:
            return False
        return True

    async def _identify(self, target: Target, secret: tuple[str, str]) -> None:
        secret_object = await self._objects.read(Target(SECRETS, target.cluster, *secret))
        identity = hash_of_secret(secret_object) if secret_object is not None else ""

        async def change(old: Object) -> Change:
            new = await self._objects.copy(target, old)
            spec = new.setdefault("spec", {})
            namespace, name = secret
            spec.setdefault("identity", {"secretRef": {"name": name, "namespace": namespace}})
            _judge_identity(new, identity, f"{namespace}/{name}")
            count_generation(target.resource, new, old)
            return Change(new)

        await self._objects.adjust(target, change)

    async def _make_slice(self, cluster: str, export: Object) -> None:
        meta = export["metadata"]
        annotations = meta.get("annotations") or {}
        target = Target(endpoint_slices(), cluster, "", meta["name"])
        if SKIP_SLICE in annotations or self._objects.record(target) is not None:
            return
        owner = {
            "apiVersion": "apis.kcp.io/v1alpha1",
            "kind": "APIExport",
            "name": meta["name"],
            "uid": meta["uid"],
        }
        path = annotations.get(PATH_ANNOTATION) or self._clusters.path_of(cluster)
        endpoint_slice: Object = {
            "apiVersion": endpoint_slices().api_version,
            "kind": "APIExportEndpointSlice",
            "metadata": {"name": meta["name"], "ownerReferences": [owner]},
            "spec": {"export": {"name": meta["name"], "path": path}},
        }
        maker = Maker(self._objects, cluster)
        maker.make(target, endpoint_slice)
        try:
            await self._objects.store.commit(maker.writes)
        except Conflict:
            return  # somebody made one of that name

    async def _queue(self, items: Iterable[Write]) -> None:
        """Queue work items, so many in a commit that others have their turn."""
        batch: list[Write] = []
        for item in items:
            batch.append(item)
            if len(batch) == _BATCH:
                await self._objects.store.commit(batch)
                batch = []
        if batch:
            await self._objects.store.commit(batch)

    async def secret(self, cluster: str, name: str) -> Outcome:
        """Look again at exports whose identity a secret (`namespace/name`) holds."""

        def is_held(export: Object) -> bool:
            return "/".join(_secret(export) or ("", "")) == name

        return await self._look_again(cluster, is_held)

    async def schema(self, cluster: str, name: str) -> Outcome:
        """Look again at exports that offer a schema."""

        def is_offering(export: Object) -> bool:
            return any(resource["schema"] == name for resource in resources(export))

        return await self._look_again(cluster, is_offering)

    async def _look_again(self, cluster: str, concerns: Callable[[Object], bool]) -> Outcome:
        exports = await self._objects.read_all(api_exports(), cluster)
        names = [export["metadata"]["name"] for export in exports if concerns(export)]
        await self._queue(_item("apiexport", cluster, name) for name in names)
        return DONE

    # ------------------------------------------------------------------------- slices

    async def slices(self, cluster: str, export: str) -> Outcome:
        """Look again at all slices of an export."""
        await self._queue(_of_slices(self._objects, cluster, export))
        return DONE

    async def partition(self, cluster: str, name: str) -> Outcome:
        """Look again at slices that name a partition."""
        slices = await self._objects.read_all(endpoint_slices(), cluster)
        named = [endpoint_slice for endpoint_slice in slices if _partition(endpoint_slice) == name]
        names = [endpoint_slice["metadata"]["name"] for endpoint_slice in named]
        await self._queue(_item("slice", cluster, slice_name) for slice_name in names)
        return DONE

    async def departed(self, cluster: str, _name: str) -> Outcome:
        """Look again at what was bound to, or published, exports of a workspace that is gone.

        There may be another at its path.
        """
        store = self._objects.store
        for key, _ in store.index_scan(index.consumers_of(cluster)):
            _, _, _, consumer, binding = key.decode().split("\0")
            await self._queue([_item("apibinding", consumer, binding)])
        for key, _ in store.index_scan(index.slices_of(cluster)):
            _, _, _, slice_cluster, name = key.decode().split("\0")
            await self._queue([_item("slice", slice_cluster, name), Index(key, None)])
        return DONE

    async def endpoint_slice(self, cluster: str, name: str) -> Outcome:
        """Publish the URL of an export's virtual workspace while anybody is bound to it."""
        target = Target(endpoint_slices(), cluster, "", name)
        slice_object = await self._objects.read(target)
        if slice_object is None:
            return DONE
        reference = named_export(slice_object)
        export_name = reference.get("name")
        if not export_name:
            return DONE  # of no export
        with Notes(self._objects.store) as notes:
            owner = self._owner(cluster, reference)
        basis = notes.basis()
        exported = Target(api_exports(), owner, "", export_name)
        export = await self._objects.read(exported) if owner else None
        first_consumer = self._objects.store.index_scan(index.consumer(owner, export_name), limit=1)
        is_bound = export is not None and bool(first_consumer)
        problem = self._partition_problem(cluster, slice_object)

        def publish(endpoint_slice: Object) -> list[Write]:
            status = endpoint_slice.setdefault("status", {})
            status.pop("endpoints", None)
            if is_bound and not problem:
                status["endpoints"] = [{"url": view_url(self._url, owner, export_name)}]
            _judge_slice(endpoint_slice, reference, export, problem)
            return self._filed(owner, target, export_name)

        await self._objects.transition(target, publish)
        return DONE if owner else Again(_UNRESOLVED, basis)

    def _filed(self, owner: str, target: Target, export: str) -> list[Write]:
        """Return what files a slice with an export, unless it is: a path may come to be later."""
        key = index.endpoint_slice(owner, export, target.cluster, target.name)
        filed = not owner or self._objects.store.index_get(key) is not None
        return [] if filed else [Index(key, b"")]

    def _owner(self, cluster: str, reference: Mapping[str, Any]) -> str:
        try:
            return self._clusters.resolve(reference.get("path") or cluster)
        except ApiError:
            return ""

    def _partition_problem(self, cluster: str, endpoint_slice: Object) -> str:
        name = _partition(endpoint_slice)
        target = Target(self._kinds.partitions, cluster, "", name)
        if not name or self._objects.record(target) is not None:
            return ""
        return f"Partition {name} not found"

    # ------------------------------------------------------------------------- types

    async def workspace_type(self, cluster: str, name: str) -> Outcome:
        """Publish the URLs of a type's virtual workspaces."""

        def publish(workspace_type: Object) -> None:
            type_status(workspace_type, self._url, cluster)

        target = Target(self._kinds.workspace_types, cluster, "", name)
        await self._objects.transition(target, publish)
        return DONE


def _item(controller: str, cluster: str, name: str) -> Write:
    """Return the write that queues a work item."""
    return PutRevision(index.work_item(controller, cluster, name))


def _partition(endpoint_slice: Object) -> str:
    """Return the partition that a slice names, "" for none."""
    spec = spec_of(endpoint_slice)
    name: str = spec.get("partition") or ""
    return name


def _judge_slice(
    endpoint_slice: Object, reference: Mapping[str, Any], export: Object | None, problem: str
) -> None:
    """Set the conditions of a slice; `problem` is what is wrong with its partition."""
    if export is None:
        text = f"Error getting APIExport {reference.get('path', '')}:{reference['name']}"
        conditions.mark_false(endpoint_slice, "APIExportValid", "APIExportNotFound", text)
    else:
        conditions.mark_true(endpoint_slice, "APIExportValid")
    if problem:
        reason = "PartitionInvalidReference"
        conditions.mark_false(endpoint_slice, "PartitionValid", reason, problem)
    else:
        conditions.mark_true(endpoint_slice, "PartitionValid")


def _secret(export: Object) -> tuple[str, str] | None:
    reference = (spec_of(export).get("identity") or {}).get("secretRef") or {}
    if not reference.get("name"):
        return None
    return reference.get("namespace") or "", reference["name"]


def _judge_identity(export: Object, identity: str, secret: str) -> None:
    status = export.setdefault("status", {})
    before = status.get("identityHash") or ""
    if not identity:
        text = f"the secret {secret} does not hold an identity key"
        conditions.mark_false(export, "IdentityValid", "IdentityVerificationFailed", text)
    elif before and before != identity:
        text = f"hash mismatch: the secret {secret} does not hold the key of {before}"
        conditions.mark_false(export, "IdentityValid", "IdentityVerificationFailed", text)
    else:
        status["identityHash"] = identity
        conditions.mark_true(export, "IdentityValid")


def _of_consumers(objects: Objects, cluster: str, export: str) -> Iterable[Write]:
    for consumer, binding, _ in consumers(objects.store, (cluster, export), ""):
        yield _item("apibinding", consumer, binding)


def _of_slices(objects: Objects, cluster: str, export: str) -> Iterable[Write]:
    for key, _ in objects.store.index_scan(index.endpoint_slice(cluster, export)):
        _, _, _, slice_cluster, name = key.decode().split("\0")
        yield _item("slice", slice_cluster, name)
