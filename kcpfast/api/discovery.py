"""What there is: groups, versions, resources; in the legacy form and aggregated (KEP-3352).

A document is made from the resources that a view serves and kept by their fingerprint, so that
workspaces that serve the same share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from kcpfast.api.answer import negotiable, plain, respond
from kcpfast.api.context import Call
from kcpfast.api.negotiate import JSON, clauses
from kcpfast.kcp.views.base import View
from kcpfast.meta.errors import no_such_resource
from kcpfast.meta.versions import version_order
from kcpfast.registry.catalog import Served
from kcpfast.resources.resource import Resource
from kcpfast.transport.messages import Response

_AGGREGATED = b"application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_KEPT = 256
# Groups come in the order of their priority; those of bindings and CRDs follow by name.
_ORDER = (
    "",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "rbac.authorization.k8s.io",
    "admissionregistration.k8s.io",
    "events.k8s.io",
    "apiextensions.k8s.io",
)
_BUILTIN_GROUPS = frozenset(_ORDER)

Versions = dict[str, list[Served]]


class Documents(NamedTuple):
    """The discovery documents of one set of resources."""

    groups: dict[str, Versions]

    def version_names(self, group: str) -> list[str]:
        """Return the versions of a group, preferred first."""
        return sorted(self.groups[group], key=version_order)


class Discovery:
    """Answers below /api and /apis; keeps what it made lately."""

    def __init__(self) -> None:
        """Begin with nothing kept."""
        self._kept: dict[tuple[type, bytes], Documents] = {}
        self._bodies = lru_cache(_KEPT)(self._make_body)

    def documents(self, view: View, cluster: str) -> Documents:
        """Return the documents for what a view serves in a cluster."""
        key = (type(view), view.fingerprint(cluster))
        known = self._kept.pop(key, None)
        if known is None:
            known = Documents(_grouped(view.resources(cluster)))
        self._kept[key] = known  # at the end: the first is the one not used for longest
        if len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]
        return known

    def answer(self, call: Call) -> Response | None:
        """Return the answer to a path below /api or /apis that names no resource, else None."""
        parts = call.route.rest.strip("/").split("/")
        if len(parts) > {"api": 2, "apis": 3}.get(parts[0], 0):
            return None
        view = call.view
        assert view is not None
        found = self.documents(view, call.cluster)
        if len(parts) == 1:
            return self._top(call, found, core=parts[0] == "api")
        if parts[0] == "api":
            return _resource_list(call, found, "", parts[1])
        if len(parts) == 2:
            return _group(call, found, parts[1])
        return _resource_list(call, found, parts[1], parts[2])

    def _top(self, call: Call, found: Documents, *, core: bool) -> Response:
        if wants_aggregated(call):
            body = self._bodies(_Content(found, core, True))
            return Response(200, body, _AGGREGATED, call.headers)
        return _json(call, self._bodies(_Content(found, core, False)))

    @staticmethod
    def _make_body(content: _Content) -> bytes:
        if content.aggregated:
            return msgspec.json.encode(_aggregated(content.documents, core=content.core))
        if content.core:
            return msgspec.json.encode(
                {
                    "kind": "APIVersions",
                    "versions": content.documents.version_names("")
                    if "" in content.documents.groups
                    else [],
                    "serverAddressByClientCIDRs": [],
                }
            )
        groups = [_api_group(content.documents, name) for name in content.documents.groups if name]
        return msgspec.json.encode({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})


class _Content:
    """What a body is made of; equal only to itself and its like over the same documents."""

    __slots__ = ("aggregated", "core", "documents")

    def __init__(self, documents: Documents, core: bool, aggregated: bool) -> None:
        self.documents, self.core, self.aggregated = documents, core, aggregated

    def __hash__(self) -> int:
        return hash((id(self.documents.groups), self.core, self.aggregated))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Content)
            and self.documents.groups is other.documents.groups
            and (self.core, self.aggregated) == (other.core, other.aggregated)
        )


def wants_aggregated(call: Call) -> bool:
    """Tell whether the first acceptable form is the aggregated one."""
    for clause in clauses(call.request.header(b"accept") or "*/*"):
        if clause.media not in (JSON, "*/*", "application/*"):
            continue
        kind = clause.parameters.get("as", "")
        if not kind:
            return False
        if kind == "APIGroupDiscoveryList" and clause.parameters.get("v") == "v2":
            return True
    return False


def _json(call: Call, body: bytes) -> Response:
    return respond(call, negotiable(call.request.header(b"accept")), 200, body)


def _grouped(resources: Iterable[Served]) -> dict[str, Versions]:
    groups: dict[str, Versions] = {}
    for served in resources:
        found = served.resource
        groups.setdefault(found.group, {}).setdefault(found.version, []).append(served)
    known = [group for group in _ORDER if group in groups]
    rest = sorted(group for group in groups if group not in _BUILTIN_GROUPS)
    return {group: groups[group] for group in (*known, *rest)}


def _group_version(group: str, version: str) -> str:
    return f"{group}/{version}" if group else version


def _api_group(found: Documents, name: str) -> dict[str, Any]:
    versions = [
        {"groupVersion": _group_version(name, version), "version": version}
        for version in found.version_names(name)
    ]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def _group(call: Call, found: Documents, name: str) -> Response:
    if name not in found.groups or not name:
        return plain(404, "404 page not found\n", call.headers)
    body = {"kind": "APIGroup", "apiVersion": "v1"} | _api_group(found, name)
    return _json(call, msgspec.json.encode(body))


def _resource_list(call: Call, found: Documents, group: str, version: str) -> Response:
    served = found.groups.get(group, {}).get(version, [])
    if not served and group in found.groups:
        raise no_such_resource()
    # As recorded of kcp, a group that nobody knows has any version, with nothing in it.
    body: dict[str, Any] = {"kind": "APIResourceList"}
    if group:
        body["apiVersion"] = "v1"
    body["groupVersion"] = _group_version(group, version)
    body["resources"] = [row for each in served for row in _legacy_rows(each)]
    return _json(call, msgspec.json.encode(body))


def verbs_of(served: Served) -> Sequence[str]:
    """Return the verbs of a resource; nothing is created while its source is being deleted."""
    verbs = served.resource.verbs
    if served.row is not None and served.row.closing:
        return [verb for verb in verbs if verb != "create"]
    return verbs


def _legacy_rows(served: Served) -> Iterable[dict[str, Any]]:
    resource, names = served.resource, served.resource.names
    row: dict[str, Any] = {
        "name": resource.plural,
        "singularName": names.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(verbs_of(served)),
    }
    if names.short:
        row["shortNames"] = list(names.short)
    if names.categories:
        row["categories"] = list(names.categories)
    yield row
    for sub in resource.subresources.values():
        row = {
            "name": f"{resource.plural}/{sub.name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": sub.kind,
            "verbs": list(sub.verbs),
        }
        if sub.group:
            row |= {"group": sub.group, "version": sub.version}
        yield row


def _aggregated(found: Documents, *, core: bool) -> dict[str, Any]:
    items = [
        {
            "metadata": {"name": group, "creationTimestamp": None} if group else {},
            "versions": [
                {
                    "version": version,
                    "resources": [_aggregated_row(each) for each in found.groups[group][version]],
                    "freshness": "Current",
                }
                for version in found.version_names(group)
            ],
        }
        for group in found.groups
        if (group == "") is core
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _kind(resource: Resource, kind: str, group: str = "", version: str = "") -> dict[str, str]:
    if version:
        return {"group": group, "version": version, "kind": kind}
    return (
        {"group": "", "version": "", "kind": kind}
        if resource.builtin
        else {
            "group": resource.group,
            "version": resource.version,
            "kind": kind,
        }
    )


def _aggregated_row(served: Served) -> dict[str, Any]:
    resource, names = served.resource, served.resource.names
    row: dict[str, Any] = {
        "resource": resource.plural,
        "responseKind": _kind(resource, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": names.singular,
        "verbs": list(verbs_of(served)),
    }
    if names.short:
        row["shortNames"] = list(names.short)
    if names.categories:
        row["categories"] = list(names.categories)
    if resource.subresources:
        row["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": _kind(resource, sub.kind, sub.group, sub.version),
                "verbs": list(sub.verbs),
            }
            for sub in resource.subresources.values()
        ]
    return row
