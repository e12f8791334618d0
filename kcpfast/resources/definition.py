"""From what a CRD or an APIResourceSchema declares to the same `Resource` as a built-in kind has.

A definition is the canonical JSON of group, names, scope and versions; its hash names it, so that
every workspace with the same definition shares one compiled schema.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from kcpfast.meta import jsonpath
from kcpfast.meta.names import dns_subdomain, path_segment
from kcpfast.meta.versions import version_order
from kcpfast.resources.ages import age
from kcpfast.resources.builtin import typed_program
from kcpfast.resources.columns import NAME_COLUMN
from kcpfast.resources.resource import (
    CUSTOM_VERBS,
    Column,
    Names,
    Object,
    Origin,
    Resource,
    ScalePaths,
    standard_subresources,
)
from kcpfast.schema.program import Program, compile_schema
from kcpfast.store.keys import storage_name

Definition = dict[str, Any]
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_VERSION_KEYS = (
    "name",
    "served",
    "storage",
    "deprecated",
    "deprecationWarning",
    "schema",
    "subresources",
    "additionalPrinterColumns",
    "selectableFields",
)


def definition(
    spec: Mapping[str, Any], names: Mapping[str, Any], schema_of: Callable[[Any], Any]
) -> Definition:
    """Return the definition in a CRD's or APIResourceSchema's spec.

    `names` are the accepted names; `schema_of(version)` returns the version's openAPIV3Schema.
    """
    versions = []
    for each in spec["versions"]:
        version = {key: each[key] for key in _VERSION_KEYS if each.get(key) is not None}
        version["schema"] = schema_of(each)
        versions.append(version)
    found = {
        "group": spec["group"],
        "names": dict(names),
        "scope": spec["scope"],
        "versions": versions,
    }
    if spec.get("nameValidation"):
        found["nameValidation"] = spec["nameValidation"]
    return found


def encode(found: Definition) -> tuple[str, bytes]:
    """Return hash and canonical JSON of a definition."""
    data = msgspec.json.encode(found, order="sorted")
    return hashlib.sha256(data).hexdigest()[:32], data


def storage_of(found: Definition) -> str:
    """Return the name of the storage version."""
    return str(next(each["name"] for each in found["versions"] if each["storage"]))


def resources_of(found: Definition, origin: Origin, size: int = 0) -> dict[str, Resource]:
    """Return a Resource for each served version, in the order of the definition.

    `size` is that of the definition's JSON.
    """
    made = {
        version["name"]: _resource(found, version, origin)
        for version in found["versions"]
        if version.get("served")
    }
    for resource in made.values():
        resource.size, resource.warm = size, False
    return made


def _resource(found: Definition, version: Mapping[str, Any], origin: Origin) -> Resource:
    group, names = found["group"], found["names"]
    kind = names["kind"]
    resource = Resource(
        group,
        version["name"],
        Names(
            names["plural"],
            kind,
            names.get("singular") or kind.lower(),
            names.get("listKind") or kind + "List",
            tuple(names.get("shortNames") or ()),
            tuple(names.get("categories") or ()),
        ),
        namespaced=found["scope"] == "Namespaced",
        storage=storage_name(group, names["plural"], origin.identity),
        make_program=lambda: _program(version.get("schema") or {}),
    )
    stored = storage_of(found)
    resource.builtin = False
    resource.origin = origin
    resource.storage_version = f"{group}/{stored}" if group else stored
    resource.item_head = resource.head
    resource.verbs = CUSTOM_VERBS
    resource.schema = version.get("schema") or {}
    if found.get("nameValidation") == "PathSegmentName":
        resource.name_rule = path_segment
    else:
        resource.name_rule = dns_subdomain
    subresources = version.get("subresources") or {}
    resource.status = subresources.get("status") is not None
    resource.scale = _scale(subresources.get("scale"))
    resource.subresources = standard_subresources(
        resource, status=resource.status, scale=resource.scale
    )
    resource.columns = columns(version.get("additionalPrinterColumns"))
    resource.fields = {
        each["jsonPath"].lstrip("."): _reader(each["jsonPath"])
        for each in version.get("selectableFields") or ()
    }
    if version.get("deprecated"):
        resource.deprecation = version.get("deprecationWarning") or _deprecation(found, resource)
    return resource


def _deprecation(found: Definition, resource: Resource) -> str:
    """Return what is said of a deprecated version; it names the best of those that are better."""
    text = f"{resource.api_version} {resource.kind} is deprecated"
    current = [each for each in found["versions"] if each["served"] and not each.get("deprecated")]
    best = min((each["name"] for each in current), key=version_order, default="")
    if not best or version_order(best) >= version_order(resource.version):
        return text
    return f"{text}; use {resource.group}/{best} {resource.kind}"


def _program(schema: Mapping[str, Any]) -> Program:
    return compile_schema(schema, meta=typed_program(OBJECT_META).root)


def _scale(paths: Mapping[str, Any] | None) -> ScalePaths | None:
    if paths is None:
        return None
    return ScalePaths(
        paths["specReplicasPath"],
        paths["statusReplicasPath"],
        paths.get("labelSelectorPath") or "",
    )


def _reader(path: str) -> Callable[[Object], Any]:
    steps = jsonpath.compile_path(path)

    def read(obj: Object) -> Any:
        found = jsonpath.find(steps, obj)
        return jsonpath.text(found[0]) if found else ""

    return read


# ------------------------------------------------------------------------- columns


_ALWAYS_READ = (".metadata.name", ".metadata.creationTimestamp")
_MEMBER = re.compile(r"\.([A-Za-z0-9_-]+)(?=[.\[]|$)")


def columns(declared: Sequence[Mapping[str, Any]] | None) -> tuple[Column, ...]:
    """Return the columns of a custom kind: its name first, its age where it declares none."""
    return (
        (NAME_COLUMN, *(_column(row) for row in declared))
        if declared
        else (NAME_COLUMN, AGE_COLUMN)
    )


def _column(row: Mapping[str, Any]) -> Column:
    try:
        steps = jsonpath.compile_path(row["jsonPath"])
    except jsonpath.JsonPathError:
        steps = (lambda _value: iter(()),)
    return Column(
        row["name"],
        row["type"],
        _cell(steps, row["type"]),
        row.get("format") or "",
        row.get("priority") or 0,
        row.get("description") or "",
        _reads(row["jsonPath"]),
    )


def _reads(path: str) -> tuple[str, ...] | None:
    """Return the member that a path begins with, None if that cannot be told."""
    if path in _ALWAYS_READ:
        return ()
    found = _MEMBER.match(path)
    return (found[1],) if found is not None else None


def _cell(steps: tuple[jsonpath.PathStep, ...], kind: str) -> Callable[[Object], Any]:
    def cell(obj: Object) -> Any:
        found = jsonpath.find(steps, obj)
        if not found or found[0] is None:
            return None
        if kind == "date":
            return age(found[0] if isinstance(found[0], str) else None)
        if kind == "string" or len(found) > 1:
            return ",".join(_printed(each) for each in found)
        return found[0] if _is(kind, found[0]) else None

    return cell


# The column of kinds that declare none; a view tells it from a declared one by being this one.
AGE_COLUMN = _column({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"})


def _printed(value: Any) -> str:
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    return jsonpath.text(value)


def _is(kind: str, value: Any) -> bool:
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, int | float) and not isinstance(value, bool)
