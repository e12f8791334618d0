"""Routing rules: which verb a request is, on what, and which handler serves it."""

from __future__ import annotations

from collections.abc import Mapping

from kcpfast._core.routing import Route, route
from kcpfast.api.context import Handler
from kcpfast.api.options import boolean
from kcpfast.api.steps.stages import Authorized, Received, Resolved, parse_parameters
from kcpfast.api.verbs.create import check_open, create
from kcpfast.api.verbs.delete import delete, delete_collection
from kcpfast.api.verbs.listing import list_objects
from kcpfast.api.verbs.patch import patch
from kcpfast.api.verbs.read import get
from kcpfast.api.verbs.update import update
from kcpfast.api.verbs.watch import watch
from kcpfast.auth.authenticate import bearer
from kcpfast.auth.tokens import unverified_cluster
from kcpfast.meta.errors import bad_request, method_not_allowed, no_such_resource, not_found
from kcpfast.meta.names import path_segment
from kcpfast.meta.selectors import SelectorError, parse_fields
from kcpfast.meta.user import Attributes
from kcpfast.registry.catalog import Served
from kcpfast.resources.builtin import BUILTIN
from kcpfast.resources.resource import Resource
from kcpfast.transport.messages import Request

VERB_HANDLERS: Mapping[str, Handler] = {
    "create": create,
    "delete": delete,
    "deletecollection": delete_collection,
    "get": get,
    "list": list_objects,
    "patch": patch,
    "update": update,
    "watch": watch,
}
_VERBS = {
    # method: verb on an object, verb on a collection
    "DELETE": ("delete", "deletecollection"),
    "GET": ("get", "list"),
    "HEAD": ("get", "list"),
    "PATCH": ("patch", "patch"),
    "POST": ("create", "create"),
    "PUT": ("update", "update"),
}


def receive(request: Request) -> Received:
    """Split the path of a request and parse its query; 404 for a path that means nothing."""
    try:
        split: Route = route(request.path)
    except ValueError:
        raise no_such_resource() from None
    if split.cluster is None and not split.service:
        # A service account's token names its workspace: in-cluster clients know no prefix.
        split.cluster = unverified_cluster(bearer(request)) or None
    return Received(request, split, parse_parameters(request.query), [])


def attributes_of(received: Received) -> Attributes:
    """Return what authorization is asked about; 404 for a watch path that cannot be watched."""
    path, method = received.route, received.request.method
    if not path.plural:
        return Attributes(method.lower(), path=path.rest)
    on_object, on_collection = _VERBS.get(method, (method.lower(), method.lower()))
    verb, name = (on_object, path.name) if path.name else (on_collection, "")
    if verb == "list":
        if boolean(received.parameter("watch")):
            verb = "watch"
        name = _only_name(received.parameter("fieldSelector"))
    if path.watch:
        if method not in ("GET", "HEAD") or path.subresource:
            raise no_such_resource()
        verb = "watch"
    return Attributes(
        verb, path.group, path.version, path.plural, path.subresource, path.namespace, name
    )


def _only_name(selector: str) -> str:
    """Return the one name that a field selector lets through, "" if it is not about one.

    A list of one name is authorized as that object: who may see it may wait for it.
    """
    if "metadata.name" not in selector:
        return ""
    try:
        terms = parse_fields(selector)
    except SelectorError:
        return ""  # the verb will say so
    names = [term.value for term in terms if term.field == "metadata.name" and term.equal]
    return names[0] if names and not path_segment(names[0]) else ""


def check_group_version(authorized: Authorized) -> None:
    """Raise the 404 of a known group-version for a resource that it does not have.

    Nothing is raised if no built-in kind of the group-version is served: then the answer is that
    of a path that means nothing.
    """
    if authorized.route.identity:
        return
    view, cluster = authorized.view, authorized.cluster
    group, version = authorized.route.group, authorized.route.version
    for kind in BUILTIN:
        if (kind.group, kind.version) != (group, version):
            continue
        if view.find(cluster, group, version, kind.plural):
            raise no_such_resource()


def is_misplaced(authorized: Authorized, served: Served) -> bool:
    """Tell whether a path has a namespace where it may not, or none where it must.

    ApiError for built-in kinds, whose paths a kube-apiserver knows one by one.
    """
    resource, path = served.resource, authorized.route
    if bool(path.namespace) is resource.namespaced:
        return False
    if path.namespace and path.plural == "namespaces":
        return False
    if resource.namespaced and authorized.attributes.verb in ("list", "watch"):
        return False
    if not resource.builtin:
        return True
    if resource.namespaced and not path.name:
        raise method_not_allowed()
    raise no_such_resource()


def handler_of(resolved: Resolved) -> Handler:
    """Return what serves a verb of a resource; 404 or 405 where nothing does."""
    resource, path, verb = resolved.resource, resolved.route, resolved.attributes.verb
    if verb not in _allowed_verbs(path, resource) or resolved.request.method == "HEAD":
        raise method_not_allowed()
    if verb == "create":
        check_open(resolved)
    if verb in ("update", "patch") and not path.name:
        if resource.builtin:
            raise method_not_allowed()
        raise bad_request("name must be provided")
    if path.subresource == "scale":
        from kcpfast.api.verbs.scale import SCALE  # noqa: PLC0415 - few kinds scale

        return SCALE[verb]
    return VERB_HANDLERS[verb]


def _allowed_verbs(path: Route, resource: Resource) -> tuple[str, ...]:
    if not path.subresource:
        return resource.verbs
    subresource = resource.subresources.get(path.subresource)
    if subresource is not None:
        return subresource.verbs
    if resource.builtin:
        raise no_such_resource()
    raise not_found(resource.plural, resource.group, path.name)
