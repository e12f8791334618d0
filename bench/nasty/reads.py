"""Reads of much, selectors and headers without end, watches, pipelines, many at once."""

from __future__ import annotations

import base64
from urllib.parse import quote

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
    core,
    custom,
    definition,
    get,
    path,
    post,
    text,
)

MAPS = 20_000
_MAPS = core("configmaps")
_WORKSPACES = "/apis/tenancy.kcp.io/v1alpha1/workspaces"


def _maps() -> list[Shot]:
    """Make many objects with a label each."""
    return [
        post(_MAPS, config(f"m{n}", meta={"labels": {"l": f"v{n}"}}, data={"k": "x" * 100}))
        for n in range(MAPS)
    ]


def _terms(number: int) -> str:
    return quote(",".join(f"a{n}!=b" for n in range(number)))


def _one(how: str, accept: str, query: str = "") -> Nasty:
    large = config("large", data={f"k{n}": "" for n in range(180_000)})
    return Nasty(
        f"one of 2.9 MB, {how}",
        lambda: [get(f"{_MAPS}/large{query}", accept)],
        lambda: [post(_MAPS, large)],
    )


def _within(number: int) -> str:
    return quote(f"l notin ({','.join(f'x{n}' for n in range(number))})")


def _definitions(number: int) -> list[Shot]:
    fields = {f"f{n}": {"type": "string", "description": "text " * 10} for n in range(60)}
    spec = {"type": "object", "properties": fields}
    schema = {"type": "object", "properties": {"spec": spec, "status": spec}}
    return [post(DEFINITIONS, definition(f"kinds{n}", f"Kinds{n}", schema)) for n in range(number)]


def _watched() -> Shot:
    data = {f"k{n}": "x" * 90 for n in range(9_000)}
    return Shot(
        "PUT", f"{_MAPS}/seen", text(config("seen", meta={"labels": {"l": "v"}}, data=data))
    )


def _selecting(number: int, selector: str) -> list[Shot]:
    return [get(f"{_MAPS}?watch=1&resourceVersion=@&{selector}%3Dv{n}") for n in range(number)]


def _jwt(depth: int) -> str:
    def part(body: bytes) -> str:
        return base64.urlsafe_b64encode(body).decode().rstrip("=")

    return ".".join((part(b'{"alg":"RS256"}'), part(b"[" * depth + b"]" * depth), part(b"x" * 300)))


def _spaces(number: int, prefix: str) -> list[Shot]:
    return [
        post(
            _WORKSPACES,
            {
                "apiVersion": "tenancy.kcp.io/v1alpha1",
                "kind": "Workspace",
                "metadata": {"name": f"{prefix}{n}"},
            },
        )
        for n in range(number)
    ]


_LABELS = "/apis?labelSelector="

LISTED = [
    Nasty("a list of 20,000", lambda: [get(_MAPS)] * 3, _maps),
    Nasty("the same, compressed", lambda: [get(_MAPS, **{"Accept-Encoding": "gzip"})] * 2),
    Nasty("the same as Table", lambda: [get(_MAPS, TABLE)] * 2),
    Nasty("the same as Table with objects", lambda: [get(f"{_MAPS}?includeObject=Object", TABLE)]),
    Nasty(
        "the same as metadata",
        lambda: [get(_MAPS, "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")],
    ),
    Nasty("the same in protobuf", lambda: [get(_MAPS, PROTOBUF)]),
    Nasty("the same in YAML", lambda: [get(_MAPS, YAML)]),
    Nasty("the same, pretty", lambda: [get(f"{_MAPS}?pretty=1")]),
    Nasty("the same by 500 terms", lambda: [get(f"{_MAPS}?labelSelector={_terms(500)}")]),
    Nasty("the same but 5,000 values", lambda: [get(f"{_MAPS}?labelSelector={_within(7_000)}")]),
    Nasty(
        "the same by 500 fields",
        lambda: [
            get(
                f"{_MAPS}?fieldSelector="
                + quote(",".join(f"metadata.name!=a{n}" for n in range(500)))
            )
        ],
    ),
    _one("in YAML", YAML),
    _one("in protobuf", PROTOBUF),
    _one("pretty", JSON, "?pretty=1"),
    _one("as Table", TABLE, "?includeObject=Object"),
    _one("as metadata", METADATA),
    Nasty(
        "pages of 1 by a selector",
        lambda: [get(f"{_MAPS}?limit=1&labelSelector=l%3Dv{n}") for n in range(20)],
    ),
    Nasty(
        "pages of a snapshot",
        lambda: [get(f"{_MAPS}?limit=500&resourceVersion=@&resourceVersionMatch=Exact")] * 4,
        lambda: [
            Shot("PATCH", f"{_MAPS}/m{n}", b'{"data":{"k":"y"}}', "application/merge-patch+json")
            for n in range(3_000)
        ],
    ),
    Nasty(
        "a whole snapshot", lambda: [get(f"{_MAPS}?resourceVersion=@&resourceVersionMatch=Exact")]
    ),
    Nasty(
        "a watch of 20,000 initial events",
        lambda: [
            get(
                f"{_MAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=2"
            )
        ],
    ),
    Nasty(
        "a watch by 500 terms, for nothing",
        lambda: [get(f"{_MAPS}?watch=1&timeoutSeconds=2&labelSelector=no,{_terms(499)}")],
    ),
    Nasty("a watch of Tables", lambda: [get(f"{_MAPS}?watch=1&timeoutSeconds=2", TABLE)]),
    Nasty(
        "300 watches by labels see 1 MB",
        lambda: [_watched()] * 2,
        lambda: [post(_MAPS, config("seen"))],
        watches=lambda: _selecting(300, "labelSelector=l"),
    ),
    Nasty(
        "300 watches by names see 1 MB",
        lambda: [_watched()] * 2,
        watches=lambda: _selecting(300, "fieldSelector=metadata.name"),
    ),
    Nasty(
        "100 watches by 500 terms see 20 updates",
        lambda: [
            Shot("PATCH", f"{_MAPS}/m1", b'{"data":{"k":"%d"}}' % n, "application/merge-patch+json")
            for n in range(20)
        ],
        watches=lambda: [
            get(f"{_MAPS}?watch=1&resourceVersion=@&labelSelector=no{n},{_terms(499)}")
            for n in range(100)
        ],
    ),
    Nasty("30,000 parameters", lambda: [get(f"{_MAPS}?limit=1&{'&'.join(['a=b'] * 15_000)}")]),
    Nasty(
        "a continue token of 60 KB",
        lambda: [
            get(
                f"{_MAPS}?limit=1&continue="
                + base64.urlsafe_b64encode(
                    text({"v": "meta.k8s.io/v1", "rv": 1, "start": "x" * 40_000})
                ).decode()
            )
        ],
    ),
    Nasty(
        "3,000 groups to impersonate",
        lambda: (
            [
                Shot(
                    "GET",
                    f"{_MAPS}?limit=1",
                    headers={
                        "Impersonate-User": "x",
                        "Impersonate-Group": "\r\nImpersonate-Group: ".join(
                            f"g{n}" for n in range(1_900)
                        ),
                    },
                )
            ]
            * 3
        ),
    ),
    Nasty(
        "a token of 60 KB",
        lambda: [
            Shot("GET", f"{_MAPS}?limit=1", headers={"Authorization": f"Bearer {'x' * 60_000}"}),
            Shot("GET", f"{_MAPS}?limit=1", headers={"Authorization": f"Bearer {_jwt(20_000)}"}),
        ],
    ),
    Nasty("an Accept of 60 KB", lambda: [get(f"{_MAPS}?limit=1", ",".join(["a/b;q=0.1"] * 6_000))]),
    Nasty("a path of 60 KB", lambda: [get("/api/v1/" + "a/" * 30_000), get("/" + "../" * 20_000)]),
    Nasty(
        "1,000 headers",
        lambda: [Shot("GET", f"{_MAPS}?limit=1", headers={f"X-{n}": "y" for n in range(3_000)})],
    ),
    Nasty("200 definitions", lambda: _definitions(150)),
    Nasty(
        "OpenAPI of them, new",
        lambda: [
            get("/openapi/v2"),
            get("/openapi/v3"),
            get("/openapi/v3/apis/stall.example.com/v1"),
            *_definitions(151)[150:],
            get("/openapi/v2", **{"Accept-Encoding": "gzip"}),
            get("/openapi/v2", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"),
        ],
    ),
    Nasty(
        "discovery of them, new",
        lambda: [
            get("/apis", "application/json;v=v2;g=apidiscovery.k8s.io;as=APIGroupDiscoveryList"),
            *_definitions(152)[151:],
            get("/apis", "application/json;v=v2;g=apidiscovery.k8s.io;as=APIGroupDiscoveryList"),
        ],
    ),
    Nasty("1,000 lists in a pipeline", lambda: [get(f"{_MAPS}?limit=500")] * 300, pipelined=True),
    Nasty("5,000 gets in a pipeline", lambda: [get(f"{_MAPS}/m1")] * 5_000, pipelined=True),
    Nasty("64 connections list 20,000", lambda: [get(_MAPS)], connections=64),
    Nasty(
        "64 connections send 1 MB",
        lambda: [
            post(
                _MAPS, config("big", data={f"k{n}": "x" * 20 for n in range(25_000)}), "?dryRun=All"
            )
        ],
        connections=64,
    ),
    Nasty("64 connections in Tables of 20,000", lambda: [get(_MAPS, TABLE)], connections=32),
    Nasty("100 workspaces", lambda: _spaces(100, "w"), pipelined=True),
    Nasty("100 workspaces go", lambda: [Shot("DELETE", _WORKSPACES)]),
    Nasty("20,000 go at once", lambda: [Shot("DELETE", f"{_MAPS}?labelSelector=l")]),
    Nasty(
        "3,000 objects whose definition goes",
        lambda: [Shot("DELETE", f"{DEFINITIONS}/things.stall.example.com")],
        lambda: [post(path(), custom(f"t{n}", spec={"free": {"n": n}})) for n in range(3_000)],
    ),
]
