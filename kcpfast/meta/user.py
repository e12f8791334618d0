"""The values of authorization: the user of a request, and the attributes of what is requested."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

ANONYMOUS = "system:anonymous"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
MASTERS = "system:masters"
MONITORING = "system:monitoring"
SERVICE_ACCOUNT = "system:serviceaccount:"
SERVICE_ACCOUNTS = "system:serviceaccounts"
ADMIN_GROUP = "system:kcp:admin"
BOOTSTRAPPER_GROUP = "system:kcp:tenancy:workspace-bootstrapper"
CLUSTER_ADMIN_GROUPS = (
    "system:kcp:logical-cluster-admin",
    "system:kcp:external-logical-cluster-admin",
)
LIFECYCLE_GROUPS = ("system:kcp:initializer:", "system:kcp:terminator:")
_PRIVILEGED = (MASTERS, ADMIN_GROUP, BOOTSTRAPPER_GROUP, *CLUSTER_ADMIN_GROUPS)
WARRANT_EXTRA = "authorization.kcp.io/warrant"


def is_privileged(group: str) -> bool:
    """Tell whether a group has rights that no RBAC of a workspace grants.

    Danger: membership must never follow from what a tenant writes (a token request, a webhook, an
    impersonation header that RBAC allows); whoever adds groups to a user asks this first.
    """
    return group in _PRIVILEGED or group.startswith(LIFECYCLE_GROUPS)


class User(NamedTuple):
    """An authenticated user: authentication.k8s.io/v1 UserInfo."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def extras(self, key: str) -> tuple[str, ...]:
        """Return the values of one extra key, none if the user does not have it."""
        for name, values in self.extra:
            if name == key:
                return values
        return ()

    def lasting(self) -> User:
        """Return the user without warrants, for what is stored.

        A warrant gives rights for one request; a stored one would give them for ever.
        """
        if not self.extras(WARRANT_EXTRA):
            return self
        extra = tuple(pair for pair in self.extra if pair[0] != WARRANT_EXTRA)
        return self._replace(extra=extra)

    def info(self) -> dict[str, Any]:
        """Return the UserInfo object."""
        user_info: dict[str, Any] = {"username": self.name}
        if self.uid:
            user_info["uid"] = self.uid
        if self.groups:
            user_info["groups"] = list(self.groups)
        if self.extra:
            user_info["extra"] = {key: list(values) for key, values in self.extra}
        return user_info


def user_of(info: Mapping[str, Any]) -> User:
    """Return the user of a UserInfo object (or of a SubjectAccessReview's spec)."""
    extras = info.get("extra") or {}
    # UserInfo says `username`, the spec of a SubjectAccessReview `user`.
    name = info.get("username") or info.get("user") or ""
    uid = info.get("uid") or ""
    groups = tuple(info.get("groups") or ())
    extra = tuple((key, tuple(values)) for key, values in extras.items())
    return User(name, uid, groups, extra)


ANONYMOUS_USER = User(ANONYMOUS, groups=(UNAUTHENTICATED,))


class Attributes(NamedTuple):
    """What is requested: a verb on a resource, or on a URL path (`resource` is empty then).

    As authorizer.Attributes in k8s.io/apiserver/pkg/authorization/authorizer/interfaces.go.
    """

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    def full_resource(self) -> str:
        """Return `resource/subresource`, as RBAC rules name it."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def service_account(namespace: str, name: str) -> str:
    """Return the user name of a service account."""
    return f"{SERVICE_ACCOUNT}{namespace}:{name}"


def split_service_account(user: str) -> tuple[str, str] | None:
    """Return namespace and name of a service account's user name, None for other users."""
    if not user.startswith(SERVICE_ACCOUNT):
        return None
    namespace, _, name = user[len(SERVICE_ACCOUNT) :].partition(":")
    if not namespace or not name or ":" in name:
        return None
    return namespace, name
