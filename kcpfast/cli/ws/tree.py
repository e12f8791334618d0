"""ws tree: draws the workspaces below the current one, or lets one be chosen among all."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from kcpfast.cli.arguments import SWITCH, Command, CommandLine, Flag
from kcpfast.cli.client import workspaces
from kcpfast.cli.client.connect import connect
from kcpfast.cli.client.target import ServerTarget
from kcpfast.cli.failure import RequestRefused
from kcpfast.cli.places import ROOT, WorkspacePlace, place_of, split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kcpfast.cli.client.session import Session

COMMAND = Command(
    "[--full] [--wide | --interactive]",
    "Print the workspaces below the current one as a tree.",
    (
        Flag("full", "Show whole paths instead of names", SWITCH, "f"),
        Flag("interactive", "Browse the workspaces and choose one", SWITCH, "i"),
        Flag("wide", "Show the phases of the workspace and of its logical cluster", SWITCH),
    ),
)
_NO_PHASE = "-"


class Branch(NamedTuple):
    """A workspace with what is below it; `label` is what is drawn."""

    label: str
    below: list[Branch]


class Style(NamedTuple):
    """How workspaces are labelled."""

    full: bool
    wide: bool


def run(call: CommandLine) -> int | None:
    """Print the tree, or browse it."""
    if call.words:
        return None
    target = ServerTarget(call)
    if call.switch("interactive"):
        from kcpfast.cli.ws.browse import browse  # noqa: PLC0415 - rarely wanted

        return browse(target)
    place = place_of(target.server)
    if place is None:
        # A mounted workspace is reached through a URL of its own, which says not where it is.
        print(
            f'Warning: current context URL "{target.server}" does not point directly to a kcp '
            "workspace (may be a mount). Showing tree from root.",
            file=sys.stderr,
        )
        place = WorkspacePlace(target.server, ROOT)
    style = Style(call.switch("full"), call.switch("wide"))
    with connect(target) as session:
        branch = grow(session, place.path, style)
    print("\n".join(draw(branch)), end="\n\n")
    return 0


def grow(session: Session, path: str, style: Style) -> Branch:
    """Return the tree below a path as the server tells it; Refused if the path is off limits."""
    parent, name = split(path)
    phase = _NO_PHASE
    if style.wide and parent:
        phase = _phase(session, parent, name)
    label = _label(session, path if style.full else name, path, phase, style)
    return Branch(label, list(_below(session, path, workspaces.children(session, path), style)))


def _below(
    session: Session, path: str, listed: list[dict[str, Any]], style: Style
) -> Iterator[Branch]:
    for workspace in listed:
        meta, spec = workspace["metadata"], workspace.get("spec") or {}
        if meta.get("deletionTimestamp"):
            continue
        child = f"{path}:{meta['name']}"
        name = child if style.full else meta["name"]
        place = place_of(str(spec.get("URL") or ""))
        mounted = spec.get("mount") is not None
        if mounted:
            name += " [m]"
        if place is None and (mounted or spec.get("URL")):
            # What is below a mount is for its provider to tell.
            yield Branch(_wide(name, workspaces.phase_of(workspace), "", style), [])
            continue
        label = _label(session, name, child, workspaces.phase_of(workspace), style)
        yield Branch(label, list(_below(session, child, _children(session, child), style)))


def _children(session: Session, path: str) -> list[dict[str, Any]]:
    """Return what is in a workspace; nothing if it may not be seen, or is not there (any more)."""
    try:
        return workspaces.children(session, path)
    except RequestRefused as refused:
        if refused.code in (403, 404):
            return []
        raise


def _phase(session: Session, parent: str, name: str) -> str:
    try:
        return workspaces.phase_of(workspaces.get(session, parent, name))
    except RequestRefused:
        return _NO_PHASE


def _label(session: Session, name: str, path: str, phase: str, style: Style) -> str:
    if not style.wide:
        return name
    try:
        inner = workspaces.phase_of(workspaces.logical_cluster(session, path))
    except RequestRefused:
        inner = _NO_PHASE
    return _wide(name, phase, inner, style)


def _wide(name: str, phase: str, inner: str, style: Style) -> str:
    phases = f"  ws={phase or _NO_PHASE}  lc={inner or _NO_PHASE}"
    return name + phases if style.wide else name


def draw(root: Branch) -> list[str]:
    """Return the lines of a tree, under a dot as kcp draws it."""
    return [".", *_lines([root], "")]


def _lines(branches: list[Branch], indent: str) -> Iterator[str]:
    for number, branch in enumerate(branches, 1):
        last = number == len(branches)
        yield f"{indent}{'└── ' if last else '├── '}{branch.label}"
        yield from _lines(branch.below, indent + ("    " if last else "│   "))
