"""What entering a workspace does to a kubeconfig: kcp's two contexts, current and previous.

kcp's rules: the context one is in becomes `workspace.kcp.io/previous`, a copy of it that points to
the new workspace becomes `workspace.kcp.io/current`; a cluster entry of kcp's own moves along.
Nothing is written here; the caller saves.
"""

from __future__ import annotations

from kcpfast.cli.client.kubeconfig import CLUSTERS, CONTEXTS, Kubeconfig, NamedEntry
from kcpfast.cli.failure import Failure

CURRENT, PREVIOUS = "workspace.kcp.io/current", "workspace.kcp.io/previous"


def context_of(config: Kubeconfig, name: str) -> NamedEntry:
    """Return a context by name; Failure if there is none."""
    entry = config.find(CONTEXTS, name)
    if entry is None:
        raise Failure(f'current "{name}" context not found')
    return entry


def cluster_of(config: Kubeconfig, context: NamedEntry) -> NamedEntry:
    """Return the cluster of a context; Failure if there is none."""
    name = context.text("cluster")
    entry = config.find(CLUSTERS, name)
    if entry is None:
        raise Failure(f'cluster "{name}" not found in kubeconfig')
    return entry


def enter(config: Kubeconfig, name: str, url: str) -> None:
    """Make the workspace at a URL the current one, coming from the context `name`."""
    context = context_of(config, name)
    cluster = cluster_of(config, context)
    _keep_previous(config, context, cluster)
    config.put(CLUSTERS, CURRENT, {**cluster.content, "server": url}, cluster)
    config.put(CONTEXTS, CURRENT, {**context.content, "cluster": CURRENT}, context)
    config.current = CURRENT


def go_back(config: Kubeconfig, name: str) -> str:
    """Swap the context `name` and the previous one; return the URL one is at now."""
    previous = config.find(CONTEXTS, PREVIOUS)
    if previous is None:
        raise Failure("no previous workspace found in kubeconfig")
    there = cluster_of(config, previous)
    context = context_of(config, name)
    here = cluster_of(config, context)
    _keep_previous(config, context, here)
    content = dict(previous.content)
    if content.get("cluster") == PREVIOUS:
        content["cluster"] = CURRENT
        config.put(CLUSTERS, CURRENT, there.content, there)
    config.put(CONTEXTS, CURRENT, content, previous)
    config.current = CURRENT
    return there.text("server")


def _keep_previous(config: Kubeconfig, context: NamedEntry, cluster: NamedEntry) -> None:
    content = dict(context.content)
    if content.get("cluster") == CURRENT:
        content["cluster"] = PREVIOUS
        config.put(CLUSTERS, PREVIOUS, cluster.content, cluster)
    config.put(CONTEXTS, PREVIOUS, content, context)


def add(config: Kubeconfig, source: str, name: str, url: str) -> bool:
    """Add the context `name`, a copy of `source` that points to a URL; tell whether it is new."""
    context = context_of(config, source)
    cluster = cluster_of(config, context)
    new = config.find(CONTEXTS, name) is None
    config.put(CLUSTERS, name, {**cluster.content, "server": url}, cluster)
    config.put(CONTEXTS, name, {**context.content, "cluster": name}, context)
    return new
