"""Random CustomResourceDefinitions: mostly valid ones, and objects that mostly fit them."""

from __future__ import annotations

from typing import Any

from kcpfast.meta.copies import copy_json
from tests.differential.script import Json
from tests.fuzz.choices import Choices

Leaf = tuple[Json, tuple[Any, ...]]
_BAD: tuple[Any, ...] = (None, "", -1, 1.5, [], {}, True, "a b", 2.0, 1e6)
# Schemas, and values that fit or nearly do.
_LEAVES: tuple[Leaf, ...] = (
    ({"type": "integer"}, (1, 2.0, 1e6, 1.5)),
    ({"type": "integer", "format": "int32", "minimum": 0, "maximum": 9}, (5, 10, -1, 2**31)),
    ({"type": "integer", "minimum": 0, "exclusiveMinimum": True}, (0, 1)),
    ({"type": "integer", "default": 7}, (1,)),
    ({"type": "number"}, (1, 0.5, 1e300)),
    ({"type": "number", "multipleOf": 0.1}, (0.3, 0.35, 1)),
    ({"type": "boolean", "default": False}, (True, "true")),
    ({"type": "string", "minLength": 2, "maxLength": 4}, ("ab", "a", "abcde", "äöü")),
    ({"type": "string", "pattern": "^[a-c]+$"}, ("abc", "d")),
    ({"type": "string", "enum": ["a", "b"]}, ("a", "c")),
    ({"type": "string", "nullable": True}, (None, "x")),
    ({"type": "string", "nullable": True, "default": "d"}, (None, "x")),
    ({"type": "string", "default": "d"}, (None, "x")),
    ({"x-kubernetes-int-or-string": True}, (1, "1", 1.5)),
    ({"x-kubernetes-preserve-unknown-fields": True}, (1, {"a": [1.0]}, None)),
    ({"type": "object", "additionalProperties": {"type": "string"}}, ({"a": "b"}, {"a": None})),
    ({"type": "object", "additionalProperties": {"type": "integer"}}, ({"a": 1.0}, {"a": "b"})),
    ({"type": "array", "items": {"type": "string"}, "maxItems": 2}, (["a"], ["a", "b", "c"])),
    (
        {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        (["a", "b"], ["a", "a"]),
    ),
    (
        {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"],
            "items": {
                "type": "object",
                "required": ["k"],
                "properties": {"k": {"type": "string"}, "v": {"type": "integer", "default": 1}},
            },
        },
        ([{"k": "a"}], [{"k": "a"}, {"k": "a", "v": 2}], [{"v": 1}]),
    ),
    (
        {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
        },
        ({"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}}, {"kind": "A"}),
    ),
    (
        {
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
        ({"a": "x"}, {"a": "x", "b": "y"}, {}),
    ),
    (
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}},
            "anyOf": [{"properties": {"a": {"minimum": 5}}}, {"not": {"required": ["a"]}}],
        },
        ({"a": 6}, {"a": 1}, {}),
    ),
    (
        {
            "type": "integer",
            "x-kubernetes-validations": [{"rule": "self < 10", "message": "less than ten"}],
        },
        (5, 10),
    ),
    (
        {
            "type": "string",
            "maxLength": 20,
            "x-kubernetes-validations": [
                {"rule": "self == oldSelf", "reason": "FieldValueForbidden"}
            ],
        },
        ("a", "b"),
    ),
    (
        {
            "type": "object",
            "minProperties": 1,
            "properties": {"n": {"type": "object", "properties": {"x": {"type": "string"}}}},
        },
        ({"n": {"x": "a"}}, {}, {"n": {"y": 1}}),
    ),
)
_FORMATS: dict[str, tuple[Any, ...]] = {
    "date-time": ("2026-01-02T03:04:05Z", "2026-01-02 03:04:05", "2026-01-02T03:04:05.5+01:00"),
    "date": ("2026-01-02", "2026-1-2", "2026-02-30"),
    "duration": ("1h", "1 day", "P1D", "1.5h", "1w"),
    "email": ("a@b.example", "a", "A <a@b.example>"),
    "hostname": ("a.example.com", "-a", "a_b", "A.B"),
    "ipv4": ("1.2.3.4", "1.2.3", "01.2.3.4"),
    "ipv6": ("::1", "1::2::3", "1.2.3.4"),
    "cidr": ("10.0.0.0/8", "10.0.0.1", "10.0.0.1/33"),
    "mac": ("01:02:03:04:05:06", "01-02-03-04-05-06", "0102.0304.0506", "x"),
    "uri": ("http://a/b", "a", "/a", "a:b"),
    "uuid": ("123e4567-e89b-12d3-a456-426614174000", "x", "123E4567E89B12D3A456426614174000"),
    "byte": ("YQ==", "YQ", "%", ""),
    "password": ("x",),
    "hexcolor": ("#fff", "fff", "#ggg"),
    "rgbcolor": ("rgb(1,2,3)", "rgb(256,2,3)", "rgb(1%, 2%, 3%)"),
    "isbn": ("978-3-16-148410-0", "1"),
    "creditcard": ("4111111111111111", "4111"),
    "ssn": ("111-22-3333", "1"),
    "bsonobjectid": ("507f1f77bcf86cd799439011", "x"),
    "k8s-short-name": ("a", "A", "a.b"),
    "k8s-long-name": ("a.b", "A", "a..b"),
}
_COLUMNS = (
    ".spec.f0",
    ".spec.f1[0]",
    ".spec['f0']",
    ".metadata.labels.a",
    ".spec.f2[*].k",
    ".spec.f2[?(@.k=='a')].v",
    ".spec..k",
    ".spec.f1[-1:]",
    "spec.f0",
    "{.spec.f0}",
    ".spec.f0[",
)
_ODD: tuple[Json, ...] = (
    {"type": "array"},
    {"type": "string", "items": {}},
    {},
    {"type": "object", "additionalProperties": False},
    {"type": "object", "additionalProperties": True, "properties": {"a": {"type": "string"}}},
    {"type": "strnig"},
    {"type": "integer", "default": "a"},
    {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    {"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object"}},
    {"type": "string", "pattern": "("},
    {"type": "string", "x-kubernetes-validations": [{"rule": "self + 1"}]},
    {"type": "string", "x-kubernetes-validations": [{"rule": "self.matches('a')"}]},
    {"type": "object", "x-kubernetes-embedded-resource": True},
    {"type": "object", "nullable": True, "default": None},
    {"type": "integer", "format": "strange", "minimum": 1, "maximum": 0},
    {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True},
    {"type": "string", "enum": []},
    {"type": "number", "multipleOf": 0},
    {"type": "object", "required": ["a", "a"]},
    {
        "type": "string",
        "example": 1,
        "title": "t",
        "description": "d",
        "externalDocs": {"url": "u"},
    },
)


def fields(choices: Choices) -> list[Leaf]:
    """Return schemas of members, each with values for it."""
    found: list[Leaf] = []
    for _ in range(1 + choices.number(5)):
        if choices.chance(25):
            name = choices.pick(sorted(_FORMATS))
            found.append(({"type": "string", "format": name}, _FORMATS[name]))
        else:
            found.append(choices.pick(_LEAVES))
    return found


def definition(leaves: list[Leaf], choices: Choices) -> Json:
    """Return a CustomResourceDefinition whose spec has the members f0, f1, ..."""
    properties = {f"f{at}": schema for at, (schema, _) in enumerate(leaves)}
    if choices.chance(20):
        properties["odd"] = choices.pick(_ODD)
    spec: Json = {"type": "object", "properties": properties}
    if choices.chance(20):
        spec["required"] = ["f0"]
    version: Json = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "properties": {
                    "spec": spec,
                    "status": {"type": "object", "properties": {"n": {"type": "integer"}}},
                },
            }
        },
    }
    if choices.chance(50):
        version["subresources"] = {"status": {}}
    if choices.chance(30):
        path = choices.pick(_COLUMNS)
        version["additionalPrinterColumns"] = [{"name": "C", "type": "string", "jsonPath": path}]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "{id}s.{id}.example.com"},
        "spec": {
            "group": "{id}.example.com",
            "scope": "Namespaced",
            "names": {
                "plural": "{id}s",
                "singular": "{id}",
                "kind": "{Id}",
                "listKind": "{Id}List",
            },
            "versions": [version],
        },
    }


def instance(leaves: list[Leaf], choices: Choices, name: str) -> Json:
    """Return an object; some of its members are not what the schema asks for."""
    spec: Json = {}
    for at, (_, values) in enumerate(leaves):
        way = choices.number(10)
        if way < 6:
            spec[f"f{at}"] = values[0]
        elif way < 8:
            spec[f"f{at}"] = choices.pick(values)
        elif way == 8:
            spec[f"f{at}"] = choices.pick(_BAD)
    obj = {"apiVersion": "{id}.example.com/v1", "kind": "{Id}", "metadata": {"name": name}}
    return obj | {"spec": copy_json(spec)}
