"""Questions about paths that name no object: discovery, OpenAPI, metrics, what is for debugging."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from kcpfast.meta.user import Attributes, User
from kcpfast.transport.messages import Response
from tests.doors.asking import SLOW, WORDS, Asker, Client, Door, Seen, Twin
from tests.doors.world import CLAIMED, GADGETS, KINDS, OFFERS, Kind
from tests.models.rights import Denied, Missing

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
GROUPS = ("x.example.com", "y.example.com", "z.example.com", "apps", "")
OF_SERVER = ("/metrics", "/debug/pprof", "/debug/pprof/heap", "/debug/pprof/goroutine")
PATHS = (
    "/api",
    "/apis",
    "/api/v1",
    *(f"/apis/{group}" for group in GROUPS if group),
    *(f"/apis/{group}/v1" for group in GROUPS if group),
    "/openapi/v2",
    "/openapi/v3",
    *(f"/openapi/v3/apis/{group}/v1" for group in GROUPS if group),
    "/version",
    "/livez",
    "/readyz/etcd",
    *OF_SERVER,
)
NOWHERE = Door("")


class PathQuestion(NamedTuple):
    """Who asks for which path, through which door (NOWHERE: the server itself)."""

    who: Asker
    door: Door
    path: str
    aggregated: bool


def path_question(of: Random, who: Asker, door: Door) -> PathQuestion:
    """Return any question about a path."""
    if of.random() < 0.2 or door.export == SLOW:
        door = NOWHERE
    return PathQuestion(who, door, of.choice(PATHS), of.random() < 0.5)


async def ask_path(client: Client, question: PathQuestion) -> Seen:
    """Ask, and return which resources the answer speaks of."""
    headers = question.who.headers(client.world)
    headers[b"accept"] = (AGGREGATED if question.aggregated else "application/json").encode()
    prefix = question.door.prefix(client.world) if question.door != NOWHERE else ""
    where = (prefix + question.path, "")
    got = await client.raw("GET", where, headers, peer=question.who.peer())
    assert isinstance(got, Response)
    names = {each.decode() for each in WORDS.findall(got.body)}
    ids = [cluster for cluster in client.world.clusters.values() if cluster != "root"]
    if got.status >= 300:
        names = set()
    elif question.path == "/metrics":  # it names kinds, and nobody's workspace
        names = {each for each in ids if each.encode() in got.body}
    return Seen(got.status, frozenset(names), got.body)


def expected_path(twin: Twin, question: PathQuestion) -> Seen:
    """Return the answer to a question about a path."""
    try:
        kinds = _told(twin, question)
    except Denied:
        return Seen(403, frozenset())
    except Missing:
        return Seen(404, frozenset())
    if question.path in OF_SERVER and question.door != NOWHERE:
        return Seen(501, frozenset())
    groups = {each.group for each in kinds}
    group = question.path.removeprefix("/apis/")
    if group in GROUPS and group not in groups:
        return Seen(404, frozenset())
    return Seen(200, frozenset(each.resource for each in kinds if _is_about(question, each)))


def _told(twin: Twin, question: PathQuestion) -> list[Kind]:
    """Return the kinds that are served behind a door, for who may ask there."""
    door, path = question.door, Attributes("get", path=question.path)
    cluster = door.cluster(twin.world)
    if door == NOWHERE and question.who.token.startswith("root:"):
        cluster = twin.world.clusters[question.who.token]
    user = twin.acting(question.who, cluster)
    if door.export:
        return _in_view(twin, user, door, path)
    server = door == NOWHERE and question.path == "/metrics"
    place = "root" if server and not cluster else cluster
    if twin.rights.sleeps(cluster, path) or not twin.rights.decide(user, place, path):
        raise Denied
    if cluster in ("", "*"):
        return []
    return [each for each in KINDS if twin.rights.served(cluster, each.group, each.resource)]


def _in_view(twin: Twin, user: User, door: Door, path: Attributes) -> list[Kind]:
    export = twin.export(door)
    twin.rights.in_view(user, export, door.cluster(twin.world), path)
    claimed = CLAIMED if door.export == "boxes" else ()
    return [*OFFERS[door.export][1], *claimed]


def _is_about(question: PathQuestion, kind: Kind) -> bool:
    """Tell whether a path speaks of a kind, if that is served."""
    path, group = question.path, kind.group
    if kind.builtin or (kind is GADGETS and question.door.export):
        return False
    if path in ("/apis", "/openapi/v2"):
        return path == "/openapi/v2" or question.aggregated
    return path in (f"/apis/{group}/v1", f"/openapi/v3/apis/{group}/v1")
