"""Establishes CustomResourceDefinitions, and takes their instances away with them."""

from __future__ import annotations

from collections.abc import Mapping
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
            if crd["spec"]["group"] == group and not is_condition_true(crd, "NamesAccepted"):
                await self.crd(cluster, crd["metadata"]["name"])
        return DONE

    async def _establish(self, target: Target) -> None:
        async def change(old: Object) -> Change:
            new = await self._objects.copy(target, old)
            spec = new["spec"]
            names, group = spec["names"], spec["group"]
            used = taken(self._catalog, target.cluster, group)
            taken_names = conflicts(names, used, ("crd", target.name))
            status = new.setdefault("status", {})
            refused = {key for key, _, _ in taken_names}
            status["acceptedNames"] = _accepted(names, refused, status.get("acceptedNames") or {})
            established = is_condition_true(old, "Established")
            accepted = [_names_condition(taken_names)]
            if not taken_names and not established:
                text = "the initial names have been accepted"
                accepted.append(_condition("Established", "True", "InitialNamesAccepted", text))
            elif not established:
                text = "not all names are accepted"
                accepted.append(_condition("Established", "False", "NotAccepted", text))
            set_conditions(new, accepted)
            # Its status is for clients to write: it takes a name that another has from nobody.
            if taken_names and not self._is_served(target, spec):
                return Change(new)
            return Change(new, await self._file(target, new))

        await self._objects.adjust(target, change)

    def _is_served(self, target: Target, spec: Mapping[str, Any]) -> bool:
        """Tell whether a CRD has its place in the catalog, whatever its status says."""
        row = self._catalog.row(target.cluster, spec["group"], spec["names"]["plural"])
        return row is not None and (row.source, row.name) == ("crd", target.name)

    async def _file(self, target: Target, crd: Object) -> list[Write]:
        spec, cluster = crd["spec"], target.cluster
        names = crd["status"]["acceptedNames"]
        crd_definition = definition.definition(
            spec, names, lambda version: version["schema"]["openAPIV3Schema"]
        )
        size, run_aside = self._objects.size(target), self._objects.aside.run
        digest, data = await run_aside(size, cluster, definition.encode, crd_definition)
        row = CatalogRow("crd", crd["metadata"]["name"], Origin(digest, CUSTOM))
        place = (spec["group"], spec["names"]["plural"])
        current = self._catalog.row(cluster, *place)
        if current == row:
            return []
        writes = file_row(self._objects.store, cluster, place, row, data)
        return writes + lock_writes(self._objects, cluster, {crd["metadata"]["name"]: {"c": True}})

    async def _end(self, target: Target, crd: Object) -> Outcome:
        spec = crd["spec"]
        if not _is_refused(crd):
            text = "CustomResource deletion is in progress"
            await self._say(target, "True", "InstanceDeletionInProgress", text)
        storage = storage_name(spec["group"], spec["names"]["plural"], CUSTOM)
        remaining = Remaining()
        contents = [
            StoredRange(key.split(b"\0", 3)[2].decode(), storage)
            for key, _ in self._objects.store.index_scan(index.counts(target.cluster))
            if key.endswith(b"\0" + storage)
        ]
        await remove(self._objects, target.cluster, contents, remaining, self._deleter)
        if remaining.refused:
            text = f"could not issue all deletes: {remaining.refused_text()}"
            await self._say(target, "True", "InstanceDeletionFailed", text)
            remaining.raise_refused()
        if remaining.resources:
            return Again(_RETRY)

        async def release(old: Object) -> Change:
            new = await self._objects.copy(target, old)
            remove_finalizer(new["metadata"], CLEANUP)
            text = "removed all instances"
            done = _condition("Terminating", "False", "InstanceDeletionCompleted", text)
            set_conditions(new, [done])
            return Change(new, lock_writes(self._objects, target.cluster, {target.name: None}))

        await self._objects.adjust(target, release)
        return DONE

    async def _say(self, target: Target, status: str, reason: str, text: str) -> None:
        async def change(old: Object) -> Change:
            new = await self._objects.copy(target, old)
            said = _condition("Terminating", status, reason, text)
            set_conditions(new, [said])
            return Change(new)

        await self._objects.adjust(target, change)

    async def definition(self, _cluster: str, digest: str) -> Outcome:
        """Forget a definition that no workspace uses any more."""
        store = self._objects.store
        if store.index_get(index.uses(digest)) is None:
            try:
                await store.commit(
                    [Empty(index.uses(digest)), Index(index.definition(digest), None)]
                )
            except StoreError:
                return DONE  # it is in use again
        return DONE


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
