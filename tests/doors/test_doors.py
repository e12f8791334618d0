"""Nobody learns of what they may not, and nobody is refused what they may, whatever the door.

Tenants are changed at random, and between the changes everybody asks for everything through every
door. A slow twin (`tests/models/rights.py`) that knows only the documented rules says what each
answer must be.
"""

from __future__ import annotations

import asyncio
import json
import os
from functools import cache
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from kcpfast.meta.user import User
from kcpfast.server.certificates import make_account_key
from tests.doors import world as worlds
from tests.doors.asking import (
    ACCEPT,
    COLLECTIONS,
    METHODS,
    NEW,
    Asker,
    Client,
    Door,
    Question,
    Twin,
    agree,
)
from tests.doors.world import (
    BOUND,
    DEPOT,
    KINDS,
    LAMPS,
    MAPS,
    NAMESPACES,
    OFFERS,
    RBAC,
    SHOP,
    World,
)
from tests.fix_inside import MERGE, Json
from tests.kcp.provider import BINDINGS, EXPORTS
from tests.models.persons import AUTHENTICATED, BINDING, SCOPES, WARRANT
from tests.models.rights import READS, Facts

LONG = bool(os.environ.get("KCPFAST_DOORS"))
QUESTIONS = 40


@cache
def base() -> World:
    key = Path(mkdtemp()) / "sa.key"
    make_account_key(key)
    return asyncio.run(worlds.build(key))


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
WANTED = (
    (User("alice", groups=("team-a", AUTHENTICATED)), ("team-a",)),
    (User("bob", groups=(AUTHENTICATED,)), ()),
    (User("eve", groups=("team-a", "team-b", AUTHENTICATED)), ("team-a", "team-b")),
    (warranted(user="alice"), ()),
    (warranted(user="bob", groups=["team-a", "team-b"]), ()),
    (warranted(user="bob", groups=["system:kcp:admin"]), ()),
    (User("alice", groups=(AUTHENTICATED,), extra=((SCOPES, ("cluster:root",)),)), ()),
)
DOORS = (
    *(Door(path, by_id=by_id) for path in SPACES for by_id in (True, False)),
    *(Door(path, name) for path in (*SPACES, "*") for name in OFFERS),
    *(3 * [Door(path, "crates") for path in ("root:home", "root:away", "*")]),
    Door("*"),
    Door("root:home", "nosuch"),
    Door("*", "nosuch"),
)


PARTS = {"status": ("get", "patch", "update"), "scale": ("get",), "token": ("create",)}
UNFIT = {"watch": ("yaml", "partials"), "list": ("partial",), "deletecollection": ("partial",)}
NAMES = st.sampled_from([f"mk{number}x" for number in range(1, 200)])


def asker(of: Random) -> Asker:
    who = of.choice((*PEOPLE, *PEOPLE[:3]))
    if of.random() < 0.3:
        wanted, groups = of.choice(WANTED)
        who = who._replace(wanted=wanted, asked=groups)
    return who


def question(of: Random, facts: Facts, world: World) -> Question:
    """Return any question, mostly about something that is there."""
    kind = of.choice((*KINDS, LAMPS, LAMPS, MAPS, BOUND))
    verb = of.choice(READS if kind is BOUND else tuple(METHODS))
    whole = verb in ("list", "watch") and of.random() < 0.5
    namespace = of.choice(NAMESPACES) if kind.namespaced and not whole else ""
    part = of.choice([part for part in ("", "", *kind.parts) if not part or verb in PARTS[part]])
    collection = verb in COLLECTIONS
    forms = [each for each in ACCEPT if each not in UNFIT.get(verb, ("partials",))]
    form = of.choice(forms if part in ("", "status") else ["json", "yaml"])
    found = Question(
        asker(of), of.choice(DOORS), verb, kind, part, namespace, "", form,
        of.choice(("", "", "a")) if collection else "",
        verb == "list" and of.random() < 0.3, of.random() < 0.5,
    )  # fmt: skip
    if verb == "create" and not part:
        return found._replace(name=NEW)
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


def subjects() -> st.SearchStrategy[Json]:
    home = base().clusters["root:home"]
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


class Doors(RuleBasedStateMachine):
    """The tenants of one server, changed by its master."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world = base().copied()
        self.inside = worlds.serving(self.world.store, self.world.key)
        self.client = Client(self.inside, self.world)
        self.facts = Facts(self.world.store)
        self.asleep: set[str] = set()
        self.asked = 0

    @initialize()
    def start(self) -> None:
        async def begin() -> None:
            self.inside.running.controllers.start()

        self.loop.run_until_complete(begin())

    # --------------------------------------------------------------------- changes

    def change(self, method: str, path: str, below: str, body: Any = None, *ok: int) -> int:
        """Have the master write something, in a workspace that is awake; let controllers finish."""
        if path in self.asleep and not below.endswith("/logicalclusters/cluster"):
            return 0

        async def go() -> int:
            media = MERGE if method == "PATCH" else "application/json"
            got = await self.inside.send(
                method, f"/clusters/{path}{below}", body, token="master", media=media
            )
            assert got.status in (200, 201, *ok), got.body
            await self.inside.settle()
            return got.status

        status = self.loop.run_until_complete(go())
        self.facts = Facts(self.world.store, self.facts)
        return status

    @rule(
        path=st.sampled_from(SPACES),
        slot=st.integers(0, 2),
        rules=st.lists(RULES, min_size=1, max_size=3),
        whom=st.deferred(lambda: st.lists(subjects(), min_size=1, max_size=2)),
        namespace=st.sampled_from(("", "", "default")),
        enter=st.booleans(),
    )
    def grant(
        self,
        path: str,
        slot: int,
        rules: list[Json],
        whom: list[Json],
        namespace: str,
        enter: bool,
    ) -> None:
        name = f"grant-{slot}"
        self.ungrant(path, slot)
        rules = [{key: each[key] for key in each if each[key]} for each in rules]
        rules += [worlds.ENTER] if enter else []
        self.change("DELETE", path, f"{RBAC}/clusterroles/{name}", None, 404)
        self.change("POST", path, f"{RBAC}/clusterroles", worlds.role(name, rules))
        if namespace:
            below = f"{RBAC}/namespaces/{namespace}/rolebindings"
            self.change("POST", path, below, worlds.granting(name, name, whom, "RoleBinding"))
        else:
            below = f"{RBAC}/clusterrolebindings"
            self.change("POST", path, below, worlds.granting(name, name, whom))

    @rule(path=st.sampled_from(SPACES), slot=st.integers(0, 2))
    def ungrant(self, path: str, slot: int) -> None:
        name = f"grant-{slot}"
        self.change("DELETE", path, f"{RBAC}/clusterrolebindings/{name}", None, 404)
        self.change("DELETE", path, f"{RBAC}/namespaces/default/rolebindings/{name}", None, 404)

    @rule(
        path=st.sampled_from(("root:home", "root:away", DEPOT)),
        states=st.lists(st.sampled_from(("Accepted", "Rejected")), min_size=4, max_size=4),
        verbs=VERBS,
        selector=st.sampled_from(({"matchAll": True}, {"matchLabels": {"tier": "a"}})),
    )
    def answer(self, path: str, states: list[str], verbs: list[str], selector: Json) -> None:
        answers = worlds.answers_of(self.world.identity, selector=selector)
        for each, state in zip(answers, states, strict=True):
            each["state"], each["verbs"] = state, verbs
        body = {"spec": {"permissionClaims": answers}}
        self.change("PATCH", path, f"{BINDINGS}/crates", body, 404)

    @rule(verbs=VERBS)
    def claim(self, verbs: list[str]) -> None:
        claims = worlds.claims_of(self.world.identity, tuple(verbs))
        self.change("PATCH", DEPOT, f"{EXPORTS}/crates", {"spec": {"permissionClaims": claims}})

    @rule(name=st.sampled_from(("lights", "decks")), policy=st.booleans())
    def permit(self, name: str, policy: bool) -> None:
        body: Json = {"spec": {"maximalPermissionPolicy": {"local": {}} if policy else None}}
        self.change("PATCH", SHOP, f"{EXPORTS}/{name}", body)

    @rule(
        path=st.sampled_from(("root:home", "root:away", DEPOT)),
        name=st.sampled_from(tuple(OFFERS)),
        again=st.booleans(),
    )
    def bind(self, path: str, name: str, again: bool) -> None:
        self.change("DELETE", path, f"{BINDINGS}/{name}", None, 404)
        if again:
            obj = worlds.bound(name, name, worlds.answers_of(self.world.identity))
            self.change("POST", path, BINDINGS, obj)

    @rule(path=st.sampled_from(SPACES), groups=st.sampled_from((None, "team-b", "team-a,team-b;x")))
    def require(self, path: str, groups: str | None) -> None:
        self.annotate(path, "authorization.kcp.io/required-groups", groups)

    @rule(path=st.sampled_from(SPACES), asleep=st.booleans())
    def sleep(self, path: str, asleep: bool) -> None:
        self.annotate(path, "core.kcp.io/inactive", "true" if asleep else None)
        (self.asleep.add if asleep else self.asleep.discard)(path)

    def annotate(self, path: str, key: str, value: str | None) -> None:
        below = "/apis/core.kcp.io/v1alpha1/logicalclusters/cluster"
        self.change("PATCH", path, below, {"metadata": {"annotations": {key: value}}})

    # --------------------------------------------------------------------- questions

    @rule(seed=st.integers(0, 1 << 24))
    def ask(self, seed: int) -> None:
        """Ask questions that a number stands for."""
        self.asked += 1
        twin, of = Twin(self.facts, self.world), Random(f"{seed} {self.asked}")
        for _ in range(QUESTIONS):
            asked = question(of, self.facts, self.world)
            wanted = twin.expected(asked)
            if wanted.status == 403 and of.random() < 0.7:
                continue  # most are refused most things: that is soon known
            for _ in range(2):  # the second time it may be remembered
                seen = self.loop.run_until_complete(self.client.ask(asked, self.facts))
                assert agree(asked, seen, wanted), (asked, seen, wanted)

    def teardown(self) -> None:
        self.loop.run_until_complete(self.inside.running.controllers.stop())
        self.loop.close()


Doors.TestCase.settings = settings(
    max_examples=1000 if LONG else 40,
    stateful_step_count=30 if LONG else 12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestDoors = Doors.TestCase
