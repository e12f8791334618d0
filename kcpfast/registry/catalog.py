"""Which kinds a workspace has: built-in ones, kcp's own, and those of its CRDs and bindings.

What CRDs and bindings bring is filed in the index, in rows that are written with the CRD or
binding. A row names its definition by hash. The Resources compiled from a definition are shared by
all workspaces and kept in a bounded cache, so one more workspace costs no memory here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from kcpfast.meta.bounded import Bounded
from kcpfast.registry import index
from kcpfast.registry.objects import IndexHook, Target
from kcpfast.resources.builtin import BUILTIN
from kcpfast.resources.definition import resources_of
from kcpfast.resources.resource import Object, Origin, Resource
from kcpfast.store.contract import Count, Index, Present, PutRevision, Store, Write

CUSTOM = "customresources"
# A definition takes up to 25 times its JSON once it is compiled, its rules 150 times theirs, and
# each pattern some bytes for its program.
_GROWTH, _GROWTH_OF_RULES, _PATTERN = 25, 150, 4096
_RULES = re.compile(rb'"(?:rule|messageExpression)":"((?:[^"\\]|\\.)*+)"')
_KEPT_BYTES = 128 * 1024 * 1024


class CatalogRow(NamedTuple):
    """How a workspace comes to a resource.

    `source` is `crd` or `binding`, `name` that object's name; `shared` is what all workspaces
    with the same origin have in common; `closing` is true while the source is being deleted: the
    resource is served, but nothing is created any more.
    """

    source: str
    name: str
    shared: Origin
    closing: bool = False

    def encode(self) -> bytes:
        """Return the row as it is filed."""
        flag = "-" if self.closing else "+"
        return "\0".join((flag, self.source, self.name, *self.shared)).encode()

    @staticmethod
    def decode(data: bytes) -> CatalogRow:
        """Read a filed row."""
        flag, source, name, *shared = data.decode().split("\0")
        return CatalogRow(source, name, Origin(*shared), flag == "-")


class Made(NamedTuple):
    """What was made of a definition, by version, and about how many bytes it takes."""

    resources: Mapping[str, Resource]
    size: int


class Served(NamedTuple):
    """A resource as one workspace serves it."""

    resource: Resource
    row: CatalogRow | None = None


class Catalog:
    """Finds resources; `system` are kcp's own kinds, the same in every workspace."""

    def __init__(self, store: Store, system: Sequence[Resource]) -> None:
        """Look in a store."""
        self._store = store
        self.system = tuple(system)
        # What every workspace has: by (group, version, plural), (group, plural) and kind.
        self._static: dict[tuple[str, str, str], Served] = {}
        self._versions: dict[tuple[str, str], list[Resource]] = {}
        self._kinds: dict[tuple[str, str, str], Served] = {}
        for resource in (*BUILTIN, *system):
            group, version, plural, kind = (
                resource.group, resource.version, resource.plural, resource.kind,
            )  # fmt: skip
            served = Served(resource)
            self._static[group, version, plural] = served
            self._versions.setdefault((group, plural), []).append(resource)
            self._kinds[group, version, kind] = served
            self._kinds[group, version, kind.lower()] = served
        self._made: Bounded[Made] = Bounded(_KEPT_BYTES, lambda entry: entry.size)

    def static(self) -> Iterable[Resource]:
        """Return the resources that every workspace has."""
        return [served.resource for served in self._static.values()]

    def is_static(self, group: str, plural: str) -> bool:
        """Tell whether every workspace has a resource: nothing else can bring it into one."""
        return (group, plural) in self._versions

    def find(self, cluster: str, group: str, version: str, plural: str) -> Served | None:
        """Return a resource of a workspace in a version, None if it has none."""
        static = self._static.get((group, version, plural))
        if static is not None:
            return static
        row = self.row(cluster, group, plural)
        if row is None:
            return None
        resource = self.from_origin(row.shared).get(version)
        return Served(resource, row) if resource is not None else None

    def stored(self, cluster: str, group: str, plural: str) -> Resource | None:
        """Return a resource in whatever version is served first, None if there is none."""
        versions = self.versions(cluster, group, plural)
        return versions[0] if versions else None

    def versions(self, cluster: str, group: str, plural: str) -> list[Resource]:
        """Return a resource in all versions that are served."""
        static = self._versions.get((group, plural))
        if static is not None:
            return list(static)
        row = self.row(cluster, group, plural)
        return list(self.from_origin(row.shared).values()) if row is not None else []

    def of_kind(self, cluster: str, group: str, version: str, kind: str) -> Served | None:
        """Return the resource of a kind (as owner references name it), None if there is none.

        A kind in lower case is taken too, as by client-go's discovery mapper.
        """
        static = self._kinds.get((group, version, kind))
        if static is not None:
            return static
        for served in self.dynamic(cluster, group):
            resource = served.resource
            if resource.version == version and kind in (resource.kind, resource.kind.lower()):
                return served
        return None

    def row(self, cluster: str, group: str, plural: str) -> CatalogRow | None:
        """Return the row of a resource that a CRD or binding brings."""
        data = self._store.index_get(index.resource(cluster, group, plural))
        return CatalogRow.decode(data) if data is not None else None

    def rows(self, cluster: str, group: str | None = None) -> list[tuple[str, str, CatalogRow]]:
        """Return (group, plural, row) of what CRDs and bindings bring, into one group or all."""
        listed = []
        for key, data in self._store.index_scan(index.resource(cluster, group)):
            _, _, group, plural = key.decode().split("\0")
            listed.append((group, plural, CatalogRow.decode(data)))
        return listed

    def fingerprint(self, cluster: str) -> bytes:
        """Return bytes that are equal for workspaces that serve the same resources."""
        return b"\1".join(
            key.split(b"\0", 2)[2] + data[:1] + b"\0".join(data.split(b"\0")[3:])
            for key, data in self._store.index_scan(index.resource(cluster))
        )

    def dynamic(self, cluster: str, group: str | None = None) -> list[Served]:
        """Return the resources that CRDs and bindings bring, in all versions."""
        return [
            Served(resource, row)
            for _, _, row in self.rows(cluster, group)
            for resource in self.from_origin(row.shared).values()
        ]

    def from_origin(self, origin: Origin) -> Mapping[str, Resource]:
        """Return the Resources of a definition by version; empty if it is not there."""
        try:
            return self._made.get(origin, lambda: self._make(origin)).resources
        except LookupError:
            return {}

    def by_identity(self, identity: str, group: str, plural: str) -> Origin | None:
        """Return the origin of a resource bound with an identity, None if nobody binds it."""
        data = self._store.index_get(index.identity(identity, group, plural))
        return Origin(*data.decode().split("\0")) if data is not None else None

    def _make(self, origin: Origin) -> Made:
        data = self._store.index_get(index.definition(origin.hash))
        if data is None:
            raise LookupError(origin.hash)  # and not remembered: it may be filed later
        return Made(resources_of(msgspec.json.decode(data), origin, len(data)), weight(data))


def held_by(resource: Resource) -> int:
    """Return about how many bytes a caller keeps alive that keeps a compiled resource.

    0 for a built-in resource, which exists anyway.
    """
    return _GROWTH * resource.size


def weight(data: bytes) -> int:
    """Return the bytes that a definition takes once it is compiled, about."""
    rules = sum(rule.end(1) - rule.start(1) for rule in _RULES.finditer(data))
    patterns = data.count(b'"pattern":"')
    return _GROWTH * len(data) + _GROWTH_OF_RULES * rules + _PATTERN * patterns


def file_row(
    store: Store, cluster: str, place: tuple[str, str], row: CatalogRow, definition: bytes
) -> list[Write]:
    """Return the writes that file a row for a (group, plural), in place of the one there is.

    A definition that another row uses is not written again. The commit then requires that it still
    exists: its last user may have gone, and the definition with it, in between.
    """
    data = store.index_get(index.resource(cluster, *place))
    old = CatalogRow.decode(data) if data is not None else None
    writes: list[Write] = [
        Index(index.resource(cluster, *place), row.encode()),
        PutRevision(index.work_item("quotas", cluster, ""), index.quotas(cluster)),
    ]
    if old is not None and old.shared.hash == row.shared.hash:
        return writes
    key = index.definition(row.shared.hash)
    is_filed = store.index_get(index.uses(row.shared.hash)) is not None
    writes.append(Present(key) if is_filed else Index(key, definition))
    writes.append(Count(index.uses(row.shared.hash), 1))
    return writes if old is None else writes + _disuse(old)


def close_row(cluster: str, place: tuple[str, str], row: CatalogRow) -> list[Write]:
    """Return the writes after which nothing more is created of a (group, plural)."""
    closed = row._replace(closing=True).encode()
    return [Index(index.resource(cluster, *place), closed)]


def drop_row(cluster: str, group: str, plural: str, old: CatalogRow) -> list[Write]:
    """Return the writes that take a row away."""
    row = index.resource(cluster, group, plural)
    return [Index(row, None), *_disuse(old)]


def _disuse(old: CatalogRow) -> list[Write]:
    digest = old.shared.hash
    return [Count(index.uses(digest), -1), PutRevision(index.work_item("definitions", "", digest))]


def crd_index_hook(store: Store) -> IndexHook:
    """Return the index hook of CRDs: their row closes as they are being deleted, and goes with
    them. The reconciler files it."""

    def follow(target: Target, old: Object | None, new: Object | None) -> Iterable[Write]:
        spec = (new or old or {}).get("spec") or {}
        group, plural = spec["group"], spec["names"]["plural"]
        data = store.index_get(index.resource(target.cluster, group, plural))
        if data is None:
            return
        row = CatalogRow.decode(data)
        if (row.source, row.name) != ("crd", target.name):
            return
        if new is None:
            yield from drop_row(target.cluster, group, plural, row)
        elif "deletionTimestamp" in new["metadata"] and not row.closing:
            yield from close_row(target.cluster, (group, plural), row)

    return follow
