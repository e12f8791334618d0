"""What `kcp quickstart` sets up: the steps of each scenario, and what they say.

Names, labels and outputs are kcp's, so that what was set up by one can be cleaned up by the other.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from kcpfast.cli.client import bindings, workspaces
from kcpfast.cli.failure import Failure, RequestRefused
from kcpfast.cli.places import ROOT
from kcpfast.cli.ws.create import wait

if TYPE_CHECKING:
    from kcpfast.cli.client.session import Session

_ORGANIZATION = {"name": "organization", "path": ROOT}
_UNIVERSAL = {"name": "universal", "path": ROOT}
_REPORT_EVERY = 25
_GROUP, _VERSION = "wildwest.dev", "v1alpha1"
_TEXT = {"type": "string"}
_SCHEMA = {
    "apiVersion": "apis.kcp.io/v1alpha1",
    "kind": "APIResourceSchema",
    "metadata": {"name": f"today.cowboys.{_GROUP}"},
    "spec": {
        "group": _GROUP,
        "names": {
            "kind": "Cowboy",
            "listKind": "CowboyList",
            "plural": "cowboys",
            "singular": "cowboy",
            "shortNames": ["cb"],
        },
        "scope": "Namespaced",
        "versions": [
            {
                "name": _VERSION,
                "served": True,
                "storage": True,
                "schema": {
                    "description": "Somebody of the wild west.",
                    "type": "object",
                    "properties": {
                        "apiVersion": _TEXT,
                        "kind": _TEXT,
                        "metadata": {"type": "object"},
                        "spec": {"type": "object", "properties": {"intent": _TEXT}},
                        "status": {"type": "object", "properties": {"result": _TEXT}},
                    },
                },
                "subresources": {"status": {}},
            }
        ],
    },
}
_EXPORT = {
    "apiVersion": "apis.kcp.io/v1alpha2",
    "kind": "APIExport",
    "metadata": {"name": "cowboys"},
    "spec": {
        "resources": [
            {
                "name": "cowboys",
                "group": _GROUP,
                "schema": f"today.cowboys.{_GROUP}",
                "storage": {"crd": {}},
            }
        ]
    },
}
_COWBOY = {
    "apiVersion": f"{_GROUP}/{_VERSION}",
    "kind": "Cowboy",
    "metadata": {"name": "john-wayne", "namespace": "default"},
    "spec": {"intent": "good"},
}


class ScenarioPlan(NamedTuple):
    """What is asked for: the names' prefix, how long to wait, and the shape of the tree."""

    prefix: str
    deadline: float
    samples: bool
    depth: int
    size: int
    seed: int

    def path(self, *suffixes: str) -> str:
        """Return the path of a workspace of the scenario, such as path("org", "consumer")."""
        return ":".join([ROOT, *(f"{self.prefix}-{suffix}" for suffix in suffixes)])


class Step(NamedTuple):
    """One step: what is said before it, and what it does."""

    text: str
    do: Callable[[Session, ScenarioPlan], None]


class Scenario(NamedTuple):
    """A scenario: its steps, what is said at the end, and the workspace one may enter then."""

    steps: Callable[[ScenarioPlan], list[Step]]
    summary: Callable[[ScenarioPlan], str]
    enter: tuple[str, ...]


# --------------------------------------------------------------------- what steps are made of


def make_workspace(
    session: Session, plan: ScenarioPlan, parent: str, name: str, kind: dict[str, str]
) -> bool:
    """Make a workspace, or be content with it, and wait for it; tell whether it is new."""
    labels = {"kcp.io/quickstart": "true", "kcp.io/quickstart-prefix": plan.prefix}
    body = {
        "apiVersion": workspaces.GROUP_VERSION,
        "kind": "Workspace",
        "metadata": {"name": name, "labels": labels},
        "spec": {"type": kind},
    }
    new = create(session, workspaces.collection(parent), body)
    workspace = workspaces.get(session, parent, name)
    wait(session, parent, workspace, plan.deadline - time.monotonic())
    return new


def create(session: Session, path: str, body: dict[str, Any]) -> bool:
    """Create an object; tell whether it was not there yet."""
    try:
        session.request("POST", path, body)
    except RequestRefused as refused:
        if refused.reason != "AlreadyExists":
            raise
        return False
    return True


def _workspace(text: str, parent: tuple[str, ...], name: str, kind: dict[str, str]) -> Step:
    def do(session: Session, plan: ScenarioPlan) -> None:
        full = f"{plan.prefix}-{name}"
        new = make_workspace(session, plan, plan.path(*parent), full, kind)
        verb = "created and ready" if new else "already exists"
        print(f'  Workspace "{full}" {verb} at {plan.path(*parent, name)}')

    return Step(text, do)


def _object(text: str, words: tuple[str, ...], group_path: str, body: dict[str, Any]) -> Step:
    def do(session: Session, plan: ScenarioPlan) -> None:
        new = create(session, f"/clusters/{plan.path(*words)}/apis/{group_path}", body)
        verb = "created" if new else "already exists"
        print(f'  {body["kind"]} "{body["metadata"]["name"]}" {verb}')

    return Step(text, do)


def _bind(session: Session, plan: ScenarioPlan) -> None:
    cluster = plan.path("org", "consumer")
    export = {"path": plan.path("org", "provider"), "name": "cowboys"}
    body = {
        "apiVersion": f"{bindings.APIS_GROUP}/{bindings.NEW}",
        "kind": "APIBinding",
        "metadata": {"name": "cowboys"},
        "spec": {"reference": {"export": export}},
    }
    new = create(session, bindings.collection(cluster, bindings.NEW), body)
    binding = bindings.get(session, cluster, bindings.NEW, "cowboys")
    bindings.wait(session, cluster, binding, plan.deadline - time.monotonic())
    print(f'  APIBinding "cowboys" {"created and bound" if new else "already exists"}')


# ------------------------------------------------------------------------------ the scenarios


def _provider_steps(plan: ScenarioPlan) -> list[Step]:
    org, provider, consumer = (
        f'"{plan.prefix}-{name}"' for name in ("org", "provider", "consumer")
    )
    steps = [
        _workspace(f"Creating organization workspace {org}", (), "org", _ORGANIZATION),
        _workspace(
            f"Creating service provider workspace {provider}", ("org",), "provider", _UNIVERSAL
        ),
        _object(
            "Applying APIResourceSchema",
            ("org", "provider"),
            f"{bindings.APIS_GROUP}/{bindings.OLD}/apiresourceschemas",
            _SCHEMA,
        ),
        _object(
            "Applying APIExport",
            ("org", "provider"),
            f"{bindings.APIS_GROUP}/{bindings.NEW}/apiexports",
            _EXPORT,
        ),
        _workspace(f"Creating consumer workspace {consumer}", ("org",), "consumer", _UNIVERSAL),
        Step("Creating APIBinding in consumer workspace", _bind),
    ]
    if plan.samples:
        text = f"Applying sample Cowboy resource in {consumer}"
        collection = f"{_GROUP}/{_VERSION}/namespaces/default/cowboys"
        steps.append(_object(text, ("org", "consumer"), collection, _COWBOY))
    return steps


def _provider_summary(plan: ScenarioPlan) -> str:
    command = (
        "kubectl get cowboys" if plan.samples else "kubectl api-resources --api-group " + _GROUP
    )
    return f"""
Quickstart complete! Here's what was created:

  Workspace hierarchy:
    root
    +-- {plan.prefix}-org (organization)
        +-- {plan.prefix}-provider (universal) - service provider
        |   +-- APIResourceSchema: today.cowboys.{_GROUP}
        |   +-- APIExport: cowboys
        +-- {plan.prefix}-consumer (universal) - API consumer
            +-- APIBinding: cowboys -> {plan.path("org", "provider")}:cowboys

  Try it out:
    kubectl ws :{plan.path("org", "consumer")}
    {command}

  Cleanup:
    kubectl kcp quickstart --cleanup --name-prefix {plan.prefix}"""


def _tree_steps(plan: ScenarioPlan) -> list[Step]:
    text = f"Creating {plan.size} workspaces (max depth {plan.depth}, seed {plan.seed})"
    return [
        _workspace(
            f'Creating organization workspace "{plan.prefix}-org"', (), "org", _ORGANIZATION
        ),
        Step(text, _make_tree),
    ]


def shape(plan: ScenarioPlan) -> list[tuple[str, str, int]]:
    """Return parent, name and depth of the workspaces of a random tree; the same for a seed."""
    chance = random.Random(plan.seed)
    nodes = [(plan.path("org"), 0)]
    tree = []
    for number in range(1, plan.size + 1):
        parent, depth = chance.choice([node for node in nodes if node[1] < plan.depth])
        name = f"{plan.prefix}-ws-{number}"
        nodes.append((f"{parent}:{name}", depth + 1))
        tree.append((parent, name, depth + 1))
    return tree


def _make_tree(session: Session, plan: ScenarioPlan) -> None:
    started = time.monotonic()
    for number, (parent, name, depth) in enumerate(shape(plan), 1):
        if time.monotonic() > plan.deadline:
            raise Failure(f"out of time after {number - 1} of {plan.size} workspaces")
        make_workspace(session, plan, parent, name, _UNIVERSAL)
        if number % _REPORT_EVERY == 0 or number == plan.size:
            rate = number / (time.monotonic() - started)
            print(
                f"  Progress: {number}/{plan.size} workspaces created ({rate:.1f} ws/s, depth so "
                f"far: {depth})",
                flush=True,
            )


def _tree_summary(plan: ScenarioPlan) -> str:
    tree = f"random tree (max depth {plan.depth}, seed {plan.seed})"
    return f"""
Quickstart complete! Here's what was created:

  Workspace hierarchy:
    root
    +-- {plan.prefix}-org (organization)
        +-- {plan.size} child workspaces in a {tree}

  Explore:
    kubectl ws :{plan.path("org")}
    kubectl ws tree

  Cleanup:
    kubectl kcp quickstart --scenario workspaces --cleanup --name-prefix {plan.prefix}"""


SCENARIOS = {
    "api-provider": Scenario(_provider_steps, _provider_summary, ("org", "consumer")),
    "workspaces": Scenario(_tree_steps, _tree_summary, ("org",)),
}
