"""Which names of kinds are taken in an API group of a workspace, and by which CRD or binding.

Rule: calculateNamesAndConditions in naming_controller.go of apiextensions-apiserver. Plurals,
singulars and short names share one namespace; kinds and list kinds share another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kcpfast.registry.catalog import Catalog, CatalogRow

SINGLE = ("plural", "singular", "kind", "listKind")


class NameOwner(NamedTuple):
    """What has a name: a CRD or binding, and the resource it is for."""

    row: CatalogRow
    plural: str

    def is_of(self, source: tuple[str, str], plural: str) -> bool:
        """Tell whether this is what (source, name) brings as a resource."""
        return self.plural == plural and (self.row.source, self.row.name) == source


class Taken(NamedTuple):
    """Names in use, and by whom. A short name may not be anybody's plural or singular, and the
    reverse."""

    words: Mapping[str, Sequence[NameOwner]]
    kinds: Mapping[str, Sequence[NameOwner]]


def taken(catalog: Catalog, cluster: str, group: str) -> Taken:
    """Return the names that are used in a group of a cluster."""
    words: dict[str, list[NameOwner]] = {}
    kinds: dict[str, list[NameOwner]] = {}
    for _, plural, row in catalog.rows(cluster, group):
        owner = NameOwner(row, plural)
        for resource in catalog.from_origin(row.shared).values():
            names = resource.names
            for word in dict.fromkeys((names.plural, names.singular, *names.short)):
                words.setdefault(word, []).append(owner)
            for kind in dict.fromkeys((names.kind, resource.list_kind)):
                kinds.setdefault(kind, []).append(owner)
    return Taken(words, kinds)


def conflicts(
    names: Mapping[str, Any], used: Taken, source: tuple[str, str]
) -> list[tuple[str, str, NameOwner]]:
    """Return the names that are taken already, as (member of `names`, name, its owner).

    `names` is the `names` member of a CRD or schema. What the CRD or binding `source`, a pair of
    source and name, brings itself is no conflict.
    """
    plural = names.get("plural") or ""

    def other_owner(owners: Sequence[NameOwner]) -> NameOwner | None:
        for owner in owners:
            if not owner.is_of(source, plural):
                return owner
        return None

    clashes = []
    for key in SINGLE:
        value = names.get(key) or ""
        owners_by_name = used.words if key in ("plural", "singular") else used.kinds
        owner = other_owner(owners_by_name.get(value, ()))
        if value and owner is not None:
            clashes.append((key, value, owner))
    for value in names.get("shortNames") or ():
        owner = other_owner(used.words.get(value, ()))
        if owner is not None:
            clashes.append(("shortNames", value, owner))
    return clashes


class Claimed:
    """The names of what is to be filed together, in the order in which it came."""

    def __init__(self) -> None:
        """Begin with none."""
        self._words: set[tuple[str, str]] = set()
        self._kinds: set[tuple[str, str]] = set()

    def take(self, names_by_group: Sequence[tuple[str, Mapping[str, Any]]]) -> bool:
        """Claim the names of several kinds, given as (group, `names` of the kind).

        Return False, and claim none of them, if any name is claimed already.
        """
        words: set[tuple[str, str]] = set()
        kinds: set[tuple[str, str]] = set()
        for group, names in names_by_group:
            short_names = names.get("shortNames") or ()
            for word in (names.get("plural"), names.get("singular"), *short_names):
                if word:
                    words.add((group, word))
            for kind in (names.get("kind"), names.get("listKind")):
                if kind:
                    kinds.add((group, kind))
        if words & self._words or kinds & self._kinds:
            return False
        self._words |= words
        self._kinds |= kinds
        return True
