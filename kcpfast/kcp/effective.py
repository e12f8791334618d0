"""Whom a user counts as inside a logical cluster: scopes, foreign service accounts, warrants.

Rules: kcp's extra keys `authentication.kcp.io/scopes`, `authentication.kcp.io/cluster-name` and
`authorization.kcp.io/warrant`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from kcpfast.auth.rbac import Identity
from kcpfast.auth.tokens import CLUSTER_EXTRA, SCOPES_EXTRA
from kcpfast.meta.cluster import WILDCARD
from kcpfast.meta.user import (
    ANONYMOUS,
    AUTHENTICATED,
    SERVICE_ACCOUNT,
    UNAUTHENTICATED,
    User,
    split_service_account,
    user_of,
)

WARRANT_EXTRA = "authorization.kcp.io/warrant"
FOREIGN_ACCOUNT = "system:kcp:serviceaccount:"
CLUSTER_GROUP = "system:cluster:"
_MAX_WARRANTS = 8


def identities(user: User, cluster: str) -> tuple[Identity, ...]:
    """Return whom a user counts as in a cluster: any of them may be allowed something."""
    counted = (_inside(each, cluster) for each in _carried(user, _MAX_WARRANTS))
    return tuple(dict.fromkeys(counted))


def consumers(user: User, cluster: str) -> tuple[Identity, ...]:
    """Return whom the owner of an export takes a user of a consumer's cluster for.

    Names and groups are those of the user in that cluster (in any, for `*`); a service account is
    known by its name outside of its workspace, and one that does not tell where it is from is
    nobody in particular, as kcp has it.
    """
    counted = (_abroad(each, cluster) for each in _carried(user, _MAX_WARRANTS))
    return tuple(dict.fromkeys(counted))


def _carried(user: User, depth: int) -> Iterator[User]:
    """Yield a user and all whose warrants they carry."""
    yield user
    for text in user.extras(WARRANT_EXTRA) if depth else ():
        carried = _warrant(text)
        if carried is not None:
            yield from _carried(carried, depth - 1)


def _inside(user: User, cluster: str) -> Identity:
    if in_scope(user, cluster):
        return Identity(user.name, user.groups)
    home = _home(user)
    known = (home,) if home else sorted(_scope(user) or ())
    return _stranger(user, _foreign_name(user, home), known)


def _abroad(user: User, cluster: str) -> Identity:
    if is_account(user):
        home = _home(user)
        return Identity(_foreign_name(user, home), user.groups) if home else _stranger(user, "")
    return Identity(user.name, user.groups) if cluster == WILDCARD else _inside(user, cluster)


def _stranger(user: User, name: str, clusters: Iterable[str] = ()) -> Identity:
    """Return what is left of a user who is not in scope: whether somebody knows who they are."""
    if AUTHENTICATED not in user.groups:
        return Identity(ANONYMOUS, (UNAUTHENTICATED,))
    groups = (AUTHENTICATED, *(CLUSTER_GROUP + each for each in clusters))
    return Identity(name or ANONYMOUS, groups)


def is_account(user: User) -> bool:
    """Tell whether a user is a service account."""
    return user.name.startswith(SERVICE_ACCOUNT)


def in_scope(user: User, cluster: str) -> bool:
    """Tell whether a user counts as they are in a cluster.

    A service account that does not tell its home is taken for one of the cluster: access reviews
    name accounts in this way.
    """
    scope = _scope(user)
    if scope is not None and cluster not in scope:
        return False
    return not is_account(user) or user.extras(CLUSTER_EXTRA) in ((), (cluster,))


def _scope(user: User) -> frozenset[str] | None:
    """Return the clusters that all of a user's scopes name, None for a user without scopes."""
    scopes = [_clusters(value) for value in user.extras(SCOPES_EXTRA)]
    return frozenset.intersection(*scopes) if scopes else None


def _clusters(scope: str) -> frozenset[str]:
    """Return the clusters of one scope, `cluster:a,cluster:b`."""
    return frozenset(
        part.strip().removeprefix("cluster:") for part in scope.split(",") if part.strip()
    )


def _home(user: User) -> str:
    """Return the cluster of a service account, "" if it tells none.

    Who acts as an account says where that is from; nobody is believed beyond their own scope.
    """
    homes, scope = user.extras(CLUSTER_EXTRA), _scope(user)
    if not is_account(user) or len(homes) != 1 or (scope is not None and homes[0] not in scope):
        return ""
    return homes[0]


def _foreign_name(user: User, home: str) -> str:
    account = split_service_account(user.name)
    if account is None or not home:
        return ""
    return f"{FOREIGN_ACCOUNT}{home}:{account[0]}:{account[1]}"


def _warrant(text: str) -> User | None:
    """Return the user a warrant stands for; one for a service account must say from where."""
    try:
        carried = json.loads(text)
        user = user_of(carried)
    except (ValueError, TypeError, AttributeError):
        return None
    if user.name.startswith(SERVICE_ACCOUNT) and not user.extras(CLUSTER_EXTRA):
        return None
    return user
