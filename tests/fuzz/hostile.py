"""Values that have broken servers before, as tables: what mutations put in place of others."""

from __future__ import annotations

from typing import Any


def nested(depth: int, *, lists: bool = False) -> Any:
    """Return an object (or a list) that many levels deep."""
    found: Any = 1
    for _ in range(depth):
        found = [found] if lists else {"a": found}
    return found


def schema_of(depth: int, *, lists: bool = False) -> Any:
    """Return an OpenAPI schema that many levels deep."""
    found: Any = {"type": "string"}
    for _ in range(depth):
        below = {"items": found} if lists else {"properties": {"a": found}}
        found = {"type": "array" if lists else "object", **below}
    return found


NUMBERS = (
    *(0, -1, 1, 1.5, -0.0, 1e308, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63) - 1),
    *(10**30, 10**400),
)
TEXTS = (
    "",
    " ",
    "a\x00b",
    "a\r\nB: c",
    "\x1b[0m",
    "٣٤",  # digits, but not ASCII's
    "²",
    "１２３",
    "9" * 20,
    "9" * 5000,
    "-1",
    "+1",
    "1_000",
    "0x10",
    "1e3",
    "1e999999999",
    "NaN",
    "a" * 300,
    "ä" * 200,
    "\ud800",
    "\U0010ffff",
    "../..",
    "a/b/c",
    "a:b:c",
    "root:shop",
    ":",
    "*",
    "{",
    "[" * 2000,
    "{" * 2000,
    '{"a":' * 500,
    "true",
    "null",
    "[]",
    "{}",
    '{"username":1}',
    '{"username":"a","groups":1}',
    "0001-01-01T00:00:00Z",
    "9999-99-99T99:99:99Z",
    "2026-01-01T00:00:00.0000000000001+99:99",
    "self.a.b.c[0]",
    "((((((((((((((((((((((((((((((",
    "[a-",
    "(?P<a>(?P<a>.))",
    "a{1,100000}",
    "$(a)",
    "%s%n",
    "=,=,=",
    "a in (",
    "!",
    "é",
    '{"a":{"b":' * 300,
    '{"' + "a" * 2000 + '":1}',
    "object.a == 1",
    "size(object.metadata.name) > 0",
    "[1,2,3].map(x, [1,2,3].map(y, x*y)).exists(z, z == object)",
    "object.spec.size / 0 == 1",
    "request.userInfo.username.matches('[')",
    "'a'.format([])",
    "timestamp('٣') < duration('9999999999h')",
    "quantity('1') == quantity('x')",
    "variables.v + params.x",
    "Object{metadata: Object.metadata{labels: {'a': 1}}}",
    "JSONPatch{op: 'add', path: '/', value: 1}",
    "v1",
    "v٣",
    "0",
    "kubernetes",
    "default",
)
SHAPES: tuple[Any, ...] = (
    None,
    True,
    False,
    [],
    {},
    [None],
    [[]],
    [{}],
    ["a"],
    [1],
    {"": None},
    {"a": None},
    {"a": []},
    {"a": {}},
    {"a": 1},
    {"name": 1},
    {"name": "a"},
    {"\ud800": "\udfff"},
    nested(30),
    schema_of(5),
    schema_of(60),
    schema_of(120),
    schema_of(60, lists=True),
    {"type": "object", "properties": {"a": {"$ref": "#"}}},
    [{"rule": "self.a == 1"}, {"rule": ""}],
    [{"rule": "self" + "+self" * 100, "messageExpression": "1"}],
    nested(200),
    nested(400),
    nested(200, lists=True),
)
VALUES = (*SHAPES, *NUMBERS, *TEXTS)

QUERY = {
    "labelSelector": (
        *("a=b", "a", "!a", "a!=b", "a in (b,c)", "a notin (b)", "a,b=c", "x.y/z==v"),
        *("a in (", "a=b=c", ",", "a>1", "a<9", "a>٣", "a>" + "9" * 30, "=", "a in ()", "\x00"),
    ),
    "fieldSelector": (
        *("metadata.name=a", "metadata.name!=a", "metadata.namespace=default"),
        *("metadata.name=a,metadata.name=b", "metadata.name=", "status.phase=Active", "a=b"),
        *("metadata.name=a\\,b", "metadata.name=\\", "spec.x=٣", "=", "metadata.labels=a"),
    ),
    "limit": ("1", "2", "500", "0", "-1", "٣", "²", "1_0", " 1", "1.0", "9" * 19, "9" * 5000, "+1"),
    "continue": ("", "a", "AAAA", "eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ", "e30", "W10", "bnVsbA"),
    "resourceVersion": ("0", "1", "3", "", "-1", "٣", "²", "1_0", "9" * 19, "9" * 5000, "a", "+1"),
    "resourceVersionMatch": ("Exact", "NotOlderThan", "", "a"),
    "watch": ("1", "true", "0", "false", "", "a"),
    "allowWatchBookmarks": ("1", "true", "a"),
    "sendInitialEvents": ("true", "false", "1", "a"),
    "timeoutSeconds": ("1", "0", "-1", "٣", "9" * 19, "9" * 5000, "a", "1.5"),
    "timeout": ("1s", "1h", "0", "-1s", "٣s", "9" * 400 + "s", "1e9s", "a", "1ms", "inf", "1d"),
    "dryRun": ("All", "", "a", "All,All"),
    "fieldManager": ("me", "a" * 129, "\x00", "\ud7ff", "é", "", "\u2028"),
    "fieldValidation": ("Strict", "Warn", "Ignore", "a"),
    "force": ("true", "false", "1", "a"),
    "propagationPolicy": ("Orphan", "Background", "Foreground", "a"),
    "orphanDependents": ("true", "false", "a"),
    "gracePeriodSeconds": ("0", "30", "-1", "٣", "9" * 19, "9" * 5000, "a"),
    "includeObject": ("None", "Metadata", "Object", "a"),
    "pretty": ("1", "true", "a"),
    "as": ("Table", "a"),
    "%ff": ("%fe",),
}
ACCEPTS = (
    "application/json",
    "*/*",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    "application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io",
    "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/json",
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "text/html",
    "",
    ";;;,,,",
    "application/json;q=٣",
    "application/json;as=\xff;v=\xfe;g=",
)
