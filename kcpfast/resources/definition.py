"""From what a CRD or an APIResourceSchema declares to the same `Resource` as a built-in kind has.

A definition is the canonical JSON of group, names, scope and versions; its hash names it, so that
every workspace with the same definition shares one compiled schema.
"""

from __future__ import annotations

import hashlib
import math
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
from kcpfast.resources.compiled import CompiledSchema
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
    for declared in spec["versions"]:
        version = {key: declared[key] for key in _VERSION_KEYS if declared.get(key) is not None}
        version["schema"] = schema_of(declared)
        versions.append(version)
    result = {
        "group": spec["group"],
        "names": dict(names),
        "scope": spec["scope"],
        "versions": versions,
    }
    if spec.get("nameValidation"):
        result["nameValidation"] = spec["nameValidation"]
    return result


def encode(definition: Definition) -> tuple[str, bytes]:
    """Return hash and canonical JSON of a definition."""
    data = msgspec.json.encode(definition, order="sorted")
    return hashlib.sha256(data).hexdigest()[:32], data


def storage_of(definition: Definition) -> str:
    """Return the name of the storage version."""
    stored = next(version for version in definition["versions"] if version["storage"])
    return str(stored["name"])


def resources_of(definition: Definition, origin: Origin, size: int = 0) -> dict[str, Resource]:
    """Return a Resource for each served version by its name, in the order of the definition.

    `size` is the length of the definition's JSON in bytes.
    """
    resources = {}
    for version in definition["versions"]:
        if version.get("served"):
            resources[version["name"]] = _resource(definition, version, origin, size)
    return resources


def _resource(
    definition: Definition, version: Mapping[str, Any], origin: Origin, size: int
) -> Resource:
    group, names = definition["group"], _names(definition["names"])
    stored = storage_of(definition)
    schema = version.get("schema") or {}
    subresources = version.get("subresources") or {}
    status = subresources.get("status") is not None
    scale = _scale(subresources.get("scale"))
    any_segment = definition.get("nameValidation") == "PathSegmentName"
    return Resource(
        group=group,
        version=version["name"],
        names=names,
        namespaced=definition["scope"] == "Namespaced",
        storage=storage_name(group, names.plural, origin.identity),
        compiled=CompiledSchema(lambda: _program(schema), warm=False),
        builtin=False,
        origin=origin,
        storage_version=f"{group}/{stored}" if group else stored,
        verbs=CUSTOM_VERBS,
        schema=schema,
        name_rule=path_segment if any_segment else dns_subdomain,
        status=status,
        scale=scale,
        subresources=standard_subresources(names.kind, status=status, scale=scale),
        columns=columns(version.get("additionalPrinterColumns")),
        fields=_selectable_fields(version.get("selectableFields") or ()),
        deprecation=_deprecation(definition, version),
        size=size,
    )


def _names(names: Mapping[str, Any]) -> Names:
    kind = names["kind"]
    return Names(
        names["plural"],
        kind,
        names.get("singular") or kind.lower(),
        names.get("listKind") or kind + "List",
        tuple(names.get("shortNames") or ()),
        tuple(names.get("categories") or ()),
    )


def _deprecation(definition: Definition, version: Mapping[str, Any]) -> str:
    """Return the warning for clients of a deprecated version, "" for any other version.

    Where the definition has no text for it, it is apiextensions-apiserver's, which recommends the
    best version that is served and not deprecated, if that is a better one.
    """
    if not version.get("deprecated"):
        return ""
    if version.get("deprecationWarning"):
        return str(version["deprecationWarning"])
    group, name, kind = definition["group"], version["name"], definition["names"]["kind"]
    api_version = f"{group}/{name}" if group else name
    text = f"{api_version} {kind} is deprecated"
    current = [
        candidate["name"]
        for candidate in definition["versions"]
        if candidate["served"] and not candidate.get("deprecated")
    ]
    best = min(current, key=version_order, default="")
    if not best or version_order(best) >= version_order(name):
        return text
    return f"{text}; use {group}/{best} {kind}"


def _program(schema: Mapping[str, Any]) -> Program:
    return compile_schema(schema, meta=typed_program(OBJECT_META).root)


def _selectable_fields(
    declared: Sequence[Mapping[str, Any]],
) -> dict[str, Callable[[Object], Any]]:
    readers = {}
    for field in declared:
        path = field["jsonPath"]
        readers[path.lstrip(".")] = _reader(path)
    return readers


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
        values = jsonpath.find(steps, obj)
        return jsonpath.text(values[0]) if values else ""

    return read


# ------------------------------------------------------------------------- columns


_ALWAYS_READ = (".metadata.name", ".metadata.creationTimestamp")
_MEMBER = re.compile(r"\.([A-Za-z0-9_-]+)(?=[.\[]|$)")


def columns(declared: Sequence[Mapping[str, Any]] | None) -> tuple[Column, ...]:
    """Return the columns of a custom kind: its name first, its age where it declares none."""
    if not declared:
        return (NAME_COLUMN, AGE_COLUMN)
    return (NAME_COLUMN, *map(_column, declared))


def _column(declared: Mapping[str, Any]) -> Column:
    """Return a column of additionalPrinterColumns; one whose path is malformed has empty cells."""
    path = declared["jsonPath"]
    try:
        steps = jsonpath.compile_path(path)
    except jsonpath.JsonPathError:
        steps = (lambda _values: [],)
    return Column(
        declared["name"],
        declared["type"],
        _cell(steps, declared["type"]),
        declared.get("format") or "",
        declared.get("priority") or 0,
        declared.get("description") or "",
        _reads(path),
    )


def _reads(path: str) -> tuple[str, ...] | None:
    """Return the member that a path begins with, None if that cannot be told."""
    if path in _ALWAYS_READ:
        return ()
    first_member = _MEMBER.match(path)
    return (first_member[1],) if first_member is not None else None


def _cell(steps: tuple[jsonpath.PathStep, ...], kind: str) -> Callable[[Object], Any]:
    """Return what reads the value of a cell whose column is of type `kind`.

    Rules: TableConvertor.ConvertToTable of apiextensions-apiserver (pkg/registry/customresource).
    """

    def cell(obj: Object) -> Any:
        values = jsonpath.find(steps, obj)
        if not values:
            return None
        first = values[0]
        if kind == "string":
            return _printed(first)
        if kind == "date":
            return age(first) if isinstance(first, str) else None
        if kind == "integer" and isinstance(first, float) and math.isfinite(first):
            return int(first)
        return first if _is_of_type(kind, first) else None

    return cell


# The column of kinds that declare none. Views leave it out: they compare with this very object.
AGE_COLUMN = _column({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"})


def _printed(value: Any) -> str:
    if value is None:
        return "<no value>"
    if isinstance(value, dict | list):
        return msgspec.json.encode(value, order="sorted").decode()
    return jsonpath.text(value)


def _is_of_type(kind: str, value: Any) -> bool:
    if kind == "boolean":
        return isinstance(value, bool)
    # In Python, True is an int.
    if isinstance(value, bool):
        return False
    return isinstance(value, int if kind == "integer" else int | float)
