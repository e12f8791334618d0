"""ws create, create workspace: makes a workspace, waits for it, and enters it if asked to."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from kcpfast.cli.arguments import SWITCH, Command, CommandLine, Flag
from kcpfast.cli.client import workspaces
from kcpfast.cli.client.connect import connect
from kcpfast.cli.client.target import ServerTarget
from kcpfast.cli.failure import Failure, RequestRefused
from kcpfast.cli.places import ROOT
from kcpfast.cli.ws.create_context import create as create_context
from kcpfast.cli.ws.going import go

if TYPE_CHECKING:
    from kcpfast.cli.client.session import Session

COMMAND = Command(
    "NAME [--type TYPE] [--enter]",
    "Create a workspace in the current one, and wait until it is ready.",
    (
        Flag("create-context", "Create a kubeconfig context of this name for the workspace"),
        Flag("enter", "Enter the workspace once it is ready", SWITCH),
        Flag("ignore-existing", "Be content if the workspace exists, with that type", SWITCH),
        Flag("location-selector", "Labels of the shards that the workspace may be put on"),
        Flag("type", "Type of the workspace, as NAME or PATH:NAME; its parent has a default"),
    ),
    (
        ("create a workspace and enter it", "my-workspace --enter"),
        ("create one of a type that another workspace has", "my-org --type root:organization"),
    ),
)
_DEPRECATED = (
    "Command \"create\" is deprecated, install the 'kubectl create workspace' plugin instead, "
    "compare https://docs.kcp.io/kcp/latest/setup/kubectl-plugin/."
)
_PATIENCE, _VISIBLE = 60.0, 5.0
_OPERATORS = {"absent": "DoesNotExist", "exists": "Exists", "in": "In", "notin": "NotIn"}


def run(call: CommandLine) -> int:
    """Create the workspace that is named; Failure if the server refuses or it gets not ready."""
    if call.spelled.startswith("kubectl ") and call.spelled.endswith(" create"):
        print(_DEPRECATED, file=sys.stderr)
    if len(call.words) != 1:
        raise Failure(f"accepts 1 arg(s), received {len(call.words)}")
    target = ServerTarget(call)
    name, kind = call.words[0], type_of(call.text("type"))
    given = call.text("type").removeprefix(":")
    if call.switch("ignore-existing") and given and not f"{given}:".startswith(f"{ROOT}:"):
        raise Failure("--ignore-existing must not be used with non-absolute type path")
    body = manifest(name, kind, call.text("location-selector"))
    here = target.place.path
    with connect(target) as session:
        created = _make(session, here, body, ignore_existing=call.switch("ignore-existing"))
    url = str((created.get("spec") or {}).get("URL") or target.place.at(f"{here}:{name}").url)
    context = call.text("create-context")
    if context:
        again, enter = call.switch("ignore-existing"), call.switch("enter")
        create_context(target, context, url, overwrite=again, enter=enter)
    elif call.switch("enter"):
        go(target, name)
    return 0


def type_of(text: str) -> dict[str, str]:
    """Return the reference to a type that --type means, {} without one."""
    path, _, name = text.removeprefix(":").rpartition(":")
    if not name:
        return {}
    return {"name": name.lower(), "path": path} if path else {"name": name.lower()}


def manifest(name: str, kind: dict[str, str], selector: str) -> dict[str, Any]:
    """Return the Workspace to be created; Failure if the selector is none."""
    spec: dict[str, Any] = {"type": kind} if kind else {}
    if selector:
        spec["location"] = {"selector": selector_of(selector)}
    return {
        "apiVersion": workspaces.GROUP_VERSION,
        "kind": "Workspace",
        "metadata": {"name": name},
        "spec": spec,
    }


def selector_of(text: str) -> dict[str, Any]:
    """Return a LabelSelector for a text such as "a=b,c in (d,e),!f"; Failure if it is none."""
    from kcpfast.meta.selectors import SelectorError, parse_labels  # noqa: PLC0415 - rare

    try:
        terms = parse_labels(text)
    except SelectorError as error:
        raise Failure(f"invalid location selector: {error}") from None
    labels: dict[str, str] = {}
    expressions: list[dict[str, Any]] = []
    for term in terms:
        if term.operator not in _OPERATORS:
            reason = f'"{term.operator}" is not a valid label selector operator'
            raise Failure(f"invalid location selector: {reason}")
        if term.operator == "in" and len(term.values) == 1 and term.key not in labels:
            labels[term.key] = next(iter(term.values))
            continue
        values = {"values": sorted(term.values)} if term.values else {}
        expressions.append({"key": term.key, "operator": _OPERATORS[term.operator], **values})
    selector = {"matchLabels": labels, "matchExpressions": expressions}
    return {key: value for key, value in selector.items() if value}


def _make(
    session: Session, parent: str, body: dict[str, Any], *, ignore_existing: bool
) -> dict[str, Any]:
    """Create a workspace and wait until it is ready, telling of it; return it."""
    name = body["metadata"]["name"]
    existed = False
    try:
        created = session.request("POST", workspaces.collection(parent), body)
    except RequestRefused as refused:
        if not (ignore_existing and refused.reason == "AlreadyExists"):
            raise
        existed = True
        created = workspaces.get(session, parent, name)
    label = f'Workspace "{name}" (type {workspaces.kind_of(created)})'
    ready = workspaces.phase_of(created) == workspaces.READY
    if existed:
        _check_type(name, body["spec"].get("type"), created)
        print(f"{label} already exists." + ("" if ready else " Waiting for it to be ready..."))
    elif not ready:
        print(f"{label} created. Waiting for it to be ready...", flush=True)
    if not ready:
        created = wait(session, parent, created)
    print(f"{label} is ready to use.", flush=True)
    return created


def _check_type(name: str, asked: dict[str, str] | None, workspace: dict[str, Any]) -> None:
    has = (workspace.get("spec") or {}).get("type") or {}
    if asked and (has.get("name"), has.get("path") or "") != (asked["name"], asked.get("path")):
        raise Failure(
            f'workspace "{name}" cannot be created with type '
            f"{workspaces.kind_of({'spec': {'type': asked}})}, it already exists with different "
            f"type {workspaces.kind_of(workspace)}"
        )


def wait(
    session: Session, parent: str, workspace: dict[str, Any], patience: float = _PATIENCE
) -> dict[str, Any]:
    """Return a workspace once it is ready; Failure says what it waits for if that takes too long.

    A sharded server may need a moment before it shows what it has made.
    """
    name = workspace["metadata"]["name"]
    started, pause = time.monotonic(), 0.02
    while workspaces.phase_of(workspace) != workspaces.READY:
        spent = time.monotonic() - started
        if spent > patience:
            reason = workspaces.waiting_for(workspace)
            raise Failure(f'workspace "{name}" is not ready after {patience:.0f}s ({reason})')
        time.sleep(pause)
        pause = min(pause * 2, 0.5)
        try:
            workspace = workspaces.get(session, parent, name)
        except RequestRefused as refused:
            if refused.code != 404 or spent > _VISIBLE:
                raise
    return workspace
