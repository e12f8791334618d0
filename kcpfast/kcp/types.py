"""WorkspaceTypes: what a type extends, what it allows, what it brings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from kcpfast.kcp import conditions
from kcpfast.kcp.clusters import Clusters
from kcpfast.kcp.kinds import Exported
from kcpfast.meta.cluster import PATH_ANNOTATION, ROOT, split
from kcpfast.meta.errors import ApiError
from kcpfast.registry.metadata import annotations_of, spec_of
from kcpfast.registry.objects import Target
from kcpfast.resources.resource import Object

# Types that one may come to together with all that it extends: each is looked up, and asked for.
MOST_ALIASES = 100


class TypeRefused(Exception):
    """A type cannot be used; the text completes a refusal."""


class WorkspaceType(NamedTuple):
    """A WorkspaceType and where it is."""

    cluster: str
    path: str
    name: str
    spec: dict[str, Any]

    @property
    def full(self) -> str:
        """The name under which refusals and annotations know the type."""
        return f"{self.path}:{self.name}"

    @property
    def initializer(self) -> str:
        """What stands in status.initializers (and terminators) for this type."""
        return f"{self.cluster}:{self.name}"


class Types:
    """Finds types and works out what they come to together with those they extend."""

    def __init__(self, clusters: Clusters, kinds: Exported) -> None:
        """Look through the registry of the clusters."""
        self._clusters = clusters
        self._kinds = kinds

    def at(self, path: str, name: str) -> WorkspaceType | None:
        """Return the type of a name in the workspace at a path."""
        try:
            cluster = self._clusters.resolve(path)
        except ApiError:
            return None
        return self.in_cluster(cluster, name)

    def in_cluster(self, cluster: str, name: str) -> WorkspaceType | None:
        """Return the type of a name in a logical cluster."""
        target = Target(self._kinds.workspace_types, cluster, "", name)
        type_object = self._clusters.objects.find(target)
        if type_object is None:
            return None
        annotations = annotations_of(type_object)
        path = annotations.get(PATH_ANNOTATION) or self._clusters.path_of(cluster)
        return WorkspaceType(cluster, path, name, spec_of(type_object))

    def search(self, path: str, name: str) -> WorkspaceType | None:
        """Return the type of a name in a workspace, the ones above it, or root."""
        while path:
            workspace_type = self.at(path, name)
            if workspace_type is not None:
                return workspace_type
            path = split(path)[0]
        return self.at(ROOT, name)

    def aliases(self, of: WorkspaceType) -> list[WorkspaceType]:
        """Return a type and everything it extends; TypeRefused for a circle."""
        by_name: dict[str, WorkspaceType] = {}
        self._extend(of, (), by_name)
        return list(by_name.values())

    def _extend(
        self, of: WorkspaceType, seen: tuple[str, ...], by_name: dict[str, WorkspaceType]
    ) -> None:
        if of.full in seen:
            chain = " -> ".join((*seen, of.full)) if len(seen) > 1 else of.full
            raise TypeRefused(f"circular dependency detected in workspace type {seen[0]}: {chain}")
        if of.full in by_name:
            return
        by_name[of.full] = of
        if len(by_name) > MOST_ALIASES:
            first = next(iter(by_name))
            raise TypeRefused(f"workspace type {first} extends more than {MOST_ALIASES} types")
        for reference in (of.spec.get("extend") or {}).get("with") or ():
            base = self.at(reference.get("path") or of.path, reference["name"])
            if base is None:
                missing = f"{reference.get('path') or of.path}:{reference['name']}"
                raise TypeRefused(f"workspace type {missing} cannot be resolved")
            self._extend(base, (*seen, of.full), by_name)

    def of_cluster(self, cluster: str) -> WorkspaceType | None:
        """Return the type that a logical cluster was made with."""
        state = self._clusters.state(cluster)
        if state is None or ":" not in state.type:
            return None
        path, _, name = state.type.rpartition(":")
        return self.at(path, name)


def _listed(types: Iterable[str]) -> str:
    return "[" + " ".join(types) + "]"


def _allowed(of: WorkspaceType, side: str) -> tuple[bool, list[str]] | None:
    """Return (none at all, full names) that a type limits a side to, None if it does not."""
    limit = of.spec.get(side)
    if not limit:
        return None
    names = [f"{reference['path']}:{reference['name']}" for reference in limit.get("types") or ()]
    return bool(limit.get("none")), names


def check_limits(
    child: WorkspaceType,
    child_aliases: Sequence[WorkspaceType],
    parent: WorkspaceType,
    parent_aliases: Sequence[WorkspaceType],
) -> None:
    """Raise TypeRefused unless parent and child allow each other, all they extend considered."""
    for alias in child_aliases:
        limits = _allowed(alias, "limitAllowedParents")
        if limits is None:
            continue
        none, names = limits
        if none:
            raise TypeRefused(f"workspace type {child.full} cannot have any parent")
        implemented = [parent_alias.full for parent_alias in parent_aliases]
        if not set(names) & set(implemented):
            raise TypeRefused(
                f"workspace type {alias.full} only allows {_listed(names)} parent workspaces, but "
                f"parent type {parent.full} only implements {_listed(implemented)}"
            )
    for alias in parent_aliases:
        limits = _allowed(alias, "limitAllowedChildren")
        if limits is None:
            continue
        none, names = limits
        if none:
            raise TypeRefused(f"workspace type {parent.full} cannot have any child")
        implemented = [child_alias.full for child_alias in child_aliases]
        if not set(names) & set(implemented):
            raise TypeRefused(
                f"workspace type {alias.full} only allows {_listed(names)} child workspaces, but "
                f"child type {child.full} only implements {_listed(implemented)}"
            )


def default_bindings(aliases: Iterable[WorkspaceType]) -> Iterator[tuple[str, str]]:
    """Yield (path, export) of the bindings that types bring, each once."""
    seen = set()
    for alias in aliases:
        for binding in alias.spec.get("defaultAPIBindings") or ():
            reference = (binding.get("path") or alias.path, binding["export"])
            if reference not in seen:
                seen.add(reference)
                yield reference


def type_status(obj: Object, base_url: str, cluster: str) -> None:
    """Give a WorkspaceType the URLs of its virtual workspaces."""
    name = obj["metadata"]["name"]
    status: dict[str, Any] = obj.setdefault("status", {})
    status["virtualWorkspaces"] = [
        {"type": kind, "url": f"{base_url}/services/{kind}workspaces/{cluster}:{name}"}
        for kind in ("initializing", "terminating")
    ]
    conditions.mark_true(obj, "VirtualWorkspaceURLsReady")
    conditions.summarize(obj)
