"""The runs: what is asked of the server, how often, and what comes out."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.load.client import Answer, Line, Target, connect

TENANCY = "apis/tenancy.kcp.io/v1alpha1/workspaces"
_PAYLOAD = "x" * 800


class Row(NamedTuple):
    """One line of the result: a rate, latencies in milliseconds, and what else is to be said."""

    run: str
    total: int
    per_second: float
    p50: float
    p99: float
    note: str = ""


class Plan(NamedTuple):
    """What a run is asked: how many operations, over how many connections, where."""

    total: int
    clients: int
    parent: str
    prefix: str


Request = tuple[str, str, bytes, str]
Requests = Iterator[Request]
JSON, MERGE = "application/json", "application/merge-patch+json"


def objects(parent: str) -> str:
    return f"/clusters/{parent}/api/v1/namespaces/default/configmaps"


def config_map(name: str, text: str = _PAYLOAD) -> bytes:
    obj = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"app": "load"}},
        "data": {"payload": text},
    }
    return json.dumps(obj).encode()


def workspace(name: str, kind: str = "universal") -> bytes:
    obj = {
        "apiVersion": "tenancy.kcp.io/v1alpha1",
        "kind": "Workspace",
        "metadata": {"name": name},
        "spec": {"type": {"name": kind, "path": "root"}},
    }
    return json.dumps(obj).encode()


def quantile(sorted_seconds: list[float], share: float) -> float:
    if not sorted_seconds:
        return 0.0
    return 1000 * sorted_seconds[min(len(sorted_seconds) - 1, int(share * len(sorted_seconds)))]


async def flood(
    lines: list[Line], requests: Requests, good: Callable[[Answer], bool]
) -> tuple[list[float], float, int]:
    """Send requests, one at a time on each line; return latencies, seconds and failures."""
    taken: list[float] = []
    failed = 0
    clock = time.perf_counter

    async def work(line: Line) -> None:
        nonlocal failed
        for method, path, body, media in requests:
            begun = clock()
            answer = await line.ask(method, path, body, media)
            taken.append(clock() - begun)
            if not good(answer):
                failed += 1

    begun = clock()
    await asyncio.gather(*map(work, lines))
    return sorted(taken), clock() - begun, failed


async def measured(
    to: Target, plan: Plan, run: str, requests: Requests, good: Callable[[Answer], bool]
) -> Row:
    lines = await connect(to, plan.clients)
    taken, seconds, failed = await flood(lines, requests, good)
    for line in lines:
        line.close()
    note = f"{failed} failed" if failed else ""
    rate = len(taken) / seconds
    return Row(run, len(taken), rate, quantile(taken, 0.5), quantile(taken, 0.99), note)


def _is(*codes: int) -> Callable[[Answer], bool]:
    return lambda answer: answer.status in codes


async def create(to: Target, plan: Plan) -> Row:
    """Create ConfigMaps of 1 KB."""
    path = objects(plan.parent)
    requests = (("POST", path, config_map(f"{plan.prefix}-{at}"), JSON) for at in range(plan.total))
    return await measured(to, plan, "create", requests, _is(201))


async def update(to: Target, plan: Plan) -> Row:
    """Replace ConfigMaps that a run of create has made."""
    requests = (
        (
            "PUT",
            f"{objects(plan.parent)}/{plan.prefix}-{at}",
            config_map(f"{plan.prefix}-{at}", _PAYLOAD[1:] + "y"),
            JSON,
        )
        for at in range(plan.total)
    )
    return await measured(to, plan, "update", requests, _is(200))


async def get(to: Target, plan: Plan) -> Row:
    """Get ConfigMaps that a run of create has made, the first thousand of them in turn."""
    paths = [f"{objects(plan.parent)}/{plan.prefix}-{at}" for at in range(1000)]
    requests = (("GET", paths[at % len(paths)], b"", JSON) for at in range(plan.total))
    return await measured(to, plan, "get", requests, _is(200))


async def list_all(to: Target, plan: Plan) -> Row:
    """List all ConfigMaps of the default namespace."""
    size = 0

    def good(answer: Answer) -> bool:
        nonlocal size
        size = len(answer.body)
        return answer.status == 200

    path = objects(plan.parent)
    requests = (("GET", path, b"", JSON) for _ in range(plan.total))
    row = await measured(to, plan, "list", requests, good)
    return row._replace(note=f"{size} bytes each")


async def spaces(to: Target, plan: Plan) -> Row:
    """Create workspaces side by side; an answer that is not Ready counts as failed."""
    path = f"/clusters/{plan.parent}/{TENANCY}"
    requests = (("POST", path, workspace(f"{plan.prefix}-{at}"), JSON) for at in range(plan.total))

    def ready(answer: Answer) -> bool:
        return answer.status == 201 and answer.json()["status"]["phase"] == "Ready"

    return await measured(to, plan, "spaces", requests, ready)


async def tree(to: Target, plan: Plan) -> Row:
    """Create workspaces, ten below each, level by level."""
    lines = await connect(to, plan.clients)
    taken: list[float] = []
    seconds, failed, level, left = 0.0, 0, [plan.parent], plan.total
    while left:
        names = [f"{above}:{plan.prefix}{at}" for above in level for at in range(10)][:left]
        requests = (
            (
                "POST",
                f"/clusters/{name.rpartition(':')[0]}/{TENANCY}",
                workspace(name.rpartition(":")[2]),
                JSON,
            )
            for name in names
        )
        some, spent, wrong = await flood(lines, requests, _is(201))
        taken += some
        seconds, failed, level, left = seconds + spent, failed + wrong, names, left - len(names)
    for line in lines:
        line.close()
    taken.sort()
    rate = len(taken) / seconds
    note = f"{failed} failed" if failed else ""
    return Row("tree", len(taken), rate, quantile(taken, 0.5), quantile(taken, 0.99), note)


async def delete(to: Target, plan: Plan) -> Row:
    """Delete the workspace `parent` with all that is in it, until it is gone."""
    above, _, name = plan.parent.rpartition(":")
    path = f"/clusters/{above}/{TENANCY}/{name}"
    (line,) = await connect(to, 1)
    begun = time.perf_counter()
    answer = await line.ask("DELETE", path)
    while answer.status != 404:
        await asyncio.sleep(0.02)
        answer = await line.ask("GET", path)
    seconds = time.perf_counter() - begun
    line.close()
    return Row("delete", plan.total, plan.total / seconds, 1000 * seconds, 1000 * seconds)


async def watch(to: Target, plan: Plan) -> Row:
    """Deliver creates of 8 writers to many watches of one namespace."""
    path = objects(plan.parent)
    readers, writers = await connect(to, plan.clients), await connect(to, 8)
    mark, wanted, delivered = b'"type":"ADDED"', plan.total * plan.clients, 0
    all_there = asyncio.Event()

    def chunk(data: bytes) -> None:
        nonlocal delivered
        delivered += data.count(mark)
        if delivered >= wanted:
            all_there.set()

    first = await writers[0].ask("GET", path + "?limit=1")
    since = first.json()["metadata"]["resourceVersion"]
    await asyncio.gather(
        *(reader.watch(f"{path}?watch=1&resourceVersion={since}", chunk) for reader in readers)
    )
    begun = time.perf_counter()
    requests = (
        ("POST", path, config_map(f"{plan.prefix}-w{at}"), JSON) for at in range(plan.total)
    )
    taken, _, failed = await flood(writers, requests, _is(201))
    await asyncio.wait_for(all_there.wait(), 60)
    seconds = time.perf_counter() - begun
    for line in (*readers, *writers):
        line.close()
    note = f"{plan.clients} watchers" + (f", {failed} failed" if failed else "")
    return Row(
        "watch", delivered, delivered / seconds, quantile(taken, 0.5), quantile(taken, 0.99), note
    )


async def idle(to: Target, plan: Plan) -> Row:
    """Hold watches that nothing happens to; says what each costs the server, if it is local."""
    before = private_memory(to)
    begun = time.perf_counter()
    readers = await connect(to, plan.clients)
    path = f"/clusters/{plan.parent}/api/v1/namespaces/default/secrets?watch=1"
    await asyncio.gather(*(reader.watch(path, lambda _data: None) for reader in readers))
    seconds = time.perf_counter() - begun
    each = (private_memory(to) - before) / plan.clients
    for line in readers:
        line.close()
    return Row("idle", plan.clients, plan.clients / seconds, 0, 0, f"{each:.1f} KiB each")


async def memory(to: Target, plan: Plan) -> Row:
    """Create workspaces and say what each costs the server in private memory."""
    before = private_memory(to)
    row = await spaces(to, plan)
    each = (private_memory(to) - before) / plan.total
    return row._replace(run="memory", note=f"{each:.2f} KiB each")


def private_memory(to: Target) -> float:
    """Return RssAnon in KiB of the local process that listens on the server's port."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            command = status.with_name("cmdline").read_bytes()
            text = status.read_text()
        except OSError:
            continue
        if b"start" in command and _listens(int(status.parent.name), to.port):
            found = next(line for line in text.splitlines() if line.startswith("RssAnon"))
            return float(found.split()[1])
    raise SystemExit("the server is not a process of this machine")


def _listens(pid: int, port: int) -> bool:
    inodes: set[str] = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(fields[9])
    try:
        opened = {handle.readlink().name for handle in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return False
    return any(f"socket:[{inode}]" in opened for inode in inodes)


Run = Callable[[Target, Plan], Any]
RUNS: dict[str, Run] = {
    "create": create,
    "delete": delete,
    "get": get,
    "idle": idle,
    "list": list_all,
    "memory": memory,
    "spaces": spaces,
    "tree": tree,
    "update": update,
    "watch": watch,
}
