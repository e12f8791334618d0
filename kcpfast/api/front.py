"""Where a request goes, who makes it, and whether it may: the first steps of the request line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from kcpfast.api.context import Call, Handler
from kcpfast.api.limits.seats import flow_of
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
Page = Callable[[Call], Response | Handler | None]


class Front:
    """Locates, authenticates and authorizes calls.

    `services` maps the first segment below /services to what finds the view.
    """

    def __init__(
        self,
        clusters: Clusters,
        authenticator: Authenticator,
        authorizer: Authorizer,
        workspace: View,
        services: Mapping[str, Service],
        pages: Mapping[str, Page],
    ) -> None:
        """Take what wire has put together."""
        self._clusters = clusters
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._workspace = workspace
        self._services = services
        self._pages = pages

    def locate(self, call: Call) -> None:
        """Find the view and the logical cluster of a request.

        400 for what is no cluster, 404 for a workspace that is not there.
        """
        path = call.route.cluster or ""
        found = self._services.get(call.route.service[0]) if call.route.service else None
        if found is not None:
            call.view = found(call.route.service[1:])
            call.cluster = path
        else:
            call.view = self._workspace
            call.cluster = "" if call.route.service else self._clusters.resolve(path)

    def authenticate(self, call: Call) -> None:
        """Find out who asks, and whom they want to be taken for."""
        call.user = self._authenticator.user(call.request)
        call.flow = flow_of(call.user)
        wanted = impersonated(call.request)
        if wanted is None:
            return
        if not is_sound(wanted):
            raise bad_request(f"what stands in the extra {WARRANT_EXTRA} is no warrant")
        if not is_master(call.user, call.cluster):
            self._check_impersonation(call, wanted)
            wanted = scoped(wanted, call.cluster)
            call.impersonator = call.user
        call.user = wanted

    def _check_impersonation(self, call: Call, wanted: User) -> None:
        """Refuse to let somebody act as another, as whomever that one would count.

        What warrants, scopes and the cluster of a service account bring with them has to be allowed
        as if it had been named in Impersonate-User and Impersonate-Group; kcp lets who may set an
        extra set it to anything.
        """
        for user in carried(wanted):
            for group in user.groups:
                if group == MASTERS or (
                    is_privileged(group) and not is_member(call.user, call.cluster, (group,))
                ):
                    why = "impersonation is not allowed for the requestor"
                    raise forbidden("", "", "", why)
        asked = call.request.header_values(b"impersonate-group")
        for each in _impersonations(wanted, asked):
            if not self._authorizer.allows(call.user, call.cluster, each):
                raise _denied_to_act(call, each)

    def authorize(self, call: Call) -> None:
        """Ask the view whether the request is allowed; Forbidden if not."""
        if is_system_status(call.attributes) and not is_master(call.user, call.cluster):
            raise denied(call.user, call.attributes, DENIED)
        # What is about the server is allowed by whom root allows it.
        cluster = ROOT if call.attributes.path == "/metrics" else call.cluster
        try:
            call.authorize(call.attributes, call.cluster or cluster)
        except ApiError as error:
            if call.route.identity and call.cluster == WILDCARD and error.details:
                spelled = f"{call.route.plural}:{call.route.identity}"
                error.details = {**error.details, "kind": spelled}
            raise

    def is_lasting(self, call: Call) -> bool:
        """Tell whether what was found out of a call holds until something is written.

        Not what virtual workspaces show, nor for accounts whose tokens expire, nor for who is
        somebody else.
        """
        return (
            call.view is self._workspace
            and call.cluster not in ("", WILDCARD)
            and not call.user.name.startswith(SERVICE_ACCOUNT)
            and impersonated(call.request) is None
        )

    def allows_all_names(self, call: Call) -> bool:
        """Tell whether an allowed call would be allowed for an object of any name.

        In a workspace what is allowed without a name is allowed with each.
        """
        assert call.view is not None
        try:
            call.view.authorize(call.user, call.cluster, call.attributes._replace(name=""))
        except ApiError:
            return False
        return True

    def page(self, call: Call) -> Response | Handler | None:
        """Return the answer to a path of the server's own, or what serves it."""
        page = self._pages.get(call.route.rest.rstrip("/"))
        return page(call) if page is not None else None


def _denied_to_act(call: Call, wanted: Attributes) -> ApiError:
    """Return the refusal of an impersonation: its details are those of the request."""
    error = denied(call.user, wanted, "access denied")
    error.details = denied(call.user, call.attributes, "").details
    return error


def _impersonations(wanted: User, asked: Iterable[str]) -> Iterator[Attributes]:
    """Yield what one must be allowed in order to act as another; `asked` are the groups named."""
    groups = dict.fromkeys(asked)
    for at, user in enumerate(carried(wanted)):
        yield from _as_user(user)
        if at:
            groups |= dict.fromkeys(user.groups)
        groups |= dict.fromkeys(CLUSTER_GROUP + each for each in named_clusters(user))
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
