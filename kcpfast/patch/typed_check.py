"""Does an applied object fit its schema well enough to be merged?

Only what merging leans on is checked: declared members, kinds of values, keys of list items, no
duplicates. The rest of validation is done on the merged object, by others. kube-apiserver answers
500 to what is found here; it is the client's error, so here it is a 400 with the same text.
("structured-merge-diff", typed.Validate.)
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
    where = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
    kind = f"{group_version(applied)}, Kind={applied.get('kind')}"
    listed = errors[0] if len(errors) == 1 else "\n  ".join(["errors:", *errors])
    return bad_request(f"failed to create typed patch object ({where}; {kind}): {listed}")


def group_version(applied: dict[str, Any]) -> str:
    """Return an object's apiVersion as Go prints it: the core group has no name but a slash."""
    version = str(applied.get("apiVersion") or "")
    return version if "/" in version else "/" + version


def _check(value: Any, node: MergeNode, path: Path, errors: list[str]) -> None:
    if value is None or len(errors) >= MAX_TYPE_ERRORS:
        return
    kind = type(value)
    if kind is dict and node.is_map:
        _check_members(value, node, path, errors)
    elif kind is list and node.is_list:
        _check_items(value, node, path, errors)
    elif kind not in _SCALAR_TYPES[node.scalar]:
        expected = _EXPECTED.get(node.scalar) or ("map" if node.is_map else "list")
        excerpt = json.dumps(value, ensure_ascii=False)[:100]
        errors.append(f"{path_text(path)}: expected {expected}, got {excerpt}")


def _check_members(value: dict[str, Any], node: MergeNode, path: Path, errors: list[str]) -> None:
    fields, element = node.fields, node.element
    for key, item in value.items():
        child = fields.get(key) or element
        if child is None:
            errors.append(f"{path_text((*path, 'f:' + key))}: field not declared in schema")
        elif type(item) not in _SCALAR_TYPES[child.scalar]:
            _check(item, child, (*path, "f:" + key), errors)


def _check_items(value: list[Any], node: MergeNode, path: Path, errors: list[str]) -> None:
    seen: set[str] = set()
    for index, item in enumerate(value):
        element = f"i:{index}"
        if node.associative:
            try:
                element = item_element(item, node)
            except Unkeyed as unkeyed:
                errors.append(f"{path_text(path)}: element {index}: {unkeyed}")
                return
            if element in seen:
                name = element_text(element)
                errors.append(f"{path_text(path)}: duplicate entries for key {name}")
            seen.add(element)
        if type(item) not in _SCALAR_TYPES[node.other.scalar]:
            _check(item, node.other, (*path, element), errors)
