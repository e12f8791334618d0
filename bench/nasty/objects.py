"""Bodies of creates and updates: many, long, deep, unknown, wrong."""

from __future__ import annotations

from typing import Any

from bench.nasty.shot import (
    DEFINITIONS,
    LIMIT,
    PROTOBUF,
    YAML,
    Nasty,
    Shot,
    config,
    core,
    custom,
    definition,
    path,
    post,
    text,
)

_NAMED = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "value": {"type": "string", "pattern": "^[a-z]+$"},
        "count": {"type": "integer", "minimum": 0},
    },
}


def _listed(kind: str, items: Any, **more: Any) -> dict[str, Any]:
    return {"type": "array", "x-kubernetes-list-type": kind, "items": items} | more


_BRANCHES = [
    {"required": [f"a{number}"], "properties": {f"a{number}": {"minLength": 5}}}
    for number in range(40)
]
_SPEC: dict[str, Any] = {
    "set": _listed("set", {"type": "string"}),
    "named": _listed("map", _NAMED, **{"x-kubernetes-list-map-keys": ["name"]}),
    "plain": {"type": "array", "items": _NAMED},
    "words": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}},
    "colours": {
        "type": "array",
        "items": {"type": "string", "enum": [f"c{n}" for n in range(5000)]},
    },
    "choice": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {f"a{n}": {"type": "string"} for n in range(40)},
            "oneOf": _BRANCHES,
            "anyOf": _BRANCHES,
        },
    },
    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    "strings": {"type": "object", "additionalProperties": {"type": "string"}},
    "filled": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {f"d{n}": {"type": "object", "default": {}} for n in range(20)},
        },
    },
}
THING = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": _SPEC},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}


def things() -> list[Shot]:
    """Define the kind that most of this is about."""
    return [post(DEFINITIONS, definition("things", "Thing", THING))]


def _new(name: str, **spec: Any) -> Shot:
    return post(path(), custom(name, spec=spec))


def _many(number: int) -> dict[str, int]:
    return {f"u{n:06d}": 1 for n in range(number)}


def _unknown(mode: str) -> list[Shot]:
    return [post(path(), custom("u", spec=_many(190_000)), f"?fieldValidation={mode}&dryRun=All")]


def _repeated(mode: str) -> list[Shot]:
    members = ",".join('"a":1' for _ in range(400_000))
    body = b'{"data":{%b},%b' % (members.encode(), text(config("r"))[1:])
    return [Shot("POST", core("configmaps") + f"?fieldValidation={mode}", body)]


def _deep(opening: str, closing: str, levels: int) -> list[Shot]:
    inner = opening * levels + "1" + closing * levels
    body = text(custom("deep", spec={"free": {"x": "@"}})).replace(b'"@"', inner.encode())
    return [Shot("POST", path(), body)]


def _meta(**meta: Any) -> list[Shot]:
    return [post(core("configmaps"), config("meta", meta=meta), "?dryRun=All")]


def _entries(number: int) -> list[dict[str, Any]]:
    fields: Any = {f"f:k{n}": {} for n in range(5)}
    return [
        {
            "manager": f"m{n}",
            "operation": "Update",
            "apiVersion": "v1",
            "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": fields},
        }
        for n in range(number)
    ]


def _owner(n: int) -> dict[str, str]:
    return {"apiVersion": "v1", "kind": "Pod", "name": f"p{n}", "uid": f"uid-{n}"}


def _raw(name: str, inner: bytes) -> list[Shot]:
    """A custom object with a text in a place that takes anything."""
    body = text(custom(name, spec={"free": {"x": "@"}})).replace(b'"@"', inner)
    return [Shot("POST", path(), body)]


def _update_large() -> list[Shot]:
    items = [{"name": f"n{n}", "value": "ABC"} for n in range(40_000)]
    changed = [*items[1:], {"name": "last", "value": "ABC"}]
    return [
        Shot(
            "PATCH",
            path("ratchet"),
            text({"spec": {"named": changed}}),
            "application/merge-patch+json",
        )
    ]


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _protobuf() -> list[Shot]:
    """A ConfigMap of 100,000 entries, as a typed client sends it."""
    entries = b"".join(_field(2, _field(1, b"k%d" % n) + _field(2, b"v")) for n in range(150_000))
    obj = _field(1, _field(1, b"proto") + _field(3, b"default")) + entries
    kind = _field(1, _field(1, b"v1") + _field(2, b"ConfigMap"))
    return [Shot("POST", core("configmaps"), b"k8s\0" + kind + _field(2, obj), PROTOBUF)]


def _yaml_list() -> list[Shot]:
    lines = b"".join(b"  k%d: {a: [1, 2, x], b: 'text'}\n" % n for n in range(85_000))
    head = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\ndata:\n"
    return [Shot("POST", core("configmaps"), head + lines, YAML)]


def _yaml_anchors() -> list[Shot]:
    lines = ["a0: &a0 [" + ",".join("x" for _ in range(9)) + "]"]
    lines += [f"a{n}: &a{n} [{','.join(f'*a{n - 1}' for _ in range(9))}]" for n in range(1, 30)]
    return [Shot("POST", core("configmaps"), "\n".join(lines).encode(), YAML)]


def _rows(number: int, value: str) -> list[dict[str, Any]]:
    return [{"name": f"n{n}", "value": value} for n in range(number)]


LISTED = [
    Nasty("190,000 unknown fields, warned of", lambda: _unknown("Warn")),
    Nasty("190,000 unknown fields, refused", lambda: _unknown("Strict")),
    Nasty("190,000 unknown fields, ignored", lambda: _unknown("Ignore")),
    Nasty("400,000 repeated fields, warned of", lambda: _repeated("Warn")),
    Nasty("400,000 repeated fields, refused", lambda: _repeated("Strict")),
    Nasty("1,400,000 numbers", lambda: _raw("numbers", b"[" + b"1," * 1_400_000 + b"1]")),
    Nasty("900,000 empty lists", lambda: _raw("lists", b"[" + b"[]," * 900_000 + b"1]")),
    Nasty("900,000 empty objects", lambda: _raw("objects", b"[" + b"{}," * 900_000 + b"1]")),
    Nasty("a string of 2.9 MB", lambda: _raw("string", b'"' + b"x" * 2_900_000 + b'"')),
    Nasty(
        "lists 300 deep, many times",
        lambda: _raw("nested", b"[" + (b"[" * 300 + b"1" + b"]" * 300 + b",") * 4_000 + b"1]"),
    ),
    Nasty("lists 1,000,000 deep", lambda: _deep("[", "]", 1_000_000)),
    Nasty("objects 400,000 deep", lambda: _deep('{"a":', "}", 400_000)),
    Nasty(
        "unknown fields 350 deep",
        lambda: [Shot("POST", path(), text(custom("d", spec={"plain": [{"x": 1}] * 100_000})))],
    ),
    Nasty("250,000 defaults", lambda: [_new("f", filled=[{}] * 12_000)]),
    Nasty("150,000 labels", lambda: _meta(labels={f"l{n}": "v" for n in range(150_000)})),
    Nasty("150,000 bad labels", lambda: _meta(labels={f"-{n}": "?" for n in range(150_000)})),
    Nasty(
        "150,000 annotations", lambda: _meta(annotations={f"a/{n}": "v" for n in range(150_000)})
    ),
    Nasty("40,000 owners", lambda: _meta(ownerReferences=[_owner(n) for n in range(40_000)])),
    Nasty("100,000 bad owners", lambda: _meta(ownerReferences=[{"uid": ""}] * 100_000)),
    Nasty("200,000 finalizers", lambda: _meta(finalizers=[f"a/f{n}" for n in range(200_000)])),
    Nasty(
        "names of 2.8 MB",
        lambda: [
            *_meta(labels={"a." * 1_400_000 + "/a": "b"}),
            *_meta(labels={"a": "a-" * 1_400_000}),
            *_meta(finalizers=["a." * 1_400_000 + "/a"]),
            post(core("configmaps"), config("a." * 1_400_000)),
        ],
    ),
    Nasty("300,000 bad finalizers", lambda: _meta(finalizers=["?"] * 300_000)),
    Nasty("14,000 entries of managedFields", lambda: _meta(managedFields=_entries(14_000))),
    Nasty(
        "one entry of 200,000 managed fields",
        lambda: _meta(
            managedFields=[_entries(1)[0] | {"fieldsV1": {f"f:{n}": {} for n in range(200_000)}}]
        ),
    ),
    Nasty(
        "200,000 keys of data",
        lambda: [post(core("configmaps"), config("d", data={f"k{n}": "" for n in range(180_000)}))],
    ),
    Nasty(
        "200,000 bad keys of data",
        lambda: [post(core("configmaps"), config("d", data={f"?{n}": "" for n in range(180_000)}))],
    ),
    Nasty("a set of 600,000 equal items", lambda: [_new("equal", set=["a"] * 600_000)]),
    Nasty("a set of 300,000 items", lambda: [_new("set", set=[f"s{n}" for n in range(300_000)])]),
    Nasty("600,000 pattern errors", lambda: [_new("pattern", words=["A"] * 600_000)]),
    Nasty("600,000 type errors", lambda: [_new("types", words=[1] * 1_000_000)]),
    Nasty("700,000 missing fields", lambda: [_new("missing", plain=[{}] * 700_000)]),
    Nasty("enum of 5,000, missed 500,000 times", lambda: [_new("enum", colours=["x"] * 500_000)]),
    Nasty(
        "oneOf and anyOf of 40, 5,000 times", lambda: [_new("choice", choice=[{"a1": "x"}] * 5_000)]
    ),
    Nasty("map list of 80,000 items", lambda: [_new("named", named=_rows(80_000, "a"))]),
    Nasty(
        "map list of 250,000 equal items", lambda: [_new("same", named=[{"name": "a"}] * 180_000)]
    ),
    Nasty(
        "ratcheting 40,000 errors",
        _update_large,
        lambda: [_new("ratchet", named=[{"name": f"n{n}", "value": "abc"} for n in range(40_000)])],
    ),
    Nasty(
        "150,000 strings in a map",
        lambda: [_new("map", strings={f"k{n}": "" for n in range(200_000)})],
    ),
    Nasty("150,000 entries in protobuf", _protobuf),
    Nasty("2.7 MB of YAML", _yaml_list),
    Nasty("YAML anchors, 9 to the 30th", _yaml_anchors),
    Nasty(
        "YAML 400,000 deep",
        lambda: [Shot("POST", core("configmaps"), b"a: " + b"[" * 400_000, YAML)],
    ),
    Nasty(
        "YAML of one scalar",
        lambda: [Shot("POST", core("configmaps"), b"a: " + b"1_" * (LIMIT // 2), YAML)],
    ),
    Nasty(
        "YAML of 60 merged maps",
        lambda: [
            Shot(
                "POST",
                core("configmaps"),
                (
                    "a: &a {"
                    + ", ".join(f"k{n}: 1" for n in range(9000))
                    + "}\nb: {<<: ["
                    + ",".join(["*a"] * 60)
                    + "]}"
                ).encode(),
                YAML,
            )
        ],
    ),
    Nasty(
        "a secret of 200,000 bad values",
        lambda: [
            post(
                core("secrets"),
                {"metadata": {"name": "s"}, "data": {f"k{n}": "?" for n in range(180_000)}},
            )
        ],
    ),
]
