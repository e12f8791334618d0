"""Where a request goes, who makes it, and whether it may: the first steps of a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from kcpfast.api.context import PageHandler
from kcpfast.api.limits.seats import flow_of
from kcpfast.api.steps.stages import (
    Authenticated,
    Authorized,
    Identified,
    Located,
    Routed,
)
from kcpfast.auth.authenticate import Authenticator, impersonated
from kcpfast.kcp.authorizer import DENIED, Authorizer, is_master, is_member, is_system_status
from kcpfast.kcp.clusters import Clusters
from kcpfast.kcp.effective import CLUSTER_GROUP, carried, is_sound, named_clusters, scoped
from kcpfast.kcp.views.base import View, denied
from kcpfast.meta.cluster import ROOT, WILDCARD
from kcpfast.meta.errors import ApiError, bad_request, forbidden
from kcpfast.meta.user import (
    MASTERS,
    SERVICE_ACCOUNT,
    WARRANT_EXTRA,
    Attributes,
    User,
    is_privileged,
    split_service_account,
)
from kcpfast.transport.messages import Response

Service = Callable[[tuple[str, ...]], View]
FrontPage = Callable[[Authorized], Response | PageHandler]


class Front:
    """Locates, authenticates and authorizes requests; each step returns the next stage.

    `services` maps the first segment below /services to what finds the view.
    """

    def __init__(
        self,
        clusters: Clusters,
        authenticator: Authenticator,
        authorizer: Authorizer,
        workspace: View,
        services: Mapping[str, Service],
        pages: Mapping[str, FrontPage],
    ) -> None:
        """Take what wire has put together."""
        self._clusters = clusters
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._workspace = workspace
        self._services = services
        self._pages = pages

    def locate(self, routed: Routed) -> Located:
        """Find the view and the logical cluster of a request.

        400 for what is no cluster, 404 for a workspace that is not there.
        """
        path, service = routed.route.cluster or "", routed.route.service
        find_view = self._services.get(service[0]) if service else None
        if find_view is not None:
            return Located(routed, find_view(service[1:]), path)
        cluster = "" if service else self._clusters.resolve(path)
        return Located(routed, self._workspace, cluster)

    def authenticate(self, located: Located) -> Authenticated:
        """Find out who sent a request; 401 for credentials that are nobody's."""
        user = self._authenticator.user(located.request)
        return Authenticated(located, user, flow_of(user))

    def identify(self, authenticated: Authenticated) -> Identified:
        """Find out whom the sender acts as; 403 if that is not allowed, 400 for a bad warrant."""
        user = impersonated(authenticated.request)
        if user is None:
            return Identified(authenticated, authenticated.user)
        if not is_sound(user):
            raise bad_request(f"what stands in the extra {WARRANT_EXTRA} is no warrant")
        if is_master(authenticated.user, authenticated.cluster):
            return Identified(authenticated, user)
        self._check_impersonation(authenticated, user)
        return Identified(
            authenticated, scoped(user, authenticated.cluster), impersonator=authenticated.user
        )

    def _check_impersonation(self, sender: Authenticated, acted_as: User) -> None:
        """Refuse to let somebody act as another, as whomever that one would count.

        What warrants, scopes and the cluster of a service account bring with them has to be allowed
        as if it had been named in Impersonate-User and Impersonate-Group; kcp lets who may set an
        extra set it to anything.
        """
        user, cluster = sender.user, sender.cluster
        for counted_as in carried(acted_as):
            for group in counted_as.groups:
                privileged = is_privileged(group) and not is_member(user, cluster, (group,))
                if group == MASTERS or privileged:
                    raise forbidden("", "", "", "impersonation is not allowed for the requestor")
        groups = sender.request.header_values(b"impersonate-group")
        for attributes in _impersonations(acted_as, groups):
            if not self._authorizer.allows(user, cluster, attributes):
                raise _denied_to_act(sender, attributes)

    def authorize(self, identified: Identified) -> Authorized:
        """Ask the view whether a request is allowed; Forbidden if not."""
        attributes, cluster = identified.attributes, identified.cluster
        if is_system_status(attributes) and not is_master(identified.user, cluster):
            raise denied(identified.user, attributes, DENIED)
        # What is about the server is allowed by whom root allows it.
        asked_in = cluster or (ROOT if attributes.path == "/metrics" else cluster)
        try:
            identified.authorize(attributes, asked_in)
        except ApiError as error:
            path = identified.route
            if path.identity and cluster == WILDCARD and error.details:
                error.details = {**error.details, "kind": f"{path.plural}:{path.identity}"}
            raise
        return Authorized(identified)

    def is_lasting(self, authorized: Authorized) -> bool:
        """Tell whether what was found out of a request holds until something is written.

        Not what virtual workspaces show, nor for accounts whose tokens expire, nor for who is
        somebody else.
        """
        return (
            authorized.view is self._workspace
            and authorized.cluster not in ("", WILDCARD)
            and not authorized.user.name.startswith(SERVICE_ACCOUNT)
            and impersonated(authorized.request) is None
        )

    def allows_all_names(self, authorized: Authorized) -> bool:
        """Tell whether an allowed request would be allowed for an object of any name.

        In a workspace what is allowed without a name is allowed with each.
        """
        attributes = authorized.attributes._replace(name="")
        try:
            authorized.view.authorize(authorized.user, authorized.cluster, attributes)
        except ApiError:
            return False
        return True

    def page(self, authorized: Authorized) -> Response | PageHandler | None:
        """Return the answer to a path of the server's own, or what serves it."""
        page = self._pages.get(authorized.route.rest.rstrip("/"))
        return page(authorized) if page is not None else None


def _denied_to_act(sender: Authenticated, attributes: Attributes) -> ApiError:
    """Return the refusal of an impersonation: its details are those of the request."""
    error = denied(sender.user, attributes, "access denied")
    error.details = denied(sender.user, sender.attributes, "").details
    return error


def _impersonations(acted_as: User, named_groups: Iterable[str]) -> Iterator[Attributes]:
    """Yield what one must be allowed in order to act as a user.

    `named_groups` are the groups that the request names for the user.
    """
    groups = dict.fromkeys(named_groups)
    for position, user in enumerate(carried(acted_as)):
        yield from _as_user(user)
        if position:
            groups |= dict.fromkeys(user.groups)
        groups |= dict.fromkeys(CLUSTER_GROUP + cluster for cluster in named_clusters(user))
    for group in groups:
        yield Attributes("impersonate", resource="groups", name=group)


def _as_user(user: User) -> Iterator[Attributes]:
    account = split_service_account(user.name)
    if account is not None:
        yield Attributes(
            "impersonate", resource="serviceaccounts", namespace=account[0], name=account[1]
        )
    else:
        yield Attributes("impersonate", resource="users", name=user.name)
    group = "authentication.k8s.io"
    if user.uid:
        yield Attributes("impersonate", group, resource="uids", name=user.uid)
    for key, values in user.extra:
        for value in values:
            yield Attributes(
                "impersonate", group, resource="userextras", subresource=key, name=value
            )
