"""Questions about what refers to other workspaces: who may bind to an export, or use a type."""

from __future__ import annotations

import json
from random import Random
from typing import NamedTuple

from kcpfast.meta.user import Attributes, User
from kcpfast.transport.messages import Response
from tests.doors.asking import Asker, Client, Door, Seen, Twin
from tests.doors.world import DECKS, LAMPS, MAPS, OFFERS, RBAC_GROUP, SHOP
from tests.fix_inside import Json
from tests.models.persons import persons
from tests.models.rights import Denied, allows

APIS, TENANCY = "apis.kcp.io", "tenancy.kcp.io"
PLURALS = {
    "apibindings": (APIS, "v1alpha2", "APIBinding"),
    "apiexportendpointslices": (APIS, "v1alpha1", "APIExportEndpointSlice"),
    "workspaces": (TENANCY, "v1alpha1", "Workspace"),
    "workspacetypes": (TENANCY, "v1alpha1", "WorkspaceType"),
    "clusterroles": (RBAC_GROUP, "v1", "ClusterRole"),
}
# What a new role may grant: verb, group, resource.
GRANTS = tuple(
    (verb, kind.group, resource)
    for kind in (LAMPS, MAPS, DECKS)
    for verb in ("get", "create", "*")
    for resource in (kind.resource, "*")
)
NOWHERE = "nosuch"


class Making(NamedTuple):
    """Who wants to make something that refers to an export (or a type) of another workspace."""

    who: Asker
    door: Door
    plural: str
    to: str


def making(of: Random, who: Asker, door: Door) -> Making:
    """Return any such question."""
    plural = of.choice(tuple(PLURALS))
    to = of.choice((*OFFERS, NOWHERE))
    if plural == "workspaces":
        to = "slow"
    elif plural == "clusterroles":
        to = "/".join(of.choice(GRANTS))
    return Making(who, door._replace(export=""), plural, to)


async def ask_making(client: Client, asked: Making) -> Seen:
    """Ask, as a dry run."""
    group, version, kind = PLURALS[asked.plural]
    headers = asked.who.headers(client.world)
    headers |= {b"content-type": b"application/json", b"accept": b"application/json"}
    path = f"{asked.door.prefix(client.world)}/apis/{group}/{version}/{asked.plural}"
    obj = {"apiVersion": f"{group}/{version}", "kind": kind, "metadata": {"name": "asked"}}
    obj |= _rules(asked) if kind == "ClusterRole" else {"spec": _spec(asked)}
    body = json.dumps(obj).encode()
    got = await client.raw("POST", (path, "dryRun=All"), headers, body, asked.who.peer())
    assert isinstance(got, Response)
    return Seen(got.status, frozenset(), got.body)


def _rules(asked: Making) -> Json:
    verb, group, resource = asked.to.split("/")
    return {"rules": [{"verbs": [verb], "apiGroups": [group], "resources": [resource]}]}


def _spec(asked: Making) -> Json:
    path = OFFERS[asked.to][0] if asked.to in OFFERS else SHOP
    export = {"name": asked.to, "path": path}
    if asked.plural == "apibindings":
        return {"reference": {"export": export}}
    if asked.plural == "apiexportendpointslices":
        return {"export": export}
    if asked.plural == "workspaces":
        return {"type": export}
    return {"defaultAPIBindings": [{"export": asked.to, "path": path}]}


def expected_making(twin: Twin, asked: Making) -> int:
    """Return the status of the answer."""
    cluster = asked.door.cluster(twin.world)
    group, version, _ = PLURALS[asked.plural]
    make = Attributes("create", group, version, asked.plural)
    try:
        user = twin.acting(asked.who, cluster)
    except Denied:
        return 403
    if twin.rights.sleeps(cluster, make) or not twin.rights.decide(user, cluster, make):
        return 403
    if cluster == "*":
        return 405
    if asked.plural == "clusterroles":
        return 201 if _may_grant(twin, user, cluster, asked) else 403
    return 201 if _may_refer(twin, user, cluster, asked) else 403


def _may_grant(twin: Twin, user: User, cluster: str, asked: Making) -> bool:
    """Nobody grants by a role what they do not hold, unless they may escalate it."""
    escalate = Attributes("escalate", RBAC_GROUP, "*", "clusterroles", name="asked")
    if twin.rights.decide(user, cluster, escalate):
        return True
    verb, group, resource = asked.to.split("/")
    wanted, who = Attributes(verb, group, "", resource), persons(user, cluster)
    return any(
        allows(rule, wanted) and not rule.get("resourceNames")
        for place in dict.fromkeys(("system:admin", cluster))
        for rule in twin.rights.rules(place, who, "")
    )


def _may_refer(twin: Twin, user: User, cluster: str, asked: Making) -> bool:
    rights, ids = twin.rights, twin.world.clusters
    if asked.plural == "workspaces":
        types = ((ids[SHOP], "slow"), ("root", "universal"))
        return all(
            rights.decide(
                user, place, Attributes("use", TENANCY, "v1alpha1", "workspacetypes", name=name),
                deep=True,
            )
            for place, name in types
        )  # fmt: skip
    place = ids[OFFERS[asked.to][0] if asked.to in OFFERS else SHOP]
    bind = Attributes("bind", APIS, "v1alpha1", "apiexports", name=asked.to)
    there = rights.facts.one(APIS, "apiexports", place, asked.to) is not None
    if not there and asked.plural != "workspacetypes":
        return rights.is_master(user, cluster)
    return rights.decide(user, place, bind, deep=True) or (
        asked.plural == "workspacetypes" and rights.is_master(user, cluster)
    )
