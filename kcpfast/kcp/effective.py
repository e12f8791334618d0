"""Whom a user counts as inside a logical cluster: scopes, foreign service accounts, warrants.

Rules: kcp's extra keys `authentication.kcp.io/scopes`, `authentication.kcp.io/cluster-name` and
`authorization.kcp.io/warrant`, as EffectiveUsers in kcp's fork of Kubernetes reads them
(kcp: pkg/authorization/warrants.go). Stricter than kcp: a user who is confined to some clusters
counts elsewhere as a service account, or as somebody of a cluster, only of those.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from kcpfast.auth.rbac import Identity
from kcpfast.auth.tokens import CLUSTER_EXTRA, SCOPES_EXTRA
from kcpfast.meta.cluster import WILDCARD
from kcpfast.meta.user import (
    ANONYMOUS,
    AUTHENTICATED,
    SERVICE_ACCOUNT,
    UNAUTHENTICATED,
    WARRANT_EXTRA,
    User,
    is_privileged,
    split_service_account,
    user_of,
)

FOREIGN_ACCOUNT = "system:kcp:serviceaccount:"
CLUSTER_GROUP = "system:cluster:"
_MAX_WARRANTS = 8


def identities(user: User, cluster: str) -> tuple[Identity, ...]:
    """Return whom a user counts as in a cluster: any of them may be allowed something."""
    if not user.extra and not is_account(user):
        return (Identity(user.name, user.groups),)
    counted = (_inside(user_alone, cluster) for user_alone in carried(user))
    return tuple(dict.fromkeys(counted))


def consumers(user: User, cluster: str) -> tuple[Identity, ...]:
    """Return whom the owner of an export takes a user of a consumer's cluster for.

    Names and groups are those of the user in that cluster (in any, for `*`); a service account is
    known by its name outside of its workspace, and one that does not tell where it is from is
    nobody in particular, as kcp has it.
    """
    counted = (_abroad(user_alone, cluster) for user_alone in carried(user))
    return tuple(dict.fromkeys(counted))


def _inside(user: User, cluster: str) -> Identity:
    if in_scope(user, cluster):
        return Identity(user.name, user.groups)
    home = _home(user)
    # An account is somebody of its home alone, even where its scope names more clusters.
    clusters = [home] if home else sorted(_scope(user) or ())
    name = _foreign_name(user, home)
    return _stranger(user, name, clusters)


def _abroad(user: User, cluster: str) -> Identity:
    if is_account(user):
        home = _home(user)
        if not home:
            return _stranger(user, "")
        # Never by its own name: every workspace may have an account of that name.
        return Identity(_foreign_name(user, home), user.groups)
    if cluster == WILDCARD:
        return Identity(user.name, user.groups)
    return _inside(user, cluster)


def _stranger(user: User, name: str, clusters: Iterable[str] = ()) -> Identity:
    """Return whom a user who is not in scope counts as.

    Of their groups, only whether they are authenticated is left; each of `clusters` adds the group
    of its users. Without a `name` they are anonymous.
    """
    if AUTHENTICATED not in user.groups:
        return Identity(ANONYMOUS, (UNAUTHENTICATED,))
    cluster_groups = [CLUSTER_GROUP + cluster for cluster in clusters]
    groups = (AUTHENTICATED, *cluster_groups)
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
    parts = [part.strip() for part in scope.split(",")]
    return frozenset(part.removeprefix("cluster:") for part in parts if part)


def _home(user: User) -> str:
    """Return the cluster of a service account, "" if it tells none.

    Who acts as an account says where that is from; nobody is believed beyond their own scope.
    """
    homes = user.extras(CLUSTER_EXTRA)
    # More than one home is a contradiction, and none of them is believed.
    if not is_account(user) or len(homes) != 1:
        return ""
    home = homes[0]
    scope = _scope(user)
    if scope is not None and home not in scope:
        return ""
    return home


def _foreign_name(user: User, home: str) -> str:
    """Return the name of a service account outside of its home, "" if that is not known."""
    account = split_service_account(user.name)
    if account is None or not home:
        return ""
    namespace, name = account
    return f"{FOREIGN_ACCOUNT}{home}:{namespace}:{name}"


def named_clusters(user: User) -> frozenset[str]:
    """Return the clusters that a user's extras name: as somebody of those they may count."""
    scopes = (_clusters(value) for value in user.extras(SCOPES_EXTRA))
    return frozenset(user.extras(CLUSTER_EXTRA)).union(*scopes)


# ------------------------------------------------------------------------- warrants


class _Warrant(msgspec.Struct):
    """The JSON of a warrant; in kcp, the fields of a SubjectAccessReview's user."""

    user: str = ""
    uid: str = ""
    groups: list[str] | None = None
    extra: dict[str, list[str]] | None = None


def carried(user: User, depth: int = _MAX_WARRANTS) -> Iterator[User]:
    """Yield a user and all those whose warrants they carry, warrants in warrants included.

    What is no warrant is passed over, and what is nested too deep: the depth is the client's to
    choose, and each level is decoded anew.
    """
    yield user
    if not depth:
        return
    for text in user.extras(WARRANT_EXTRA):
        warrant = read_warrant(text)
        if warrant is not None:
            yield from carried(warrant, depth - 1)


def is_sound(user: User, depth: int = _MAX_WARRANTS) -> bool:
    """Tell whether all values of a user's warrant extra are warrants, none nested too deep."""
    warrants = [read_warrant(text) for text in user.extras(WARRANT_EXTRA)]
    if not depth:
        return not warrants
    return all(warrant is not None and is_sound(warrant, depth - 1) for warrant in warrants)


def read_warrant(text: str) -> User | None:
    """Return the user a warrant stands for; one for a service account must say from where."""
    try:
        warrant = msgspec.json.decode(text, type=_Warrant)
    except (ValueError, RecursionError):
        return None
    fields = warrant.extra or {}
    extra = tuple((key, tuple(values)) for key, values in fields.items())
    groups = tuple(warrant.groups or ())
    user = User(warrant.user, warrant.uid, groups, extra)
    if is_account(user) and not user.extras(CLUSTER_EXTRA):
        return None
    return user


def warrant_of(user: User) -> str:
    """Return a user as a warrant."""
    warrant = {
        "user": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": {key: list(values) for key, values in user.extra},
    }
    filled = {key: value for key, value in warrant.items() if value}
    return json.dumps(filled, separators=(",", ":"))


def scoped(user: User, cluster: str) -> User:
    """Return a user confined to one cluster, and likewise all whose warrants they carry.

    An impersonated user is confined so. kcp confines the user, but not those of the warrants.
    """
    extra = dict(user.extra)
    # Added to the scopes, not put in their place: a user is in scope where all scopes agree.
    extra[SCOPES_EXTRA] = (*user.extras(SCOPES_EXTRA), f"cluster:{cluster}")
    texts = user.extras(WARRANT_EXTRA)
    if texts:
        confined = []
        for text in texts:
            warrant = read_warrant(text)
            if warrant is not None:
                confined.append(warrant_of(scoped(warrant, cluster)))
        extra[WARRANT_EXTRA] = tuple(confined)
    return with_extra(user, extra)


def acting_for(info: Mapping[str, Any], caller: User, cluster: str) -> User:
    """Return whom a view acts as for the owner of a workspace (a UserInfo), asked by a caller.

    There it is the owner, without what privileged groups allow; elsewhere it is the caller, whose
    warrant the owner carries. kcp acts as the owner everywhere.
    """
    owner = user_of(info)
    groups = tuple(group for group in owner.groups if not is_privileged(group))
    kept = {key: values for key, values in owner.extra if key in (SCOPES_EXTRA, CLUSTER_EXTRA)}
    unprivileged = owner._replace(groups=groups)
    confined = scoped(with_extra(unprivileged, kept), cluster)
    extra = dict(confined.extra)
    extra[WARRANT_EXTRA] = (warrant_of(caller),)
    return with_extra(confined, extra)


def with_extra(user: User, extra: Mapping[str, tuple[str, ...]]) -> User:
    """Return a user with other extras."""
    return user._replace(extra=tuple(extra.items()))
