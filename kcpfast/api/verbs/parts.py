"""What a write to an object, or to one of its subresources, may change of it.

See https://kubernetes.io/docs/reference/using-api/api-concepts/ and, for custom resources,
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#subresources
"""

from __future__ import annotations

from typing import Any

from kcpfast.resources.resource import Object, Resource


def merge_part(resource: Resource, part: str, new: Object, old: Object) -> Object:
    """Return the object that a write makes: `new` where it may speak, `old` elsewhere."""
    if part in ("", "scale"):
        return _keep_status(new, old) if resource.status else new
    if part == "status":
        return _only(resource, new, old, "status")
    if part == "approval":
        return _approved(new, old)
    return _only(resource, new, old, "spec")  # finalize


def _keep_status(new: Object, old: Object) -> Object:
    if "status" in old:
        new["status"] = old["status"]
    else:
        new.pop("status", None)
    return new


def _only(resource: Resource, new: Object, old: Object, member: str) -> Object:
    merged: dict[str, Any] = dict(old)
    if member in new:
        merged[member] = new[member]
    else:
        merged.pop(member, None)
    meta = dict(new["metadata"] if resource.builtin else old["metadata"])
    if "managedFields" in new["metadata"]:
        meta["managedFields"] = new["metadata"]["managedFields"]
    merged["metadata"] = meta
    return merged


def _approved(new: Object, old: Object) -> Object:
    merged = dict(old)
    conditions = (new.get("status") or {}).get("conditions") or []
    merged["status"] = (old.get("status") or {}) | {"conditions": conditions}
    merged["metadata"] = dict(new["metadata"])
    return merged
