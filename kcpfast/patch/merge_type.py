"""How each place of an object merges, read from its schema.

Strategic merge patch, server-side apply and managed fields all ask the same of a place: is it one
leaf or is it walked into, and by what are the items of a list told apart? A MergeNode answers
that. Nodes are made when first asked for, since schemas such as JSONSchemaProps contain themselves;
a node that a `$ref` names is made once for all places that name it.

The rules are those of Kubernetes: https://kubernetes.io/docs/reference/using-api/server-side-apply/
#merge-strategy for the `x-kubernetes-*` markers, and "structured-merge-diff" for what an absent
marker means: objects are walked into, lists are leaves, and where no type is given it is taken from
the value ("deduced").
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

Schema = Mapping[str, Any]

# What stands beside a `$ref` counts for that place alone.
_BESIDE_REF = ("x-kubernetes-map-type", "x-kubernetes-patch-strategy")
# Optional members of kinds that are structs by value in Go; both sources are those of Events.
_BY_VALUE = ("deprecatedSource", "source", "spec", "status")
_ANY_SCALAR = "any"
_SCALARS = {"integer": "number", "number": "number", "boolean": "boolean"}
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_RAW_EXTENSION = "io.k8s.apimachinery.pkg.runtime.RawExtension"

_STRING = {"type": "string"}
_STRINGS = {"type": "object", "additionalProperties": _STRING}

# io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta: the schema of a custom resource says nothing of
# it ("metadata: {type: object}"), so it stands here for every kind.
_OBJECT_META: Schema = {
    "type": "object",
    "properties": {
        "annotations": _STRINGS,
        "creationTimestamp": {"type": "string", "format": "date-time"},
        "deletionGracePeriodSeconds": {"type": "integer"},
        "deletionTimestamp": {"type": "string", "format": "date-time"},
        "finalizers": {
            "type": "array",
            "items": _STRING,
            "x-kubernetes-list-type": "set",
            "x-kubernetes-patch-strategy": "merge",
        },
        "generateName": _STRING,
        "generation": {"type": "integer"},
        "labels": _STRINGS,
        "managedFields": {"type": "array", "items": {}},
        "name": _STRING,
        "namespace": _STRING,
        "ownerReferences": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "apiVersion": _STRING,
                    "blockOwnerDeletion": {"type": "boolean"},
                    "controller": {"type": "boolean"},
                    "kind": _STRING,
                    "name": _STRING,
                    "uid": _STRING,
                },
                "x-kubernetes-map-type": "atomic",
            },
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "x-kubernetes-patch-strategy": "merge",
            "x-kubernetes-patch-merge-key": "uid",
        },
        "resourceVersion": _STRING,
        "selfLink": _STRING,
        "uid": _STRING,
    },
}


class _References:
    """The named definitions a schema may point into, and the nodes made of them so far."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self.definitions = definitions
        self.nodes: dict[tuple[str, bool], MergeNode] = {}


class MergeNode:
    """How the values at one place of an object merge.

    What a value may be: `scalar` is "string", "number", "boolean", "any" or "" (none), `is_map`
    and `is_list` allow containers. `granular`: an object here is walked into, otherwise it is one
    leaf. `associative`: the items of a list here are told apart by `keys`, or by their value if
    there are no keys; otherwise the list is one leaf. `defaults`: values of keys an item may omit.
    `open`: members that `fields` does not declare are allowed. `always`: kube-apiserver's own type
    has the object here even where the JSON has not, so nobody can be said to have added it.
    `patch_strategy` and `patch_merge_key` are strategic merge patch's.
    """

    def __init__(self, schema: Schema, references: _References, *, preserve: bool = False) -> None:
        """Read one schema; the schemas below it are read when first asked for."""
        preserve = preserve or schema.get("x-kubernetes-preserve-unknown-fields") is True
        self._schema = schema
        self._references = references
        self._preserve = preserve
        kind = schema.get("type") or ("object" if schema.get("properties") else "")
        untyped = kind not in ("object", "array", "string", *_SCALARS)
        self.scalar = _ANY_SCALAR if untyped else _scalar(kind, schema)
        self.is_map = untyped or kind == "object"
        self.is_list = untyped or kind == "array"
        self.granular = self.is_map and schema.get("x-kubernetes-map-type") != "atomic"
        self.associative, self.keys = _list_type(schema) if kind == "array" else (False, ())
        # The text before each key's value in a path element: `"name":`.
        self.key_texts = tuple(json.dumps(key, ensure_ascii=False) + ":" for key in self.keys)
        self.patch_strategy = frozenset(schema.get("x-kubernetes-patch-strategy", "").split(","))
        self.patch_merge_key: str = schema.get("x-kubernetes-patch-merge-key", "")
        self.always = False
        # The fields of new objects by their outline; see managed_fields.
        self.outlines: dict[Any, Any] = {}

    @cached_property
    def fields(self) -> dict[str, MergeNode]:
        """The declared members of an object here."""
        fields = {}
        for name, schema in self._schema.get("properties", {}).items():
            node = fields[name] = self._below(schema)
            if _always_there(name, schema, self._schema) and node.fields:
                node = fields[name] = _variant(node, {})
                node.always = True
        if self._schema.get("x-kubernetes-embedded-resource") is True:
            fields |= _envelope()
        return fields

    @cached_property
    def element(self) -> MergeNode | None:
        """The items of a list, or the undeclared members of an object; None: there are none."""
        if self.is_list and self.is_map:
            return self
        if self.is_list:
            items = self._schema.get("items")
            return self._below(items) if items else DEDUCED
        others = self._schema.get("additionalProperties")
        if isinstance(others, Mapping) and others:
            return self._below(others)
        if others is False or (others is None and self._schema.get("properties")):
            return DEDUCED if self._preserve else None
        return DEDUCED

    @cached_property
    def other(self) -> MergeNode:
        """How to treat an undeclared member all the same: as allowed, else by its value."""
        return self.element or DEDUCED

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """Values of the keys that an item of this list may leave out."""
        items = self._resolve(self._schema.get("items") or {})
        properties = items.get("properties", {})
        return {
            key: properties[key]["default"]
            for key in self.keys
            if properties.get(key, {}).get("default") is not None
        }

    def child(self, name: str) -> MergeNode:
        """Return how the member `name` of an object here merges."""
        return self.fields.get(name) or self.other

    def _resolve(self, schema: Schema) -> Schema:
        name = _reference(schema)
        return self._references.definitions.get(name, {}) if name else schema

    def _below(self, schema: Schema) -> MergeNode:
        name = _reference(schema)
        if not name:
            return MergeNode(schema, self._references, preserve=self._preserve)
        if name == _RAW_EXTENSION:
            return UNTYPED
        node = self._references.nodes.get((name, self._preserve))
        if node is None:
            target = self._references.definitions.get(name, {})
            if name == _QUANTITY:
                target = {"type": "string", "format": "quantity"}
            node = MergeNode(target, self._references, preserve=self._preserve)
            self._references.nodes[name, self._preserve] = node
        beside = {key: schema[key] for key in _BESIDE_REF if key in schema}
        return _variant(node, beside) if beside else node


def _variant(node: MergeNode, beside: Schema) -> MergeNode:
    """Return a node of the same schema with a few markers of its own."""
    return MergeNode({**node._schema, **beside}, node._references, preserve=node._preserve)


def _reference(schema: Schema) -> str:
    """Return the definition a schema stands for, or ""; OpenAPI v3 wraps a `$ref` with siblings."""
    target = schema.get("$ref")
    wrapped = schema.get("allOf")
    if target is None and isinstance(wrapped, list) and len(wrapped) == 1:
        target = wrapped[0].get("$ref")
    return str(target).rpartition("/")[2] if target else ""


def _always_there(name: str, schema: Schema, parent: Schema) -> bool:
    """Tell whether a Go struct holds this member by value: the schema does not quite say it.

    Such members have the default {} in OpenAPI v3; in v2 it is those that are required, and a few
    of a kind itself.
    """
    if not _reference(schema):
        return False
    if schema.get("default") == {} or name in parent.get("required", ()):
        return True
    return name in _BY_VALUE and "x-kubernetes-group-version-kind" in parent


def _scalar(kind: str, schema: Schema) -> str:
    if kind == "string":
        return "string" if schema.get("format", "") in ("", "byte") else _ANY_SCALAR
    return _SCALARS.get(kind, "")


def _list_type(schema: Schema) -> tuple[bool, tuple[str, ...]]:
    """Return whether a list is associative, and its keys in the order of their names."""
    list_type = schema.get("x-kubernetes-list-type")
    if list_type is not None:
        keys = schema.get("x-kubernetes-list-map-keys", ()) if list_type == "map" else ()
        return list_type in ("map", "set"), tuple(sorted(keys))
    if "merge" not in schema.get("x-kubernetes-patch-strategy", "").split(","):
        return False, ()
    key = schema.get("x-kubernetes-patch-merge-key")
    return True, (key,) if key else ()


_NOTHING = _References({})
# A value without a type: objects are walked into, lists are leaves.
DEDUCED = MergeNode({}, _NOTHING)
# A value without a type that is one leaf whatever it is.
UNTYPED = MergeNode({"x-kubernetes-map-type": "atomic"}, _NOTHING)
_META = MergeNode(_OBJECT_META, _NOTHING)
_TEXT = MergeNode(_STRING, _NOTHING)


def _envelope() -> dict[str, MergeNode]:
    """The members that every object has, whatever its schema says of them."""
    return {"apiVersion": _TEXT, "kind": _TEXT, "metadata": _META}


def merge_node(schema: Schema, definitions: Mapping[str, Schema] | None = None) -> MergeNode:
    """Return how objects of a kind merge.

    `schema` is its OpenAPI or structural schema, `definitions` what `$ref`s name by their last
    segment. Both are kept and read later, so they must not change. The node belongs to whoever
    keeps the schema: it holds all that was worked out below it.
    """
    root = MergeNode(schema, _References(definitions or {}))
    root.fields.update(_envelope())
    return root
