"""Which names of kinds are taken in a group of a workspace, by whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kcpfast.registry.catalog import Catalog, Row

SINGLE = ("plural", "singular", "kind", "listKind")


class Owner(NamedTuple):
    """What has a name: a CRD or binding, and the resource it is for."""

    row: Row
    plural: str


class Taken(NamedTuple):
    """Names in use. A short name may not be anybody's plural or singular, and the reverse."""

    words: Mapping[str, Owner]
    kinds: Mapping[str, Owner]


def taken(
    catalog: Catalog, cluster: str, group: str, plural: str, source: tuple[str, str]
) -> Taken:
    """Return the names that others than (source, name) use in a group of a cluster."""
    words: dict[str, Owner] = {}
    kinds: dict[str, Owner] = {}
    for a_group, a_plural, row in catalog.rows(cluster):
        if a_group != group or (a_plural == plural and (row.source, row.name) == source):
            continue
        for resource in catalog.from_origin(row.shared).values():
            names, owner = resource.names, Owner(row, a_plural)
            for word in (names.plural, names.singular, *names.short):
                words.setdefault(word, owner)
            for kind in (names.kind, resource.list_kind):
                kinds.setdefault(kind, owner)
    return Taken(words, kinds)


def conflicts(names: Mapping[str, Any], used: Taken) -> list[tuple[str, str, Owner]]:
    """Return (which name, its value, who has it) for each name that is taken."""
    found = []
    for key in SINGLE:
        value = names.get(key) or ""
        owner = (used.words if key in ("plural", "singular") else used.kinds).get(value)
        if value and owner is not None:
            found.append((key, value, owner))
    short = names.get("shortNames") or ()
    found += [("shortNames", value, used.words[value]) for value in short if value in used.words]
    return found
