"""Which requests a resource takes, as rows that both dialects are written from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kcpfast.api.openapi import parameters
from kcpfast.api.openapi.naming import custom_name, group_path, group_word, tag, version_word
from kcpfast.resources.builtin import definition_name
from kcpfast.resources.resource import Resource, Subresource

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
STATUS, DELETE_OPTIONS, PATCH = _META + "Status", _META + "DeleteOptions", _META + "Patch"
WATCH_EVENT, RESOURCE_LIST = _META + "WatchEvent", _META + "APIResourceList"

_JSON, _YAML, _PROTOBUF = (
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
)
_BUILTIN_MEDIA, _CUSTOM_MEDIA = (_JSON, _YAML, _PROTOBUF), (_JSON, _YAML)
_STREAMS = (_JSON + ";stream=watch", _PROTOBUF + ";stream=watch")
_PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
# Strategic merge needs Go types: kubectl takes its absence as the sign to merge by RFC 7386.
_CUSTOM_PATCHES = tuple(media for media in _PATCHES if "strategic" not in media)


class Operation(NamedTuple):
    """One method on one path.

    `kind` is the group, version and kind that it is about, () for none; `returns` and `reads` are
    names of definitions, "" for a bare string and for no body.
    """

    path: str
    method: str
    name: str
    tag: str
    text: str
    returns: str
    produces: Sequence[str] = _BUILTIN_MEDIA
    action: str = ""
    kind: tuple[str, str, str] | tuple[()] = ()
    codes: Sequence[int] = (200,)
    reads: str = ""
    consumes: Sequence[str] = ("*/*",)
    parameters: Sequence[str] = ()


class _Verb(NamedTuple):
    """How a verb is documented; `scope` tells which paths have it."""

    verb: str
    scope: str
    method: str
    action: str
    prefix: str
    suffix: str
    text: str
    parameters: Sequence[str]
    codes: Sequence[int] = (200,)


_VERBS = (
    # verb, scope, method, action, name: prefix and suffix, text, parameters, codes
    _Verb("list", "collection", "get", "list", "list", "", "List {kind} objects, or watch them.",
          parameters.LIST),
    _Verb("list", "everywhere", "get", "list", "list", "ForAllNamespaces",
          "List {kind} objects of all namespaces, or watch them.", parameters.LIST),
    _Verb("create", "collection", "post", "post", "create", "", "Create an object of kind {kind}.",
          parameters.WRITE, (200, 201, 202)),
    _Verb("deletecollection", "collection", "delete", "deletecollection", "delete", "",
          "Delete the {kind} objects that a list would return.", parameters.DELETE_COLLECTION),
    _Verb("get", "object", "get", "get", "read", "", "Read one {kind}.", ()),
    _Verb("update", "object", "put", "put", "replace", "", "Replace one {kind}.",
          parameters.WRITE, (200, 201)),
    _Verb("patch", "object", "patch", "patch", "patch", "", "Change some fields of one {kind}.",
          parameters.PATCH, (200, 201)),
    _Verb("delete", "object", "delete", "delete", "delete", "", "Delete one {kind}.",
          parameters.DELETE, (200, 202)),
    _Verb("watch", "watch", "get", "watchlist", "watch", "List",
          "Watch {kind} objects; deprecated: list with the parameter watch.", parameters.LIST),
    _Verb("watch", "watch everywhere", "get", "watchlist", "watch", "ListForAllNamespaces",
          "Watch {kind} objects of all namespaces; deprecated: list with the parameter watch.",
          parameters.LIST),
    _Verb("watch", "watch object", "get", "watch", "watch", "",
          "Watch one {kind}; deprecated: list with watch and a field selector.", parameters.LIST),
)  # fmt: skip
_PARTS = {"create": "post", "get": "get", "update": "put", "patch": "patch"}
_BY_ACTION = {verb.action: verb for verb in _VERBS if verb.scope in ("collection", "object")}


def definition_of(resource: Resource) -> str:
    """Return the name of the definition of a resource's kind."""
    if isinstance(resource.schema, str):
        return resource.schema
    return custom_name(resource.group, resource.version, resource.kind)


def list_definition_of(resource: Resource) -> str:
    """Return the name of the definition of a resource's list kind."""
    package = definition_of(resource).rpartition(".")[0]
    return f"{package}.{resource.list_kind}"


def of_resource(resource: Resource, verbs: Sequence[str]) -> Iterator[Operation]:
    """Yield the operations on a resource that takes these verbs, its subresources included."""
    paths = _paths(resource)
    for row in _VERBS:
        path = paths.get(row.scope)
        if row.verb in verbs and path is not None:
            yield _on(resource, row, path)
    for sub in resource.subresources.values():
        for verb in sub.verbs:
            yield _on_part(resource, sub, _BY_ACTION[_PARTS[verb]], paths["object"])


def _paths(resource: Resource) -> dict[str, str]:
    top = "/" + group_path(resource.group, resource.version)
    inner = "/namespaces/{namespace}" if resource.namespaced else ""
    paths = {"collection": f"{top}{inner}/{resource.plural}"}
    paths["object"] = paths["collection"] + "/{name}"
    if resource.namespaced:
        paths["everywhere"] = f"{top}/{resource.plural}"
    if resource.builtin:  # the old watch paths were never given to custom kinds
        paths["watch"] = f"{top}/watch{inner}/{resource.plural}"
        paths["watch object"] = paths["watch"] + "/{name}"
        if resource.namespaced:
            paths["watch everywhere"] = f"{top}/watch/{resource.plural}"
    return paths


def _on(resource: Resource, row: _Verb, path: str) -> Operation:
    produces: Sequence[str] = _BUILTIN_MEDIA if resource.builtin else _CUSTOM_MEDIA
    if resource.builtin and row.verb in ("list", "watch"):
        produces = (*produces, *_STREAMS)
    own = definition_of(resource)
    returns = {
        "list": list_definition_of(resource),
        "watch": WATCH_EVENT,
        "delete": STATUS,
        "deletecollection": STATUS,
    }.get(row.verb, own)
    reads, consumes = _body(resource.builtin, row, own)
    inner = "Namespaced" if resource.namespaced and "everywhere" not in row.scope else ""
    collection = "Collection" if row.verb == "deletecollection" else ""
    return Operation(
        path,
        row.method,
        f"{_prefix(resource, row)}{collection}{inner}{resource.kind}{row.suffix}",
        tag(resource.group, resource.version),
        row.text.format(kind=resource.kind),
        returns,
        produces,
        row.action,
        (resource.group, resource.version, resource.kind),
        row.codes,
        reads,
        consumes,
        row.parameters,
    )


def _prefix(resource: Resource, row: _Verb) -> str:
    return row.prefix + group_word(resource.group) + version_word(resource.version)


def _body(builtin: bool, row: _Verb, own: str) -> tuple[str, Sequence[str]]:
    """Return the definition of the request's body, and the media types it may come in."""
    plain: Sequence[str] = ("*/*",) if builtin else _CUSTOM_MEDIA
    if row.verb == "patch":
        return PATCH, _PATCHES if builtin else _CUSTOM_PATCHES
    if row.verb in ("delete", "deletecollection"):
        return DELETE_OPTIONS, plain
    return (own if row.method in ("post", "put") else ""), plain


def _on_part(resource: Resource, sub: Subresource, row: _Verb, path: str) -> Operation:
    kind = (resource.group, resource.version, resource.kind)
    own = definition_of(resource)
    if sub.version:
        own = definition_name(sub.group, sub.kind, sub.version)
    if sub.version and resource.builtin:
        kind = (sub.group, sub.version, sub.kind)
    whole = _on(resource, row, f"{path}/{sub.name}")
    reads, consumes = _body(resource.builtin, row, own)
    word = sub.name.replace("/", " ").title().replace(" ", "")
    return whole._replace(
        name=whole.name + word,
        text=f"{whole.text[:-1]}: its subresource {sub.name}.",
        returns=own,
        kind=kind,
        reads=reads,
        consumes=consumes,
    )


# ------------------------------------------------------------- paths without a resource

_PAGES = {
    # name in the index: operation, tag, text, definition returned, media types
    "api": ("getCoreAPIVersions", "core", "List the versions of the core API.",
            _META + "APIVersions", _BUILTIN_MEDIA),
    "apis": ("getAPIVersions", "apis", "List the API groups.",
             _META + "APIGroupList", _BUILTIN_MEDIA),
    "version": ("getCodeVersion", "version", "Tell the version of the server.",
                "io.k8s.apimachinery.pkg.version.Info", (_JSON,)),
    ".well-known/openid-configuration": (
        "getServiceAccountIssuerOpenIDConfiguration", "WellKnown",
        "Describe the issuer of service account tokens, as OpenID providers do.", "", (_JSON,)),
    "openid/v1/jwks": (
        "getServiceAccountIssuerOpenIDKeyset", "openid",
        "List the keys that service account tokens are signed with.", "",
        ("application/jwk-set+json",)),
}  # fmt: skip
OPENID_PAGES = (".well-known/openid-configuration", "openid/v1/jwks")


def of_page(name: str) -> Operation:
    """Return the operation of a path that is about the server; KeyError for others."""
    operation, its_tag, text, returns, produces = _PAGES[name]
    return Operation(f"/{name}/", "get", operation, its_tag, text, returns, produces)


def of_group(group: str) -> Operation:
    """Return the operation that tells the versions of a group."""
    return Operation(
        f"/apis/{group}/",
        "get",
        f"get{group_word(group)}APIGroup",
        tag(group),
        "Tell the versions of this API group.",
        _META + "APIGroup",
    )


def of_version(group: str, version: str) -> Operation:
    """Return the operation that lists the resources of a group-version."""
    return Operation(
        f"/{group_path(group, version)}/",
        "get",
        f"get{group_word(group)}{version_word(version)}APIResources",
        tag(group, version),
        "List the resources of this group and version.",
        RESOURCE_LIST,
    )
