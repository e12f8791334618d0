"""How objects of a resource merge in a strategic merge patch: as their kind's schema says."""

from __future__ import annotations

from kcpfast.patch.merge_type import MergeNode, merge_node
from kcpfast.resources.builtin import definitions
from kcpfast.resources.resource import Resource


def node_of(resource: Resource) -> MergeNode:
    """Return the root of the tree that tells how objects of a resource merge."""
    compiled = resource.compiled
    if compiled.merge is None:
        compiled.merge = _read_schema(resource)
    node: MergeNode = compiled.merge
    return node


def _read_schema(resource: Resource) -> MergeNode:
    if isinstance(resource.schema, str):
        schemas = definitions()
        return merge_node(schemas[resource.schema], schemas)
    return merge_node(resource.schema)
