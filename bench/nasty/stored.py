"""Large objects and many objects that are stored already: shown, watched, deleted."""

from __future__ import annotations

from typing import Any

from bench.nasty.shot import (
    DEFINITIONS,
    JSON,
    METADATA,
    PROTOBUF,
    TABLE,
    YAML,
    Nasty,
    Shot,
    config,
    custom,
    definition,
    drop,
    get,
    named,
    path,
    post,
    text,
)

_NAMESPACE = "/api/v1/namespaces/large"
_MAPS = f"{_NAMESPACE}/configmaps"
_MANY = "/api/v1/namespaces/many"
_KEYS = 150_000  # of 2.5 MB


def _large(name: str, mark: str = "", **meta: Any) -> dict[str, Any]:
    data = {f"k{n}": mark for n in range(_KEYS)}
    return config(name, meta={"namespace": "large", **meta}, data=data)


def _made(number: int = 1, **meta: Any) -> list[Shot]:
    bodies = [_large(f"l{n}", **meta) for n in range(number)]
    return [post("/api/v1/namespaces", named("large")), *(post(_MAPS, each) for each in bodies)]


def _changed(times: int = 3) -> list[Shot]:
    return [Shot("PUT", f"{_MAPS}/l0", text(_large("l0", str(n)))) for n in range(times)]


def _listed(how: str, accept: str, query: str = "") -> Nasty:
    return Nasty(
        f"a list with one of 2.5 MB, {how}", lambda: [get(f"{_MAPS}{query}", accept)] * 2, _made
    )


def _watched(how: str, accept: str, query: str = "") -> Nasty:
    where = f"{_MAPS}?watch=1&resourceVersion=@{query}"
    return Nasty(
        f"a watch sees 2.5 MB, {how}", _changed, _made, watches=lambda: [get(where, accept)]
    )


def _begun(how: str, accept: str) -> Nasty:
    where = f"{_MAPS}?watch=1"
    return Nasty(
        f"a watch begins with 2.5 MB, {how}",
        lambda: [get("/api/v1/namespaces/large")],
        _made,
        seconds=1,
        watches=lambda: [get(where, accept)],
    )


def _wide(description: str) -> dict[str, Any]:
    free = {"type": "object", "additionalProperties": {"type": "string"}}
    fields = {"data": free, "kind2": {"type": "string", "description": description}}
    spec = {"type": "object", "properties": fields}
    schema = {"type": "object", "properties": {"spec": spec}}
    selectable = [{"jsonPath": ".spec.kind2"}]
    return definition("largest", "Largest", schema, selectableFields=selectable)


def _largest(*, changed: bool) -> list[Shot]:
    obj = custom("a", spec={"data": {f"k{n}": "" for n in range(_KEYS)}, "kind2": "b"})
    made = [
        post(DEFINITIONS, _wide("one")),
        post(path(kind="largest"), obj | {"kind": "Largest"}),
    ]
    where = f"{DEFINITIONS}/largest.stall.example.com"
    patch = text({"spec": {"versions": _wide("another")["spec"]["versions"]}})
    return [*made, *([Shot("PATCH", where, patch, "application/merge-patch+json")] * changed)]


def _many(number: int) -> list[Shot]:
    made = [post("/api/v1/namespaces", named("many"))]
    return made + [
        post(f"{_MANY}/configmaps", config(f"m{n}", meta={"namespace": "many"}))
        for n in range(number)
    ]


def _revoked() -> list[Shot]:
    meta = {"labels": {"a": "b"}}
    return [
        Shot("PATCH", f"{_MAPS}/l{n}", text({"metadata": meta}), "application/merge-patch+json")
        for n in range(4)
    ]


LISTED = [
    _listed("as Table", TABLE),
    _listed("as Table with objects", TABLE, "?includeObject=Object"),
    _listed("as metadata", METADATA.replace("Metadata;", "MetadataList;")),
    _listed("in protobuf", PROTOBUF),
    _listed("in YAML", YAML),
    _listed("pretty", JSON, "?pretty=1"),
    _listed("by a label", JSON, "?labelSelector=!a"),
    _watched("as Table", TABLE),
    _watched("as Table with objects", TABLE, "&includeObject=Object"),
    _watched("as metadata", METADATA),
    _watched("in protobuf", f"{PROTOBUF};stream=watch"),
    _watched("by a label", JSON, "&labelSelector=!a"),
    _begun("as Table", TABLE),
    _begun("in protobuf", f"{PROTOBUF};stream=watch"),
    Nasty(
        "a list with one of 2.5 MB, by a field",
        lambda: [get(f"{path(kind='largest')}?fieldSelector=spec.kind2!%3Dc")] * 2,
        lambda: _largest(changed=False),
    ),
    Nasty(
        "a list with one of 2.5 MB, of another schema",
        lambda: [get(path(kind="largest"))] * 2,
        lambda: _largest(changed=True),
        after=lambda: [drop(f"{DEFINITIONS}/largest.stall.example.com")],
    ),
    Nasty("labels of 2.5 MB change", _revoked, lambda: _made(4)),
    Nasty("a deletecollection of 4 of 2.5 MB", lambda: [drop(_MAPS)], lambda: _made(4)),
    Nasty(
        "a namespace with 10 of 2.5 MB goes",
        lambda: [drop(_NAMESPACE)],
        lambda: _made(10),
        seconds=3,
    ),
    Nasty(
        "a namespace with 4 of 2.5 MB that wait goes",
        lambda: [drop(_NAMESPACE)],
        lambda: _made(4, finalizers=["a.example.com/wait"]),
        seconds=3,
        after=lambda: [
            Shot(
                "PATCH",
                f"{_MAPS}/l{n}",
                text({"metadata": {"finalizers": []}}),
                "application/merge-patch+json",
            )
            for n in range(4)
        ],
    ),
    Nasty("a namespace with 10,000 goes", lambda: [drop(_MANY)], lambda: _many(10_000), seconds=5),
]
