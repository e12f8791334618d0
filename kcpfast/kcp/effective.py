"""Whom a user counts as inside a logical cluster: scopes, foreign service accounts, warrants.

Rules: kcp's extra keys `authentication.kcp.io/scopes`, `authentication.kcp.io/cluster-name` and
`authorization.kcp.io/warrant`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from kcpfast.auth.rbac import Identity
from kcpfast.auth.tokens import CLUSTER_EXTRA, SCOPES_EXTRA
from kcpfast.meta.user import (
    ANONYMOUS,
    AUTHENTICATED,
    SERVICE_ACCOUNT,
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
    return tuple(dict.fromkeys(_identities(user, cluster, _MAX_WARRANTS)))


def _identities(user: User, cluster: str, depth: int) -> Iterator[Identity]:
    scopes = [_clusters(value) for value in user.extras(SCOPES_EXTRA)]
    homes = user.extras(CLUSTER_EXTRA)
    in_scope = all(cluster in scope for scope in scopes)
    if user.name.startswith(SERVICE_ACCOUNT) and homes:
        in_scope = in_scope and homes == (cluster,)
    if in_scope:
        yield Identity(user.name, user.groups)
    else:
        home = frozenset(homes) or frozenset.intersection(*scopes)
        groups = (AUTHENTICATED, *(CLUSTER_GROUP + each for each in sorted(home)))
        yield Identity(_foreign_name(user, homes) or ANONYMOUS, groups)
    for warrant in user.extras(WARRANT_EXTRA) if depth else ():
        carried = _warrant(warrant)
        if carried is not None:
            yield from _identities(carried, cluster, depth - 1)


def _clusters(scope: str) -> frozenset[str]:
    """Return the clusters of one scope, `cluster:a,cluster:b`."""
    return frozenset(
        part.strip().removeprefix("cluster:") for part in scope.split(",") if part.strip()
    )


def _foreign_name(user: User, homes: tuple[str, ...]) -> str:
    account = split_service_account(user.name)
    if account is None or len(homes) != 1:
        return ""
    return f"{FOREIGN_ACCOUNT}{homes[0]}:{account[0]}:{account[1]}"


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


def is_local_account(user: User, cluster: str) -> bool:
    """Tell whether a user is a service account of this very cluster."""
    if not user.name.startswith(SERVICE_ACCOUNT):
        return False
    homes = user.extras(CLUSTER_EXTRA)
    return not homes or homes == (cluster,)
