"""What a view has to document: one unit per path of the index, named by content.

A unit's key is equal wherever the same resources are served, so that one document serves all
workspaces that have them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from kcpfast.api.discovery import Groups, verbs_of
from kcpfast.api.openapi import operations
from kcpfast.api.openapi.naming import group_path
from kcpfast.api.openapi.operations import Operation
from kcpfast.registry.catalog import Served
from kcpfast.resources.resource import Resource

# kcp serves CRDs in every workspace but has them in no index; here their document can be read.
UNLISTED = ("apis/apiextensions.k8s.io", "apis/apiextensions.k8s.io/v1")
_PAGES = ("api", "apis", "version")
_encode = msgspec.json.Encoder().encode


class Unit(NamedTuple):
    """A path of the index; `operations` are those without a resource, `served` the resources."""

    name: str
    key: bytes
    operations: Sequence[Operation] = ()
    served: Sequence[Served] = ()

    def all_operations(self) -> Iterable[Operation]:
        """Yield all operations of the unit."""
        yield from self.operations
        for served in self.served:
            yield from operations.of_resource(served.resource, verbs_of(served))

    def custom(self) -> list[Resource]:
        """Return the resources whose definitions are not built in."""
        return [
            served.resource for served in self.served if not isinstance(served.resource.schema, str)
        ]


def listed(unit: Unit) -> bool:
    """Tell whether the index names a unit."""
    return unit.name not in UNLISTED


def units(groups: Groups, *, service: bool) -> Mapping[str, Unit]:
    """Return the units of what a view serves by name, sorted.

    `service` tells that it is a virtual workspace: those issue no tokens, describe each of their
    groups, and always have the core group.
    """
    pages = _PAGES if service else (*_PAGES, *operations.OPENID_PAGES)
    all_units = [_page_unit(name, operations.of_page(name)) for name in pages]
    if service and "" not in groups:
        groups = {"": {"v1": []}, **groups}
    for group, versions in groups.items():
        has_page = service or any(map(_builtin, versions.values()))
        if group and has_page:
            all_units.append(_page_unit(group_path(group), operations.of_group(group)))
        for version, served in versions.items():
            all_units.append(version_unit(group, version, served))
    all_units.sort()
    return {unit.name: unit for unit in all_units}


def _page_unit(name: str, operation: Operation) -> Unit:
    return Unit(name, name.encode(), (operation,))


def version_unit(group: str, version: str, served: Sequence[Served]) -> Unit:
    """Return the unit of a group-version that serves these resources."""
    name = group_path(group, version)
    own = (operations.of_version(group, version),) if _builtin(served) else ()
    digest = hashlib.blake2b(name.encode(), digest_size=20)
    ordered = sorted(served, key=lambda entry: entry.resource.plural)
    for entry in ordered:
        digest.update(_content(entry))
    return Unit(name, digest.digest(), own, ordered)


def _builtin(served: Sequence[Served]) -> bool:
    return not served or any(entry.resource.builtin for entry in served)


def _content(served: Served) -> bytes:
    """Return bytes that tell everything about a resource that its documents show."""
    resource = served.resource
    if isinstance(resource.schema, str):
        schema = resource.schema.encode()
    elif resource.origin is not None and resource.origin.hash:
        schema = resource.origin.hash.encode()
    else:
        schema = hashlib.sha256(_encode(resource.schema)).digest()
    words = [resource.plural, resource.kind, resource.list_kind, *verbs_of(served)]
    words += [str(resource.builtin), str(resource.namespaced)]
    for subresource in resource.subresources.values():
        words += ["/", subresource.name, *subresource.verbs]
    text = "\0".join(words)
    return b"%b\0%b\0\n" % (schema, text.encode())
