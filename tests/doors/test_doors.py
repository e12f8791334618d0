"""Nobody learns of what they may not, and nobody is refused what they may, whatever the door.

Tenants are changed at random, and between the changes everybody asks for everything through every
door. A slow twin (`tests/models/rights.py`) that knows only the documented rules says what each
answer must be.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kcpfast.server.certificates import make_account_key
from tests.api.test_verbs import Lines
from tests.doors import world as worlds
from tests.doors.asking import NEW, Client, Question, Seen, Twin, agree, marks
from tests.doors.choosing import DOORS, RULES, SPACES, VERBS, asker, question, subjects
from tests.doors.making import Making, ask_making, expected_making, making
from tests.doors.paths import ask_path, expected_path, path_question
from tests.doors.reviews import ask_review, expected_review, review
from tests.doors.world import BOUND_IN, DEPOT, KINDS, NAMESPACES, OFFERS, RBAC, SHOP, TYPES, World
from tests.fix_inside import MERGE, Json
from tests.kcp.provider import BINDINGS, EXPORTS
from tests.models.facts import Facts

LONG = bool(os.environ.get("KCPFAST_DOORS"))
QUESTIONS, OPEN = 40, 12


@cache
def base() -> World:
    key = Path(mkdtemp()) / "sa.key"
    make_account_key(key)
    return asyncio.run(worlds.build(key))


def same_text(told: bytes, other: bytes) -> bool:
    return told == other


def same_page(seen: Seen, wanted: Seen) -> bool:
    return (seen.status, seen.names) == (wanted.status, wanted.names)


def same_told(told: object, wanted: object) -> bool:
    return told == wanted


def ended(lines: Lines) -> bool:
    return lines.closed


class Doors(RuleBasedStateMachine):
    """The tenants of one server, changed by its master."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world = base().copied()
        self.facts = self.before = Facts(self.world.store)
        self.asleep: set[str] = set()
        self.asked = self.seed = 0
        # Watches that were allowed when they began, and what ends them.
        self.open: list[tuple[Question, Lines, Callable[[], None]]] = []

    @initialize(
        seed=st.integers(0, 1 << 24),
        policies=st.booleans(),
        caches=st.sampled_from((True, True, False)),
    )
    def start(self, seed: int, policies: bool, caches: bool) -> None:
        self.inside = worlds.serving(self.world.store, self.world.key, caches=caches)
        self.client = Client(self.inside, self.world)

        async def begin() -> None:
            self.inside.running.controllers.start()

        self.loop.run_until_complete(begin())
        self.seed = seed
        for name in ("lights", "sets") if policies else ():
            self.permit(name, True)

    def random(self) -> Random:
        """Return what the next questions are chosen by."""
        self.asked += 1
        return Random(f"{self.seed} {self.asked}")

    # --------------------------------------------------------------------- changes

    def renew(self) -> None:
        """Look at what is stored now, and remember what was before."""
        self.before, self.facts = self.facts, Facts(self.world.store, self.facts)

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
        self.renew()
        return status

    @rule(
        path=st.sampled_from(SPACES),
        slot=st.integers(0, 2),
        rules=st.lists(RULES, min_size=1, max_size=3),
        whom=st.deferred(lambda: st.lists(subjects(base()), min_size=1, max_size=2)),
        namespace=st.sampled_from(("", "", "default")),
        more=st.sampled_from(((), ("enter",), ("gather",), ("enter", "gather"))),
    )
    def grant(
        self,
        path: str,
        slot: int,
        rules: list[Json],
        whom: list[Json],
        namespace: str,
        more: tuple[str, ...],
    ) -> None:
        name = f"grant-{slot}"
        self.ungrant(path, slot)
        rules = [{key: each[key] for key in each if each[key]} for each in rules]
        rules += [worlds.ENTER] if "enter" in more else []
        labels = {"gather": "yes"} if "gather" in more else {}
        self.change("DELETE", path, f"{RBAC}/clusterroles/{name}", None, 404)
        self.change("POST", path, f"{RBAC}/clusterroles", worlds.role(name, rules, labels))
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
        path=st.sampled_from(BOUND_IN),
        states=st.lists(st.sampled_from(("Accepted", "Rejected")), min_size=5, max_size=5),
        verbs=VERBS,
        selector=st.sampled_from(({"matchAll": True}, {"matchLabels": {"tier": "a"}})),
    )
    def answer(self, path: str, states: list[str], verbs: list[str], selector: Json) -> None:
        answers = worlds.answers_of(self.world.identity, selector=selector)
        for each, state in zip(answers, states, strict=True):
            each["state"], each["verbs"] = state, verbs
        body = {"spec": {"permissionClaims": answers}}
        self.change("PATCH", path, f"{BINDINGS}/boxes", body, 404)

    @rule(verbs=VERBS)
    def claim(self, verbs: list[str]) -> None:
        claims = worlds.claims_of(self.world.identity, tuple(verbs))
        self.change("PATCH", DEPOT, f"{EXPORTS}/boxes", {"spec": {"permissionClaims": claims}})

    @rule(name=st.sampled_from(("lights", "sets")), policy=st.booleans())
    def permit(self, name: str, policy: bool) -> None:
        body: Json = {"spec": {"maximalPermissionPolicy": {"local": {}} if policy else None}}
        self.change("PATCH", SHOP, f"{EXPORTS}/{name}", body, 404)

    @rule(
        path=st.sampled_from(BOUND_IN),
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

    @rule(back=st.booleans())
    def replace(self, back: bool) -> None:
        """Delete an export, and perhaps make one of the same name: it is another one."""
        self.change("DELETE", SHOP, f"{EXPORTS}/sets", None, 404)
        if back:
            self.change("POST", SHOP, EXPORTS, worlds.export_of("sets", policy=True))

    @rule(rules=st.lists(RULES, min_size=1, max_size=2))
    def consent(self, rules: list[Json]) -> None:
        """Change what an initializer may do in workspaces that wait for it."""
        rules = [{key: each[key] for key in each if each[key]} for each in rules]
        body = {"spec": {"initializerPermissions": rules}}
        self.change("PATCH", SHOP, f"{TYPES}/slow", body)

    # --------------------------------------------------------------------- questions

    @invariant()
    def ask(self) -> None:
        """Have anybody ask anything."""
        twin, of = Twin(self.facts, self.world, self.before), self.random()
        for _ in range(QUESTIONS):
            asked = question(of, self.facts, self.world)
            wanted = twin.expected(asked)
            if wanted.status == 403 and of.random() < 0.7:
                continue  # most are refused most things: that is soon known
            for _ in range(2):  # the second time it may be remembered
                seen = self.send(asked)
                assert agree(asked, seen, wanted), (asked, seen, wanted)
            if seen.status in (403, 404) and asked.name[:2] == "mk" and not asked.spelled:
                self.compare(asked, seen)

    def send(self, asked: Question) -> Seen:
        return self.loop.run_until_complete(self.client.ask(asked, self.facts, self.before))

    def compare(self, asked: Question, seen: Seen) -> None:
        """What one may not see must look like what is not there."""
        other = self.send(asked._replace(name=NEW))
        told = seen.text.replace(asked.name.encode(), NEW.encode())
        if asked.verb != "apply" and asked.form not in ("protobuf", "yaml"):
            assert same_text(told, other.text), (asked, seen, other)

    @rule()
    def write(self) -> None:
        """Have anybody write what they may, in earnest."""
        of = self.random()
        for number in range(QUESTIONS // 3):
            asked = question(of, self.facts, self.world)._replace(real=True)
            if asked.verb not in ("create", "delete", "patch") or asked.part:
                continue
            if asked.verb == "create":
                asked = asked._replace(name=f"mk{1000 * self.asked + number}x")
            wanted = Twin(self.facts, self.world, self.before).expected(asked)
            seen = self.send(asked)
            assert agree(asked, seen, wanted), (asked, seen, wanted)
            if seen.status < 300:
                self.loop.run_until_complete(self.inside.settle())
                self.renew()

    @rule()
    def live(self) -> None:
        """What happens to an object is told to who may see it, and to nobody else."""
        of = self.random()
        for _ in range(QUESTIONS):
            asked = question(of, self.facts, self.world)._replace(
                verb="watch", part="", name="", spelled=False
            )
            if self.expected(asked).status == 200 and asked.kind in KINDS:
                break
        else:
            return
        asked = asked._replace(form=of.choice(("json", "table", "partial", "protobuf")))
        lines, stop = self.loop.run_until_complete(self.client.watch(asked))
        path, kind, name = of.choice((*SPACES, asked.door.to)), asked.kind, f"mk{self.asked}000x"
        path = of.choice(SPACES) if path == "*" else path
        below = kind.path(of.choice(NAMESPACES))
        body = worlds.thing(kind, name, of.choice(worlds.TIERS))
        changes = (
            ("POST", below, body),
            ("PATCH", f"{below}/{name}", {"metadata": {"labels": of.choice(worlds.TIERS)}}),
            ("DELETE", f"{below}/{name}", None),
        )
        for method, where, sent in changes:
            before, lines.text = self.expected(asked).names, b""
            self.change(method, path, where, sent, 403, 404)
            self.inside.running.hub.flush()
            changed = self.facts.revision > self.before.revision
            wanted = (before | self.expected(asked).names) & {name} if changed else set()
            assert marks(lines.text, set()) == wanted, (asked, method, path, below, lines.text)
        if len(self.open) < OPEN:
            self.open.append((asked, lines, stop))
        else:
            stop()

    @invariant()
    def follow(self) -> None:
        """A watch stays open no longer than it might begin."""

        async def look() -> None:
            while self.inside.running.hub.asks():  # noqa: ASYNC110 - that happens on this loop
                await asyncio.sleep(0)

        self.loop.run_until_complete(look())
        for asked, lines, stop in tuple(self.open):
            allowed = self.expected(asked).status == 200
            assert allowed or ended(lines), (asked, lines.text)
            if lines.closed:
                self.open.remove((asked, lines, stop))
                stop()

    def expected(self, asked: Question) -> Seen:
        return Twin(self.facts, self.world).expected(asked)

    @invariant()
    def discover(self) -> None:
        """Have anybody ask for paths, and for what they might do."""
        twin, of = Twin(self.facts, self.world), self.random()
        for _ in range(QUESTIONS // 5):
            path = path_question(of, asker(of), of.choice(DOORS))
            seen = self.loop.run_until_complete(ask_path(self.client, path))
            wanted = expected_path(twin, path)
            assert same_page(seen, wanted), (path, seen, wanted)
            asked = review(of, asker(of), of.choice(DOORS), self.world)
            told = self.loop.run_until_complete(ask_review(self.client, asked))
            assert same_told(told, expected_review(twin, asked)), (asked, told)
        for _ in range(QUESTIONS // 10):
            self.refer(twin, making(of, asker(of), of.choice(DOORS)))

    def refer(self, twin: Twin, asked: Making) -> None:
        """Whether an export exists is told only to who may bind to it."""
        seen = self.loop.run_until_complete(ask_making(self.client, asked))
        wanted = expected_making(twin, asked)
        assert same_told(seen.status, wanted), (asked, seen, wanted)
        if seen.status == 403 and asked.to in OFFERS:
            other = asked._replace(to="nosuch")
            text = self.loop.run_until_complete(ask_making(self.client, other)).text
            path = OFFERS.get(asked.to, (SHOP,))[0]
            told = seen.text.replace(f"{path}:{asked.to}".encode(), f"{SHOP}:nosuch".encode())
            assert same_text(told, text), asked

    def teardown(self) -> None:
        for _, _, stop in self.open:
            stop()
        self.loop.run_until_complete(self.inside.running.controllers.stop())
        self.loop.close()


Doors.TestCase.settings = settings(
    max_examples=1000 if LONG else 10,
    stateful_step_count=30 if LONG else 15,
    deadline=None,
    derandomize=not LONG,
    phases=(Phase.reuse, Phase.generate),  # what is asked does not shrink
    suppress_health_check=list(HealthCheck),
)
TestDoors = pytest.mark.timeout(300)(Doors.TestCase)
