"""What a verb is given: the request, understood, and what there is to answer it with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from kcpfast._core.routing import Route
from kcpfast.admission.chain import Admission
from kcpfast.api.limits.growth import growth
from kcpfast.api.steps.stages import Authorized, Resolved
from kcpfast.auth.authenticate import Authenticator
from kcpfast.kcp.views.base import ViewScope
from kcpfast.meta.errors import ApiError, forbidden
from kcpfast.meta.selectors import matches
from kcpfast.meta.user import Attributes, User
from kcpfast.registry.catalog import Catalog
from kcpfast.registry.objects import Objects, Target
from kcpfast.registry.values import labels
from kcpfast.resources.resource import Object
from kcpfast.store.keys import place
from kcpfast.transport.messages import Request, Response, Stream
from kcpfast.watch.hub import Hub, Watch
from kcpfast.watch.rights import Right
from kcpfast.work.aside import Aside

if TYPE_CHECKING:  # these modules are about calls
    from kcpfast.api.answer import Shape
    from kcpfast.api.limits.seats import Seat
    from kcpfast.api.options import WriteOptions


class CallFacts:
    """What was worked out of a call's headers and query; None until somebody needs it.

    Calls of one route cache entry have the same headers and query, and share this.
    """

    __slots__ = ("manager", "options", "shape")

    def __init__(self) -> None:
        """Begin with nothing worked out."""
        self.manager: str | None = None
        self.options: WriteOptions | None = None
        self.shape: Shape | None = None


class Call(Resolved):
    """A request for a resource that is served: the last stage, which verbs take.

    `seat` is what it needs while it is worked on, None if it needs none. Serving it may
    change what goes with its answer and its account: `headers`, `warnings`, `claimed`, `waited`,
    `right`.
    """

    __slots__ = ("claimed", "facts", "handler", "right", "seat", "waited")

    def __init__(self, resolved: Resolved, handler: Handler, seat: Seat | None) -> None:
        """Add what serves it."""
        super().__init__(resolved, resolved.served)
        self.handler = handler
        self.seat = seat
        self.facts = CallFacts()
        # Bytes that it is charged with for a stored object.
        self.claimed = 0
        # Seconds that it waited for a seat.
        self.waited = 0.0
        # What a watch is allowed by.
        self.right: Right[Watch] | None = None

    def again(self, request: Request, route: Route, attributes: Attributes) -> Call:
        """Return the call of another request, which differs from this one in name and body only.

        The constructors of all stages would take too long for a read of one object.
        """
        call = Call.__new__(Call)
        call.request, call.route, call.attributes = request, route, attributes
        call.parameters, call.headers = self.parameters, []
        call.view, call.cluster = self.view, self.cluster
        call.user, call.flow, call.impersonator = self.user, self.flow, self.impersonator
        call.served, call.handler, call.seat = self.served, self.handler, self.seat
        call.facts, call.warnings = self.facts, self.warnings.copy()
        call.claimed, call.waited, call.right = 0, 0.0, None
        return call

    def serve(self, api: Api) -> Awaitable[Response | Stream]:
        """Have the handler answer."""
        return self.handler(api, self)

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
        resource = self.served.resource
        namespace = self.route.namespace if resource.namespaced else ""
        return Target(resource, self.cluster, namespace, self.route.name)

    @property
    def admitted(self) -> User:
        """The user that admission sees."""
        return self.view.admitted_as(self.user, self.cluster)

    def admit(self, new: Object, old: Object | None) -> None:
        """Let the view look at an object about to be written."""
        self.view.admit(self.cluster, self.resource, new, old)

    def scope(self) -> ViewScope:
        """Return what the view limits the request to."""
        return self.view.scope(self.cluster, self.served.resource)

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


class PageRequest(Authorized):
    """A request for a path that is no resource, and what serves it: documents, health, metrics."""

    __slots__ = ("handler", "seat", "waited")

    def __init__(self, authorized: Authorized, handler: PageHandler, seat: Seat | None) -> None:
        """Add what serves it."""
        super().__init__(authorized)
        self.handler = handler
        self.seat = seat
        self.waited = 0.0

    def serve(self, api: Api) -> Awaitable[Response | Stream]:
        """Have the handler answer."""
        return self.handler(api, self)


class Settled(Authorized):
    """A request whose answer is found already: discovery, a redirect, a page that is not there."""

    __slots__ = ("answer",)

    def __init__(self, authorized: Authorized, answer: Response) -> None:
        """Add the answer."""
        super().__init__(authorized)
        self.answer = answer


Understood = Call | PageRequest | Settled


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
PageHandler = Callable[[Api, Authorized], Awaitable[Response | Stream]]
