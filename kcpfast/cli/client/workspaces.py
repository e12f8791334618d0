"""Workspaces as the server has them: one function for each thing asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kcpfast.cli.client.http1 import segment
from kcpfast.cli.failure import RequestRefused
from kcpfast.cli.places import ROOT, WorkspacePlace, place_of

if TYPE_CHECKING:
    from kcpfast.cli.client.session import Session

Object = dict[str, Any]
GROUP_VERSION = "tenancy.kcp.io/v1alpha1"
READY = "Ready"
_PAGE = "500"


def collection(path: str) -> str:
    """Return the URL path of the workspaces in a workspace."""
    return f"/clusters/{path}/apis/{GROUP_VERSION}/workspaces"


def get(session: Session, parent: str, name: str) -> Object:
    """Return one workspace; Refused if the server does."""
    return session.get(f"{collection(parent)}/{segment(name)}")


def children(session: Session, path: str) -> list[Object]:
    """Return the workspaces in a workspace; Refused if the server does."""
    items: list[Object] = []
    first = f"{collection(path)}?limit={_PAGE}"
    page = session.get(first)
    while True:
        items += page.get("items") or []
        more = (page.get("metadata") or {}).get("continue")
        if not more:
            return items
        page = session.get(f"{first}&continue={segment(more)}")


def logical_cluster(session: Session, path: str) -> Object:
    """Return the LogicalCluster behind a workspace."""
    return session.get(f"/clusters/{path}/apis/core.kcp.io/v1alpha1/logicalclusters/cluster")


def home(session: Session) -> WorkspacePlace | None:
    """Return the user's home workspace, None if the server tells none."""
    url = (get(session, ROOT, "~").get("spec") or {}).get("URL") or ""
    return place_of(url)


def enterable(session: Session, path: str) -> bool:
    """Tell whether a workspace shows any API, which is to be allowed in."""
    try:
        groups = session.get(f"/clusters/{path}/apis")
    except RequestRefused as refused:
        if refused.code in (403, 404):
            return False
        raise
    return bool(groups.get("groups"))


def kind_of(workspace: Object) -> str:
    """Return the type of a workspace as path and name, "" if it has none."""
    reference = (workspace.get("spec") or {}).get("type") or {}
    path, name = reference.get("path") or "", reference.get("name") or ""
    return f"{path}:{name}" if path and name else name


def phase_of(thing: Object) -> str:
    """Return the phase of a Workspace or LogicalCluster, "" if it has none."""
    return str((thing.get("status") or {}).get("phase") or "")


def waiting_for(workspace: Object) -> str:
    """Return why a workspace is not ready, for people: phase, initializers, conditions."""
    status = workspace.get("status") or {}
    parts = [f"phase {phase_of(workspace) or 'unknown'}"]
    if status.get("initializers"):
        parts.append("waiting for " + ", ".join(status["initializers"]))
    parts += [
        str(condition["message"])
        for condition in status.get("conditions") or ()
        if condition.get("status") == "False" and condition.get("message")
    ]
    return "; ".join(parts)
