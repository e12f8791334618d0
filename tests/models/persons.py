"""Whom a user counts as in a workspace: scopes, service accounts from elsewhere, warrants.

Slow, and obvious: the rules are those of the kcp documentation, "Effective users".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from kcpfast.meta.user import User

AUTHENTICATED = "system:authenticated"
BINDING = "apis.kcp.io:binding:"
ACCOUNT = "system:serviceaccount:"
HOME, SCOPES = "authentication.kcp.io/cluster-name", "authentication.kcp.io/scopes"
WARRANT = "authorization.kcp.io/warrant"


class Person(NamedTuple):
    """A name and groups that count together."""

    name: str
    groups: frozenset[str]


def scopes_of(user: User) -> list[set[str]]:
    """Return the sets of clusters that all hold for a user."""
    return [
        {part.strip().removeprefix("cluster:") for part in value.split(",") if part.strip()}
        for value in user.extras(SCOPES)
    ]


def home_of(user: User) -> str:
    """Return the cluster of a service account, "" where none is told or the scopes exclude it."""
    homes = user.extras(HOME)
    if not user.name.startswith(ACCOUNT) or len(homes) != 1:
        return ""
    return homes[0] if all(homes[0] in scope for scope in scopes_of(user)) else ""


def in_scope(user: User, cluster: str) -> bool:
    """Tell whether a user counts as what they are in a cluster."""
    if user.name.startswith(ACCOUNT) and user.extras(HOME) not in ((), (cluster,)):
        return False
    return all(cluster in scope for scope in scopes_of(user))


def warranted(user: User) -> Iterator[User]:
    """Yield a user and all that stand behind them."""
    yield user
    for text in user.extras(WARRANT):
        given = json.loads(text)
        extra = tuple((key, tuple(value)) for key, value in (given.get("extra") or {}).items())
        carried = User(given.get("user", ""), "", tuple(given.get("groups") or ()), extra)
        if not carried.name.startswith(ACCOUNT) or carried.extras(HOME):
            yield from warranted(carried)


def outside(user: User) -> Person:
    """Return whom a user counts as where they are not in scope."""
    if AUTHENTICATED not in user.groups:
        return Person("system:anonymous", frozenset(["system:unauthenticated"]))
    clusters = set.intersection(*scopes_of(user)) if scopes_of(user) else set()
    if home_of(user):
        clusters = {home_of(user)}
    groups = frozenset([AUTHENTICATED, *(f"system:cluster:{each}" for each in clusters)])
    if home_of(user):
        name = user.name.removeprefix(ACCOUNT)
        return Person(f"system:kcp:serviceaccount:{home_of(user)}:{name}", groups)
    return Person("system:anonymous", groups)


def persons(user: User, cluster: str) -> list[Person]:
    """Return whom a user counts as in a cluster."""
    return [
        Person(each.name, frozenset(each.groups)) if in_scope(each, cluster) else outside(each)
        for each in warranted(user)
    ]


def bound_persons(user: User, cluster: str) -> list[Person]:
    """Return whom the owner of an export takes a user of a consumer for."""
    found = []
    for each in warranted(user):
        person = Person(each.name, frozenset(each.groups))
        if each.name.startswith(ACCOUNT):
            if home_of(each):
                name = each.name.removeprefix(ACCOUNT)
                name = f"system:kcp:serviceaccount:{home_of(each)}:{name}"
                person = Person(name, person.groups)
            else:
                known = AUTHENTICATED in each.groups
                group = AUTHENTICATED if known else "system:unauthenticated"
                person = Person("system:anonymous", frozenset([group]))
        elif cluster != "*" and not in_scope(each, cluster):
            person = outside(each)
        groups = frozenset(BINDING + group for group in person.groups)
        found.append(Person(BINDING + person.name, groups))
    return found
