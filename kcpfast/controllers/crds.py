"""Establishes CustomResourceDefinitions, and takes their instances away with them.

Upstream these are three controllers of k8s.io/apiextensions-apiserver, pkg/controller: `status`
accepts names, `establish` begins to serve, `finalizer` deletes the instances. Here names are
accepted in the commit that begins to serve by them, so that two CRDs cannot both win a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from kcpfast.admission.chain import Deletions
from kcpfast.controllers.removal import Remaining, StoredRange, remove
from kcpfast.controllers.runtime import DONE, Again, Outcome
from kcpfast.kcp.clusters import lock_writes
from kcpfast.meta.objectmeta import now
from kcpfast.registry import index
from kcpfast.registry.catalog import CUSTOM, Catalog, CatalogRow, file_row
from kcpfast.registry.metadata import (
    conditions_of,
    is_condition_true,
    remove_finalizer,
    set_conditions,
)
from kcpfast.registry.naming import SINGLE, conflicts, taken
from kcpfast.registry.objects import Change, Objects, Target
from kcpfast.registry.strategies.crd import CLEANUP
from kcpfast.resources import definition
from kcpfast.resources.builtin import BY_PLACE
from kcpfast.resources.resource import Object, Origin
from kcpfast.store.contract import Empty, Index, StoreError, Write
from kcpfast.store.keys import storage_name

CRDS = BY_PLACE["apiextensions.k8s.io", "v1", "customresourcedefinitions"]
_RETRY = 0.5
_LISTS = ("shortNames", "categories")
_REASONS = {
    "plural": "PluralConflict",
    "singular": "SingularConflict",
    "shortNames": "ShortNamesConflict",
    "kind": "KindConflict",
    "listKind": "ListKindConflict",
}


class CrdController:
    """Reconciles CRDs."""

    def __init__(self, objects: Objects, catalog: Catalog, deletions: Deletions) -> None:
        """Work on the registry."""
        self._objects = objects
        self._deleter = deletions.by("crd-finalizer")
        self._catalog = catalog

    async def crd(self, cluster: str, name: str) -> Outcome:
        """Accept or refuse a CRD's names and serve it; or delete its instances and let it go."""
        target = Target(CRDS, cluster, "", name)
        crd_object = await self._objects.read(target)
        if crd_object is None:
            return DONE
        if "deletionTimestamp" in crd_object["metadata"]:
            return await self._end(target, crd_object)
        await self._establish(target)
        return DONE

    async def names(self, cluster: str, group: str) -> Outcome:
        """Look again at CRDs of a group that were refused: a name may have become free."""
        for crd in await self._objects.read_all(CRDS, cluster):
            if crd["spec"]["group"] != group or is_condition_true(crd, "NamesAccepted"):
                continue
            await self.crd(cluster, crd["metadata"]["name"])
        return DONE

    async def _establish(self, target: Target) -> None:
        """Decide about the names of a CRD, and serve it by those that it has."""

        async def establish(old: Object) -> Change:
            new = await self._objects.copy(target, old)
            spec = new["spec"]
            used = taken(self._catalog, target.cluster, spec["group"])
            refused = conflicts(spec["names"], used, ("crd", target.name))
            _judge_names(new, refused)
            # Whether it is served is asked of the catalog, not of its status: clients may write
            # the status, and could take names that are another's.
            if refused and not self._is_served(target, spec):
                return Change(new)
            return Change(new, await self._file(target, new))

        await self._objects.adjust(target, establish)

    def _is_served(self, target: Target, spec: Mapping[str, Any]) -> bool:
        """Tell whether a CRD has its place in the catalog, whatever its status says."""
        row = self._catalog.row(target.cluster, spec["group"], spec["names"]["plural"])
        return row is not None and (row.source, row.name) == ("crd", target.name)

    async def _file(self, target: Target, crd: Object) -> list[Write]:
        """Return the writes of a CRD's catalog row and definition, none if they are there."""
        spec = crd["spec"]
        cluster = target.cluster
        accepted = crd["status"]["acceptedNames"]
        served = definition.definition(spec, accepted, _schema_of)
        size = self._objects.size(target)
        run_aside = self._objects.aside.run
        digest, data = await run_aside(size, cluster, definition.encode, served)
        row = CatalogRow("crd", target.name, Origin(digest, CUSTOM))
        place = (spec["group"], spec["names"]["plural"])
        if self._catalog.row(cluster, *place) == row:
            return []
        writes = file_row(self._objects.store, cluster, place, row, data)
        # As kcp's Lock (pkg/reconciler/apis/apibinding/logical_cluster_lock.go): "c" is for a CRD,
        # the entry of a binding holds its name as "n".
        writes += lock_writes(self._objects, cluster, {target.name: {"c": True}})
        return writes

    async def _end(self, target: Target, crd: Object) -> Outcome:
        """Delete the instances of a CRD, then let it go; DeletionRefused if admission keeps some.

        The messages are those of apiextensions-apiserver's finalizer controller.
        """
        if not _is_refused(crd):
            text = "CustomResource deletion is in progress"
            await self._show_progress(target, "True", "InstanceDeletionInProgress", text)
        remaining = Remaining()
        contents = self._instances(target.cluster, crd["spec"])
        await remove(self._objects, target.cluster, contents, remaining, self._deleter)
        if remaining.refused:
            text = f"could not issue all deletes: {remaining.refused_text()}"
            await self._show_progress(target, "True", "InstanceDeletionFailed", text)
            remaining.raise_refused()
        if remaining.resources:
            return Again(_RETRY)
        await self._objects.transition(target, partial(self._release, target))
        return DONE

    def _instances(self, cluster: str, spec: Mapping[str, Any]) -> list[StoredRange]:
        """Return the ranges, one for each namespace, that hold instances of a CRD."""
        plural = spec["names"]["plural"]
        storage = storage_name(spec["group"], plural, CUSTOM)
        ranges = []
        for key, _ in self._objects.store.index_scan(index.counts(cluster)):
            _, _, namespace, counted = key.split(b"\0", 3)
            if counted == storage:
                ranges.append(StoredRange(namespace.decode(), storage))
        return ranges

    def _release(self, target: Target, crd: Object) -> list[Write]:
        remove_finalizer(crd["metadata"], CLEANUP)
        reason, text = "InstanceDeletionCompleted", "removed all instances"
        set_conditions(crd, [_condition("Terminating", "False", reason, text)])
        return lock_writes(self._objects, target.cluster, {target.name: None})

    async def _show_progress(self, target: Target, status: str, reason: str, text: str) -> None:
        """Say how far the deletion of a CRD is."""

        def show(crd: Object) -> None:
            set_conditions(crd, [_condition("Terminating", status, reason, text)])

        await self._objects.transition(target, show)

    async def definition(self, _cluster: str, digest: str) -> Outcome:
        """Forget a definition that no workspace uses any more."""
        store = self._objects.store
        uses = index.uses(digest)
        if store.index_get(uses) is not None:
            return DONE
        # Another workspace may begin to use it meanwhile: the commit checks once more.
        writes: list[Write] = [Empty(uses), Index(index.definition(digest), None)]
        try:
            await store.commit(writes)
        except StoreError:
            return DONE  # it is in use again
        return DONE


def _schema_of(version: Mapping[str, Any]) -> Any:
    return version["schema"]["openAPIV3Schema"]


def _judge_names(crd: Object, refused: list[tuple[str, str, Any]]) -> None:
    """Give a CRD the names that it has, and the conditions that tell of it.

    Once it is established it stays so.
    """
    status = crd.setdefault("status", {})
    names, before = crd["spec"]["names"], status.get("acceptedNames") or {}
    status["acceptedNames"] = _accepted(names, {key for key, _, _ in refused}, before)
    judged = [_names_condition(refused)]
    if not is_condition_true(crd, "Established"):
        judged.append(_not_established() if refused else _established())
    set_conditions(crd, judged)


def _established() -> dict[str, Any]:
    text = "the initial names have been accepted"
    return _condition("Established", "True", "InitialNamesAccepted", text)


def _not_established() -> dict[str, Any]:
    return _condition("Established", "False", "NotAccepted", "not all names are accepted")


def _accepted(
    names: Mapping[str, Any], refused: set[str], before: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the names that a CRD has: those asked for and, where others have them, its old ones.

    Rule: calculateNamesAndConditions of apiextensions-apiserver. It is served by these: whoever
    asks for a name that is taken takes it from nobody.
    """
    given: dict[str, Any] = {
        key: (before if key in refused else names).get(key) for key in (*SINGLE, *_LISTS)
    }
    accepted = {key: given[key] for key in SINGLE if given[key]}
    accepted.setdefault("plural", "")
    accepted.setdefault("kind", "")
    return accepted | {key: list(given[key]) for key in _LISTS if given[key]}


def _names_condition(taken_names: list[tuple[str, str, Any]]) -> dict[str, Any]:
    if not taken_names:
        return _condition("NamesAccepted", "True", "NoConflicts", "no conflicts found")
    order = list(_REASONS)
    key, value, _ = max(taken_names, key=lambda conflict: order.index(conflict[0]))
    return _condition("NamesAccepted", "False", _REASONS[key], f'"{value}" is already in use')


def _condition(kind: str, status: str, reason: str, message: str) -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "lastTransitionTime": now(),
        "reason": reason,
        "message": message,
    }


def _is_refused(crd: Object) -> bool:
    """Tell whether admission held instances at the last attempt: that is not unsaid meanwhile."""
    reasons = [condition.get("reason") for condition in conditions_of(crd)]
    return "InstanceDeletionFailed" in reasons
