"""Bodies of megabytes where nobody expects one: options, parts, tokens, certificates."""

from __future__ import annotations

from base64 import b64encode

from bench.nasty.shot import (
    DEFINITIONS,
    GROUP,
    KINDS,
    MERGE,
    TABLE,
    Nasty,
    Shot,
    config,
    core,
    definition,
    get,
    named,
    path,
    post,
    text,
)

_AUTHENTICATION = "/apis/authentication.k8s.io/v1"
_CERTIFICATES = "/apis/certificates.k8s.io/v1"
_ITEMS = 60_000
_COLUMNS = 30
KINDS["shown"] = "Shown"


def _options(obj: object) -> Shot:
    return Shot("DELETE", core("configmaps", "kept"), text(obj))


def _review(token: str) -> Shot:
    return post(f"{_AUTHENTICATION}/tokenreviews", {"spec": {"token": token}})


def _request(**spec: object) -> Shot:
    pem = b"-----BEGIN CERTIFICATE REQUEST-----\n%b-----END CERTIFICATE REQUEST-----\n"
    encoded = b64encode(pem % ((b"A" * 64 + b"\n") * 20_000)).decode()
    usual = {"request": encoded, "signerName": "a.io/b", "usages": ["client auth"]}
    return post(f"{_CERTIFICATES}/certificatesigningrequests", named("large", spec=usual | spec))


def _shown() -> list[Shot]:
    columns = [
        {"name": f"c{n}", "type": "string", "jsonPath": f".spec.l[?(@.a=={n})].b"}
        for n in range(_COLUMNS)
    ]
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": free}}
    obj = named("a", spec={"l": [{"a": n, "b": "x"} for n in range(_ITEMS)]})
    head = {"apiVersion": f"{GROUP}/v1", "kind": KINDS["shown"]}
    return [
        post(DEFINITIONS, definition("shown", "Shown", schema, additionalPrinterColumns=columns)),
        post(path(kind="shown"), head | obj),
    ]


LISTED = [
    Nasty(
        "DeleteOptions of 2.7 MB",
        lambda: [
            _options({"dryRun": ["None"] * 300_000}),
            _options({"x": [{}] * 900_000}),
            _options({"preconditions": {"uid": "a" * 2_700_000}}),
        ],
        lambda: [post(core("configmaps"), config("kept", meta={"finalizers": ["a.io/b"]}))],
    ),
    Nasty(
        "a scale of 2.7 MB",
        lambda: [
            Shot("PUT", path("a") + "/scale", text({"l": [{}] * 900_000})),
            Shot("PATCH", path("a") + "/scale", text({"l": [{}] * 900_000}), MERGE),
        ],
    ),
    Nasty(
        "tokens of 2.8 MB to review",
        lambda: [_review("a." * 1_400_000), _review(f"e30.{'A' * 2_800_000}.e30")],
    ),
    Nasty("a request for a certificate, of 1.7 MB", lambda: [_request()]),
    Nasty("one of 100,000 usages", lambda: [_request(request="", usages=["x"] * 100_000)]),
    Nasty(
        "finalize with 150,000 finalizers",
        lambda: [
            Shot(
                "PUT",
                "/api/v1/namespaces/final/finalize",
                text(named("final", spec={"finalizers": [f"a.io/f{n}" for n in range(150_000)]})),
            )
        ],
        lambda: [post("/api/v1/namespaces", named("final"))],
    ),
    Nasty(
        "stringData of 150,000 keys",
        lambda: [
            post(core("secrets"), named("s", stringData={f"k{n}": "x" for n in range(150_000)}))
        ],
    ),
    Nasty(
        f"{_COLUMNS} columns that filter {_ITEMS:,} items",
        lambda: [get(path(kind="shown"), TABLE)] * 2,
        _shown,
    ),
]
