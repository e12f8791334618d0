"""kcp quickstart: sets up workspaces and an API to try things out with, and takes them away."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from kcpfast.cli.arguments import NUMBER, SECONDS, SWITCH, Command, CommandLine, Flag
from kcpfast.cli.client import workspaces
from kcpfast.cli.client.connect import connect
from kcpfast.cli.client.target import ServerTarget
from kcpfast.cli.failure import Failure, RequestRefused
from kcpfast.cli.kcp.scenarios import SCENARIOS, ScenarioPlan
from kcpfast.cli.places import ROOT, valid
from kcpfast.cli.ws.going import go

if TYPE_CHECKING:
    from kcpfast.cli.client.session import Session

COMMAND = Command(
    "[--scenario api-provider | workspaces]",
    "Set up workspaces and APIs to try out: a provider and a consumer, or a tree of workspaces.",
    (
        Flag("cleanup", "Delete what an earlier quickstart has set up", SWITCH),
        Flag("enter", "Enter the workspace of the consumer when done", SWITCH),
        Flag("name-prefix", "What the names of the workspaces begin with", default="quickstart"),
        Flag("scenario", "What to set up", default="api-provider", choices=tuple(SCENARIOS)),
        Flag("timeout", "How long to wait for workspaces", SECONDS, "", "10m"),
        Flag("tree-count", "How many workspaces the tree has", NUMBER, "", "50"),
        Flag("tree-depth", "How deep the tree is", NUMBER, "", "3"),
        Flag("tree-seed", "Seed of the tree's shape; 0 takes any", NUMBER, "", "0"),
        Flag("with-samples", "Create objects of the API, too", SWITCH),
    ),
)
_PAUSE = 0.2


def run(call: CommandLine) -> int:
    """Set up a scenario, or take it away, telling of each step; Failure at the first that fails."""
    if call.words:
        raise Failure(f"unexpected arguments: [{' '.join(call.words)}]")
    name = call.text("scenario")
    if name not in SCENARIOS:
        scenarios = " ".join(sorted(SCENARIOS))
        raise Failure(
            f'failed to get scenario: unknown scenario "{name}", available: [{scenarios}]'
        )
    plan = _plan(call)
    target = ServerTarget(call)
    with connect(target) as session:
        if call.switch("cleanup"):
            _clean_up(session, plan)
        else:
            _set_up(session, plan, name)
    if call.switch("cleanup"):
        try:
            go(target, f":{ROOT}")
        except Failure as failure:
            text = "cleanup succeeded but could not switch kubeconfig to :root"
            print(f"Warning: {text}: {failure}", file=sys.stderr)
    elif call.switch("enter"):
        go(target, ":" + plan.path(*SCENARIOS[name].enter))
    return 0


def _plan(call: CommandLine) -> ScenarioPlan:
    prefix, size, depth = (
        call.text("name-prefix"),
        int(call.number("tree-count")),
        int(call.number("tree-depth")),
    )
    for name in (f"{prefix}-consumer", f"{prefix}-ws-{size}"):
        if not prefix or ":" in name or not valid(name):
            raise Failure(f'--name-prefix "{prefix}" produces invalid workspace name "{name}"')
    if depth < 1:
        raise Failure(f"--tree-depth must be >= 1, got {depth}")
    if size < 0:
        raise Failure(f"--tree-count must be >= 0, got {size}")
    seed = int(call.number("tree-seed")) or time.time_ns()
    deadline = time.monotonic() + call.number("timeout")
    return ScenarioPlan(prefix, deadline, call.switch("with-samples"), depth, size, seed)


def _set_up(session: Session, plan: ScenarioPlan, name: str) -> None:
    print(f'Setting up "{name}" scenario with prefix "{plan.prefix}"...\n')
    steps = SCENARIOS[name].steps(plan)
    for number, step in enumerate(steps, 1):
        print(f"Step {number}/{len(steps)}: {step.text}...", flush=True)
        try:
            step.do(session, plan)
        except Failure as failure:
            text = f"step {number}/{len(steps)} failed: {failure}"
            raise Failure(text, failure.hint) from None
    print(SCENARIOS[name].summary(plan))


def _clean_up(session: Session, plan: ScenarioPlan) -> None:
    """Delete the organization; all the rest goes with it."""
    org = f"{plan.prefix}-org"
    path = f"{workspaces.collection(ROOT)}/{org}"
    print(f'Cleaning up quickstart resources with prefix "{plan.prefix}"...\n')
    print(f'Step 1/1: Deleting organization workspace "{org}" with all that is in it...')
    try:
        session.request("DELETE", path)
        print(f'  Waiting for workspace "{org}" and all children to finish terminating...')
        while time.monotonic() < plan.deadline:
            session.get(path)
            time.sleep(_PAUSE)
        raise Failure(f'timed out waiting for workspace "{org}" to terminate')
    except RequestRefused as refused:
        if refused.code != 404:
            raise
    print("\nCleanup complete.")
