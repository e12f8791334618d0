"""The runs: what is asked of a server, how often, and what comes out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from bench.load.client import Flood, Request, Target, Watching
from bench.load.local import Process, live_pages
from bench.row import Row

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
TENANCY = "apis/tenancy.kcp.io/v1alpha1/workspaces"
_LEASES = "apis/coordination.k8s.io/v1"
_PAYLOAD = "x" * 800
_WRITERS = 8
_DEADLINE = 300.0


class Plan(NamedTuple):
    """Where a run works, how much it does, and over how many connections.

    `master` may list over all workspaces; `process` and `store` are there for a server of this
    machine. `parent` is a workspace, "" for a server that has none.
    """

    to: Target
    master: Target
    process: Process | None
    store: Path
    parent: str
    prefix: str
    total: int
    clients: int

    @property
    def base(self) -> str:
        """What paths begin with."""
        return f"/clusters/{self.parent}" if self.parent else ""

    @property
    def maps(self) -> str:
        """The path of the ConfigMaps that the runs work with."""
        return f"{self.base}/api/v1/namespaces/default/configmaps"

    def name(self, at: int) -> str:
        """Return the name of an object."""
        return f"{self.prefix}-{at:06}"


def obj(version: str, kind: str, name: str, **members: object) -> bytes:
    """Return an object as JSON."""
    meta = {"name": name, "labels": {"app": "load"}}
    return json.dumps({"apiVersion": version, "kind": kind, "metadata": meta} | members).encode()


def config_map(name: str, text: str = _PAYLOAD) -> bytes:
    """Return a ConfigMap that is stored as 1 KB."""
    return obj("v1", "ConfigMap", name, data={"payload": text})


def lease(name: str) -> bytes:
    """Return an object of 1 KB of a kind that nobody else uses."""
    return obj("coordination.k8s.io/v1", "Lease", name, spec={"holderIdentity": _PAYLOAD})


def workspace(name: str) -> bytes:
    """Return a workspace of type universal."""
    kind = {"name": "universal", "path": "root"}
    return obj("tenancy.kcp.io/v1alpha1", "Workspace", name, spec={"type": kind})


def rate(plan: Plan, name: str, what: str, run: Callable[[], Flood]) -> Row:
    """Return the row of a run that counts requests per second."""
    before = plan.process.cpu() if plan.process else 0
    found = run()
    note = f"p50 {found.quantile(0.5):.2f} ms, p99 {found.quantile(0.99):.2f} ms"
    if plan.process:
        note += f", server {1e6 * (plan.process.cpu() - before) / len(found.taken):.0f} us"
    note += f", client {1e6 * found.own / len(found.taken):.0f} us"
    if found.failed:
        note += f", {found.failed} FAILED"
    return Row(name, what, found.rate, "/s", note=note)


def creates(plan: Plan) -> list[Request]:
    """Return the creates of a plan."""
    names = [plan.name(at) for at in range(plan.total)]
    return [Request("POST", plan.maps, config_map(name)) for name in names]


def create(plan: Plan) -> Row:
    """Durable creates of 1 KB."""
    return rate(
        plan,
        f"create {plan.clients}",
        f"durable creates of 1 KB, {plan.clients} clients",
        lambda: plan.to.flood(creates(plan), plan.clients, 201),
    )


def update(plan: Plan) -> Row:
    """Updates of what a run of create has made."""
    names = [plan.name(at) for at in range(plan.total)]
    text = _PAYLOAD[1:] + "y"
    asked = [Request("PUT", f"{plan.maps}/{name}", config_map(name, text)) for name in names]
    return rate(
        plan,
        f"update {plan.clients}",
        f"updates of 1 KB, {plan.clients} clients",
        lambda: plan.to.flood(asked, plan.clients),
    )


def get(plan: Plan) -> Row:
    """GETs of what a run of create has made, up to a thousand of them in turn."""
    each = 20
    names = [plan.name(at % 1000) for at in range(0, plan.total // each)]
    asked = [Request("GET", f"{plan.maps}/{name}", times=each) for name in names]
    return rate(
        plan,
        "get",
        f"GET of 1 KB, {plan.clients} connections",
        lambda: plan.to.flood(asked, plan.clients),
    )


def _listed(plan: Plan, name: str, what: str, asked: Request, to: Target | None = None) -> Row:
    before = plan.process.cpu() if plan.process else 0
    found = (to or plan.to).flood([asked], 1)
    note = f"{found.size / len(found.taken) / 1e6:.1f} MB"
    if plan.process:
        spent = (plan.process.cpu() - before) / len(found.taken)
        note += (
            f", server {1000 * spent:.1f} ms, client {1000 * found.own / len(found.taken):.1f} ms"
        )
    if found.failed:
        note += f", {found.failed} FAILED"
    return Row(name, what, found.quantile(0.5) / 1000, "s", note=note)


def count(plan: Plan) -> int:
    """Return how many objects a list has."""
    return len(plan.to.ask("GET", plan.maps).json()["items"])


def list_all(plan: Plan) -> Row:
    """The list of all ConfigMaps."""
    asked = Request("GET", plan.maps, times=plan.total)
    return _listed(plan, "list", f"list of {count(plan):,} objects of 1 KB", asked)


def list_table(plan: Plan) -> Row:
    """The same list as kubectl asks for it."""
    asked = Request("GET", plan.maps + "?limit=0", accept=TABLE, times=plan.total)
    return _listed(plan, "table", f"the same {count(plan):,} as Table", asked)


def list_page(plan: Plan) -> Row:
    """The first page of that list."""
    asked = Request("GET", plan.maps + "?limit=500", times=plan.total * 5)
    return _listed(plan, "page", "its first page of 500", asked)


def _filled(plan: Plan, paths: list[str]) -> None:
    """Make ten leases for each workspace of the plan, spread over workspaces."""
    asked = [
        Request("POST", f"/clusters/{path}/{_LEASES}/namespaces/default/leases", lease(f"l-{at}"))
        for path in paths
        for at in range(10 * plan.total // len(paths))
    ]
    made = plan.to.flood(asked, 64, 201)
    if made.failed:
        raise OSError(f"{made.failed} objects could not be made")


def wildcard(plan: Plan) -> list[Row]:
    """Objects in many workspaces that a run of spaces has made, and as many in one, listed."""
    many = f"list of ten objects in each of {plan.total:,} workspaces"
    _filled(plan, [f"{plan.parent}:{plan.name(at)}" for at in range(plan.total)])
    asked = Request("GET", f"/clusters/*/{_LEASES}/leases", times=10)
    over_all = _listed(plan, "wildcard", many, asked, plan.master)
    _filled(plan, [plan.parent])
    asked = asked._replace(path=f"{plan.base}/{_LEASES}/leases")
    return [over_all, _listed(plan, "one", "list of as many in one workspace", asked)]


def spaces(plan: Plan) -> list[Row]:
    """Workspaces made until Ready, and what each costs in memory."""
    path = f"{plan.base}/{TENANCY}"
    names = [plan.name(at) for at in range(plan.total)]
    asked = [Request("POST", path, workspace(name)) for name in names]
    half = plan.total // 2
    rows = []
    for part, some in (("first half", asked[:half]), ("second half", asked[half:])):
        before = plan.process.private() if plan.process else 0
        what = f"workspaces Ready, {plan.clients} clients, {part} of {plan.total:,}"
        rows.append(rate(plan, "spaces", what, lambda some=some: _made(plan, some)))  # type: ignore[misc]
    if plan.process:
        each = (plan.process.private() - before) / len(asked[half:])
        what = f"private memory for each of the last {half:,} workspaces"
        rows.append(Row("memory", what, max(each, 0), "KiB"))
    return rows


def _made(plan: Plan, asked: list[Request]) -> Flood:
    """Make workspaces; where they are not Ready at once, wait until they are."""
    begun = time.perf_counter()
    found = plan.to.flood(asked, plan.clients, 201, wanted=b'"phase":"Ready"')
    for each in asked if found.failed else ():
        path = f"{each.path}/{json.loads(each.body)['metadata']['name']}"
        while plan.to.ask("GET", path).json().get("status", {}).get("phase") != "Ready":
            if time.perf_counter() - begun > _DEADLINE:
                return found
            time.sleep(0.02)
    return found._replace(seconds=time.perf_counter() - begun, failed=0)


def _levels(top: str, total: int) -> Iterator[list[str]]:
    """Yield the paths of a tree of workspaces, ten below each, level by level."""
    level, left = [top], total
    while left:
        level = [f"{above}:{at}" for above in level for at in "abcdefghij"][:left]
        left -= len(level)
        yield level


def tree(plan: Plan) -> Row:
    """A tree of workspaces, ten below each."""
    top = f"{plan.prefix}-tree"
    plan.to.ask("POST", f"{plan.base}/{TENANCY}", workspace(top))

    def grown() -> Flood:
        floods = []
        for level in _levels(f"{plan.parent}:{top}", plan.total):
            pairs = [path.rpartition(":")[::2] for path in level]
            asked = [
                Request("POST", f"/clusters/{above}/{TENANCY}", workspace(name))
                for above, name in pairs
            ]
            floods.append(_made(plan, asked))
        taken = [each for some in floods for each in some.taken]
        sums = (sum(getattr(some, name) for some in floods) for name in Flood._fields[1:])
        return Flood(taken, *sums)

    what = f"tree of {plan.total:,} workspaces, {plan.clients} clients"
    return rate(plan, "tree", what, grown)


def delete(plan: Plan) -> Row:
    """Delete the tree that a run of tree has made, until nothing of it answers or takes room."""
    top = f"{plan.prefix}-tree"
    pages = live_pages(plan.store) if plan.process else 0
    one = f"{plan.base}/{TENANCY}/{top}"
    leaf = list(_levels(f"{plan.parent}:{top}", plan.total))[-1][-1]
    begun = time.perf_counter()
    plan.to.ask("DELETE", one)
    waiting = {one: (404,), f"/clusters/{leaf}/api/v1/namespaces": (403, 404)}
    while waiting and time.perf_counter() - begun < _DEADLINE:
        waiting = {
            path: codes
            for path, codes in waiting.items()
            if plan.to.ask("GET", path).status not in codes
        }
        time.sleep(0.02)
    gone = time.perf_counter() - begun
    note = f"gone to clients after {gone:.2f} s"
    if plan.process:
        before, left = pages, pages
        pause = time.perf_counter()
        while time.perf_counter() - pause < 3:  # nothing is freed any more
            time.sleep(0.1)
            left = live_pages(plan.store)
            if left < before:
                before, pause = left, time.perf_counter()
        gone = pause - begun
        note += f", {pages - left:,} of {pages:,} pages freed"
    what = f"delete a tree of {plan.total:,} workspaces"
    return Row("delete", what, gone, "s", note=note)


def _watching(plan: Plan, count: int, *, lockstep: bool = False) -> Watching:
    now = plan.to.ask("GET", f"{plan.maps}?limit=1").json()["metadata"]["resourceVersion"]
    return Watching(f"{plan.maps}?watch=1&resourceVersion={now}", count, lockstep=lockstep)


def watch(plan: Plan) -> Row:
    """Creates of 8 writers delivered to many watches."""
    found = plan.to.flood(creates(plan), _WRITERS, 201, watching=_watching(plan, plan.clients))
    what = f"watch deliveries, {plan.clients} watchers, {_WRITERS} writers"
    note = f"{found.rate:.0f} writes/s, client {100 * found.own / found.seconds:.0f} %"
    return Row("watch", what, found.delivered / found.seconds, "/s", note=note)


def event(plan: Plan) -> Row:
    """One event at a time, until the last of many watches has heard of it."""
    watching = _watching(plan, plan.clients, lockstep=True)
    found = plan.to.flood(creates(plan), 1, 201, watching=watching)
    what = f"one event to {plan.clients:,} watchers, last one served"
    note = f"slowest of {plan.total} {found.quantile(1):.0f} ms"
    return Row("event", what, found.quantile(0.5) / 1000, "s", note=note)


def idle(plan: Plan) -> Row:
    """What a watch that nothing happens to costs."""
    watching = Watching(f"{plan.base}/api/v1/namespaces/default/secrets?watch=1", plan.clients)
    with plan.to.watches(watching._replace(watches=50)):
        pass
    before, begun = plan.process.private() if plan.process else 0, time.perf_counter()
    with plan.to.watches(watching):
        seconds = time.perf_counter() - begun
        after = plan.process.private() if plan.process else 0
    what = f"memory for each of {plan.clients:,} idle TLS watches"
    note = f"{plan.clients / seconds:,.0f} opened/s"
    return Row("idle", what, (after - before) / plan.clients, "KiB", note=note)


def metrics(plan: Plan) -> Row:
    """How many series the server has for Prometheus."""
    text = plan.master.ask("GET", "/metrics").body.decode()
    series = sum(1 for line in text.splitlines() if line and not line.startswith("#"))
    return Row("metrics", "metric series", series, "")


class Run(NamedTuple):
    """A run, and whether it needs a server with workspaces."""

    go: Callable[[Plan], Row | list[Row]]
    workspaces: bool = False


RUNS: dict[str, Run] = {
    "create": Run(create),
    "delete": Run(delete, workspaces=True),
    "event": Run(event),
    "get": Run(get),
    "idle": Run(idle),
    "list": Run(list_all),
    "metrics": Run(metrics),
    "page": Run(list_page),
    "spaces": Run(spaces, workspaces=True),
    "table": Run(list_table),
    "tree": Run(tree, workspaces=True),
    "update": Run(update),
    "watch": Run(watch),
    "wildcard": Run(wildcard, workspaces=True),
}
