"""How the schema of a custom kind is published, field by field, in both dialects."""

from typing import Any

import msgspec
import pytest

from kcpfast.api.openapi import custom, gnostic, v2, v3
from kcpfast.kcp.kinds import system_kinds
from tests.api.openapi_kinds import ROOMS, SPEC, lamp, lamps

NAME = "com.example.light.v1.Lamp"
META = {"v2": "#/definitions/", "v3": "#/components/schemas/"}
EITHER = [{"type": "integer"}, {"type": "string"}]
OPEN = {"x-kubernetes-preserve-unknown-fields": True}
NULLABLE = {"type": "object", "nullable": True, "properties": {"a": {"type": "string"}}}
EMBEDDED = {"type": "object", "x-kubernetes-embedded-resource": True}


def published(resource: Any, dialect: str) -> Any:
    return msgspec.json.decode(custom.definitions_of(resource, dialect)[NAME].json)


def field(schema: Any, dialect: str) -> Any:
    spec = {"type": "object", "properties": {"it": schema}}
    return published(lamp(spec), dialect)["properties"]["it"]


@pytest.mark.parametrize(
    ("schema", "in_v3", "in_v2"),
    [
        ({"type": "string"}, {"type": "string"}, {"type": "string"}),
        ({"type": "string", "default": ""}, {"type": "string", "default": ""}, {"type": "string"}),
        (
            SPEC["properties"]["colour"],
            SPEC["properties"]["colour"],
            {"type": "string", "enum": ["red", "green"]},
        ),
        (
            {"type": "integer", "minimum": 0, "nullable": True},
            {"type": "integer", "minimum": 0, "nullable": True},
            {"minimum": 0},
        ),
        (NULLABLE, NULLABLE, {}),
        (OPEN | {"type": "object"}, OPEN | {"type": "object"}, OPEN),
        (OPEN | ROOMS, OPEN | ROOMS | {"x-kubernetes-patch-merge-key": "name"}, {
            **OPEN, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}),
        (ROOMS, ROOMS | {"x-kubernetes-patch-merge-key": "name"}, ROOMS),
        (
            {"x-kubernetes-int-or-string": True},
            {"x-kubernetes-int-or-string": True, "anyOf": EITHER},
            {"x-kubernetes-int-or-string": True},
        ),
        (
            {"x-kubernetes-int-or-string": True, "anyOf": EITHER},
            {"x-kubernetes-int-or-string": True, "anyOf": EITHER},
            {"x-kubernetes-int-or-string": True},
        ),
        (
            {"x-kubernetes-int-or-string": True, "anyOf": [{"minLength": 1}]},
            {"x-kubernetes-int-or-string": True, "anyOf": [{"minLength": 1}],
             "allOf": [{"anyOf": EITHER}]},
            {"x-kubernetes-int-or-string": True},
        ),
        (
            {"type": "string", "not": {"enum": ["no"]}, "oneOf": [{"pattern": "a"}]},
            {"type": "string", "not": {"enum": ["no"]}, "oneOf": [{"pattern": "a"}]},
            {"type": "string"},
        ),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            {"type": "object", "additionalProperties": {"type": "string"}},
            {"type": "object", "additionalProperties": {"type": "string"}},
        ),
        ({"type": "object", "additionalProperties": True, "id": "x", "nullable": False},
         {"type": "object", "additionalProperties": True},
         {"type": "object", "additionalProperties": True}),
        (
            {"type": "object", "required": ["a", "b"], "properties": {"a": NULLABLE, "b": {}}},
            {"type": "object", "required": ["a", "b"], "properties": {"a": NULLABLE, "b": {}}},
            {"type": "object", "required": ["b"], "properties": {"a": {}, "b": {}}},
        ),
    ],
)  # fmt: skip
def test_keywords_are_kept_where_a_dialect_knows_them(schema: Any, in_v3: Any, in_v2: Any) -> None:
    assert field(schema, "v3") == in_v3
    assert field(schema, "v2") == in_v2


@pytest.mark.parametrize("dialect", ["v2", "v3"])
def test_embedded_objects_get_their_metadata(dialect: str) -> None:
    found = field(EMBEDDED, dialect)
    assert sorted(found["properties"]) == ["apiVersion", "kind", "metadata"]
    assert found["required"] == ["kind", "apiVersion"]


@pytest.mark.parametrize("dialect", ["v2", "v3"])
def test_a_kind_has_its_own_fields_and_marks(dialect: str) -> None:
    found = published(lamp(), dialect)
    reference = {"$ref": f"{META[dialect]}io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
    meta = found["properties"]["metadata"]
    assert meta.pop("description")
    assert meta == (reference if dialect == "v2" else {"allOf": [reference]})
    assert sorted(found["properties"]) == ["apiVersion", "kind", "metadata", "spec"]
    row = {"group": "light.example.com", "kind": "Lamp", "version": "v1"}
    assert found["x-kubernetes-group-version-kind"] == [row]


@pytest.mark.parametrize(
    ("schema", "dialect", "fields"),
    [
        (OPEN | {"type": "object"}, "v2", None),
        (OPEN | {"type": "object"}, "v3", ["apiVersion", "kind", "metadata"]),
    ],
)
def test_an_open_kind_lists_no_fields_in_v2(schema: Any, dialect: str, fields: Any) -> None:
    found = published(lamp(schema), dialect)
    assert (sorted(found["properties"]) if "properties" in found else None) == fields


def test_selectable_fields_are_told() -> None:
    found = published(lamp(selectableFields=[{"jsonPath": ".spec.colour"}]), "v3")
    assert found["x-kubernetes-selectable-fields"] == [{"fieldPath": "spec.colour"}]


def test_descriptions_are_added_to_kinds_of_kcp_that_have_none() -> None:
    kind = system_kinds()["core.kcp.io", "v1alpha1", "logicalclusters"]
    name = "io.kcp.core.v1alpha1.LogicalCluster"
    found = msgspec.json.decode(custom.definitions_of(kind, "v3")[name].json)
    assert found["description"]
    assert found["properties"]["spec"]["properties"]["owner"]["description"]
    assert isinstance(kind.schema, dict)
    assert "description" not in kind.schema


# ------------------------------------------------------------------------- hostile schemas


def nested(schema: Any, depth: int, key: str) -> Any:
    for _ in range(depth):
        inner = {"a": schema} if key == "properties" else schema
        schema = {"type": "object", key: [inner] if key == "allOf" else inner}
    return schema


@pytest.mark.parametrize("key", ["additionalProperties", "allOf", "items", "not", "properties"])
@pytest.mark.parametrize("depth", [198, 400])
def test_deep_schemas_make_documents(key: str, depth: int) -> None:
    schema = {"type": "object", "properties": {"a": nested({"type": "string"}, depth, key)}}
    unit = lamps(schema=schema)
    plain = msgspec.json.decode(v3.document(unit, {}))
    assert NAME in plain["components"]["schemas"]
    assert gnostic.encode("v3", "Document", plain)
    assert v2.proto_document([v2.proto_part(v2.part(unit))], {})


def test_a_default_too_deep_to_encode_opens_the_kind() -> None:
    default: Any = {}
    for _ in range(800):
        default = {"a": default}
    found = published(lamp({"type": "object", "properties": {"a": {"default": default}}}), "v3")
    assert found["x-kubernetes-preserve-unknown-fields"]
    assert "properties" not in found


def test_a_schema_with_thousands_of_fields_is_published_whole() -> None:
    fields = {f"f{number}": {"type": "string"} for number in range(5000)}
    found = published(
        lamp({"type": "object", "properties": {"spec": {"properties": fields}}}), "v3"
    )
    assert found["properties"]["spec"]["properties"] == fields
