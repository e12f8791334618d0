"""How many series there are does not depend on how many workspaces there are."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kcpfast.store.contract import Index
from kcpfast.store.lmdb import LmdbStore
from kcpfast.telemetry import exposition, metrics
from tests.fix_inside import CONFIG_MAPS, Inside, config_map

MOST = 1500


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


def test_groups_that_anybody_makes_up_are_counted_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    metric = metrics.Counter("made_up_total", "Made up.", "group", "code")
    seconds = metrics.Histogram("made_up_seconds", "Made up.", "group", buckets=(1,))
    monkeypatch.setattr(exposition, "ALL", (metric, seconds))
    for at in range(2 * MOST):
        metric.add(f"made-up-{at}.example.com", 200)
        seconds.observe(2, f"made-up-{at}.example.com")
    lines = exposition.exposition().splitlines()
    assert len([line for line in lines if not line.startswith(b"#")]) < 5 * MOST // 2
    assert sum(metric.values.values()) == 2 * MOST
    assert sum(row[1] for row in seconds.rows.values()) == 2 * MOST


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
    before = metrics.REQUESTS.values.copy()
    at = await inside.workspace("counted")
    for status in (201, 409):
        got = await inside.send("POST", f"{at}{CONFIG_MAPS}", config_map("a"))
        assert got.status == status
        key = ("POST", "", status)
        assert metrics.REQUESTS.values[key] == before.get(key, 0) + 1
    assert {("POST", "")} <= metrics.REQUEST_SECONDS.rows.keys()
    for gauge in (metrics.IN_FLIGHT, metrics.WATCHES, metrics.QUEUE_DEPTH, metrics.HISTORY):
        assert gauge.read is not None
        assert all(amount >= 0 for _, amount in gauge.read())
    assert ("apibinding",) in metrics.WORK_SECONDS.rows


async def test_commits_are_timed_and_the_file_is_measured(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path)
    before = sum(map(sum, metrics.COMMITS_TOGETHER.rows.values()))
    await store.commit([Index(b"a\0", b"b")])
    assert metrics.STORE_BYTES.read is not None
    ((_, size),) = metrics.STORE_BYTES.read()
    store.close()
    assert sum(map(sum, metrics.COMMITS_TOGETHER.rows.values())) == before + 2
    assert metrics.COMMIT_SECONDS.rows[()][-1] > 0
    assert size >= 4096
