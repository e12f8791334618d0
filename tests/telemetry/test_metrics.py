"""How many series there are does not depend on how many workspaces there are."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kcpfast.store.contract import Index
from kcpfast.store.lmdb import LmdbStore
from kcpfast.telemetry import exposition, metrics
from tests.fix_inside import CONFIG_MAPS, Inside, Json, config_map

MOST = 2500


async def series(inside: Inside) -> set[str]:
    """Return the series, without their values."""
    inside.at = ""
    text = (await inside.send("GET", "/metrics", token="master")).body["text"]
    return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}


async def visit(inside: Inside, name: str) -> None:
    """Make a workspace and use it."""
    at = await inside.workspace(name)
    await inside.create(f"{at}{CONFIG_MAPS}", config_map("a"))
    for path in (CONFIG_MAPS, f"{CONFIG_MAPS}/a", f"{CONFIG_MAPS}/none"):
        await inside.send("GET", f"{at}{path}")


async def test_two_hundred_workspaces_have_no_series_of_their_own(inside: Inside) -> None:
    await visit(inside, "first")
    await series(inside)
    before = await series(inside)
    for at in range(200):
        await visit(inside, f"more-{at}")
    assert await series(inside) == before
    assert 4 < len(before) < MOST


VERBS = ("GET", "LIST", "WATCH", "POST", "PUT", "PATCH", "DELETE", "DELETECOLLECTION", "OTHER")
RBAC = "rbac.authorization.k8s.io"
_CONTROLLERS = 26


@pytest.fixture
def _counted_from_nothing(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nothing counted yet, and no group named but the built-in ones."""
    monkeypatch.setattr(metrics.GROUPS, "others", set())
    for metric in metrics.ALL:
        for name in ("values", "rows"):
            if hasattr(metric, name):
                monkeypatch.setattr(metric, name, {})


def crd(group: str, plural: str) -> Json:
    schema = {"openAPIV3Schema": {"type": "object"}}
    names = {"plural": plural, "kind": plural.title(), "singular": plural, "listKind": "Many"}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    spec = {"group": group, "scope": "Cluster", "names": names, "versions": [version]}
    return {"metadata": {"name": f"{plural}.{group}"}, "spec": spec}


async def attack(inside: Inside, group: str) -> None:
    """Serve a group, and send each verb to it, with what is right and what is wrong."""
    await inside.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd(group, "as"))
    await inside.settle()
    path = f"/apis/{group}/v1/as"
    obj = {"apiVersion": f"{group}/v1", "kind": "As", "metadata": {"name": "a"}}
    for method, at, body in (
        ("POST", "", obj), ("POST", "", obj), ("POST", "", 1), ("GET", "", None),
        ("GET", "/a", None), ("GET", "/b", None), ("GET", "?limit=x", None), ("PUT", "/a", obj),
        ("PUT", "/a", {}),
        ("PATCH", "/a", {}), ("PATCH", "/b", {}), ("BREW", "/a", None), ("POST", "/a", obj),
        ("DELETE", "/b", None), ("DELETE", "/a", None), ("DELETE", "", None),
    ):  # fmt: skip
        await inside.send(method, f"{path}{at}", body)
    await inside.send("GET", f"/apis/{group}/v9/{group.partition('.')[0]}")


@pytest.mark.usefixtures("_counted_from_nothing")
async def test_groups_that_tenants_make_up_are_counted_together(inside: Inside) -> None:
    at, counted = inside.at, metrics.ANSWERED_REQUESTS.values
    for number in range(40):
        await attack(inside, f"made-up-{number}.example.com")
    await series(inside)
    before = await series(inside)
    inside.at = at
    for number in range(40, 60):
        await attack(inside, f"made-up-{number}.example.com")
    assert await series(inside) == before
    assert len(before) < MOST
    inside.at = at
    await inside.send("GET", f"/apis/{RBAC}/v1/roles")
    await inside.send("GET", f"/apis/{RBAC}/v1/namespaces/default/roles/none")
    assert counted["LIST", RBAC, 200] == counted["GET", RBAC, 404] == 1
    assert metrics.LISTS.values[RBAC, "roles"] == 1
    groups = {group for _, group, _ in counted}
    assert len([group for group in groups if str(group).startswith("made-up")]) <= 6
    # Late ones lose their group, neither verb nor code.
    others = {
        (verb, code): count for (verb, group, code), count in counted.items() if group == "other"
    }
    assert others["POST", 201] == others["DELETE", 200] == 54
    assert (others["POST", 409], others["POST", 400]) == (108, 54)
    assert {("POST", RBAC), ("LIST", RBAC), ("POST", "other")} & metrics.REQUEST_SECONDS.rows.keys()


@pytest.mark.usefixtures("_counted_from_nothing")
def test_no_labels_at_all_make_too_many_series() -> None:
    """As a client can: each verb, code and group, and each controller for all workspaces."""
    groups = [*metrics.GROUPS.resources, *(f"made-up-{number}" for number in range(300))]
    timed_requests = len(groups) * len(VERBS)
    for group in reversed(groups):
        for verb in VERBS:
            for code in range(200, 600):
                metrics.ANSWERED_REQUESTS.add(verb, group, code)
            metrics.REQUEST_SECONDS.observe(1, verb, group)
        for resource in (*metrics.GROUPS.resources.get(group, ()), "made", "up"):
            metrics.LISTS.add(group, resource)
            metrics.TERMINATED_WATCHES.add(group, resource)
    for number in range(_CONTROLLERS):
        metrics.RETRIES.add(f"controller-{number}")
        for timed in (metrics.WORK_SECONDS, metrics.QUEUE_SECONDS):
            timed.observe(1, f"controller-{number}")
    for timed in (metrics.COMMIT_SECONDS, metrics.DISK_SECONDS, metrics.DELIVERY_SECONDS):
        timed.observe(1)
    metrics.COMMITS_TOGETHER.observe(1)
    metrics.TURN_SECONDS.observe(1)
    lines = exposition.exposition().splitlines()
    assert len([line for line in lines if not line.startswith(b"#")]) < MOST
    assert sum(sum(row[:-1]) for row in metrics.REQUEST_SECONDS.rows.values()) == timed_requests
    assert {(verb, "other") for verb in VERBS} <= metrics.REQUEST_SECONDS.rows.keys()
    assert sum(metrics.ANSWERED_REQUESTS.values.values()) == len(groups) * len(VERBS) * 400
    kept = {(verb, code) for verb, _, code in metrics.ANSWERED_REQUESTS.values}
    assert {(verb, code) for verb in VERBS for code in (200, 201, 404, 500, "5xx")} <= kept
    assert set(metrics.GROUPS.resources) <= {
        group for _, group, _ in metrics.ANSWERED_REQUESTS.values
    }


def test_text_is_what_prometheus_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    counter = metrics.Counter("a_total", "A.", "group", "code")
    counter.add('odd"\n\\', 200)
    counter.add('odd"\n\\', 200)
    histogram = metrics.Histogram("b_seconds", "B.", buckets=(0.5, 1))
    for amount in (0.1, 0.5, 0.7, 9):
        histogram.observe(amount)
    gauge, silent = metrics.Gauge("c", "C.", "kind"), metrics.Gauge("d", "D.")
    gauge.read = lambda: [(("x",), 3)]
    monkeypatch.setattr(exposition, "ALL", (counter, histogram, gauge, silent))
    read = {
        (sample.name, *(sample.labels[key] for key in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(exposition.exposition().decode())
        for sample in family.samples
        if not sample.name.startswith("process_")
    }
    assert read == {
        ("a_total", "200", 'odd"\n\\'): 2,
        ("b_seconds_bucket", "0.5"): 2,
        ("b_seconds_bucket", "1"): 3,
        ("b_seconds_bucket", "+Inf"): 4,
        ("b_seconds_count",): 4,
        ("b_seconds_sum",): pytest.approx(10.3),
        ("c", "x"): 3,
    }


async def test_what_happens_is_counted(inside: Inside) -> None:
    before = metrics.ANSWERED_REQUESTS.values.copy()
    at = await inside.workspace("counted")
    for status in (201, 409):
        got = await inside.send("POST", f"{at}{CONFIG_MAPS}", config_map("a"))
        assert got.status == status
        key = ("POST", "", status)
        assert metrics.ANSWERED_REQUESTS.values[key] == before.get(key, 0) + 1
    assert ("POST", "") in metrics.REQUEST_SECONDS.rows
    for gauge in (
        metrics.IN_FLIGHT, metrics.CURRENT_REQUESTS, metrics.QUEUED, metrics.WATCHES,
        metrics.QUEUE_DEPTH, metrics.UNFINISHED_SECONDS, metrics.LONGEST_SECONDS, metrics.HISTORY,
    ):  # fmt: skip
        assert gauge.read is not None
        assert all(amount >= 0 for _, amount in gauge.read())
    assert ("apibinding",) in metrics.WORK_SECONDS.rows


async def test_commits_are_timed_and_the_file_is_measured(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path)
    before = sum(map(sum, metrics.COMMITS_TOGETHER.rows.values()))
    await store.commit([Index(b"a\0", b"b")])
    assert metrics.STORE_BYTES.read is not None
    ((labels, size),) = metrics.STORE_BYTES.read()
    store.close()
    assert sum(map(sum, metrics.COMMITS_TOGETHER.rows.values())) == before + 2
    (whole, on_disk) = (timed.rows[()] for timed in (metrics.COMMIT_SECONDS, metrics.DISK_SECONDS))
    assert whole[-1] > on_disk[-1] > 0
    assert sum(whole[:-1]) == sum(on_disk[:-1])
    assert labels == ("etcd-0",)
    assert size >= 4096
