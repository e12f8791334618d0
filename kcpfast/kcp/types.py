"""WorkspaceTypes: what a type extends, what it allows, what it brings."""

from __future__ import annotations

from typing import Any

from kcpfast.kcp import conditions
from kcpfast.resources.resource import Object


def type_status(obj: Object, base_url: str, cluster: str) -> None:
    """Give a WorkspaceType the URLs of its virtual workspaces."""
    name = obj["metadata"]["name"]
    status: dict[str, Any] = obj.setdefault("status", {})
    status["virtualWorkspaces"] = [
        {"type": kind, "url": f"{base_url}/services/{kind}workspaces/{cluster}:{name}"}
        for kind in ("initializing", "terminating")
    ]
    conditions.mark_true(obj, "VirtualWorkspaceURLsReady")
    conditions.summarize(obj)
