"""The phases of workspaces, and the labels by which initializers and terminators find them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from kcpfast.kcp import conditions
from kcpfast.registry import index
from kcpfast.registry.metadata import status_of
from kcpfast.registry.objects import Target
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Index, Store, Write

PHASE_LABEL = "tenancy.kcp.io/phase"
INITIALIZER_LABEL = "initializer.internal.kcp.io/"
TERMINATOR_LABEL = "terminator.internal.kcp.io/"
_KEY_LENGTH = 63


def label(prefix: str, name: str) -> tuple[str, str]:
    """Return the label that stands for an initializer or terminator."""
    value = hashlib.sha224(name.encode()).hexdigest()
    return prefix + value[: _KEY_LENGTH - len(prefix)], value


def relabel(obj: Object) -> None:
    """Give a LogicalCluster the labels that its status asks for, and no other of their kind."""
    status, meta = status_of(obj), obj["metadata"]
    labels = {
        key: value
        for key, value in (meta.get("labels") or {}).items()
        if not key.startswith((INITIALIZER_LABEL, TERMINATOR_LABEL))
    }
    if status.get("phase"):
        labels[PHASE_LABEL] = status["phase"]
    labels |= dict(label(INITIALIZER_LABEL, name) for name in status.get("initializers") or ())
    labels |= dict(label(TERMINATOR_LABEL, name) for name in status.get("terminators") or ())
    if labels:
        meta["labels"] = labels
    else:
        meta.pop("labels", None)


def index_hooks(target: Target, old: Object | None, new: Object | None) -> Iterable[Write]:
    """File a LogicalCluster under the initializers and terminators that it has labels of.

    None while it is Ready: terminators stand there all its life, and nobody waits for it then.
    """
    before, after = _labels(old), _labels(new)
    for key in before - after:
        yield Index(index.labelled(key, target.cluster), None)
    for key in after - before:
        yield Index(index.labelled(key, target.cluster), b"")


def _labels(obj: Object | None) -> set[str]:
    labels = (obj or {}).get("metadata", {}).get("labels") or {}
    if labels.get(PHASE_LABEL) == "Ready":
        return set()
    return {key for key in labels if key.startswith((INITIALIZER_LABEL, TERMINATOR_LABEL))}


def labelled(store: Store, key: str) -> list[str]:
    """Return the clusters with a label of an initializer or terminator, sorted."""
    filed = store.index_scan(index.labelled(key))
    return [entry.rpartition(b"\0")[2].decode() for entry, _ in filed]


def set_phase(obj: Object, phase: str) -> None:
    """Give a Workspace or LogicalCluster a phase and its label."""
    obj.setdefault("status", {})["phase"] = phase
    obj["metadata"].setdefault("labels", {})[PHASE_LABEL] = phase


def set_initializers(obj: Object, initializers: Sequence[str]) -> None:
    """Say which initializers are still to come, and whether that is all there is to wait for."""
    status = obj.setdefault("status", {})
    if initializers:
        status["initializers"] = list(initializers)
        listed = ", ".join(initializers)
        text = f"Initializers still exist: [{listed}]"
        conditions.mark_false(obj, "WorkspaceInitialized", "InitializerExists", text, "Info")
    else:
        status.pop("initializers", None)
        conditions.mark_true(obj, "WorkspaceInitialized")
