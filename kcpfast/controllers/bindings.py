"""Binds: brings what an export offers into a workspace, and takes it out again.

A binding's resources are rows of the workspace's catalog; who may bring which name is settled in
the commit that files them (see clusters.lock_writes).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from kcpfast.admission.chain import Deletions
from kcpfast.controllers.claims import relabel
from kcpfast.controllers.removal import Remaining, StoredRange, remove
from kcpfast.controllers.runtime import DONE, Again, Outcome
from kcpfast.kcp import bindings, claims, conditions
from kcpfast.kcp.clusters import Clusters, lock_writes
from kcpfast.kcp.exports import MissingSchema, Offer, find_export, offers_of, schemas
from kcpfast.kcp.kinds import api_bindings
from kcpfast.meta.cluster import export_hash
from kcpfast.meta.errors import ApiError
from kcpfast.registry import index
from kcpfast.registry.catalog import Catalog, CatalogRow
from kcpfast.registry.metadata import find_condition, remove_finalizer
from kcpfast.registry.naming import conflicts, taken
from kcpfast.registry.objects import Change, Objects, Target
from kcpfast.registry.reader import Notes
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Write
from kcpfast.store.keys import storage_name

EXTRA = "extra.apis.kcp.io/"
_RETRY = 1.0
_UNRESOLVED = 60.0
_VALID, _INITIAL, _CURRENT = "APIExportValid", "InitialBindingCompleted", "BindingUpToDate"
_INVALID = "Invalid APIExport. Please contact the APIExport owner to resolve"


class Source(NamedTuple):
    """The export that a binding refers to, as far as it can be found."""

    cluster: str
    export: Object | None
    offers: Sequence[Offer] | None = None

    @property
    def identity(self) -> str:
        """The identity of the export, "" while it has none."""
        return ((self.export or {}).get("status") or {}).get("identityHash") or ""

    @property
    def place(self) -> tuple[str, str]:
        """Cluster and name of an export that was found."""
        assert self.export is not None
        return self.cluster, self.export["metadata"]["name"]


class BindingController:
    """Reconciles APIBindings."""

    def __init__(
        self,
        objects: Objects,
        catalog: Catalog,
        clusters: Clusters,
        marked: claims.Claims,
        deletions: Deletions,
    ) -> None:
        """Work on the registry."""
        self._objects = objects
        self._deleter = deletions.by("apibinding-deletion")
        self._catalog = catalog
        self._clusters = clusters
        self._claims = marked

    async def binding(self, cluster: str, name: str) -> Outcome:
        """Bind, follow the export, or unbind."""
        where = Target(api_bindings(), cluster, "", name)
        found = await self._objects.read(where)
        if found is None:
            return DONE
        if "deletionTimestamp" in found["metadata"]:
            return await self._end(where, found)
        with Notes(self._objects.store) as notes:
            source = self._source(cluster, found)
        read = notes.basis()
        source = source._replace(offers=await self._offers(source))
        before = (found.get("status") or {}).get("appliedPermissionClaims") or []

        async def bind(old: Object) -> Change:
            new = await self._objects.copy(where, old)
            more = self._bind(where, new, source)
            conditions.summarize(new)
            return Change(new, more)

        await self._objects.adjust(where, bind)
        await self._apply_claims(where, source, before)
        return DONE if source.cluster else Again(_UNRESOLVED, read)

    async def names(self, cluster: str, _name: str) -> Outcome:
        """Look again at bindings that wait for a name."""
        for binding in await self._objects.read_all(api_bindings(), cluster):
            found = (find_condition(binding, kind) for kind in (_INITIAL, _CURRENT))
            if any(each is not None and each["status"] != "True" for each in found):
                await self.binding(cluster, binding["metadata"]["name"])
        return DONE

    def _source(self, cluster: str, binding: Object) -> Source:
        reference = bindings.reference(binding)
        try:
            owner = self._clusters.resolve(reference.get("path") or cluster)
        except ApiError:
            return Source("", None)
        return Source(owner, find_export(self._objects, owner, reference.get("name") or ""))

    async def _offers(self, source: Source) -> Sequence[Offer] | None:
        """Return what an export offers, None if a schema is not there."""
        if source.export is None:
            return None
        try:
            found = schemas(self._objects, source.cluster, source.export)
        except MissingSchema:
            return None
        size = sum(len(record.value) for record in found)
        return await self._objects.aside.run(size, source.cluster, offers_of, found)

    # ------------------------------------------------------------------------- binding

    def _bind(self, where: Target, new: Object, source: Source) -> list[Write]:
        """Bring a binding up to date in place; return the writes that go with it."""
        status = new.setdefault("status", {})
        status.setdefault("phase", "Binding")
        offered = self._offered(new, source)
        if offered is None:
            return self._wait(where, new, source)
        identity, found = offered
        if self._is_replaced(where, new, source):
            text = f"APIExport {source.place[1]} is not the one that was bound: bind it anew"
            conditions.mark_false(new, _VALID, "APIExportReplaced", text)
            return []
        conditions.mark_true(new, _VALID)
        problem = self._conflict(where, found)
        if problem:
            kind = _CURRENT if status["phase"] == "Bound" else _INITIAL
            conditions.mark_false(new, kind, "NamingConflicts", problem)
            return self._wait(where, new, source)
        meta, place = new["metadata"], source.place
        bound = bindings.bound_resources(found, identity, status.get("boundResources") or ())
        kept = [each for each in status.get("boundResources") or () if not _is_among(each, found)]
        bindings.mark_bound(new, source.cluster, bound + kept)
        meta["labels"] = (meta.get("labels") or {}) | bindings.labels(*place)
        _sync_extra(meta, source.export or {})
        more = self._file(where, place, found, identity)
        filed = self._objects.store.index_get(index.consumer(*place, where.cluster, where.name))
        if not filed:
            more += self._filed(where, place, bindings.Terms(identity, []))
        self._judge_claims(new, source)
        return more

    def _offered(self, new: Object, source: Source) -> tuple[str, Sequence[Offer]] | None:
        """Return identity and offers of an export, None (and why, on the binding) if there are
        none."""
        reference = bindings.reference(new)
        shown = f"{reference.get('path', '')}:{reference.get('name', '')}".lstrip(":")
        if source.export is None:
            text = f"Error getting APIExport {shown}: not found"
            conditions.mark_false(new, _VALID, "APIExportNotFound", text)
            return None
        identity = source.identity
        if not identity:
            text = f"APIExport {shown} is missing status.identityHash"
            conditions.mark_false(new, _VALID, "MissingIdentityHash", text, "Warning")
            return None
        if source.offers is None:
            conditions.mark_false(new, _VALID, "InternalError", _INVALID)
            return None
        return identity, source.offers

    def _wait(self, where: Target, new: Object, source: Source) -> list[Write]:
        """Have an export that is there tell a binding that could not be bound of its changes."""
        if not source.cluster or new["status"]["phase"] == "Bound":
            return []
        name = bindings.reference(new).get("name") or ""
        new["status"]["apiExportClusterName"] = source.cluster
        return self._filed(where, (source.cluster, name), None)

    def _filed(
        self, where: Target, export: tuple[str, str], terms: bindings.Terms | None
    ) -> list[Write]:
        store = self._objects.store
        return bindings.file_consumer(store, export, where.cluster, where.name, terms)

    def _is_replaced(self, where: Target, binding: Object, source: Source) -> bool:
        """Tell whether a binding that is bound finds another export by its reference.

        A workspace was made anew at the path, or an export with another identity: whoever did that
        is not whom the claims were granted. kcp follows the reference.
        """
        status = binding["status"]
        if status.get("phase") != "Bound":
            return False
        owner = status.get("apiExportClusterName") or ""
        return owner != source.cluster or self._bound_to(where, binding) not in (
            "",
            source.identity,
        )

    def _bound_to(self, where: Target, binding: Object) -> str:
        """Return the identity that a binding is bound to, "" if that is not known."""
        status = binding["status"]
        place = (status.get("apiExportClusterName") or "", bindings.reference(binding)["name"])
        key = index.consumer(*place, where.cluster, where.name)
        terms = bindings.terms_of(self._objects.store.index_get(key) or bindings.WAITING)
        if terms is not None and terms.identity:
            return terms.identity
        bound = status.get("boundResources") or ()
        return next((each["schema"]["identityHash"] for each in bound), "")

    def _conflict(self, where: Target, found: Sequence[Offer]) -> str:
        """Return what keeps a binding from its names, "" if nothing does."""
        used = {
            group: taken(self._catalog, where.cluster, group)
            for group in dict.fromkeys(offer.group for offer in found)
        }
        for offer in found:
            names, source = offer.definition["names"], ("binding", where.name)
            for key, value, owner in conflicts(names, used[offer.group], source):
                return (
                    f"naming conflict with {_described(owner.row)}: "
                    f"spec.names.{key}={value} is forbidden"
                )
        return ""

    def _file(
        self, where: Target, place: tuple[str, str], found: Sequence[Offer], identity: str
    ) -> list[Write]:
        cluster, store = where.cluster, self._objects.store
        writes = bindings.row_writes(store, cluster, where.name, place, found, identity)
        locks = {f"{each.plural}.{each.group}": {"n": where.name} for each in found}
        return writes + lock_writes(self._objects, cluster, locks) if writes else []

    # ------------------------------------------------------------------------- claims

    def _judge_claims(self, new: Object, source: Source) -> None:
        """Show the export's claims, and whether the binding answers only those."""
        offered = ((source.export or {}).get("spec") or {}).get("permissionClaims") or []
        if offered:
            new["status"]["exportPermissionClaims"] = list(offered)
        else:
            new["status"].pop("exportPermissionClaims", None)
        answers = (new.get("spec") or {}).get("permissionClaims") or ()
        odd = [_claim_text(each) for each in claims.unknown(offered, answers)]
        if odd:
            text = "unexpected/invalid claims: " + ", ".join(odd)
            conditions.mark_false(new, "PermissionClaimsValid", "InvalidPermissionClaims", text)
        else:
            conditions.mark_true(new, "PermissionClaimsValid")

    async def _apply_claims(
        self, where: Target, source: Source, before: Sequence[Mapping[str, Any]]
    ) -> None:
        """Put the claims in force into effect: what is withdrawn first, what is granted last."""
        found = await self._objects.read(where)
        if found is None or source.export is None or not source.identity:
            return
        if found["status"].get("phase") != "Bound":
            return
        force, place, identity = (
            bindings.in_force(source.export, found), source.place, source.identity,
        )  # fmt: skip
        if self._is_replaced(where, found, source):  # what was granted to the one before, ends
            force, place = [], (found["status"]["apiExportClusterName"], source.place[1])
            identity = self._bound_to(where, found)
        label = export_hash(*place)

        def show(new: Object, applied: Sequence[Mapping[str, Any]]) -> None:
            if applied:
                new["status"]["appliedPermissionClaims"] = [dict(each) for each in applied]
            else:
                new["status"].pop("appliedPermissionClaims", None)

        kept = [each for each in force if each in before]
        writes = claims.index_writes(where.cluster, label, before, force)

        async def withdraw(old: Object) -> Change:
            new = await self._objects.copy(where, old)
            show(new, kept)
            terms = bindings.Terms(identity, kept)
            return Change(new, [*writes, *self._filed(where, place, terms)])

        async def grant(old: Object) -> Change:
            new = await self._objects.copy(where, old)
            show(new, force)
            conditions.mark_true(new, "PermissionClaimsApplied")
            conditions.summarize(new)
            return Change(new, self._filed(where, place, bindings.Terms(identity, force)))

        changed = {claims.storage(each) for each in (*before, *force) if each not in kept}
        if changed:
            await self._objects.adjust(where, withdraw)
        for storage in sorted(changed):
            await relabel(self._objects, self._claims, where.cluster, storage)
        await self._objects.adjust(where, grant)

    # ------------------------------------------------------------------------- the end

    async def _end(self, where: Target, found: Object) -> Outcome:
        """Delete what was made of the bound resources, then let the binding go."""
        status = found.get("status") or {}
        bound = status.get("boundResources") or []
        if bound:
            remaining = Remaining()
            listed = self._contents(bound, await self._adopted(where), where.cluster)
            await remove(self._objects, where.cluster, listed, remaining, self._deleter)
            if remaining.resources:
                await self._say(where, remaining)
                remaining.raise_refused()
                return Again(_RETRY)
        await self._release(where, bound)
        return DONE

    def _contents(
        self,
        bound: Sequence[Mapping[str, Any]],
        adopted: set[tuple[str, str, str]],
        cluster: str,
    ) -> Iterable[StoredRange]:
        """Yield what has to go: not what another binding is waiting to adopt."""
        doomed = {
            storage_name(each["group"], each["resource"], each["schema"]["identityHash"])
            for each in bound
            if (each["schema"]["identityHash"], each["group"], each["resource"]) not in adopted
        }
        for key, _ in self._objects.store.index_scan(index.counts(cluster)):
            _, _, namespace, storage = key.split(b"\0", 3)
            if storage in doomed:
                yield StoredRange(namespace.decode(), storage)

    async def _adopted(self, where: Target) -> set[tuple[str, str, str]]:
        found = set()
        for other in await self._objects.read_all(api_bindings(), where.cluster):
            if other["metadata"]["name"] == where.name or "deletionTimestamp" in other["metadata"]:
                continue
            source = self._source(where.cluster, other)
            export = source.export or {}
            identity = (export.get("status") or {}).get("identityHash") or ""
            for each in (export.get("spec") or {}).get("resources") or ():
                found.add((identity, each.get("group") or "", each["name"]))
        return found

    async def _say(self, where: Target, remaining: Remaining) -> None:
        async def change(old: Object) -> Change:
            new = await self._objects.copy(where, old)
            text = remaining.resources_text()
            reason = "ResourceRemaining"
            if remaining.finalizers:
                text += "; " + remaining.finalizers_text("APIBinding")
                reason = "ResourceFinalizersRemain"
            if remaining.refused:
                text += "; " + remaining.refused_text()
                reason = "ResourceDeletionFailed"
            conditions.mark_false(new, "BindingResourceDeleteSuccess", reason, text)
            conditions.summarize(new)
            return Change(new)

        await self._objects.adjust(where, change)

    async def _release(self, where: Target, bound: Sequence[Mapping[str, Any]]) -> None:
        async def change(old: Object) -> Change:
            new = await self._objects.copy(where, old)
            remove_finalizer(new["metadata"], bindings.BINDING_FINALIZER)
            locks = {f"{each['resource']}.{each['group']}": None for each in bound}
            return Change(new, lock_writes(self._objects, where.cluster, locks))

        await self._objects.adjust(where, change)


def _is_among(bound: Mapping[str, Any], found: Sequence[Offer]) -> bool:
    return any((each.group, each.plural) == (bound["group"], bound["resource"]) for each in found)


def _described(row: CatalogRow) -> str:
    if row.source == "crd":
        return f'CustomResourceDefinition "{row.name}"'
    origin = row.shared
    return f'APIBinding "{row.name}" bound to APIExport "{origin.export_cluster}:{origin.export}"'


def _claim_text(claim: Mapping[str, Any]) -> str:
    group, resource, identity = claims.key(claim)
    shown = f"{resource}.{group}" if group else resource
    return f"{shown} (identity {identity})" if identity else shown


def _sync_extra(meta: dict[str, Any], export: Object) -> None:
    """Copy the annotations that an export passes on to all its bindings."""
    given = (export.get("metadata") or {}).get("annotations") or {}
    own = meta.get("annotations") or {}
    kept = {key: value for key, value in own.items() if not key.startswith(EXTRA)}
    meta["annotations"] = kept | {
        key: value for key, value in given.items() if key.startswith(EXTRA)
    }
