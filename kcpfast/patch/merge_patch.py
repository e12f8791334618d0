"""JSON merge patch: the change of an object written as a sparse object.

`merge` is the whole of RFC 7396; `apply_merge_patch` adds what Kubernetes asks of a request.
"""

from __future__ import annotations

from typing import Any

from kcpfast.meta.copies import copy_json
from kcpfast.meta.errors import bad_request
from kcpfast.patch.decoded import refuse_too_deep


def merge(target: Any, patch: Any) -> Any:
    """Return `target` changed by `patch` (RFC 7396, section 2); shares nothing with either."""
    if type(patch) is not dict:
        return copy_json(patch)
    merged = copy_json(target) if type(target) is dict else {}
    _merge_into(merged, patch)
    return merged


def _merge_into(target: dict[str, Any], patch: dict[str, Any]) -> None:
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif type(value) is dict:
            below = target.get(name)
            if type(below) is not dict:
                below = target[name] = {}
            _merge_into(below, value)
        else:
            target[name] = copy_json(value)


@refuse_too_deep
def apply_merge_patch(document: dict[str, Any], patch: Any) -> dict[str, Any]:
    """Return the object that a merge patch makes of `document`; neither is changed.

    400 if the patch is not an object, as kube-apiserver answers.
    """
    if type(patch) is not dict:
        raise bad_request("Invalid JSON Patch")
    merged: dict[str, Any] = merge(document, patch)
    return merged
