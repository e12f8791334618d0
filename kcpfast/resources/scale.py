"""Scale: three numbers of an object, as its scale subresource shows them (autoscaling/v1)."""

from __future__ import annotations

from typing import Any

from kcpfast.resources.resource import Object, ScalePaths

GROUP, VERSION, KIND = "autoscaling", "v1", "Scale"
_KEPT = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(obj: Object, paths: ScalePaths, *, usual: int | None = None) -> Object:
    """Return the Scale of an object whose numbers are at `paths`.

    `usual` stands for replicas that its spec does not hold; LookupError if there is none.
    """
    replicas = _at(obj, paths.spec)
    if replicas is None:
        replicas = usual
    if replicas is None:
        raise LookupError(f'the spec replicas field "{paths.spec}" does not exist')
    status: dict[str, Any] = {"replicas": _at(obj, paths.status) or 0}
    selector = _at(obj, paths.selector) if paths.selector else None
    if selector:
        status["selector"] = selector
    meta = {key: obj["metadata"][key] for key in _KEPT if key in obj["metadata"]}
    return {
        "kind": KIND,
        "apiVersion": f"{GROUP}/{VERSION}",
        "metadata": meta,
        "spec": {"replicas": replicas},
        "status": status,
    }


def set_replicas(obj: Object, paths: ScalePaths, replicas: int) -> None:
    """Write a number of replicas into an object, in place."""
    *parents, last = paths.spec.lstrip(".").split(".")
    for name in parents:
        obj = obj.setdefault(name, {})
    obj[last] = replicas


def _at(obj: Any, path: str) -> Any:
    for name in path.lstrip(".").split("."):
        obj = obj.get(name) if isinstance(obj, dict) else None
    return obj
