"""All runs at modest numbers, in an order in which each finds what it needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bench.load import runs
from bench.load.churn import beside
from bench.load.runs import Plan, Run, workspace
from bench.row import Row


class Step(NamedTuple):
    """A run with its numbers; `prefix` tells objects of one step from those of another."""

    run: str
    total: int
    clients: int
    prefix: str = "o"


RUNS = {**runs.RUNS, "beside": Run(beside, workspaces=True)}
STEPS = (
    Step("idle", 0, 2000),
    Step("spaces", 1000, 8, "s"),
    Step("tree", 300, 8),
    Step("create", 1000, 1, "c"),
    Step("create", 3500, 16),
    Step("create", 2000, 128, "m"),
    Step("update", 3000, 16),
    Step("get", 30_000, 64),
    Step("beside", 60_000, 64),
    Step("list", 20, 1),
    Step("table", 20, 1),
    Step("page", 20, 1),
    Step("watch", 400, 100, "w"),
    Step("event", 10, 2000, "e"),
    Step("wildcard", 1000, 1, "s"),
    Step("delete", 300, 1),
    Step("metrics", 1, 1),
)


def steps(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """Yield the runs that the server can do, each with its plan."""
    parent = plan.parent
    if parent:
        path = f"{plan.base}/apis/tenancy.kcp.io/v1alpha1/workspaces"
        plan.to.ask("POST", path, workspace(plan.prefix))
        parent = f"{parent}:{plan.prefix}"
    for run, total, clients, prefix in STEPS:
        name = f"{plan.prefix}-{prefix}"
        yield run, plan._replace(parent=parent, prefix=name, total=total, clients=clients)


def run(plan: Plan) -> list[Row]:
    """Return the rows of all runs; those that the server cannot do are named."""
    rows: list[Row] = []
    for name, each in steps(plan):
        if RUNS[name].workspaces and not each.parent:
            rows.append(Row(name, "left out: it needs workspaces", 0, ""))
            continue
        found = RUNS[name].go(each)
        rows += [found] if isinstance(found, Row) else found
    return rows
