"""May a user do this here: kcp's chain, each step of which may refuse.

Required groups, then access to the workspace's content, then what only the system may write, then
the maximal permission policy of the export a resource is bound from, and at last RBAC: that of
`system:admin`, which holds everywhere, or that of the workspace.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kcpfast.auth.rbac import Identity, Rbac
from kcpfast.auth.rules import PolicyRule
from kcpfast.kcp.clusters import Clusters, ClusterState
from kcpfast.kcp.effective import identities, in_scope, is_account
from kcpfast.kcp.policies import Policies
from kcpfast.meta.cluster import SYSTEM_ADMIN, WILDCARD
from kcpfast.meta.user import (
    ADMIN_GROUP,
    BOOTSTRAPPER_GROUP,
    MASTERS,
    Attributes,
    User,
)

ALWAYS_ALLOWED = ("/healthz", "/livez", "/readyz")
GRANTED, DENIED = "access granted", "access denied"
_ENTER = Attributes("access", path="/")
_OPEN_PHASES = ("Initializing", "Ready", "Inactive", "Terminating", "Deleting")
_WRITES = ("create", "update", "patch", "delete", "deletecollection")
_SYSTEM_STATUS = (("apis.kcp.io", "apibindings"), ("apis.kcp.io", "apiexports"))


class Decision(NamedTuple):
    """An answer, and the reason that a review may show ("" = none)."""

    allowed: bool
    reason: str


class Authorizer:
    """Answers for logical clusters."""

    def __init__(self, clusters: Clusters, rbac: Rbac, policies: Policies) -> None:
        """Ask these three."""
        self._clusters = clusters
        self.rbac = rbac
        self._policies = policies

    def decide(
        self, user: User, cluster: str, attributes: Attributes, *, deep: bool = False
    ) -> Decision:
        """Decide a request; `deep` skips who may enter and what an export permits at most."""
        if is_master(user, cluster):
            return Decision(True, "")
        if not attributes.resource and attributes.path in ALWAYS_ALLOWED:
            return Decision(True, "")
        if not cluster or cluster == WILDCARD:
            return Decision(False, DENIED)
        who = identities(user, cluster)
        allowed = (deep or self._may_enter(user, cluster, who)) and (
            not is_system_status(attributes)
            and (deep or self._policies.permits(user, cluster, attributes))
            and self.by_rbac(cluster, who, attributes)
        )
        return Decision(allowed, GRANTED if allowed else DENIED)

    def allows(
        self, user: User, cluster: str, attributes: Attributes, *, deep: bool = False
    ) -> bool:
        """Tell whether `decide` allows."""
        return self.decide(user, cluster, attributes, deep=deep).allowed

    def permits(self, user: User, cluster: str, attributes: Attributes) -> bool:
        """Tell whether the maximal permission policy, if there is one, lets a user do this."""
        return is_master(user, cluster) or self._policies.permits(user, cluster, attributes)

    def rules(self, user: User, cluster: str, namespace: str) -> Iterator[PolicyRule]:
        """Yield the rules of RBAC that hold for a user in a namespace of a cluster."""
        who = identities(user, cluster)
        for place in dict.fromkeys((SYSTEM_ADMIN, cluster)):
            for grant in self.rbac.grants(place, who, namespace):
                yield from grant.rules

    def by_rbac(self, cluster: str, who: tuple[Identity, ...], attributes: Attributes) -> bool:
        """Tell whether RBAC of system:admin or of the workspace allows."""
        return self.rbac.allowed(SYSTEM_ADMIN, who, attributes) or (
            cluster != SYSTEM_ADMIN and self.rbac.allowed(cluster, who, attributes)
        )

    def _may_enter(self, user: User, cluster: str, who: tuple[Identity, ...]) -> bool:
        if cluster.startswith("system:"):
            return False
        state = self._clusters.state(cluster)
        if state is None or state.phase not in _OPEN_PHASES or state.is_home_of_another(user):
            return False
        if not _has_required_groups(state, user, who):
            return False
        if is_account(user) and in_scope(user, cluster):
            return True
        return self.by_rbac(cluster, who, _ENTER)


def is_master(user: User, cluster: str) -> bool:
    """Tell whether a user passes everything (scoped masters only where they are in scope)."""
    if MASTERS not in user.groups:
        return False
    return not user.extra or any(MASTERS in who.groups for who in identities(user, cluster))


def is_member(user: User, cluster: str, groups: Iterable[str]) -> bool:
    """Tell whether a user counts in a cluster as a member of one of these groups."""
    return any(group in who.groups for who in identities(user, cluster) for group in groups)


def is_system_status(attributes: Attributes) -> bool:
    """Tell whether a request writes what the server acts upon: masters alone may, through any view.

    The status of an export holds its identity, that of a binding what is bound.
    """
    return (
        attributes.subresource == "status"
        and (attributes.group, attributes.resource) in _SYSTEM_STATUS
        and attributes.verb in _WRITES
    )


def _has_required_groups(state: ClusterState, user: User, who: Iterable[Identity]) -> bool:
    """Check `a,b;c`: (a and b) or c. Service accounts are exempt."""
    if not state.required_groups or is_account(user):
        return True
    held = {group for identity in who for group in identity.groups}
    if ADMIN_GROUP in held or BOOTSTRAPPER_GROUP in held:
        return True
    return any(
        held.issuperset(group.strip() for group in alternative.split(","))
        for alternative in state.required_groups.split(";")
    )
