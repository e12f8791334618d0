"""One kind in one version, as everything downstream sees it, wherever it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import force_setattr

from kcpfast.meta.names import NameRule, dns_subdomain
from kcpfast.resources.compiled import CompiledSchema
from kcpfast.schema.program import Program

Object = dict[str, Any]
Convert = Callable[[Object], Object]

BUILTIN_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
STATUS_VERBS = ("get", "patch", "update")


class Column(NamedTuple):
    """A column of the kind's table; `cell` reads its value from a decoded object.

    `reads` are the members of the object that it looks at, None for what nobody knows; name and
    creationTimestamp are always there, more of `metadata` if it is named.
    """

    name: str
    type: str
    cell: Callable[[Object], Any]
    format: str = ""
    priority: int = 0
    description: str = ""
    reads: tuple[str, ...] | None = None


class Subresource(NamedTuple):
    """A path below an object; `kind`, `group` and `version` are those of its body."""

    name: str
    verbs: tuple[str, ...]
    kind: str = ""
    group: str = ""
    version: str = ""


class ScalePaths(NamedTuple):
    """Where the scale subresource finds its numbers."""

    spec: str
    status: str
    selector: str = ""


class Origin(NamedTuple):
    """Where a resource that is not built in comes from.

    `hash` names its definition; `identity` is the storage identity; `export_cluster` and `export`
    the APIExport it is bound from, if any.
    """

    hash: str
    identity: str
    export_cluster: str = ""
    export: str = ""


class Names(NamedTuple):
    """The names of a kind."""

    plural: str
    kind: str
    singular: str = ""
    list_kind: str = ""
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


# A definition may hold patterns, and a pattern of fifty letters takes twenty milliseconds to
# compile. So an object that defines kinds is never taken to be shorter than this (bytes).
_DEFINING_KINDS = {
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("apis.kcp.io", "apiresourceschemas"),
}
_LEAST_DEFINING_SIZE = 64 * 1024
# The first object of a schema pays for compiling its patterns and rules: it counts as so many.
_COLD_FACTOR = 8
_METADATA = '"metadata":{"resourceVersion":"'


class Resource(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """A kind in one version; made in one call, shared, never changed. Equal only to itself.

    `storage` is the first part of its objects' keys, `compiled` the cache of its schema. A name in
    `schema` stands for a built-in definition. `fields` are the selectable fields. `size` is the
    length of its definition in bytes. `to_storage` and `from_storage` convert a decoded object to
    and from the stored version where the two differ by more than their names.

    A view that shows less of a resource makes a copy with `msgspec.structs.replace`.
    """

    group: str
    version: str
    names: Names
    namespaced: bool
    storage: bytes
    compiled: CompiledSchema
    storage_version: str = ""
    builtin: bool = True
    verbs: tuple[str, ...] = BUILTIN_VERBS
    subresources: Mapping[str, Subresource] = {}
    status: bool = False
    scale: ScalePaths | None = None
    columns: tuple[Column, ...] = ()
    fields: Mapping[str, Callable[[Object], Any]] = {}
    name_rule: NameRule = dns_subdomain
    origin: Origin | None = None
    schema: Mapping[str, Any] | str = {}
    deprecation: str = ""
    generation: bool = False
    to_storage: Convert | None = None
    from_storage: Convert | None = None
    size: int = 0

    # Computed from what is above when a resource is made: they are read for every request.
    plural: str = ""
    kind: str = ""
    list_kind: str = ""
    api_version: str = ""
    head: bytes = b""
    item_head: bytes = b""
    least: int = 0

    def __post_init__(self) -> None:
        """Compute the other fields."""
        names = self.names
        api_version = f"{self.group}/{self.version}" if self.group else self.version
        head = f'{{"apiVersion":"{api_version}","kind":"{names.kind}",{_METADATA}'.encode()
        defines_kinds = (self.group, names.plural) in _DEFINING_KINDS
        force_setattr(self, "plural", names.plural)
        force_setattr(self, "kind", names.kind)
        force_setattr(self, "list_kind", names.list_kind or names.kind + "List")
        force_setattr(self, "api_version", api_version)
        force_setattr(self, "storage_version", self.storage_version or api_version)
        force_setattr(self, "head", head)
        # Items of a list say their kind only where the kind is not built in, as in Kubernetes.
        force_setattr(self, "item_head", f"{{{_METADATA}".encode() if self.builtin else head)
        force_setattr(self, "least", _LEAST_DEFINING_SIZE if defines_kinds else 0)

    @property
    def program(self) -> Program:
        """The compiled schema of the whole object."""
        compiled = self.compiled
        program = compiled.program
        return compiled.compile() if program is None else program

    def weigh(self, size: int) -> int:
        """Return what it costs to process an object of `size` bytes, in bytes of a plain object.

        What the schema asks of each value (branches, rules) counts as if the object were longer,
        and the first object of a schema pays for compiling it.
        """
        if self.compiled.warm:
            return max(self.least, int(size * self.program.weight))
        return max(self.least, self.size + _COLD_FACTOR * size)

    def __repr__(self) -> str:
        """Show resource, version and group."""
        return f"<{self.plural}.{self.version}.{self.group or 'core'}>"


def standard_subresources(
    kind: str, *, status: bool, scale: ScalePaths | None
) -> dict[str, Subresource]:
    """Return the status and scale subresources of a kind, by name."""
    subresources = {}
    if status:
        subresources["status"] = Subresource("status", STATUS_VERBS, kind)
    if scale is not None:
        subresources["scale"] = Subresource("scale", STATUS_VERBS, "Scale", "autoscaling", "v1")
    return subresources
