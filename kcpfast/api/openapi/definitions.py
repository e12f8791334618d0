"""The definitions of built-in kinds as the documents show them, in both dialects.

They are made from the asset that schemas are compiled from, with descriptions added, and kept as
encoded JSON: a document copies them. Conventions of v3 follow what kube-apiserver publishes: a
reference with anything beside it stands in `allOf`, and what a Go struct cannot leave out has a
default (KEP-2896).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import msgspec

from kcpfast.resources.asset import asset
from kcpfast.resources.builtin import definitions

Schema = dict[str, Any]
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
OBJECT_META, LIST_META = _META + "ObjectMeta", _META + "ListMeta"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_V2, _V3 = "#/definitions/", "#/components/schemas/"
REFERENCES = {"v2": _V2, "v3": _V3}
_encode = msgspec.json.Encoder().encode

# Every group-version of Kubernetes takes these two, whether it is served here or not.
_EVERYWHERE = (_META + "DeleteOptions", _META + "WatchEvent")
_GROUPS = {
    "": "v1",
    "admission.k8s.io": "v1 v1beta1",
    "admissionregistration.k8s.io": "v1 v1alpha1 v1beta1",
    "apiextensions.k8s.io": "v1 v1beta1",
    "apps": "v1 v1beta1 v1beta2",
    "authentication.k8s.io": "v1 v1alpha1 v1beta1",
    "authorization.k8s.io": "v1 v1beta1",
    "autoscaling": "v1 v2",
    "batch": "v1 v1beta1",
    "certificates.k8s.io": "v1 v1alpha1 v1beta1",
    "coordination.k8s.io": "v1 v1alpha2 v1beta1",
    "discovery.k8s.io": "v1 v1beta1",
    "events.k8s.io": "v1 v1beta1",
    "extensions": "v1beta1",
    "flowcontrol.apiserver.k8s.io": "v1 v1beta1 v1beta2 v1beta3",
    "imagepolicy.k8s.io": "v1alpha1",
    "internal.apiserver.k8s.io": "v1alpha1",
    "networking.k8s.io": "v1 v1beta1",
    "node.k8s.io": "v1 v1alpha1 v1beta1",
    "policy": "v1 v1beta1",
    "rbac.authorization.k8s.io": "v1 v1alpha1 v1beta1",
    "resource.k8s.io": "v1 v1alpha3 v1beta1 v1beta2",
    "scheduling.k8s.io": "v1 v1alpha2 v1beta1",
    "storage.k8s.io": "v1 v1alpha1 v1beta1",
    "storagemigration.k8s.io": "v1beta1",
}


def _scale() -> dict[str, Schema]:
    """Return the definitions of autoscaling/v1 Scale, the one body that is no resource here."""
    name = "io.k8s.api.autoscaling.v1.Scale"
    text, count = {"type": "string"}, {"type": "integer", "format": "int32"}
    properties = {
        "apiVersion": text,
        "kind": text,
        "metadata": {"$ref": _V2 + OBJECT_META},
        "spec": {"$ref": _V2 + name + "Spec"},
        "status": {"$ref": _V2 + name + "Status"},
    }
    kind = {"group": "autoscaling", "kind": "Scale", "version": "v1"}
    status = {"replicas": count, "selector": text}
    return {
        name: {
            "type": "object",
            "properties": properties,
            "x-kubernetes-group-version-kind": [kind],
        },
        name + "Spec": {"type": "object", "properties": {"replicas": count}},
        name + "Status": {"type": "object", "properties": status, "required": ["replicas"]},
    }


class Definition(NamedTuple):
    """An encoded definition, and the names of those it refers to."""

    json: msgspec.Raw
    references: tuple[str, ...]


@cache
def published(dialect: str) -> Mapping[str, Definition]:
    """Return the built-in definitions by name, as `v2` or `v3` writes them."""
    by_name = {}
    for name, schema in (*definitions().items(), *_scale().items()):
        full = _described(name, schema)
        own = _for_v3(name, full) if dialect == "v3" else full
        references = tuple(dict.fromkeys(_references(schema)))
        by_name[name] = Definition(msgspec.Raw(_encode(own)), references)
    return by_name


def closure(names: Iterable[str]) -> list[str]:
    """Return the built-in definitions that these need, themselves included, sorted by name."""
    all_definitions = published("v3")
    reached: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in reached and name in all_definitions:
            reached.add(name)
            todo += all_definitions[name].references
    return sorted(reached)


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference.startswith(_V2):
            yield reference[len(_V2) :]
        for value in schema.values():
            yield from _references(value)


# ------------------------------------------------------------------------- descriptions


@cache
def descriptions() -> Mapping[str, Mapping[str, str]]:
    """Return texts by definition and field ("" = the definition itself, `*` = of all kinds)."""
    return asset("descriptions.json")


def common(field: str) -> str:
    """Return the text of a field that all kinds have."""
    return descriptions()["*"][field]


def _described(name: str, schema: Mapping[str, Any]) -> Schema:
    """Return a definition with its descriptions; the original is left as it is."""
    texts = _texts(name, schema)
    full: Schema = {"description": texts[""]} if "" in texts else {}
    full |= schema
    if name in _EVERYWHERE:
        kind = name.removeprefix(_META)
        full["x-kubernetes-group-version-kind"] = [
            {"group": group, "kind": kind, "version": version}
            for group, versions in _GROUPS.items()
            for version in versions.split()
        ]
    if "properties" in schema:
        full["properties"] = {
            field: {"description": texts[field]} | subschema if field in texts else subschema
            for field, subschema in schema["properties"].items()
        }
    return full


def _texts(name: str, schema: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the descriptions of a definition's fields, by name; "" is the definition itself."""
    texts: dict[str, str] = {}
    properties = schema.get("properties", {})
    if "kind" in properties and "apiVersion" in properties:
        texts["apiVersion"] = common("apiVersion")
        texts["kind"] = common("kind")
    meta = properties.get("metadata", {}).get("$ref", "")
    if meta.endswith(OBJECT_META):
        texts["metadata"] = common("metadata")
    elif meta.endswith(LIST_META):
        texts["metadata"] = common("listMetadata")
    if name.endswith("List") and "items" in properties:
        kind = name.rpartition(".")[2].removesuffix("List")
        texts[""] = f"A list of {kind} objects."
        texts["items"] = common("items")
    return texts | dict(descriptions().get(name, {}))


# ------------------------------------------------------------------------- v3

_ZERO = {"string": "", "integer": 0, "number": 0, "boolean": False}
_STRUCTS = ("metadata", "spec", "status")


def _for_v3(name: str, schema: Schema) -> Schema:
    if name == _QUANTITY:
        rest = {key: value for key, value in schema.items() if key != "type"}
        return rest | {"oneOf": [{"type": "string"}, {"type": "number"}]}
    if "properties" not in schema:
        return schema
    required = schema.get("required", ())
    properties = {
        field: _property(subschema, always=field in required, struct=field in _STRUCTS)
        for field, subschema in schema["properties"].items()
    }
    return schema | {"properties": properties}


def _property(schema: Schema, *, always: bool, struct: bool = False) -> Schema:
    """Return the v3 form of a field; `always` tells that Go writes it even if it is not set."""
    if "$ref" in schema:
        target = schema["$ref"].removeprefix(_V2)
        if target == _QUANTITY:
            return referring("v3", target, schema.get("description", ""))
        wrapped = {key: value for key, value in schema.items() if key != "$ref"}
        wrapped["allOf"] = [{"$ref": _V3 + target}]
        return wrapped | {"default": {}} if always or struct else wrapped
    for inner in ("items", "additionalProperties"):
        if isinstance(schema.get(inner), dict):
            schema = schema | {inner: _property(schema[inner], always=True)}
    kind = schema.get("type")
    if always and kind in _ZERO and schema.get("format") != "byte":
        return schema | {"default": _ZERO[kind]}
    return schema


def referring(dialect: str, name: str, text: str = "") -> Schema:
    """Return a reference to a definition, described where there is something to say."""
    reference = {"$ref": REFERENCES[dialect] + name}
    if not text:
        return reference
    if dialect == "v3":
        return {"description": text, "allOf": [reference]}
    return {"description": text} | reference
