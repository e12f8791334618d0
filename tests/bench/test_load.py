"""The load client's runs do what they say, on a small scale and on a real server."""

from __future__ import annotations

import pytest

from bench.load import suite
from bench.load.__main__ import plan, run
from tests.harness.process import ServerProcess

STEPS = [step._replace(total=20, clients=min(step.clients, 8)) for step in suite.STEPS]


def test_suite_runs_without_failures(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "STEPS", STEPS)
    with plan(server.kubeconfig, prefix="suite") as asked:
        rows = run(asked, ["suite"])
    assert {row.name.split()[0] for row in rows} >= {step.run for step in STEPS}
    assert [row for row in rows if "FAILED" in row.note or "left out" in row.what] == []
    assert all(row.value > 0 for row in rows if row.name not in ("idle", "memory"))


def test_runs_that_need_workspaces_are_named_where_there_are_none(server: ServerProcess) -> None:
    with plan(server.kubeconfig, parent="") as asked:
        (row,) = run(asked, ["tree"])
    assert row.what == "left out: it needs workspaces"
