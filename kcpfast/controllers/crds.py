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
        where = Target(CRDS, cluster, "", name)
        found = await self._objects.read(where)
        if found is None:
            return DONE
        if "deletionTimestamp" in found["metadata"]:
            return await self._end(where, found)
        await self._establish(where)
        return DONE

    async def names(self, cluster: str, group: str) -> Outcome:
        """Look again at CRDs of a group that were refused: a name may have become free."""
        for crd in await self._objects.read_all(CRDS, cluster):
            if crd["spec"]["group"] == group and not is_condition_true(crd, "NamesAccepted"):
                await self.crd(cluster, crd["metadata"]["name"])
        return DONE

    async def _establish(self, where: Target) -> None:
        async def change(old: Object) -> Change:
            new = await self._objects.copy(where, old)
            spec = new["spec"]
            names, group = spec["names"], spec["group"]
            used = taken(self._catalog, where.cluster, group)
            found = conflicts(names, used, ("crd", where.name))
            status = new.setdefault("status", {})
            refused = {key for key, _, _ in found}
            status["acceptedNames"] = _accepted(names, refused, status.get("acceptedNames") or {})
            established = is_condition_true(old, "Established")
            accepted = [_names_condition(found)]
            if not found and not established:
                text = "the initial names have been accepted"
                accepted.append(_condition("Established", "True", "InitialNamesAccepted", text))
            elif not established:
                text = "not all names are accepted"
                accepted.append(_condition("Established", "False", "NotAccepted", text))
            set_conditions(new, accepted)
            # Its status is for clients to write: it takes a name that another has from nobody.
            more = await self._file(where, new) if not found or self._is_served(where, spec) else []
            return Change(new, more)

        await self._objects.adjust(where, change)

    def _is_served(self, where: Target, spec: Mapping[str, Any]) -> bool:
        """Tell whether a CRD has its place in the catalog, whatever its status says."""
        row = self._catalog.row(where.cluster, spec["group"], spec["names"]["plural"])
        return row is not None and (row.source, row.name) == ("crd", where.name)

    async def _file(self, where: Target, crd: Object) -> list[Write]:
        spec, cluster = crd["spec"], where.cluster
        names = crd["status"]["acceptedNames"]
        made = definition.definition(
            spec, names, lambda version: version["schema"]["openAPIV3Schema"]
        )
        size = self._objects.size(where)
        digest, data = await self._objects.aside.run(size, cluster, definition.encode, made)
        row = CatalogRow("crd", crd["metadata"]["name"], Origin(digest, CUSTOM))
        place = (spec["group"], spec["names"]["plural"])
        current = self._catalog.row(cluster, *place)
        if current == row:
            return []
        writes = file_row(self._objects.store, cluster, place, row, data)
        return writes + lock_writes(self._objects, cluster, {crd["metadata"]["name"]: {"c": True}})

    async def _end(self, where: Target, found: Object) -> Outcome:
        spec = found["spec"]
        if not _is_refused(found):
            text = "CustomResource deletion is in progress"
            await self._say(where, "True", "InstanceDeletionInProgress", text)
        storage = storage_name(spec["group"], spec["names"]["plural"], CUSTOM)
        remaining = Remaining()
        contents = [
            StoredRange(key.split(b"\0", 3)[2].decode(), storage)
            for key, _ in self._objects.store.index_scan(index.counts(where.cluster))
            if key.endswith(b"\0" + storage)
        ]
        await remove(self._objects, where.cluster, contents, remaining, self._deleter)
        if remaining.refused:
            text = f"could not issue all deletes: {remaining.refused_text()}"
            await self._say(where, "True", "InstanceDeletionFailed", text)
            remaining.raise_refused()
        if remaining.resources:
            return Again(_RETRY)

        async def release(old: Object) -> Change:
            new = await self._objects.copy(where, old)
            remove_finalizer(new["metadata"], CLEANUP)
            text = "removed all instances"
            done = _condition("Terminating", "False", "InstanceDeletionCompleted", text)
            set_conditions(new, [done])
            return Change(new, lock_writes(self._objects, where.cluster, {where.name: None}))

        await self._objects.adjust(where, release)
        return DONE

    async def _say(self, where: Target, status: str, reason: str, text: str) -> None:
        async def change(old: Object) -> Change:
            new = await self._objects.copy(where, old)
            said = _condition("Terminating", status, reason, text)
            set_conditions(new, [said])
            return Change(new)

        await self._objects.adjust(where, change)

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
    found = {key: given[key] for key in SINGLE if given[key]}
    found.setdefault("plural", "")
    found.setdefault("kind", "")
    return found | {key: list(given[key]) for key in _LISTS if given[key]}


def _names_condition(found: list[tuple[str, str, Any]]) -> dict[str, Any]:
    if not found:
        return _condition("NamesAccepted", "True", "NoConflicts", "no conflicts found")
    order = list(_REASONS)
    key, value, _ = max(found, key=lambda each: order.index(each[0]))
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
