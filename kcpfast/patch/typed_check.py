"""Checks that an applied object fits its schema well enough to be merged.

That is what merging relies on: members are declared, values have the right kind, list items have
their keys and are unique. Everything else is validated on the merged object. kube-apiserver answers
500 to these errors; they are the client's, so here they are a 400 with the same text.
(sigs.k8s.io/structured-merge-diff, typed/validate.go.)
"""

from __future__ import annotations

import json
from typing import Any

from kcpfast.meta.errors import ApiError, bad_request
from kcpfast.patch.fieldset import path_text
from kcpfast.patch.merge_type import MergeNode
from kcpfast.patch.path_element import Unkeyed, element_text, item_element

# A client corrects the first few, the rest would only fill the answer.
MAX_TYPE_ERRORS = 20

Path = tuple[str, ...]

_SCALAR_TYPES: dict[str, tuple[type, ...]] = {
    "": (),
    "any": (str, int, float, bool),
    "boolean": (bool,),
    "number": (int, float),
    "string": (str,),
}
_EXPECTED = {
    "any": "any scalar",
    "boolean": "boolean",
    "number": "numeric (int or float)",
    "string": "string",
}


def check_applied(applied: dict[str, Any], node: MergeNode) -> None:
    """Raise a 400 that lists where an applied object does not fit its schema."""
    errors: list[str] = []
    _check(applied, node, (), errors)
    if errors:
        raise _not_typed(applied, errors[:MAX_TYPE_ERRORS])


def _not_typed(applied: dict[str, Any], errors: list[str]) -> ApiError:
    metadata = applied.get("metadata") or {}
    namespace = metadata.get("namespace", "")
    name = metadata.get("name", "")
    version = group_version(applied)
    kind = applied.get("kind")
    described = f"{namespace}/{name}; {version}, Kind={kind}"
    # One error stands behind the colon, several are listed below it: ValidationErrors.Error.
    listed = errors[0]
    if len(errors) > 1:
        listed = "\n  ".join(["errors:", *errors])
    return bad_request(f"failed to create typed patch object ({described}): {listed}")


def group_version(applied: dict[str, Any]) -> str:
    """Return an object's apiVersion as Go prints it: the core group has no name but a slash."""
    version = str(applied.get("apiVersion") or "")
    if "/" in version:
        return version
    return "/" + version


def _check(value: Any, node: MergeNode, path: Path, errors: list[str]) -> None:
    """Append to `errors` where a value, or a part of it, does not fit its schema."""
    if value is None or len(errors) >= MAX_TYPE_ERRORS:
        return
    kind = type(value)
    if kind is dict and node.is_map:
        _check_members(value, node, path, errors)
    elif kind is list and node.is_list:
        _check_items(value, node, path, errors)
    elif kind not in _SCALAR_TYPES[node.scalar]:
        container = "map" if node.is_map else "list"
        expected = _EXPECTED.get(node.scalar) or container
        text = json.dumps(value, ensure_ascii=False)
        # The value is the client's and may be of any size: the message quotes its beginning.
        excerpt = text[:100]
        errors.append(f"{path_text(path)}: expected {expected}, got {excerpt}")


def _check_members(value: dict[str, Any], node: MergeNode, path: Path, errors: list[str]) -> None:
    fields = node.fields
    element = node.element
    for key, item in value.items():
        child = fields.get(key) or element
        if child is None:
            member = path_text((*path, "f:" + key))
            errors.append(f"{member}: field not declared in schema")
            continue
        # Most members are scalars of the right type: they are passed without a path or a call.
        if type(item) not in _SCALAR_TYPES[child.scalar]:
            member_path = (*path, "f:" + key)
            _check(item, child, member_path, errors)


def _check_items(value: list[Any], node: MergeNode, path: Path, errors: list[str]) -> None:
    seen: set[str] = set()
    item_node = node.other
    fitting = _SCALAR_TYPES[item_node.scalar]
    for index, item in enumerate(value):
        element = f"i:{index}"
        if node.associative:
            try:
                element = item_element(item, node)
            except Unkeyed as unkeyed:
                # Without keys nothing can be said of this list's other items, either.
                errors.append(f"{path_text(path)}: element {index}: {unkeyed}")
                return
            if element in seen:
                key = element_text(element)
                errors.append(f"{path_text(path)}: duplicate entries for key {key}")
            seen.add(element)
        if type(item) not in fitting:
            item_path = (*path, element)
            _check(item, item_node, item_path, errors)
