"""Whoever read something is woken when it changes: marking everything anew changes nothing.

A reconciler that decides by what it reads, and is not woken when that changes, leaves a state that
depends on what happened in which order. The twin looks at everything again, whatever has happened:
if it changes a single object or entry of the index, somebody slept through what concerned him.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterable
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from kcpfast.registry import index
from kcpfast.server import wakes, wire
from kcpfast.server.bootstrap import installation
from kcpfast.server.consistency import _objects as objects
from kcpfast.store.contract import PutRevision, Store, Write
from kcpfast.store.keys import object_key
from kcpfast.store.memory import MemoryStore
from kcpfast.store.subscribers import Subscribers
from tests.controllers.waking import (
    CLAIMED,
    CONFIG_MAPS,
    CRDS,
    NAMESPACES,
    NEEDED,
    OTHER,
    PARTITIONS,
    QUOTAS,
    ROLES,
    SCENES,
    WORKSPACES,
    A,
    B,
    Step,
    crd,
    endpoint_slice,
    partition,
    quota,
    role,
    workspace,
)
from tests.fix_inside import CA, JSON, MERGE, TOKENS, URL, Inside, Json, config_map
from tests.kcp.provider import BINDINGS, EXPORTS, NAME, SCHEMAS, SLICES, binding, export, schema
from tests.models.consistency import problems

T = TypeVar("T")
# What is reconciled by the name of an object of a kind, and what for a whole workspace.
BY_NAME = {
    "apibinding": "apis.kcp.io/apibindings",
    "apiexport": "apis.kcp.io/apiexports",
    "crd": "apiextensions.k8s.io/customresourcedefinitions",
    "logicalcluster": "core.kcp.io/logicalclusters",
    "namespace": "/namespaces",
    "namespace-content": "/namespaces",
    "schema": "apis.kcp.io/apiresourceschemas",
    "slice": "apis.kcp.io/apiexportendpointslices",
    "slices": "apis.kcp.io/apiexports",
    "workspace": "tenancy.kcp.io/workspaces",
    "workspacetype": "tenancy.kcp.io/workspacetypes",
}
BY_CLUSTER = ("aggregation", "apibinding-names", "quota", "quotas")


def everything(store: Store) -> list[Write]:
    """Return the marks of all work there could be."""
    marks: set[tuple[str, str, str]] = set()
    for found in objects(store):
        (storage, cluster, namespace, name), kind = found.place, found.kind
        marks |= {(each, cluster, name) for each, of in BY_NAME.items() if of == kind}
        marks |= {(each, cluster, "") for each in BY_CLUSTER}
        marks |= {("claims", cluster, storage.decode()), ("quota", cluster, namespace)}
        if kind == "/secrets":
            marks.add(("identity", cluster, f"{namespace}/{name}"))
            account, uid = owner_of_token(found.obj)
            key = object_key(b"/serviceaccounts", cluster, namespace, account)
            if account and store.get(key) is None:
                marks.add(("tokens", cluster, f"{namespace}\0{uid}"))
        if kind == BY_NAME["crd"]:
            marks.add(("crd-names", cluster, name.partition(".")[2]))
    return [PutRevision(index.work_item(*each)) for each in sorted(marks)]


def owner_of_token(secret: Json) -> tuple[str, str]:
    """Return name and uid of the account whose token a Secret holds."""
    notes = secret["metadata"].get("annotations") or {}
    words = ("kubernetes.io/service-account.name", "kubernetes.io/service-account.uid")
    name, uid = (notes.get(each, "") for each in words)
    return name, uid


def said(store: Store) -> dict[bytes, bytes]:
    """Return all objects as stored, and the index but for marks."""
    objects = {item.key: b"%d " % item.revision + item.value for item in store.scan(b"").items}
    return objects | {
        key: value for key, value in store.index_scan(b"") if not key.startswith(index.WORK_ITEMS)
    }


def differences(before: dict[bytes, bytes], after: dict[bytes, bytes]) -> list[Any]:
    keys = sorted(before.keys() | after.keys())
    return [
        (key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)
    ]


async def twin(inside: Inside) -> list[Any]:
    """Return what changes if everything is looked at again."""
    await inside.settle(hurry=True)
    before = said(inside.store)
    await inside.store.commit(everything(inside.store))
    await inside.settle(hurry=True)
    return [*differences(before, said(inside.store)), *problems(inside.store, settled=True)]


# ------------------------------------------------------------------------- scenes


class World:
    """A server over a store in memory, which outlives it; `a` and `b` are workspaces."""

    def __init__(self, loop: asyncio.AbstractEventLoop, key: Path, kind: str) -> None:
        self.loop, self.key = loop, key
        self.store = MemoryStore()
        self.run(self.store.commit(installation(wire.core(self.store, CA).objects, URL)))
        self.start()
        for name in ("a", "b"):
            self.send("POST", WORKSPACES, workspace(name, kind))

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(doing)

    def start(self) -> None:
        """Begin a server over what is on disk; nothing of the one before is left."""
        self.store._subscribers = Subscribers()
        parts = wire.core(self.store, CA)
        running = wire.server(parts, wire.Settings(URL, CA, self.key, TOKENS))
        self.inside = Inside(parts, running)

        async def listen() -> None:
            running.controllers.start()

        self.run(listen())

    def send(self, method: str, path: str, body: Json | None = None, turns: int = 0) -> int:
        """Send a request, then let the controllers have some turns."""

        async def sent() -> int:
            media = MERGE if method == "MERGE" else JSON
            verb = "PATCH" if method == "MERGE" else method
            got = await self.inside.send(verb, path, body, token="master", media=media)
            for _ in range(turns):
                await asyncio.sleep(0)
            return got.status

        status = self.run(sent())
        assert status < 500, (method, path, body)
        return status

    def kill(self) -> None:
        """Cut off between two commits what is being done; the marks are there."""
        runtime = self.inside.running.controllers
        runtime._stopped = True
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        for timer in runtime._timers.values():
            timer.cancel()
        self.run(asyncio.sleep(0))
        self.start()

    def end(self) -> None:
        self.run(self.inside.running.controllers.stop())
        self.loop.close()


def play(steps: Iterable[Step], account_key: Path) -> list[Any]:
    """Do one step after the other; return what the twin changes in the end."""
    world = World(asyncio.new_event_loop(), account_key, "organization")
    try:
        for step in steps:
            assert world.send(*step) < 300, step
            world.run(world.inside.settle())
        return world.run(twin(world.inside))
    finally:
        world.end()


@pytest.mark.parametrize("scene", SCENES)
def test_whoever_read_something_is_woken(account_key: Path, scene: str) -> None:
    assert play(chain(*SCENES[scene]), account_key) == []


@pytest.mark.parametrize("row", wakes.WAKES, ids=lambda row: f"{row.kind[1]} {row.controller}")
def test_each_row_is_needed(
    account_key: Path, monkeypatch: pytest.MonkeyPatch, row: wakes.Wake
) -> None:
    same = [each for each in wakes.WAKES if each[0::2] == row[0::2]]
    monkeypatch.setattr(wakes, "WAKES", [each for each in wakes.WAKES if each not in same])
    for scene in NEEDED[row.kind[1], row.controller]:
        assert play(chain(*SCENES[scene]), account_key) != []


# ------------------------------------------------------------------------- any history


def some(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


EXPORTED = some(["v1.lamps"], ["v2.lamps"], ["v9.none"], ["v1.lamps", "v1.bulbs"])
ANSWERS = some((), tuple(CLAIMED[:1]), tuple(CLAIMED))
Made = st.SearchStrategy[tuple[str, Json]]
TRADED: Made = st.one_of(
    st.tuples(st.just(SCHEMAS), st.builds(schema, some("v1", "v2", "v9"), some("lamps", "bulbs"))),
    st.tuples(
        st.just(EXPORTS),
        st.builds(
            lambda name, schemas, claims: export(name, *schemas, permissionClaims=list(claims)),
            some(NAME, OTHER),
            EXPORTED.filter(
                lambda each: len({name.partition(".")[2] for name in each}) == len(each)
            ),
            ANSWERS,
        ),
    ),
    st.tuples(
        st.just(BINDINGS),
        st.builds(
            lambda name, path, of, answers: binding(name, path, of, *answers),
            some("one", "two"),
            some("root:a", "root:b", "root:gone"),
            some(NAME, OTHER),
            ANSWERS,
        ),
    ),
)
OTHERS: Made = st.one_of(
    st.tuples(
        st.just(SLICES),
        st.builds(endpoint_slice, some("root:a", "root:b"), some(NAME, OTHER), some("", "p")),
    ),
    st.tuples(st.just(CRDS), st.builds(crd, some("lamps", "bulbs"), some("Lamp", "Bulb", "Torch"))),
    st.tuples(
        st.just(QUOTAS),
        st.builds(quota, some({"configmaps": "9"}, {"count/lamps.x.example.com": "5"})),
    ),
    st.tuples(
        st.just(ROLES),
        st.builds(
            role,
            some("one", "two"),
            some({}, {"in": "sum"}),
            some(["get"], ["list"]),
            sums_up=st.booleans(),
        ),
    ),
    st.tuples(st.just(CONFIG_MAPS), st.builds(config_map, some("c"))),
    st.tuples(
        st.just(NAMESPACES),
        st.builds(lambda name: {"metadata": {"name": name}}, some("n", "kcp-system")),
    ),
    st.tuples(
        st.just(PARTITIONS),
        st.builds(partition),
    ),
)
GONE = st.one_of(
    st.builds("{}/{}.{}.x.example.com".format, st.just(SCHEMAS), some("v1", "v2"), some("lamps")),
    st.builds("{}/{}".format, some(EXPORTS, SLICES), some(NAME, OTHER)),
    st.builds("{}/{}".format, some(BINDINGS, ROLES), some("one", "two")),
    st.builds("{}/{}.x.example.com".format, st.just(CRDS), some("lamps", "bulbs")),
    st.builds("/api/v1/namespaces/kcp-system/secrets/{}".format, some(NAME, OTHER)),
    some(
        f"{SLICES}/mine",
        f"{QUOTAS}/q",
        f"{PARTITIONS}/p",
        "/api/v1/namespaces/n",
        "/api/v1/namespaces/default/configmaps/c",
        "/api/v1/namespaces/default/configmaps/kube-root-ca.crt",
        "/api/v1/namespaces/default/serviceaccounts/default",
    ),
)


class Controllers(RuleBasedStateMachine):
    """A server whose controllers are killed now and then, and the twin that looks at everything."""

    key: Path

    @initialize(kind=some("universal", "organization"))
    def begin(self, kind: str) -> None:
        self.world = World(asyncio.new_event_loop(), self.key, kind)
        self.send = self.world.send

    @rule(at=some(A, B), made=TRADED | OTHERS, turns=some(0, 3, 9, 200))
    def make(self, at: str, made: tuple[str, Json], turns: int) -> None:
        """Create an object or, if there is one of that name, give it this spec."""
        path, obj = made
        if self.send("POST", at + path, obj, turns) == 409:
            inside = self.world.inside
            old = self.world.run(inside.send("GET", f"{at}{path}/{obj['metadata']['name']}"))
            kept = {"metadata": {**old.body.get("metadata", {}), **obj["metadata"]}}
            self.send("PUT", f"{at}{path}/{obj['metadata']['name']}", {**obj, **kept}, turns)

    @rule(at=some(A, B), made=TRADED, turns=some(0, 3, 9, 200))
    def trade(self, at: str, made: tuple[str, Json], turns: int) -> None:
        """The same of what exports and bindings are made of: here one thing waits for another."""
        self.make(at, made, turns)

    @rule(at=some(A, B), path=GONE, turns=some(0, 3, 9, 200))
    def delete(self, at: str, path: str, turns: int) -> None:
        self.send("DELETE", at + path, None, turns)

    @rule(
        name=some("b", "gone"), again=some("universal", "organization", ""), turns=some(0, 9, 200)
    )
    def replace_workspace(self, name: str, again: str, turns: int) -> None:
        """Delete a workspace, and make it anew if there is none of that name."""
        self.send("DELETE", f"{WORKSPACES}/{name}", None, turns)
        if again:
            self.send("POST", WORKSPACES, workspace(name, again), turns)

    @rule()
    def kill(self) -> None:
        self.world.kill()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            assert self.world.run(twin(self.world.inside)) == []
            self.world.end()


@pytest.fixture(autouse=True, scope="module")
def key_of_accounts(account_key: Path) -> None:
    Controllers.key = account_key


# Failures are told as they are: to make them smaller would take minutes.
Controllers.TestCase.settings = settings(
    max_examples=int(os.environ.get("KCPFAST_WAKES", "30")),
    stateful_step_count=20,
    deadline=None,
    derandomize="KCPFAST_WAKES" not in os.environ,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
TestControllers = Controllers.TestCase
