"""Chooses at random: who asks what through which door, and what somebody is granted."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import hypothesis.strategies as st

from kcpfast.meta.user import SERVICE_ACCOUNTS, User
from tests.doors import world as worlds
from tests.doors.asking import ACCEPT, COLLECTIONS, METHODS, NEW, SLOW, Asker, Door, Question
from tests.doors.world import (
    BOUND,
    CLAIMED,
    DEPOT,
    ITSELF,
    KINDS,
    LAMPS,
    MAPS,
    NAMESPACES,
    OFFERS,
    ROOMS,
    SHOP,
    World,
)  # fmt: skip
from tests.fix_inside import Json
from tests.models.facts import Facts
from tests.models.persons import ACCOUNT, AUTHENTICATED, BINDING, SCOPES, WARRANT
from tests.models.rights import READS


def warranted(**user: Any) -> User:
    """Return somebody who carries a warrant."""
    return User("mallory", groups=(AUTHENTICATED,), extra=((WARRANT, (json.dumps(user),)),))


SPACES = ("root:home", "root:away", "root:other", SHOP, DEPOT)
PEOPLE = (
    Asker("alice", ("team-a",)),
    Asker("bob", ("team-b",)),
    Asker("carol", ("team-a", "team-b")),
    Asker(""),
    Asker("robot", token="root:home"),
    Asker("robot", token=DEPOT),
    Asker("admin", token="admin"),
    Asker("master", token="master"),
)
ROBOT = (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:default", AUTHENTICATED)
PROVIDERS = (PEOPLE[1], PEOPLE[1], *PEOPLE[5:])
WANTED = (
    (User("alice", groups=("team-a", AUTHENTICATED)), ("team-a",)),
    (User("bob", groups=(AUTHENTICATED,)), ()),
    (User("eve", groups=("team-a", "team-b", AUTHENTICATED)), ("team-a", "team-b")),
    (warranted(user="alice"), ()),
    (warranted(user="bob", groups=["team-a", "team-b"]), ()),
    (warranted(user="bob", groups=["system:kcp:admin"]), ()),
    (User("alice", groups=(AUTHENTICATED,), extra=((SCOPES, ("cluster:root",)),)), ()),
    (User(f"{ACCOUNT}default:robot", groups=ROBOT), ()),
    (User("x", groups=("system:kcp:initializer:y", AUTHENTICATED)), ("system:kcp:initializer:y",)),
)
DOORS = (
    *(Door(path, by_id=by_id) for path in (*SPACES, *SPACES[:2]) for by_id in (True, False)),
    *(Door(path, name) for path in (*SPACES, "*") for name in OFFERS),
    *(3 * [Door(path, "boxes") for path in ("root:home", "root:away", "*")]),
    *(Door(path, SLOW) for path in ("root:baby", "root:baby", "root:home", "*")),
    Door("*"),
    Door("root:home", "nosuch"),
    Door("*", "nosuch"),
)


# What is asked for at a view most of the time: what it shows.
SHOWN = {
    name: (*kinds, *(CLAIMED if name == "boxes" else ())) for name, (_, kinds) in OFFERS.items()
}
SHOWN[SLOW] = (LAMPS, ROOMS, MAPS, ITSELF)
PARTS = {"status": ("get", "patch", "update"), "scale": ("get",), "token": ("create",)}
UNFIT = {"watch": ("yaml", "partials"), "list": ("partial",), "deletecollection": ("partial",)}
NAMES = st.sampled_from([f"mk{number}x" for number in range(1, 200)])


def asker(of: Random, door: Door | None = None) -> Asker:
    """Return anybody, some as somebody else; at a view mostly somebody who may look through it."""
    who = of.choice((*PEOPLE, *PEOPLE[:3], *PEOPLE[:3]))
    if door is not None and door.export and of.random() < 0.6:
        who = of.choice(PROVIDERS)
    if of.random() < 0.25:
        wanted, groups = of.choice((*WANTED, *WANTED[:3]))
        who = who._replace(wanted=wanted, asked=groups)
    return who


def question(of: Random, facts: Facts, world: World) -> Question:
    """Return any question, mostly about something that is there."""
    door = of.choice(DOORS)
    kind = of.choice((*KINDS, LAMPS, LAMPS, MAPS, BOUND, ITSELF))
    if door.export in SHOWN and of.random() < 0.7:
        kind = of.choice(SHOWN[door.export])
    part = of.choice(kind.parts) if kind.parts and of.random() < 0.35 else ""
    verb = of.choice(PARTS.get(part, READS if kind in (BOUND, ITSELF) else tuple(METHODS)))
    whole = verb in ("list", "watch") and of.random() < 0.5
    namespace = of.choice(NAMESPACES) if kind.namespaced and not whole else ""
    collection = verb in COLLECTIONS
    forms = [each for each in ACCEPT if each not in UNFIT.get(verb, ("partials",))]
    form = of.choice(forms if part in ("", "status") else ["json", "yaml"])
    found = Question(
        asker(of, door), door, verb, kind, part, namespace, "", form,
        of.choice(("", "", "a")) if collection else "",
        verb == "list" and of.random() < 0.3, of.random() < 0.5,
        stolen=verb == "list" and of.random() < 0.3,
    )  # fmt: skip
    if verb == "list" and not found.paged and of.random() < 0.2:
        found = found._replace(past=True)
    if kind in (LAMPS, MAPS) and of.random() < 0.1:
        found = found._replace(spelled=True)
    if kind is ITSELF:
        return found._replace(name="cluster" if verb == "get" else "", tier="")
    if verb == "create" and not part:
        return found._replace(name=NEW, tier=of.choice(("", "a", "b")))
    if collection and (verb == "deletecollection" or of.random() < 0.7):
        return found
    things = facts.all(kind.group, kind.resource, found.door.cluster(world))
    names = [each.name for each in things if each.namespace == namespace and each.name[:2] == "mk"]
    # What is updated is sent back as it was.
    names = names if verb == "update" and names else [*names, NEW]
    return found._replace(name=of.choice(names))


VERBS = st.lists(
    st.sampled_from(["get", "list", "watch", "create", "update", "patch", "delete",
                     "deletecollection", "*"]), min_size=1, max_size=4, unique=True)  # fmt: skip
PLACES = (
    *(([each.group], [each.resource]) for each in KINDS),
    *(([each.group], [f"{each.resource}/{part}"]) for each in KINDS for part in each.parts),
    (["*"], ["*"]),
    ([""], ["*"]),
    (["*"], ["*/status"]),
    (["x.example.com", ""], ["*"]),
)
RULES = st.one_of(
    st.builds(
        lambda verbs, place, names: {
            "verbs": verbs, "apiGroups": place[0], "resources": place[1], "resourceNames": names},
        VERBS, st.sampled_from(PLACES), st.just([]) | st.lists(NAMES, max_size=30)),
    st.just({"verbs": ["*"], "apiGroups": ["core.kcp.io"], "resources": ["logicalclusters"]}),
    st.just({"verbs": ["bind"], "apiGroups": ["apis.kcp.io"], "resources": ["apiexports"]}),
    st.just({"verbs": ["initialize", "use"], "apiGroups": ["tenancy.kcp.io"],
             "resources": ["workspacetypes"]}),
    st.just({"verbs": ["create"], "apiGroups": ["rbac.authorization.k8s.io"],
             "resources": ["*"]}),
    st.just({"verbs": ["create"], "apiGroups": ["tenancy.kcp.io", "apis.kcp.io"],
             "resources": ["*"]}),
    st.just({"verbs": ["access"], "nonResourceURLs": ["/"]}),
    st.just({"verbs": ["impersonate"], "apiGroups": ["*"], "resources": ["*"]}),
    st.builds(
        lambda verbs: {
            "verbs": verbs, "apiGroups": ["apis.kcp.io"], "resources": ["apiexports/content"]},
        VERBS),
    st.builds(
        lambda verbs: {
            "verbs": verbs, "apiGroups": ["apis.kcp.io"], "resources": ["apibindings"]}, VERBS),
)  # fmt: skip


def subjects(world: World) -> st.SearchStrategy[Json]:
    """Return whom something may be granted to."""
    home = world.clusters["root:home"]
    names = [
        ("User", "alice"),
        ("User", "bob"),
        ("Group", "team-a"),
        ("Group", "team-b"),
        ("Group", AUTHENTICATED),
        ("Group", "system:unauthenticated"),
        ("Group", f"system:cluster:{home}"),
        ("User", f"system:kcp:serviceaccount:{home}:default:robot"),
    ]
    prefixed = [(kind, BINDING + name) for kind, name in names]
    every = [*names, *prefixed, ("ServiceAccount", "robot")]
    return st.sampled_from(every).map(lambda each: worlds.subject(*each))
