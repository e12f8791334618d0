"""How places merge, as their schemas say."""

from typing import Any

import pytest

from kcpfast.patch.merge_type import DEDUCED, UNTYPED, MergeNode, merge_node
from tests.patch.kinds import DEFINITIONS, NAMESPACE, WIDGET

LIST = {"type": "array", "items": {"type": "string"}}
KEYED = {**LIST, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["b", "a"]}
MERGED = {**LIST, "x-kubernetes-patch-strategy": "merge"}
OPEN = {"x-kubernetes-preserve-unknown-fields": True}
STRUCT = {"type": "object", "properties": {"a": {"type": "string"}}}
RAW = {"$ref": "#/definitions/io.k8s.apimachinery.pkg.runtime.RawExtension"}
QUANTITY = {"$ref": "#/definitions/io.k8s.apimachinery.pkg.api.resource.Quantity"}

# schema, what a value may be (scalar, map, list), walked into (as object, as list), keys
PLACES: list[tuple[Any, str, bool, bool, bool, bool, tuple[str, ...]]] = [
    ({"type": "string"}, "string", False, False, False, False, ()),
    ({"type": "string", "format": "byte"}, "string", False, False, False, False, ()),
    ({"type": "string", "format": "date-time"}, "any", False, False, False, False, ()),
    ({"type": "integer"}, "number", False, False, False, False, ()),
    ({"type": "boolean"}, "boolean", False, False, False, False, ()),
    (QUANTITY, "any", False, False, False, False, ()),
    ({"x-kubernetes-int-or-string": True}, "any", True, True, True, False, ()),
    ({}, "any", True, True, True, False, ()),
    (RAW, "any", True, True, False, False, ()),
    ({"type": "object"}, "", True, False, True, False, ()),
    (STRUCT, "", True, False, True, False, ()),
    ({"properties": {"a": {}}}, "", True, False, True, False, ()),
    ({**STRUCT, "x-kubernetes-map-type": "atomic"}, "", True, False, False, False, ()),
    ({**STRUCT, "x-kubernetes-map-type": "granular"}, "", True, False, True, False, ()),
    (LIST, "", False, True, False, False, ()),
    ({**LIST, "x-kubernetes-list-type": "atomic"}, "", False, True, False, False, ()),
    ({**LIST, "x-kubernetes-list-type": "set"}, "", False, True, False, True, ()),
    (KEYED, "", False, True, False, True, ("a", "b")),
    (MERGED, "", False, True, False, True, ()),
    ({**MERGED, "x-kubernetes-patch-merge-key": "k"}, "", False, True, False, True, ("k",)),
    ({**LIST, "x-kubernetes-patch-strategy": "retainKeys"}, "", False, True, False, False, ()),
]


@pytest.mark.parametrize("row", PLACES, ids=[str(row[0])[:60] for row in PLACES])
def test_place_from_schema(row: Any) -> None:
    schema, *expected = row
    node = merge_node({"type": "object", "properties": {"x": schema}}).child("x")
    found = [node.scalar, node.is_map, node.is_list, node.granular, node.associative, node.keys]
    assert found == expected


@pytest.mark.parametrize(
    ("schema", "other"),
    [
        (STRUCT, None),
        ({**STRUCT, **OPEN}, "any"),
        ({"type": "object"}, "any"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "string"),
        ({"type": "object", "additionalProperties": True}, "any"),
        ({**STRUCT, "additionalProperties": {"type": "integer"}}, "number"),
    ],
)
def test_undeclared_members(schema: Any, other: str | None) -> None:
    node = merge_node({"type": "object", "properties": {"x": schema}}).child("x")
    assert (node.element.scalar if node.element else None) == other
    assert node.child("undeclared") is (node.element or DEDUCED)


def test_preserved_fields_are_preserved_below() -> None:
    root = merge_node({"type": "object", **OPEN, "properties": {"x": STRUCT}})
    assert root.element is DEDUCED
    assert root.child("x").element is DEDUCED


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, WIDGET._schema, {**STRUCT, **OPEN}])
def test_metadata_is_that_of_every_object(schema: Any) -> None:
    meta = merge_node(schema).child("metadata")
    assert meta.child("labels").child("any").scalar == "string"
    assert (meta.child("finalizers").associative, meta.child("finalizers").keys) == (True, ())
    assert meta.child("ownerReferences").keys == ("uid",)
    assert not meta.child("ownerReferences").other.granular
    assert meta.element is None


def test_embedded_resource_has_an_envelope() -> None:
    schema = {"type": "object", "x-kubernetes-embedded-resource": True, **OPEN}
    template = merge_node({"type": "object", "properties": {"template": schema}}).child("template")
    assert template.child("metadata").child("finalizers").associative


@pytest.mark.parametrize(
    "reference",
    [{"$ref": "#/definitions/Condition"}, {"allOf": [{"$ref": "#/components/schemas/Condition"}]}],
)
def test_references_are_followed(reference: Any) -> None:
    node = merge_node(
        {"type": "object", "properties": {"x": reference, "y": reference}}, DEFINITIONS
    )
    assert set(node.child("x").fields) == {"status", "type"}
    assert node.child("x") is node.child("y")
    atomic = {**reference, "x-kubernetes-map-type": "atomic"}
    node = merge_node({"type": "object", "properties": {"x": atomic, "y": reference}}, DEFINITIONS)
    assert (node.child("x").granular, node.child("y").granular) == (False, True)


def test_schema_that_contains_itself() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#/definitions/Tree"}}}
    node = merge_node(
        {"type": "object", "properties": {"tree": {"$ref": "#/definitions/Tree"}}}, {"Tree": tree}
    )
    here = node.child("tree")
    assert here.child("child").child("child") is here


@pytest.mark.parametrize(
    ("name", "beside", "required", "always"),
    [
        ("status", {}, [], True),
        ("other", {}, [], False),
        ("other", {}, ["other"], True),
        ("other", {"default": {}}, [], True),
    ],
)
def test_structs_that_are_always_there(
    name: str, beside: Any, required: list[str], always: bool
) -> None:
    kind = {
        "type": "object",
        "properties": {name: {"allOf": [{"$ref": "#/definitions/Condition"}], **beside}},
        "required": required,
        "x-kubernetes-group-version-kind": [{}],
    }
    assert merge_node(kind, DEFINITIONS).child(name).always is always


def test_custom_kinds_have_no_such_structs() -> None:
    assert not merge_node({"type": "object", "properties": {"spec": STRUCT}}).child("spec").always
    assert NAMESPACE.child("status").always


def test_defaults_of_keys() -> None:
    assert WIDGET.child("ports").defaults == {"protocol": "TCP"}


@pytest.mark.parametrize("node", [DEDUCED, UNTYPED])
def test_untyped_values_hold_their_like(node: MergeNode) -> None:
    assert node.child("a").child("b") is node
