"""Types from structural schemas, and JSON that speaks CEL by them."""

from typing import Any

import pytest

from kcpfast.schema.cel import (
    NO_VALUE,
    CelError,
    Optional,
    compile_expression,
    optional_of,
    type_of_schema,
)
from kcpfast.schema.cel.celtypes import describe
from kcpfast.schema.cel.schemas import escape

from . import evaluate

STRING = {"type": "string"}
LIST = {"type": "array", "items": STRING}
ITEM = {"type": "object", "properties": {"k": STRING, "v": {"type": "integer"}}}
KEYED = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
FIELDS: dict[str, Any] = {
    "a.b": STRING,
    "bytes": {"type": "string", "format": "byte"},
    "date": {"type": "string", "format": "date"},
    "day": {"type": "array", "items": {"type": "string", "format": "date"}},
    "embedded": {"type": "object", "x-kubernetes-embedded-resource": True},
    "if": STRING,
    "keyed": {"type": "array", "items": ITEM, **KEYED},
    "names": {**LIST, "x-kubernetes-list-type": "set"},
    "number": {"type": "number"},
    "nullable": {"type": "string", "nullable": True},
    "port": {"x-kubernetes-int-or-string": True},
    "span": {"type": "string", "format": "duration"},
    "unknown": {"x-kubernetes-preserve-unknown-fields": True},
    "when": {"type": "string", "format": "date-time"},
}
SELF = type_of_schema({"type": "object", "properties": FIELDS}, resource=True)
OBJECT = {
    "metadata": {"name": "n", "labels": {"a": "b"}},
    "a.b": "dotted",
    "bytes": "aGk=",
    "date": "2020-02-03",
    "day": ["2020-01-02", "2020-01-01"],
    "embedded": {"kind": "K"},
    "if": "x",
    "keyed": [{"k": "a", "v": 1}, {"k": "b", "v": 2}],
    "names": ["a", "b"],
    "number": 1,
    "nullable": None,
    "port": "50%",
    "span": "1h",
    "unknown": {"x": 1},
    "when": "2020-01-01T00:00:00Z",
}


def test_old_self_may_be_optional() -> None:
    assert SELF is not None
    types = {"self": SELF, "oldSelf": optional_of(SELF)}
    source = "oldSelf.?number.orValue(0.0) < 2.0 && (!oldSelf.hasValue() || oldSelf.value().date"
    source += ".getMonth() == 1) && oldSelf.optMap(o, o.keyed == self.keyed).orValue(true)"
    for old in (NO_VALUE, Optional(OBJECT)):
        assert evaluate(source, {"self": OBJECT, "oldSelf": old}, types) is True


def run(source: str) -> object:
    assert SELF is not None
    program = compile_expression(source, {"self": SELF})
    before = repr(OBJECT)
    value = evaluate(source, {"self": OBJECT}, {"self": SELF})
    assert repr(OBJECT) == before
    assert program.uses == {"self"}
    return value


@pytest.mark.parametrize(
    "source",
    [
        "self.metadata.name == 'n'",
        "!has(self.metadata.generateName)",
        "self.embedded.kind == 'K'",
        "self.a__dot__b == 'dotted' && self.__if__ == 'x' && self.if == 'x'",
        "dyn(self).a__dot__b == 'dotted'",
        "self.bytes == b'hi'",
        "self.date.getMonth() == 1 && self.date < self.when + duration('9999h')",
        "dyn(self).when.getFullYear() == 2020",
        "self.day[0] > self.day[1] && self.day.max() == self.day[0]",
        "self.day.map(d, d.getDate()) == [2, 1] && [self.day][0][0].getDate() == 2",
        "self.span == duration('60m')",
        "self.number / 2.0 == 0.5 && type(self.number) == double",
        "type(self.port) == string && self.port.endsWith('%')",
        "self.names == ['b', 'a'] && self.names != ['a'] && 'a' in self.names",
        "self.names + ['c', 'a'] == ['c', 'b', 'a']",
        "self.keyed == [self.keyed[1], self.keyed[0]]",
        "(self.keyed + [self.keyed[0]]).size() == 2",
        "!has(self.nullable) && self.?nullable.orValue('z') == 'z'",
        "self == self && self.keyed.exists(i, i.k == 'b' && i.v == 2)",
    ],
)
def test_holds(source: str) -> None:
    assert run(source) is True


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("self.unknown", "undefined field 'unknown'"),
        ("self.metadata.labels", "undefined field 'labels'"),
        ("self.nullable == 'a'", "no such key: nullable"),
        ("self.metadata.generateName", "no such key: generateName"),
        (
            "self.nullable == null",
            "found no matching overload for '_==_' applied to '(string, null)'",
        ),
    ],
)
def test_refused(source: str, message: str) -> None:
    with pytest.raises(CelError) as caught:
        run(source)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("a", "a"),
        ("a.b-c/d", "a__dot__b__dash__c__slash__d"),
        ("a__b", "a__underscores__b"),
        ("namespace", "__namespace__"),
        ("true", "__true__"),
        ("1a", None),
        ("a b", None),
        ("", None),
    ],
)
def test_names_are_escaped(name: str, escaped: str | None) -> None:
    assert escape(name) == escaped


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "integer"}, "int"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "map(string, bool)"),
        ({**LIST, "maxItems": 3}, "list(string)"),
        ({"x-kubernetes-int-or-string": True}, "dyn"),
        ({"type": "string", "format": "date-time"}, "timestamp"),
        ({"type": "object"}, "selfType"),
        ({"x-kubernetes-preserve-unknown-fields": True}, None),
        ({"type": "array"}, None),
    ],
)
def test_type_of_schema(schema: dict[str, Any], text: str | None) -> None:
    found = type_of_schema(schema)
    assert (found and describe(found)) == text


@pytest.mark.parametrize(
    ("source", "value", "message"),
    [
        ("self.when.getHours() > 0", {"when": "soon"}, "Invalid date-time formatted string soon"),
        ("self.bytes.size() > 0", {"bytes": "?"}, "Invalid byte formatted string ?"),
        ("self.keyed.size() > 0", {"keyed": 5}, "no such overload"),
    ],
)
def test_data_that_does_not_fit(source: str, value: object, message: str) -> None:
    with pytest.raises(CelError) as caught:
        evaluate(source, {"self": value}, {"self": SELF} if SELF else {})
    assert caught.value.message.startswith(message)
