"""What a view is: the way through which requests look at the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from kcpfast.meta.errors import ApiError, forbidden
from kcpfast.meta.selectors import Requirement
from kcpfast.meta.user import Attributes, User
from kcpfast.registry.catalog import Served
from kcpfast.resources.resource import Object, Resource


class ViewScope(NamedTuple):
    """What a view shows of a resource: objects of these clusters that satisfy these terms.

    `clusters` None = all that the path asks for. `within` narrows where one has to look, for
    requests to all clusters: what the terms let through is in one of these, sorted.
    """

    clusters: Callable[[str], bool] | None = None
    labels: tuple[Requirement, ...] = ()
    within: Sequence[str] | None = None


WHOLE = ViewScope()


def identity_of(served: Served | None) -> str:
    """Return the identity by which a workspace has bound a resource, "" if it has not."""
    row = served.row if served is not None else None
    return row.shared.identity if row is not None and row.shared.export else ""


class View(Protocol):
    """A way to look at the registry: a workspace, or a virtual workspace.

    `cluster` arguments are logical cluster names, or `*`.
    """

    def find(
        self, cluster: str, group: str, version: str, plural: str, identity: str = ""
    ) -> Served | None:
        """Return a resource if the view serves it; with an identity, only what is bound by that.

        Whoever asks has authorized the plural: what is returned is what it names, or nothing.
        """

    def resources(self, cluster: str) -> Iterable[Served]:
        """Return all resources that the view serves, for discovery."""

    def fingerprint(self, cluster: str) -> bytes:
        """Return bytes that are equal where `resources` are."""

    def authorize(self, user: User, cluster: str, attributes: Attributes) -> None:
        """Raise ApiError unless the request is allowed."""

    def permits(self, user: User, cluster: str, attributes: Attributes) -> bool:
        """Tell whether the maximal permission policies that hold here let a user do this."""

    def scope(self, cluster: str, resource: Resource) -> ViewScope:
        """Return what lists, watches and single objects are limited to."""

    def admit(self, cluster: str, resource: Resource, new: Object, old: Object | None) -> None:
        """Look at an object about to be written, before admission does; ApiError to refuse.

        `old` is None for a new one. What the view must see to in it may be changed in place.
        """

    def admitted_as(self, user: User, cluster: str) -> User:
        """Return the user that admission and ownership see."""


def denied(user: User, attributes: Attributes, reason: str) -> ApiError:
    """Return the 403 for a request that is not allowed."""
    error = _denied(user, attributes, reason)
    error.headers.append((b"X-Content-Type-Options", b"nosniff"))
    return error


def _denied(user: User, attributes: Attributes, reason: str) -> ApiError:
    if not attributes.resource:
        text = f'User "{user.name}" cannot {attributes.verb} path "{attributes.path}": {reason}'
        return forbidden("", "", "", text)
    if attributes.namespace:
        place = f'in the namespace "{attributes.namespace}"'
    else:
        place = "at the cluster scope"
    text = (
        f'User "{user.name}" cannot {attributes.verb} resource "{attributes.full_resource()}" '
        f'in API group "{attributes.group}" {place}: {reason}'
    )
    return forbidden(attributes.resource, attributes.group, attributes.name, text)
