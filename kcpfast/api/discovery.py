"""What there is: groups, versions, resources; in the legacy form and aggregated (KEP-3352).

A body is made from the resources that a view serves and kept by their fingerprint, so that
workspaces that serve the same share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from kcpfast.api.answer import negotiable, plain, respond
from kcpfast.api.negotiate import JSON, clauses
from kcpfast.api.steps.stages import Located
from kcpfast.kcp.views.base import View
from kcpfast.meta.errors import no_such_resource
from kcpfast.meta.versions import version_order
from kcpfast.registry.catalog import Served
from kcpfast.registry.derived import Shared
from kcpfast.registry.reader import Reader
from kcpfast.resources.resource import Resource
from kcpfast.transport.messages import Response

_AGGREGATED = b"application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_KEPT_BYTES = 16 * 1024 * 1024
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

# The number of parts of a path that discovery answers, by the first.
_LONGEST_PATHS = {"api": 2, "apis": 3}

Groups = dict[str, dict[str, list[Served]]]


class Discovery:
    """Answers below /api and /apis; keeps the bodies that it encoded lately, by content."""

    def __init__(self, reader: Reader) -> None:
        """Begin with no bodies kept."""
        self._bodies: Shared[bytes] = Shared(reader, _KEPT_BYTES, len)

    def answer(self, located: Located) -> Response | None:
        """Return the answer to a path below /api or /apis that names no resource, else None."""
        parts = tuple(located.route.rest.strip("/").split("/"))
        if len(parts) > _LONGEST_PATHS.get(parts[0], 0):
            return None
        view, cluster = located.view, located.cluster
        aggregated = len(parts) == 1 and wants_aggregated(located)
        try:
            body = self._bodies.get(
                lambda: (type(view), view.fingerprint(cluster), parts, aggregated),
                lambda: _body(grouped(view, cluster), parts, aggregated),
            )
        except LookupError:
            return plain(404, "404 page not found\n", located.headers)
        if aggregated:
            return Response(200, body, _AGGREGATED, located.headers)
        form = negotiable(located.request.header(b"accept"))
        return respond(located, form, 200, body)


def _body(groups: Groups, parts: tuple[str, ...], aggregated: bool) -> bytes:
    """Return the encoded document of a path; LookupError for a group that is not served."""
    core = parts[0] == "api"
    if aggregated:
        document = _aggregated(groups, core=core)
    elif len(parts) == 1:
        document = _versions(groups) if core else _group_list(groups)
    elif core:
        document = _resource_list(groups, "", parts[1])
    elif len(parts) == 3:
        document = _resource_list(groups, parts[1], parts[2])
    elif parts[1] in groups and parts[1]:
        document = {"kind": "APIGroup", "apiVersion": "v1"} | _api_group(groups, parts[1])
    else:
        raise LookupError(parts[1])
    return msgspec.json.encode(document)


def _versions(groups: Groups) -> dict[str, Any]:
    versions = version_names(groups, "") if "" in groups else []
    return {"kind": "APIVersions", "versions": versions, "serverAddressByClientCIDRs": []}


def _group_list(groups: Groups) -> dict[str, Any]:
    api_groups = [_api_group(groups, name) for name in groups if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": api_groups}


def wants_aggregated(located: Located) -> bool:
    """Tell whether the first acceptable form is the aggregated one."""
    for clause in clauses(located.request.header(b"accept") or "*/*"):
        if clause.media not in (JSON, "*/*", "application/*"):
            continue
        kind = clause.parameters.get("as", "")
        if not kind:
            return False
        if kind == "APIGroupDiscoveryList" and clause.parameters.get("v") == "v2":
            return True
    return False


def grouped(view: View, cluster: str) -> Groups:
    """Return what a view serves in a cluster, by group and version, in the order of discovery."""
    groups: Groups = {}
    for served in view.resources(cluster):
        resource = served.resource
        groups.setdefault(resource.group, {}).setdefault(resource.version, []).append(served)
    ordered = [group for group in _ORDER if group in groups]
    rest = sorted(group for group in groups if group not in _BUILTIN_GROUPS)
    return {group: groups[group] for group in (*ordered, *rest)}


def version_names(groups: Groups, group: str) -> list[str]:
    """Return the versions of a group, preferred first."""
    return sorted(groups[group], key=version_order)


def _group_version(group: str, version: str) -> str:
    return f"{group}/{version}" if group else version


def _api_group(groups: Groups, name: str) -> dict[str, Any]:
    versions = [
        {"groupVersion": _group_version(name, version), "version": version}
        for version in version_names(groups, name)
    ]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def _resource_list(groups: Groups, group: str, version: str) -> dict[str, Any]:
    served = groups.get(group, {}).get(version, [])
    if not served and group in groups:
        raise no_such_resource()
    # As recorded of kcp, a group that nobody knows has any version, with nothing in it.
    body: dict[str, Any] = {"kind": "APIResourceList"}
    if group:
        body["apiVersion"] = "v1"
    body["groupVersion"] = _group_version(group, version)
    body["resources"] = [row for entry in served for row in _legacy_rows(entry)]
    return body


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


def _aggregated(groups: Groups, *, core: bool) -> dict[str, Any]:
    items = [
        {
            "metadata": {"name": group, "creationTimestamp": None} if group else {},
            "versions": [
                {
                    "version": version,
                    "resources": [_aggregated_row(entry) for entry in groups[group][version]],
                    "freshness": "Current",
                }
                for version in version_names(groups, group)
            ],
        }
        for group in groups
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
