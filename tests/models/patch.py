"""Slow twins of `kcpfast.patch`: merge patch by the book, field sets as sets of paths."""

from typing import Any

from kcpfast.patch.fieldset import FieldSet, paths
from kcpfast.patch.merge_type import MergeNode
from kcpfast.patch.path_element import item_element

Path = tuple[str, ...]


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2, step by step."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


class Paths(frozenset[Path]):
    """A field set as the paths of its members."""

    def without_below(self, other: "Paths") -> "Paths":
        return Paths(path for path in self if not any(path[: len(cut)] == cut for cut in other))

    def leaves(self) -> "Paths":
        return Paths(
            path
            for path in self
            if not any(len(path) < len(each) and each[: len(path)] == path for each in self)
        )


def as_paths(fields: FieldSet) -> Paths:
    return Paths(paths(fields))


def from_paths(members: Any) -> FieldSet:
    """Return the field set of some paths, built one path at a time."""
    tree: Any = {}
    for path in members:
        here = tree
        for element in path:
            here = here.setdefault(element, {})
        here["."] = {}
    return _tidy(tree)


def _tidy(tree: Any) -> FieldSet:
    below = {element: _tidy(inner) for element, inner in tree.items() if element != "."}
    return {".": {}, **below} if "." in tree and below else below


def places(value: Any, node: MergeNode, path: Path = ()) -> dict[Path, Any]:
    """Return every place of an object: leaves with their value, what is walked into with None."""
    found: dict[Path, Any] = {path: value} if path else {}
    if value and isinstance(value, dict) and node.granular:
        found |= {path: None} if path else {}
        for key, item in value.items():
            found |= places(item, node.child(key), (*path, "f:" + key))
    elif value and isinstance(value, list) and node.associative:
        found[path] = None
        for item in value:
            found |= places(item, node.other, (*path, item_element(item, node)))
    return found


def changes(old: Any, new: Any, node: MergeNode) -> tuple[Paths, Paths]:
    """Return what `compare` finds, for objects whose places keep their kinds."""
    before, after = places(old, node), places(new, node)
    changed = {
        path
        for path, value in after.items()
        if path not in before or (value is not None and before[path] not in (None, value))
    }
    return Paths(changed), Paths(before.keys() - after.keys())
