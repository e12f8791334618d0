"""What an object becomes when it is deleted: nothing, or something that waits for its finalizers.

One rule for requests, garbage collection and the end of a namespace or workspace. Propagation:
https://kubernetes.io/docs/concepts/architecture/garbage-collection/, as
k8s.io/apiserver/pkg/registry/generic/registry reads it.
"""

from __future__ import annotations

from typing import Any

from kcpfast.meta.copies import copy_json
from kcpfast.registry.identity import begin_deletion
from kcpfast.registry.metadata import set_finalizers
from kcpfast.registry.objects import FOREGROUND, ORPHAN, is_finished
from kcpfast.registry.strategies import strategy
from kcpfast.resources.resource import Object, Resource

_FINALIZERS = {"Orphan": ORPHAN, "Foreground": FOREGROUND, "Background": ""}


def deleted(resource: Resource, old: Object, propagation: str = "") -> Object | None:
    """Return the object that waits for its finalizers, None if it can be removed at once.

    `propagation` is Orphan, Foreground, Background, or "" to keep the finalizers that it has. Rule:
    deletionFinalizersForGarbageCollection of upstream's store.go. `old` is not changed.
    """
    new = copy_json(old)
    rules = strategy(resource)
    if propagation and rules.owns:
        _set_finalizer(new["metadata"], _FINALIZERS[propagation])
    begin_deletion(new)
    rules.prepare_delete(new, old)
    return None if is_finished(new) else new


def _set_finalizer(meta: dict[str, Any], finalizer: str) -> None:
    """Put the finalizer of a propagation policy in the place of any other's."""
    finalizers = [name for name in meta.get("finalizers") or () if name not in (ORPHAN, FOREGROUND)]
    if finalizer:
        finalizers.append(finalizer)
    set_finalizers(meta, finalizers)
