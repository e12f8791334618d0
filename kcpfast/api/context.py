"""What a request is about, and what there is to answer it with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl

from kcpfast._core.routing import Route
from kcpfast.admission.chain import Admission
from kcpfast.auth.authenticate import Authenticator
from kcpfast.auth.user import NOBODY, Attributes, User
from kcpfast.meta.selectors import Requirement
from kcpfast.registry.catalog import Catalog, Served
from kcpfast.registry.objects import Objects, Target
from kcpfast.resources.resource import Resource
from kcpfast.transport.messages import Request
from kcpfast.watch.hub import Hub


class Scope(NamedTuple):
    """What a view shows of a resource: objects of these clusters that satisfy these terms.

    `clusters` None = all that the path asks for.
    """

    clusters: Callable[[str], bool] | None = None
    labels: tuple[Requirement, ...] = ()


class View(Protocol):
    """A way to look at the registry: a workspace, or a virtual workspace.

    `cluster` arguments are logical cluster names, or `*`.
    """

    def find(self, cluster: str, group: str, version: str, plural: str) -> Served | None:
        """Return a resource if the view serves it."""

    def resources(self, cluster: str) -> Iterable[Served]:
        """Return all resources that the view serves, for discovery."""

    def fingerprint(self, cluster: str) -> bytes:
        """Return bytes that are equal where `resources` are."""

    def authorize(self, user: User, cluster: str, wanted: Attributes) -> None:
        """Raise ApiError unless the request is allowed."""

    def scope(self, cluster: str, resource: Resource) -> Scope:
        """Return what lists and watches are limited to."""

    def admitted_as(self, user: User, cluster: str) -> User:
        """Return the user that admission and ownership see."""


class Call:
    """One API request, understood step by step as `serve` goes through it."""

    __slots__ = (
        "attributes",
        "cluster",
        "headers",
        "parameters",
        "path",
        "request",
        "route",
        "served",
        "user",
        "view",
        "warnings",
    )

    def __init__(self, request: Request, route: Route) -> None:
        """Begin with the path split."""
        self.request = request
        self.route = route
        self.parameters: Mapping[str, list[str]] = _query(request.query)
        self.path = route.cluster or ""
        self.cluster = ""
        self.user: User = NOBODY
        self.view: View | None = None
        self.attributes = Attributes("")
        self.served: Served | None = None
        self.warnings: list[str] = []
        self.headers: list[tuple[bytes, bytes]] = []

    def parameter(self, name: str, default: str = "") -> str:
        """Return the first value of a query parameter."""
        values = self.parameters.get(name)
        return values[0] if values else default

    @property
    def resource(self) -> Resource:
        """The resource asked for; only after `serve` found it."""
        assert self.served is not None
        return self.served.resource

    @property
    def target(self) -> Target:
        """Where the object asked for is."""
        namespace = self.route.namespace if self.resource.namespaced else ""
        return Target(self.resource, self.cluster, namespace, self.route.name)


_NONE: Mapping[str, list[str]] = {}


def _query(query: str) -> Mapping[str, list[str]]:
    if not query:
        return _NONE
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found.setdefault(name, []).append(value)
    return found


class Special(NamedTuple):
    """A create or connect that stores nothing: reviews, token requests."""

    resource: tuple[str, str]
    subresource: str
    handle: Callable[[Api, Call], Any]


class Api(NamedTuple):
    """Everything that verbs work with; put together once, by server/wire."""

    objects: Objects
    catalog: Catalog
    hub: Hub
    admission: Admission
    authenticator: Authenticator
    external_url: str
    version: str
    documents: Any
    specials: Mapping[tuple[str, str, str], Callable[[Api, Call], Any]]
    extras: Sequence[Any] = ()
