"""Whoever read something is woken when it changes: marking everything anew changes nothing.

A reconciler that decides by what it reads, and is not woken when that changes, leaves a state that
depends on what happened in which order. The twin looks at everything again, whatever has happened:
if it changes a single object or entry of the index, somebody slept through what concerned him.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from kcpfast.registry import index
from kcpfast.server import wire
from kcpfast.server.bootstrap import installation
from kcpfast.store.contract import Stamp, Store, Write
from kcpfast.store.keys import place
from kcpfast.store.memory import MemoryStore
from kcpfast.store.subscribers import Subscribers
from tests.fix_inside import CA, TOKENS, URL, Inside, Json, config_map
from tests.kcp.provider import BINDINGS, EXPORTS, NAME, SCHEMAS, SLICES, binding, export, schema
from tests.models.consistency import problems

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
    for item in store.scan(b"").items:
        storage, cluster, namespace, name = place(item.key)
        kind = storage.decode().partition(":")[0]
        marks |= {(each, cluster, name) for each, of in BY_NAME.items() if of == kind}
        marks |= {(each, cluster, "") for each in BY_CLUSTER}
        marks |= {("claims", cluster, storage.decode()), ("quota", cluster, namespace)}
        if kind == "/secrets":
            marks.add(("identity", cluster, f"{namespace}/{name}"))
        if kind == BY_NAME["crd"]:
            marks.add(("crd-names", cluster, name.partition(".")[2]))
    return [Stamp(index.mark(*each)) for each in sorted(marks)]


def said(store: Store) -> dict[bytes, bytes]:
    """Return all objects as stored, and the index but for marks."""
    objects = {item.key: b"%d " % item.revision + item.value for item in store.scan(b"").items}
    return objects | {
        key: value for key, value in store.index_scan(b"") if not key.startswith(index.MARKS)
    }


def differences(before: dict[bytes, bytes], after: dict[bytes, bytes]) -> list[Any]:
    keys = sorted(before.keys() | after.keys())
    return [
        (key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)
    ]


async def check(inside: Inside) -> None:
    """Let the twin look at everything; nothing may change."""
    await inside.settle(hurry=True)
    before = said(inside.store)
    await inside.store.commit(everything(inside.store))
    await inside.settle(hurry=True)
    assert differences(before, said(inside.store)) == []
    assert problems(inside.store, settled=True) == []


# ------------------------------------------------------------------------- what may happen

OTHER = "y.example.com"
AT = ("/clusters/root:a", "/clusters/root:b")
WORKSPACES = "/clusters/root/apis/tenancy.kcp.io/v1alpha1/workspaces"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
QUOTAS = "/api/v1/namespaces/default/resourcequotas"
ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
PARTITIONS = "/apis/topology.kcp.io/v1alpha1/partitions"
CLAIMED = [
    {"group": "", "resource": "configmaps", "verbs": ["*"]},
    {"group": "", "resource": "secrets", "verbs": ["*"]},
]
Asked = tuple[str, str, Json | None]


def crd(plural: str, kind: str) -> Json:
    names = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
    shape = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": shape}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{NAME}"},
        "spec": {"group": NAME, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def endpoint_slice(path: str, of: str, partition: str) -> Json:
    spec: Json = {"export": {"path": path, "name": of}}
    return {
        "apiVersion": "apis.kcp.io/v1alpha1",
        "kind": "APIExportEndpointSlice",
        "metadata": {"name": "mine"},
        "spec": spec | ({"partition": partition} if partition else {}),
    }


def quota(hard: dict[str, str]) -> Json:
    made = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}}
    return made | {"spec": {"hard": hard}}


def role(name: str, labels: dict[str, str], verbs: list[str], *, sums_up: bool) -> Json:
    meta = {"name": name, "labels": labels}
    rule_ = {"apiGroups": [""], "resources": ["pods"], "verbs": verbs}
    made: Json = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
    chosen = {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"in": "sum"}}]}}
    return made | {"metadata": meta} | (chosen if sums_up else {"rules": [rule_]})


def workspace(name: str, kind: str) -> Json:
    spec = {"type": {"name": kind, "path": "root"}}
    made = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace"}
    return made | {"metadata": {"name": name}, "spec": spec}


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
    st.tuples(st.just("/api/v1/namespaces/default/configmaps"), st.builds(config_map, some("c"))),
    st.tuples(
        st.just("/api/v1/namespaces"),
        st.builds(lambda name: {"metadata": {"name": name}}, some("n", "kcp-system")),
    ),
    st.tuples(
        st.just(PARTITIONS),
        st.builds(
            lambda: {
                "apiVersion": "topology.kcp.io/v1alpha1",
                "kind": "Partition",
                "metadata": {"name": "p"},
                "spec": {"selector": {}},
            }
        ),
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
        self.loop = asyncio.new_event_loop()
        self.store = MemoryStore()
        self.start()
        self.loop.run_until_complete(
            self.store.commit(installation(wire.core(self.store, CA).objects, URL))
        )
        self.start()
        for name in ("a", "b"):
            self.send("POST", WORKSPACES, workspace(name, kind))

    def start(self) -> None:
        """Begin a server over what is on disk; nothing of the one before is left."""
        self.store._subscribers = Subscribers()
        parts = wire.core(self.store, CA)
        if self.store.revision():
            running = wire.server(parts, wire.Settings(URL, CA, self.key, TOKENS))
            self.inside = Inside(parts, running)
            self.loop.run_until_complete(self._listen())

    async def _listen(self) -> None:
        self.inside.running.controllers.start()

    def send(self, method: str, path: str, body: Json | None = None, turns: int = 0) -> int:
        """Send a request, then let the controllers have some turns."""

        async def sent() -> int:
            got = await self.inside.send(method, path, body, token="master")
            for _ in range(turns):
                await asyncio.sleep(0)
            return got.status

        status = self.loop.run_until_complete(sent())
        assert status < 500, (method, path, body)
        return status

    @rule(at=some(*AT), made=TRADED | OTHERS, turns=some(0, 3, 9, 200))
    def make(self, at: str, made: tuple[str, Json], turns: int) -> None:
        """Create an object or, if there is one of that name, give it this spec."""
        path, obj = made
        if self.send("POST", at + path, obj, turns) == 409:
            old = self.loop.run_until_complete(
                self.inside.send("GET", f"{at}{path}/{obj['metadata']['name']}")
            )
            kept = {"metadata": {**old.body.get("metadata", {}), **obj["metadata"]}}
            self.send("PUT", f"{at}{path}/{obj['metadata']['name']}", {**obj, **kept}, turns)

    @rule(at=some(*AT), made=TRADED, turns=some(0, 3, 9, 200))
    def trade(self, at: str, made: tuple[str, Json], turns: int) -> None:
        """The same of what exports and bindings are made of: here one thing waits for another."""
        self.make(at, made, turns)

    @rule(at=some(*AT), path=GONE, turns=some(0, 3, 9, 200))
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
        """What was being done is cut off between two commits; the marks are there."""
        runtime = self.inside.running.controllers
        runtime._stopped = True
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        for timer in runtime._timers.values():
            timer.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.start()

    def teardown(self) -> None:
        if hasattr(self, "inside"):
            self.loop.run_until_complete(check(self.inside))
            self.loop.run_until_complete(self.inside.running.controllers.stop())
            self.loop.close()


@pytest.fixture(autouse=True, scope="module")
def key_of_accounts(account_key: Path) -> None:
    Controllers.key = account_key


Controllers.TestCase.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
TestControllers = Controllers.TestCase
