"""One kind in one version, as everything downstream sees it, wherever it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from kcpfast.meta.names import NameRule, dns_subdomain
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


# Objects that define kinds: a pattern of fifty letters is compiled for twenty milliseconds, so each
# of them counts as at least so many bytes.
_DEFINES = {
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("apis.kcp.io", "apiresourceschemas"),
}
_LEAST = 64 * 1024
# How much longer an object counts that is the first of a schema not looked into yet.
_COLD = 8


class Resource:
    """A kind in one version; made once and shared, never changed."""

    __slots__ = (
        "_make_program",
        "_program",
        "api_version",
        "builtin",
        "columns",
        "deprecation",
        "fields",
        "from_storage",
        "generation",
        "group",
        "head",
        "header",
        "item_head",
        "kind",
        "least",
        "list_kind",
        "merge",
        "name_rule",
        "names",
        "namespaced",
        "origin",
        "plural",
        "scale",
        "schema",
        "size",
        "status",
        "storage",
        "storage_version",
        "subresources",
        "to_storage",
        "verbs",
        "version",
        "warm",
    )

    def __init__(
        self,
        group: str,
        version: str,
        names: Names,
        *,
        namespaced: bool,
        storage: bytes,
        make_program: Callable[[], Program],
    ) -> None:
        """Build a resource with the manners of a built-in one; other attributes may be set next.

        `make_program` compiles its schema when it is first needed.
        """
        self.group, self.version = group, version
        self.names = names
        self.plural, self.kind = names.plural, names.kind
        self.list_kind = names.list_kind or names.kind + "List"
        self.namespaced = namespaced
        self.storage = storage
        self.api_version = f"{group}/{version}" if group else version
        self.storage_version = self.api_version
        self.builtin = True
        self.verbs: tuple[str, ...] = BUILTIN_VERBS
        self.subresources: Mapping[str, Subresource] = {}
        self.status = False
        self.scale: ScalePaths | None = None
        self.columns: tuple[Column, ...] = ()
        self.fields: Mapping[str, Callable[[Object], Any]] = {}
        self.name_rule: NameRule = dns_subdomain
        self.origin: Origin | None = None
        self.schema: Mapping[str, Any] | str = {}
        self.deprecation = ""
        self.generation = False
        self.to_storage: Convert | None = None
        self.from_storage: Convert | None = None
        self.header: bytes | None = None
        self.merge: Any = None
        # Bytes of its definition, and whether all that is made of that once has been made.
        self.size = 0
        self.warm = True
        self.least = _LEAST if (group, names.plural) in _DEFINES else 0
        self._make_program = make_program
        self._program: Program | None = None
        meta = '"metadata":{"resourceVersion":"'
        self.head = f'{{"apiVersion":"{self.api_version}","kind":"{names.kind}",{meta}'.encode()
        self.item_head = b'{"metadata":{"resourceVersion":"'

    @property
    def program(self) -> Program:
        """The compiled schema of the whole object."""
        if self._program is None:
            self._program = self._make_program()
        return self._program

    def weigh(self, size: int) -> int:
        """Return the bytes that it costs to go over an object of so many, definition included.

        What a schema asks of each value (branches, rules) counts as if the object were longer.
        """
        if self.warm:
            return max(self.least, int(size * self.program.weight))
        return max(self.least, self.size + _COLD * size)

    def borrow_program(self, other: Resource) -> None:
        """Use the compiled schema of another resource, compiled when either needs it."""
        self._make_program = lambda: other.program
        self._program = None

    def __repr__(self) -> str:
        """Show group, version and resource."""
        return f"<{self.plural}.{self.version}.{self.group or 'core'}>"


def standard_subresources(
    resource: Resource, *, status: bool, scale: ScalePaths | None
) -> dict[str, Subresource]:
    """Return the status and scale subresources that a kind has."""
    found = {}
    if status:
        found["status"] = Subresource("status", STATUS_VERBS, resource.kind)
    if scale is not None:
        found["scale"] = Subresource("scale", STATUS_VERBS, "Scale", "autoscaling", "v1")
    return found
