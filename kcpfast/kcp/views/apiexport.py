"""The virtual workspace of an APIExport: what its owner sees of all who are bound to it.

It shows the exported resources, what of the consumers is claimed and granted, and their bindings.
Who may use it: kcp's order of checks, see `authorize`. Paths:
/services/apiexport/<cluster of the export>/<export>/clusters/<consumer's cluster or *>/...
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from kcpfast.kcp import bindings, claims, exports
from kcpfast.kcp.authorizer import DENIED, Authorizer
from kcpfast.kcp.clusters import Clusters
from kcpfast.kcp.exports import MissingSchema, find_export, offers
from kcpfast.kcp.kinds import system_kinds
from kcpfast.kcp.policies import Policies
from kcpfast.kcp.views.base import ViewScope, denied
from kcpfast.meta.cluster import WILDCARD, export_hash
from kcpfast.meta.errors import ApiError, Cause, forbidden, not_found
from kcpfast.meta.selectors import Requirement, matches
from kcpfast.meta.user import Attributes, User
from kcpfast.registry.catalog import Catalog, Served, held_by
from kcpfast.registry.derived import Derived
from kcpfast.registry.metadata import status_of
from kcpfast.registry.objects import Objects
from kcpfast.resources import definition
from kcpfast.resources.resource import Object, Origin, Resource, Subresource

APIS_GROUP = "apis.kcp.io"
_READS = ("get", "list", "watch")
_CONTENT = ("apiexports", "content")
_PARTS = ("status", "scale")


def _read_only(resource: Resource) -> Resource:
    status = Subresource("status", (), resource.kind)
    return replace(resource, verbs=_READS, subresources={"status": status})


def _shown(resource: Resource) -> Resource:
    """Return a resource as kcp's views list it: verbs by name, no columns but declared ones.

    Of subresources it has status and scale: what else there is (tokens of service accounts,
    approvals) is more than a claim on the resource grants.
    """
    names, columns = resource.names, resource.columns
    if resource.builtin:
        names = names._replace(short=())
    if columns[1:] == (definition.AGE_COLUMN,):
        columns = columns[:1]
    return replace(
        resource,
        verbs=tuple(sorted(resource.verbs)),
        subresources={
            name: subresource
            for name, subresource in resource.subresources.items()
            if name in _PARTS
        },
        names=names,
        columns=columns,
    )


@cache
def _bindings() -> Sequence[Resource]:
    """Return the kinds of bindings as every export's view shows them."""
    kinds = system_kinds()
    versions = ("v1alpha2", "v1alpha1")
    return [_read_only(kinds[APIS_GROUP, version, "apibindings"]) for version in versions]


class ViewDependencies(NamedTuple):
    """What views of exports are made of."""

    objects: Objects
    catalog: Catalog
    clusters: Clusters
    authorizer: Authorizer
    policies: Policies
    contents: Contents


class ExportContent(NamedTuple):
    """What an export shows: its resources by (group, plural, version), and its claims.

    Shown is what is bound to an export of this identity.
    """

    identity: str
    served: Mapping[tuple[str, str, str], Served]
    claims: Mapping[tuple[str, str], Mapping[str, Any]]
    fingerprint: bytes

    def size(self) -> int:
        """Return the bytes that its resources take."""
        return sum(held_by(kind.resource) for kind in self.served.values())


# What exports (cluster and name) show, and what all that is kept of it takes.
Contents = Derived[tuple[str, str], ExportContent]
MAX_CONTENTS, MAX_BYTES = 256, 128 << 20
_GONE = ExportContent("", {}, {}, b"")


class ApiExportView:
    """See base.View."""

    def __init__(self, parts: ViewDependencies, cluster: str, name: str) -> None:
        """Look at the consumers of one export; whether it exists is found out later."""
        self._parts = parts
        self._export = (cluster, name)
        self._store = parts.objects.store

    # ------------------------------------------------------------------------- content

    @property
    def _content(self) -> ExportContent:
        """What the export shows now; watches and requests that wait outlive what it was."""
        return self._parts.contents.get(self._export, self._read)

    def _read(self) -> ExportContent:
        export = find_export(self._parts.objects, *self._export)
        if export is None:
            return _GONE
        claimed = {
            (entry.get("group") or "", entry["resource"]): entry
            for entry in export["spec"].get("permissionClaims") or ()
        }
        served: dict[tuple[str, str, str], Served] = {}
        for resource in self._resources(export, claimed):
            place = (resource.group, resource.plural, resource.version)
            served.setdefault(place, Served(resource))
        identity = status_of(export).get("identityHash") or ""
        offered = [(entry["group"], entry["name"]) for entry in exports.resources(export)]
        origins = [(place, entry.resource.origin) for place, entry in served.items()]
        content = [offered, list(claimed.values()), identity, origins]
        return ExportContent(identity, served, claimed, msgspec.json.encode(content))

    def _resources(
        self, export: dict[str, Any], claimed: Mapping[tuple[str, str], Mapping[str, Any]]
    ) -> Iterator[Resource]:
        yield from map(_shown, self._exported(export))
        for (group, plural), claim in claimed.items():
            identity = claim.get("identityHash") or ""
            yield from map(_shown, self._claimed(group, plural, identity))
        yield from _bindings()

    def _exported(self, export: dict[str, Any]) -> Iterator[Resource]:
        identity = status_of(export).get("identityHash") or ""
        try:
            offered = offers(self._parts.objects, self._export[0], export)
        except MissingSchema:
            return
        for offer in offered:
            origin = Origin(offer.digest, identity, *self._export)
            by_version = self._parts.catalog.from_origin(origin)
            if not by_version:  # nobody is bound to it
                by_version = definition.resources_of(offer.definition, origin, len(offer.data))
            yield from by_version.values()

    def _claimed(self, group: str, plural: str, identity: str) -> Iterable[Resource]:
        if not identity:
            if claims.builtin(group, plural) is None:
                return ()
            kinds = self._parts.catalog.static()
            return [kind for kind in kinds if (kind.group, kind.plural) == (group, plural)]
        origin = self._parts.catalog.by_identity(identity, group, plural)
        return self._parts.catalog.from_origin(origin).values() if origin is not None else ()

    def find(
        self, _cluster: str, group: str, version: str, plural: str, identity: str = ""
    ) -> Served | None:
        """Return a resource that the export offers or claims."""
        kind = self._content.served.get((group, plural, version))
        origin = kind.resource.origin if kind is not None else None
        if not identity or (origin is not None and origin.identity == identity):
            return kind
        return None

    def resources(self, _cluster: str) -> Iterable[Served]:
        """Return what the export offers and claims, and bindings."""
        return self._content.served.values()

    def fingerprint(self, _cluster: str) -> bytes:
        """Return what the content was made of."""
        cluster, _ = self._export
        return cluster.encode() + self._content.fingerprint

    # ------------------------------------------------------------------------- authorization

    def authorize(self, user: User, cluster: str, attributes: Attributes) -> None:
        """Refuse unless the user may see the export's content, the cluster is a consumer that
        grants this, and whoever exports what is claimed permits it too.

        NotFound if there is no such export, for who might see it.
        """
        if not self._sees_content(user, attributes):
            raise denied(user, attributes, DENIED)
        content = self._content
        if content is _GONE:
            raise not_found("apiexports", APIS_GROUP, self._export[1])
        claim = content.claims.get((attributes.group, attributes.resource))
        self._parts.clusters.check_active(cluster, attributes)
        if not self._grants(cluster, attributes, claim):
            raise denied(user, attributes, DENIED)
        if not self.permits(user, cluster, attributes):
            raise denied(user, attributes, DENIED)
        if cluster == WILDCARD and attributes.resource and attributes.verb not in ("list", "watch"):
            cause = Cause("UnexpectedServerResponse", "unknown", "")
            text = "the server could not find the requested resource"
            raise ApiError("NotFound", text, details={}, causes=[cause])

    def _grants(
        self, cluster: str, attributes: Attributes, claim: Mapping[str, Any] | None
    ) -> bool:
        if cluster == WILDCARD:
            return True
        if not any(force is not None for _, _, force in self._consumer(cluster)):
            return False
        if not attributes.resource or self._is_bound(cluster, attributes):
            return True
        group, plural = attributes.group, attributes.resource
        if (group, plural) == (APIS_GROUP, "apibindings") and attributes.verb in _READS:
            return True
        return claim is not None and self._is_claimed(cluster, claim, attributes.verb)

    def _is_claimed(self, cluster: str, claim: Mapping[str, Any], *verbs: str) -> bool:
        """Tell whether a consumer lets the export's owner use one of the verbs on what is claimed.

        A subresource goes with its resource.
        """
        asked = claims.key(claim)
        return any(
            claims.key(grant) == asked and not {"*", *verbs}.isdisjoint(grant["verbs"])
            for _, _, force in self._consumer(cluster)
            for grant in force or ()
        )

    def _consumer(
        self, cluster: str
    ) -> Iterable[tuple[str, str, Sequence[Mapping[str, Any]] | None]]:
        """Yield the bindings of one cluster to the export; a path is no cluster."""
        identity = self._content.identity
        if not cluster or not identity:
            return ()
        return bindings.consumers(self._store, self._export, identity, cluster)

    def _is_bound(self, cluster: str, attributes: Attributes) -> bool:
        """Tell whether it is what the export itself brought, in the very version asked for: of the
        same name there may be something else in another version, built in and only claimed."""
        place = (attributes.group, attributes.resource, attributes.version)
        kind = self._content.served.get(place)
        if kind is not None and not self._is_own(kind.resource):
            return False
        row = self._parts.catalog.row(cluster, attributes.group, attributes.resource)
        return row is not None and (row.shared.export_cluster, row.shared.export) == self._export

    def _is_own(self, resource: Resource) -> bool:
        origin = resource.origin
        return origin is not None and (origin.export_cluster, origin.export) == self._export

    def _sees_content(self, user: User, attributes: Attributes) -> bool:
        cluster, name = self._export
        resource, content = _CONTENT
        asked = Attributes(attributes.verb, APIS_GROUP, "v1alpha1", resource, content, "", name)
        return self._parts.authorizer.allows(user, cluster, asked)

    def permits(self, user: User, cluster: str, attributes: Attributes) -> bool:
        """Ask the policy of whoever exports what is claimed."""
        claim = self._content.claims.get((attributes.group, attributes.resource)) or {}
        identity = claim.get("identityHash")
        if not identity:
            return True
        origin = self._parts.catalog.by_identity(identity, attributes.group, attributes.resource)
        if origin is None:
            return True
        owner = (origin.export_cluster, origin.export)
        return self._parts.policies.export_permits(user, cluster, owner, attributes)

    # ------------------------------------------------------------------------- scope

    def scope(self, cluster: str, resource: Resource) -> ViewScope:
        """Limit to consumers and, for what is claimed, to what carries the export's label.

        Of all consumers at once those are shown that let the claim list or watch; either will
        do, because kcp asks for neither.
        """
        value = export_hash(*self._export)
        if resource in _bindings():
            own = Requirement(bindings.EXPORT_LABEL, "in", frozenset((value,)))
            return ViewScope(None, (own,), self._consumers(cluster))
        claim = self._content.claims.get((resource.group, resource.plural))
        if claim is None:
            return ViewScope(self._test(self._is_consumer) if cluster == WILDCARD else None)
        marked = Requirement(claims.LABEL + value, "exists", frozenset())
        if cluster != WILDCARD:
            return ViewScope(_any, (marked,))
        asked = claim
        granted = self._test(lambda consumer: self._is_claimed(consumer, asked, "list", "watch"))
        within = [consumer for consumer in self._consumers(cluster) or () if granted(consumer)]
        return ViewScope(granted, (marked,), within)

    def _consumers(self, cluster: str) -> list[str] | None:
        """Return who binds the export: the labels of an export are put nowhere else.

        A consumer is filed by the commit that binds, labels follow.
        """
        if cluster != WILDCARD:
            return None
        identity = self._content.identity
        filed = bindings.consumers(self._store, self._export, identity)
        clusters = (consumer for consumer, _, force in filed if force is not None)
        return list(dict.fromkeys(clusters))

    def _is_consumer(self, cluster: str) -> bool:
        return any(force is not None for _, _, force in self._consumer(cluster))

    @staticmethod
    def _test(lets_in: Callable[[str], bool]) -> Callable[[str], bool]:
        """Return a test of clusters that remembers whom it let in: a watch that has shown what
        is in a cluster also tells when that is no longer to be seen."""
        cleared: set[str] = set()

        def test(cluster: str) -> bool:
            if cluster not in cleared and lets_in(cluster):
                cleared.add(cluster)
            return cluster in cleared

        return test

    def admit(self, cluster: str, resource: Resource, new: Object, old: Object | None) -> None:
        """Hold what is written to the selector of a claim that allows it.

        A new object is given the labels that it lacks; Forbidden for one that cannot be seen. Where
        several bindings grant the claim, one of their selectors is enough.
        """
        place = (resource.group, resource.plural)
        if place not in self._content.claims:
            return
        granted = [
            claim["selector"]
            for _, _, force in self._consumer(cluster)
            for claim in force or ()
            if (claim["group"], claim["resource"]) == place
        ]
        for selector in granted[:-1]:
            with contextlib.suppress(ApiError):
                _hold(selector, resource, new, fill=old is None)
                return
        if granted:
            _hold(granted[-1], resource, new, fill=old is None)

    def admitted_as(self, user: User, _cluster: str) -> User:
        """Admission sees the user."""
        return user


def _any(_cluster: str) -> bool:
    """Show what the path asks for: it is authorized. A watch of it ends as those of many do."""
    return True


def _hold(selector: Mapping[str, Any], resource: Resource, obj: Object, *, fill: bool) -> None:
    terms = claims.selects(selector)
    if not terms:
        return
    meta = obj["metadata"]
    name, labels = meta.get("name") or "", dict(meta.get("labels") or {})
    for key, value in (selector.get("matchLabels") or {}).items():
        if fill:
            labels.setdefault(key, value)
        if labels.get(key) != value:
            message = f"protected label {key} must have value {value}"
            raise forbidden(resource.plural, resource.group, name, message)
    if not matches(terms, labels):
        message = "object does not match required labels"
        raise forbidden(resource.plural, resource.group, name, message)
    meta["labels"] = labels
