"""What a request is about, and what there is to answer it with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl

from kcpfast._core.routing import Route
from kcpfast.admission.chain import Admission
from kcpfast.api.limits.growth import growth
from kcpfast.auth.authenticate import Authenticator
from kcpfast.kcp.authorizer import DENIED
from kcpfast.kcp.views.base import View, ViewScope, denied
from kcpfast.meta.errors import ApiError, forbidden
from kcpfast.meta.selectors import matches
from kcpfast.meta.user import ANONYMOUS_USER, Attributes, User
from kcpfast.registry.catalog import Catalog, Served
from kcpfast.registry.objects import Objects, Target
from kcpfast.registry.values import labels
from kcpfast.resources.resource import Object, Resource
from kcpfast.store.keys import place
from kcpfast.transport.messages import Request, Response, Stream
from kcpfast.watch.hub import Hub, Watch
from kcpfast.watch.rights import Right
from kcpfast.work.aside import Aside

T = TypeVar("T")


class Call:
    """One API request, understood step by step as `serve` goes through it."""

    __slots__ = (
        "attributes",
        "authenticated",
        "claimed",
        "cluster",
        "flow",
        "headers",
        "impersonator",
        "known",
        "parameters",
        "path",
        "request",
        "right",
        "route",
        "served",
        "user",
        "view",
        "waited",
        "warnings",
    )

    def __init__(self, request: Request, route: Route) -> None:
        """Begin with the path split."""
        self.request = request
        self.route = route
        self.parameters: Mapping[str, list[str]] = _query(request.query)
        self.path = route.cluster or ""
        self.cluster = ""
        self.user: User = ANONYMOUS_USER
        # Who acts as the user, if that is somebody else and no master.
        self.impersonator: User | None = None
        # Whose requests it is counted with: who asks, whomever they act as.
        self.flow = ""
        # What it is charged with for a stored object.
        self.claimed = 0
        self.authenticated = False
        self.view: View | None = None
        self.attributes = Attributes("")
        self.served: Served | None = None
        # Seconds that it waited for a seat.
        self.waited = 0.0
        self.warnings: list[str] = []
        self.headers: list[tuple[bytes, bytes]] = []
        # What a watch is allowed by.
        self.right: Right[Watch] | None = None
        # What calls that only differ in name and body have in common, if such are remembered.
        self.known: dict[str, Any] | None = None

    def once(self, what: str, make: Callable[[], T]) -> T:
        """Return what `make` makes, made once for all calls that have it in common."""
        known = self.known
        if known is None:
            return make()
        if what not in known:
            known[what] = make()
        found: T = known[what]
        return found

    def again(self, request: Request) -> Call:
        """Return the call of another request that is understood as this one was."""
        call = Call.__new__(Call)
        call.request, call.headers = request, []
        call.route, call.attributes, call.served = self.route, self.attributes, self.served
        call.parameters, call.path, call.cluster = self.parameters, self.path, self.cluster
        call.user, call.view, call.known = self.user, self.view, self.known
        call.impersonator = self.impersonator
        call.authenticated, call.flow = self.authenticated, self.flow
        call.warnings = self.warnings.copy()
        call.claimed, call.right, call.waited = 0, None, 0.0
        return call

    def parameter(self, name: str, default: str = "") -> str:
        """Return the first value of a query parameter."""
        values = self.parameters.get(name)
        return values[0] if values else default

    @property
    def resource(self) -> Resource:
        """The resource asked for; only after `serve` found it."""
        assert self.served is not None
        return self.served.resource

    def claim(self, value: bytes) -> None:
        """Charge what working on a stored object takes; TooMuch if there is no room for it.

        Of several, one after the other, the largest counts.
        """
        size = growth(value, "")
        if size > self.claimed:
            self.request.claim(size - self.claimed)
            self.claimed = size

    def weigh(self, more: int = 0) -> int:
        """Return what it costs to go over the body once, and `more` bytes, as Aside asks."""
        return self.resource.weigh(len(self.request.body) + more)

    @property
    def target(self) -> Target:
        """Where the object asked for is."""
        namespace = self.route.namespace if self.resource.namespaced else ""
        return Target(self.resource, self.cluster, namespace, self.route.name)

    @property
    def admitted(self) -> User:
        """The user that admission sees."""
        assert self.view is not None
        return self.view.admitted_as(self.user, self.cluster)

    def admit(self, new: Object, old: Object | None) -> None:
        """Let the view look at an object about to be written."""
        assert self.view is not None
        self.view.admit(self.cluster, self.resource, new, old)

    def scope(self) -> ViewScope:
        """Return what the view limits the request to."""
        assert self.view is not None
        return self.view.scope(self.cluster, self.resource)

    def authorize(self, wanted: Attributes, cluster: str) -> None:
        """Ask the view whether the user may do something; ApiError if not.

        Acting as another does not lead around what an export permits at most: that is asked of
        both (kcp asks only of whom somebody acts as).
        """
        assert self.view is not None
        self.view.authorize(self.user, cluster, wanted)
        who = self.impersonator
        if who is not None and not self.view.permits(who, cluster, wanted):
            raise denied(self.user, wanted, DENIED)

    def check_may(self, verb: str) -> None:
        """Forbidden unless the user may also use another verb on the object asked for."""
        try:
            self.authorize(self.attributes._replace(verb=verb), self.cluster)
        except ApiError:
            resource, name = self.resource, self.route.name
            raise forbidden(resource.plural, resource.group, name, "access denied") from None

    def sees_object(self, obj: Object) -> bool:
        """Tell whether the view shows a decoded object of the cluster asked for."""
        scope = self.scope()
        return not scope.labels or matches(scope.labels, obj["metadata"].get("labels"))

    def sees(self, key: bytes, value: bytes) -> bool:
        """Tell whether the view shows a stored object."""
        scope = self.scope()
        if scope.clusters is not None and not scope.clusters(place(key).cluster):
            return False
        return not scope.labels or matches(scope.labels, labels(value))


_NONE: Mapping[str, list[str]] = {}


def _query(query: str) -> Mapping[str, list[str]]:
    if not query:
        return _NONE
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found.setdefault(name, []).append(value)
    return found


class Api(NamedTuple):
    """Everything that verbs work with; put together once, by server/wire.

    `handlers` maps (group, plural, subresource, verb) to what serves a resource that stores
    nothing, or has objects that are not stored.
    """

    objects: Objects
    catalog: Catalog
    hub: Hub
    admission: Admission
    authenticator: Authenticator
    version: str
    handlers: Mapping[tuple[str, str, str, str], Handler]

    @property
    def aside(self) -> Aside:
        """What runs long work beside the loop."""
        return self.objects.aside


Handler = Callable[[Api, Call], Awaitable[Response | Stream]]
