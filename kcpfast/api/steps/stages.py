"""How far a request is understood: one value for each step of `serve`.

A step takes the value of the step before and returns the next. Each value has all that the earlier
ones have, and nothing of it is changed afterwards. So code that must know who asks takes an
`Authenticated`, and the type checker refuses to give it less.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import parse_qsl

from kcpfast._core.routing import Route
from kcpfast.kcp.authorizer import DENIED
from kcpfast.kcp.views.base import View, denied
from kcpfast.meta.user import ANONYMOUS, Attributes, User
from kcpfast.registry.catalog import Served
from kcpfast.resources.resource import Resource
from kcpfast.transport.messages import Request

_NO_PARAMETERS: Mapping[str, list[str]] = {}


class Received:
    """A request whose path is split and whose query is parsed.

    `headers` are those of its answer, whatever that is; serving it may add to them.
    """

    __slots__ = ("headers", "parameters", "request", "route")

    def __init__(
        self,
        request: Request,
        route: Route,
        parameters: Mapping[str, list[str]],
        headers: list[tuple[bytes, bytes]],
    ) -> None:
        """Take the parts; `parse_parameters` returns the third."""
        self.request = request
        self.route = route
        self.parameters = parameters
        self.headers = headers

    def parameter(self, name: str, default: str = "") -> str:
        """Return the first value of a query parameter."""
        values = self.parameters.get(name)
        return values[0] if values else default


class Routed(Received):
    """A request whose verb and resource (or path) are known, as authorization names them."""

    __slots__ = ("attributes",)

    def __init__(self, received: Received, attributes: Attributes) -> None:
        """Add the attributes."""
        super().__init__(received.request, received.route, received.parameters, received.headers)
        self.attributes = attributes


class Located(Routed):
    """A request that goes to a view of a logical cluster: "" for none, "*" for all."""

    __slots__ = ("cluster", "view")

    def __init__(self, routed: Routed, view: View, cluster: str) -> None:
        """Add where it goes."""
        super().__init__(routed, routed.attributes)
        self.view = view
        self.cluster = cluster


class Authenticated(Located):
    """A request whose sender is known: `user`. `flow` names whose requests it counts among."""

    __slots__ = ("flow", "user")

    def __init__(self, located: Located, user: User, flow: str) -> None:
        """Add who sent it."""
        super().__init__(located, located.view, located.cluster)
        self.user = user
        self.flow = flow


class Identified(Authenticated):
    """A request whose `user` is whom its sender acts as: usually the sender.

    `impersonator` is the sender if that is somebody else and no master.
    """

    __slots__ = ("impersonator",)

    def __init__(
        self, authenticated: Authenticated, user: User, impersonator: User | None = None
    ) -> None:
        """Take the user that the request counts as from here on."""
        super().__init__(authenticated, user, authenticated.flow)
        self.impersonator = impersonator

    def authorize(self, attributes: Attributes, cluster: str) -> None:
        """Ask the view whether the user may do something; ApiError if not.

        Acting as another does not lead around what an export permits at most: that is asked of
        both (kcp asks only of whom somebody acts as).
        """
        self.view.authorize(self.user, cluster, attributes)
        sender = self.impersonator
        if sender is not None and not self.view.permits(sender, cluster, attributes):
            raise denied(self.user, attributes, DENIED)


class Authorized(Identified):
    """A request that its user may make."""

    __slots__ = ()

    def __init__(self, identified: Identified) -> None:
        """Take a request that was allowed."""
        super().__init__(identified, identified.user, identified.impersonator)


class Resolved(Authorized):
    """A request for a resource that is served. `warnings` are for its answer."""

    __slots__ = ("served", "warnings")

    def __init__(self, authorized: Authorized, served: Served) -> None:
        """Add what is served, with the warning of a version that is deprecated."""
        super().__init__(authorized)
        self.served = served
        deprecation = served.resource.deprecation
        self.warnings: list[str] = [deprecation] if deprecation else []

    @property
    def resource(self) -> Resource:
        """The resource asked for."""
        return self.served.resource


Stage = TypeVar("Stage", bound=Received)


class Progress:
    """Remembers the last stage that a request reached: an answer to an error is made from it."""

    __slots__ = ("stage",)

    def __init__(self) -> None:
        """Begin before the first stage."""
        self.stage: Received | None = None

    def reach(self, stage: Stage) -> Stage:
        """Remember a stage, and return it."""
        self.stage = stage
        return stage


def verb_of(stage: Received | None) -> str:
    """Return the verb of a request, "" if it is not known."""
    return stage.attributes.verb if isinstance(stage, Routed) else ""


def user_of(stage: Received | None) -> str:
    """Return the name of a request's user; "" if its path could not be read."""
    if isinstance(stage, Authenticated):
        return stage.user.name
    return "" if stage is None else ANONYMOUS


def parse_parameters(query: str) -> Mapping[str, list[str]]:
    """Return the values of each query parameter, in their order."""
    if not query:
        return _NO_PARAMETERS
    parameters: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters.setdefault(name, []).append(value)
    return parameters
