"""Binds: brings what an export offers into a workspace, and takes it out again.

The resources of a binding are rows of the workspace's catalog; who may bring which name is settled
in the commit that files them (see clusters.lock_writes). In kcp, these are
pkg/reconciler/apis/apibinding, apibindingdeletion, permissionclaimlabel and extraannotationsync.

What a round makes of a binding, by its phase:

    phase     what the round finds                       phase afterwards
    ""        (every round begins so)                    Binding
    Binding   the path leads nowhere; the export is not  Binding: a condition says what is wrong;
              there, has no identity, lacks a schema;    filed with the export (if its workspace
              a name is taken                            is there), whose changes wake it
    Binding   none of that                               Bound: rows, labels, consumer are filed
    Bound     any of that, or another export by now      Bound: a condition; it keeps its rows
    Bound     none of that                               Bound: rows as the export is now
    any       deletionTimestamp, content is left         as before: looked at again
    any       deletionTimestamp, no content is left      gone: the finalizer is removed

After each round that does not end the binding the permission claims follow: what is withdrawn
first, what is granted last (`_apply_claims`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from kcpfast.admission.chain import Deletions
from kcpfast.controllers.claims import relabel
from kcpfast.controllers.removal import Remaining, StoredRange, remove
from kcpfast.controllers.runtime import DONE, Again, Outcome
from kcpfast.kcp import bindings, claims, conditions
from kcpfast.kcp.clusters import Clusters, lock_writes
from kcpfast.kcp.exports import MissingSchema, Offer, find_export, offers_of, resources, schemas
from kcpfast.kcp.kinds import api_bindings
from kcpfast.meta.cluster import export_hash
from kcpfast.meta.errors import ApiError
from kcpfast.registry import index
from kcpfast.registry.catalog import Catalog, CatalogRow
from kcpfast.registry.metadata import find_condition, remove_finalizer, spec_of, status_of
from kcpfast.registry.naming import conflicts, taken
from kcpfast.registry.objects import Objects, Target
from kcpfast.registry.reader import Notes
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Write
from kcpfast.store.keys import storage_name

EXTRA = "extra.apis.kcp.io/"
_RETRY = 1.0
_UNRESOLVED = 60.0
_VALID, _INITIAL, _CURRENT = "APIExportValid", "InitialBindingCompleted", "BindingUpToDate"
_INVALID = "Invalid APIExport. Please contact the APIExport owner to resolve"

# Claims or bound resources, as a status lists them.
Entries = Sequence[Mapping[str, Any]]


class Source(NamedTuple):
    """The export that a binding refers to, as far as it exists.

    `cluster` is "" if its path leads nowhere; `offers` is None if a schema is missing.
    """

    cluster: str
    export: Object | None
    offers: Sequence[Offer] | None = None

    @property
    def identity(self) -> str:
        """The identity of the export, "" while it has none."""
        status = status_of(self.export)
        identity: str = status.get("identityHash") or ""
        return identity

    @property
    def place(self) -> tuple[str, str]:
        """Cluster and name of an export that exists."""
        assert self.export is not None
        return self.cluster, self.export["metadata"]["name"]


class Problem(NamedTuple):
    """What keeps a binding from following its export, as the condition that says so."""

    condition: str
    reason: str
    message: str
    severity: str = "Error"


class Agreement(NamedTuple):
    """The claims that are to be in force for a binding, and with which export."""

    export: tuple[str, str]
    terms: bindings.Terms


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
        target = Target(api_bindings(), cluster, "", name)
        binding = await self._objects.read(target)
        if binding is None:
            return DONE
        if "deletionTimestamp" in binding["metadata"]:
            return await self._end(target, binding)
        with Notes(self._objects.store) as notes:
            source = self._source(cluster, binding)
        basis = notes.basis()
        offers = await self._offers(source)
        source = source._replace(offers=offers)
        # Read before the round changes the status: what is withdrawn is told from this.
        applied = _applied_claims(binding)
        await self._objects.transition(target, partial(self._follow, target, source))
        await self._apply_claims(target, source, applied)
        if not source.cluster:
            # No export files a binding whose path leads nowhere; what the path was resolved by
            # wakes it, and now and then it is tried without that.
            return Again(_UNRESOLVED, basis)
        return DONE

    async def names(self, cluster: str, _name: str) -> Outcome:
        """Look again at bindings that wait for a name."""
        for binding in await self._objects.read_all(api_bindings(), cluster):
            if _is_false(binding, _INITIAL) or _is_false(binding, _CURRENT):
                await self.binding(cluster, binding["metadata"]["name"])
        return DONE

    def _source(self, cluster: str, binding: Object) -> Source:
        reference = bindings.reference(binding)
        path = reference.get("path") or cluster
        try:
            owner = self._clusters.resolve(path)
        except ApiError:
            return Source("", None)
        name = reference.get("name") or ""
        export = find_export(self._objects, owner, name)
        return Source(owner, export)

    async def _offers(self, source: Source) -> Sequence[Offer] | None:
        """Return what an export offers, None if it or one of its schemas is missing."""
        if source.export is None:
            return None
        try:
            records = schemas(self._objects, source.cluster, source.export)
        except MissingSchema:
            return None
        size = sum(len(record.value) for record in records)
        return await self._objects.aside.run(size, source.cluster, offers_of, records)

    # ------------------------------------------------------------------------- binding

    def _follow(self, target: Target, source: Source, binding: Object) -> list[Write]:
        """Bring a binding up to date in place; return the writes that go with it."""
        status = binding.setdefault("status", {})
        status.setdefault("phase", "Binding")
        problem = _export_problem(binding, source) or self._replaced(target, source, binding)
        if problem is None:
            conditions.mark_true(binding, _VALID)
            problem = self._naming_problem(target, source, binding)
        if problem is None:
            writes = self._bind(target, source, binding)
        else:
            conditions.mark_false(binding, *problem)
            writes = self._wait(target, source, binding)
        conditions.summarize(binding)
        return writes

    def _replaced(self, target: Target, source: Source, binding: Object) -> Problem | None:
        if not self._is_replaced(target, source, binding):
            return None
        _, export = source.place
        text = f"APIExport {export} is not the one that was bound: bind it anew"
        return Problem(_VALID, "APIExportReplaced", text)

    def _naming_problem(self, target: Target, source: Source, binding: Object) -> Problem | None:
        """Return the first name of an export's kinds that something else in the workspace has.

        The texts follow kcp's pkg/reconciler/apis/apibinding/conflict_checker.go.
        """
        offers = source.offers or ()
        groups = dict.fromkeys(offer.group for offer in offers)
        used = {group: taken(self._catalog, target.cluster, group) for group in groups}
        is_bound = binding["status"]["phase"] == "Bound"
        # The first binding is completed once and stays so, whatever conflicts come later.
        condition = _CURRENT if is_bound else _INITIAL
        own = ("binding", target.name)
        for offer in offers:
            names = offer.definition["names"]
            for key, value, owner in conflicts(names, used[offer.group], own):
                holder = _described(owner.row)
                text = f"naming conflict with {holder}: spec.names.{key}={value} is forbidden"
                return Problem(condition, "NamingConflicts", text)
        return None

    def _bind(self, target: Target, source: Source, binding: Object) -> list[Write]:
        """Bind what the export offers; a resource that it offers no more stays bound."""
        offers = source.offers or ()
        identity = source.identity
        before = binding["status"].get("boundResources") or ()
        bound = bindings.bound_resources(offers, identity, before)
        offered = {(offer.group, offer.plural) for offer in offers}
        for entry in before:
            resource = (entry["group"], entry["resource"])
            if resource not in offered:
                bound.append(entry)
        bindings.mark_bound(binding, source.cluster, bound)
        meta = binding["metadata"]
        export = source.place
        given = meta.get("labels") or {}
        meta["labels"] = given | bindings.labels(*export)
        _sync_extra(meta, source.export or {})
        writes = self._file_resources(target, source)
        consumer = index.consumer(*export, target.cluster, target.name)
        if not self._objects.store.index_get(consumer):
            # Without claims at first: they are put in force when their objects have labels.
            no_claims = bindings.Terms(identity, [])
            writes += self._file_consumer(target, export, no_claims)
        _judge_claims(binding, source)
        return writes

    def _file_resources(self, target: Target, source: Source) -> list[Write]:
        """Return the writes of a binding's catalog rows, and of the locks on their names."""
        cluster = target.cluster
        offers = source.offers or ()
        writes = bindings.row_writes(
            self._objects.store, cluster, target.name, source.place, offers, source.identity
        )
        if not writes:
            return []
        locks = {f"{offer.plural}.{offer.group}": {"n": target.name} for offer in offers}
        return writes + lock_writes(self._objects, cluster, locks)

    def _wait(self, target: Target, source: Source, binding: Object) -> list[Write]:
        """File a binding that is not bound with its export, whose changes then wake it."""
        if not source.cluster or binding["status"]["phase"] == "Bound":
            return []
        name = bindings.reference(binding).get("name") or ""
        binding["status"]["apiExportClusterName"] = source.cluster
        return self._file_consumer(target, (source.cluster, name), None)

    def _file_consumer(
        self, target: Target, export: tuple[str, str], terms: bindings.Terms | None
    ) -> list[Write]:
        store = self._objects.store
        return bindings.file_consumer(store, export, target.cluster, target.name, terms)

    def _is_replaced(self, target: Target, source: Source, binding: Object) -> bool:
        """Tell whether the reference of a bound binding leads to another export by now.

        A workspace was made anew at the path, or an export with another identity: whoever did that
        is not whom the claims were granted. kcp follows the reference.
        """
        status = binding["status"]
        if status.get("phase") != "Bound":
            return False
        if status.get("apiExportClusterName") != source.cluster:
            return True
        return self._bound_identity(target, binding) not in ("", source.identity)

    def _bound_identity(self, target: Target, binding: Object) -> str:
        """Return the identity that a binding is bound to, "" if that is not known."""
        status = binding["status"]
        owner = status.get("apiExportClusterName") or ""
        export = bindings.reference(binding)["name"]
        key = index.consumer(owner, export, target.cluster, target.name)
        entry = self._objects.store.index_get(key) or bindings.WAITING
        terms = bindings.terms_of(entry)
        if terms is not None and terms.identity:
            return terms.identity
        # Entries of older versions hold no identity; all resources of a binding have the same.
        for bound in status.get("boundResources") or ():
            identity: str = bound["schema"]["identityHash"]
            return identity
        return ""

    # ------------------------------------------------------------------------- claims

    async def _apply_claims(self, target: Target, source: Source, before: Entries) -> None:
        """Put the claims in force into effect, in three commits or more.

        What is withdrawn is withdrawn first, then objects get and lose labels, then what is granted
        is shown: at no moment does the provider see more than both sides agreed to.
        """
        binding = await self._objects.read(target)
        if binding is None or source.export is None or not source.identity:
            return
        if binding["status"].get("phase") != "Bound":
            return
        agreement = self._agreement(target, source, binding)
        force = agreement.terms.claims
        kept = [claim for claim in force if claim in before]
        changed = set()
        for claim in (*before, *force):
            if claim not in kept:
                changed.add(claims.storage(claim))
        if changed:
            withdraw = partial(self._withdraw, target, agreement, before, kept)
            await self._objects.transition(target, withdraw)
        for storage in sorted(changed):
            await relabel(self._objects, self._claims, target.cluster, storage)
        await self._objects.transition(target, partial(self._grant, target, agreement))

    def _agreement(self, target: Target, source: Source, binding: Object) -> Agreement:
        if self._is_replaced(target, source, binding):
            # Nothing was agreed with the export of now; what was granted to the one before ends.
            _, name = source.place
            export = (binding["status"]["apiExportClusterName"], name)
            identity = self._bound_identity(target, binding)
            return Agreement(export, bindings.Terms(identity, []))
        force = bindings.in_force(source.export or {}, binding)
        return Agreement(source.place, bindings.Terms(source.identity, force))

    def _withdraw(
        self, target: Target, agreement: Agreement, before: Entries, kept: Entries, binding: Object
    ) -> list[Write]:
        """Leave of the claims those that were in force and stay so."""
        _show_claims(binding, kept)
        label = export_hash(*agreement.export)
        consumer = (target.cluster, target.name)
        writes = claims.index_writes(consumer, label, before, agreement.terms.claims)
        terms = agreement.terms._replace(claims=kept)
        return writes + self._file_consumer(target, agreement.export, terms)

    def _grant(self, target: Target, agreement: Agreement, binding: Object) -> list[Write]:
        """Show all claims in force as applied."""
        _show_claims(binding, agreement.terms.claims)
        conditions.mark_true(binding, "PermissionClaimsApplied")
        conditions.summarize(binding)
        return self._file_consumer(target, agreement.export, agreement.terms)

    # ------------------------------------------------------------------------- the end

    async def _end(self, target: Target, binding: Object) -> Outcome:
        """Delete the objects of the bound resources, then let the binding go."""
        status = status_of(binding)
        bound = status.get("boundResources") or []
        if bound:
            remaining = Remaining()
            adopted = await self._adopted(target)
            contents = self._contents(bound, adopted, target.cluster)
            await remove(self._objects, target.cluster, contents, remaining, self._deleter)
            if remaining.resources:
                await self._objects.transition(target, partial(_show_remaining, remaining))
                remaining.raise_refused()
                return Again(_RETRY)
        await self._objects.transition(target, partial(self._release, target, bound))
        return DONE

    def _contents(
        self, bound: Entries, adopted: set[tuple[str, str, str]], cluster: str
    ) -> Iterable[StoredRange]:
        """Yield the ranges to be deleted: not those that another binding is waiting to adopt.

        (kcp: pkg/reconciler/apis/apibindingdeletion/apibinding_adoption.go.)
        """
        doomed = set()
        for entry in bound:
            identity, group, plural = _bound_key(entry)
            if (identity, group, plural) not in adopted:
                doomed.add(storage_name(group, plural, identity))
        for key, _ in self._objects.store.index_scan(index.counts(cluster)):
            _, _, namespace, storage = key.split(b"\0", 3)
            if storage in doomed:
                yield StoredRange(namespace.decode(), storage)

    async def _adopted(self, target: Target) -> set[tuple[str, str, str]]:
        """Return identity, group and plural of what other bindings of the workspace refer to."""
        adopted = set()
        for other in await self._objects.read_all(api_bindings(), target.cluster):
            meta = other["metadata"]
            if meta["name"] == target.name or "deletionTimestamp" in meta:
                continue
            source = self._source(target.cluster, other)
            for resource in resources(source.export or {}):
                group = resource.get("group") or ""
                adopted.add((source.identity, group, resource["name"]))
        return adopted

    def _release(self, target: Target, bound: Entries, binding: Object) -> list[Write]:
        remove_finalizer(binding["metadata"], bindings.BINDING_FINALIZER)
        locks: dict[str, Any] = {}
        for entry in bound:
            resource = f"{entry['resource']}.{entry['group']}"
            locks[resource] = None
        return lock_writes(self._objects, target.cluster, locks)


def _export_problem(binding: Object, source: Source) -> Problem | None:
    """Return why nothing can be bound from an export."""
    reference = bindings.reference(binding)
    path = reference.get("path", "")
    name = reference.get("name", "")
    export = f"{path}:{name}".lstrip(":")
    if source.export is None:
        text = f"Error getting APIExport {export}: not found"
        return Problem(_VALID, "APIExportNotFound", text)
    if not source.identity:
        text = f"APIExport {export} is missing status.identityHash"
        return Problem(_VALID, "MissingIdentityHash", text, "Warning")
    if source.offers is None:
        return Problem(_VALID, "InternalError", _INVALID)
    return None


def _judge_claims(binding: Object, source: Source) -> None:
    """Show the export's claims, and whether the binding answers only those."""
    spec = spec_of(source.export)
    offered = spec.get("permissionClaims") or []
    if offered:
        binding["status"]["exportPermissionClaims"] = list(offered)
    else:
        binding["status"].pop("exportPermissionClaims", None)
    answers = spec_of(binding).get("permissionClaims") or ()
    unexpected = [_claim_text(claim) for claim in claims.unknown(offered, answers)]
    if unexpected:
        text = "unexpected/invalid claims: " + ", ".join(unexpected)
        conditions.mark_false(binding, "PermissionClaimsValid", "InvalidPermissionClaims", text)
    else:
        conditions.mark_true(binding, "PermissionClaimsValid")


def _show_claims(binding: Object, applied: Entries) -> None:
    if applied:
        binding["status"]["appliedPermissionClaims"] = [dict(claim) for claim in applied]
    else:
        binding["status"].pop("appliedPermissionClaims", None)


def _applied_claims(binding: Object) -> Entries:
    status = status_of(binding)
    return status.get("appliedPermissionClaims") or []


def _show_remaining(remaining: Remaining, binding: Object) -> None:
    """Say on a binding that is being deleted what it waits for."""
    text, reason = remaining.resources_text(), "ResourceRemaining"
    if remaining.finalizers:
        text += "; " + remaining.finalizers_text("APIBinding")
        reason = "ResourceFinalizersRemain"
    if remaining.refused:
        text += "; " + remaining.refused_text()
        reason = "ResourceDeletionFailed"
    conditions.mark_false(binding, "BindingResourceDeleteSuccess", reason, text)
    conditions.summarize(binding)


def _is_false(binding: Object, kind: str) -> bool:
    condition = find_condition(binding, kind)
    return condition is not None and condition["status"] != "True"


def _bound_key(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return identity, group and plural of an entry of status.boundResources."""
    return entry["schema"]["identityHash"], entry["group"], entry["resource"]


def _described(row: CatalogRow) -> str:
    if row.source == "crd":
        return f'CustomResourceDefinition "{row.name}"'
    origin = row.shared
    # kcp names the path that was bound; here the row knows the cluster that the path led to.
    export = f"{origin.export_cluster}:{origin.export}"
    return f'APIBinding "{row.name}" bound to APIExport "{export}"'


def _claim_text(claim: Mapping[str, Any]) -> str:
    group, resource, identity = claims.key(claim)
    name = f"{resource}.{group}" if group else resource
    return f"{name} (identity {identity})" if identity else name


def _sync_extra(meta: dict[str, Any], export: Object) -> None:
    """Copy the annotations that an export passes on to all its bindings."""
    export_meta = export.get("metadata") or {}
    given = export_meta.get("annotations") or {}
    own = meta.get("annotations") or {}
    kept = {key: value for key, value in own.items() if not key.startswith(EXTRA)}
    passed_on = {key: value for key, value in given.items() if key.startswith(EXTRA)}
    meta["annotations"] = kept | passed_on
