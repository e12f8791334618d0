"""How objects of a resource merge: by their kind's schema, read once and kept with the resource."""

from __future__ import annotations

from kcpfast.patch.merge_type import MergeNode, merge_node
from kcpfast.resources.builtin import definitions
from kcpfast.resources.resource import Resource


def node_of(resource: Resource) -> MergeNode:
    """Return how objects of a resource merge."""
    if resource.merge is None:
        if isinstance(resource.schema, str):
            known = definitions()
            resource.merge = merge_node(known[resource.schema], known)
        else:
            resource.merge = merge_node(resource.schema)
    node: MergeNode = resource.merge
    return node
