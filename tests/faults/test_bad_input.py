"""Bad input against a real server: an error in bounded time and memory, and the server goes on."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.harness.https import Access, Answer, Client, Headers, Request, access
from tests.harness.process import ServerProcess

MAPS = "/clusters/root/api/v1/namespaces/default/configmaps"
CRDS = "/clusters/root/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
LAMPS = "/clusters/root/apis/bad.example.com/v1/lamps"
JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
GROWTH = 150 * 1024 * 1024
SECONDS = 5.0


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of its own: what is thrown at it is nobody else's business."""
    process = ServerProcess(tmp_path_factory.mktemp("bad") / "root")
    yield process
    process.stop()


@pytest.fixture(scope="module")
def granted_there(target: ServerProcess) -> Access:
    return access(target.kubeconfig)


def memory(process: ServerProcess) -> int:
    """Return the bytes that a process holds."""
    pages = Path(f"/proc/{process.pid}/statm").read_text().split()[1]
    return int(pages) * 4096


@pytest.fixture
def client(target: ServerProcess, granted_there: Access) -> Iterator[Client]:
    """A client; afterwards the server must be there, quick and slim as before."""
    before, begun = memory(target), time.monotonic()
    with Client(granted_there) as opened:
        yield opened
    assert time.monotonic() - begun < SECONDS
    with Client(granted_there) as other:
        assert other.ask("GET", "/livez").raw == b"ok"
        assert other.ask("GET", f"{MAPS}?limit=1", who="masters").status == 200
    assert memory(target) - before < GROWTH


def post(client: Client, path: str, body: bytes, media: str = JSON) -> Answer:
    return client.send(Request("POST", path, {"Content-Type": media}, body, "masters"))


def deep(opening: str, closing: str, depth: int, middle: str = "1") -> bytes:
    return (opening * depth + middle + closing * depth).encode()


MAP = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"bad"},'
BODIES = {
    "empty": b"",
    "nothing": b"null",
    "a number": b"1",
    "a list": b"[]",
    "cut": b'{"apiVersion":"v1"',
    "two values": b"{} {}",
    "no UTF-8": b'{"kind":"\xff\xfe"}',
    "deep list": deep("[", "]", 500_000),
    "deep object": deep('{"a":', "}", 500_000),
    "deep metadata": (MAP[:-1] + ',"data":').encode() + deep('{"a":', "}", 5_000) + b"}",
    "long number": b'{"apiVersion":' + b"9" * 1_000_000 + b"}",
    "large exponent": MAP.encode() + b'"data":1e999999999}',
    "not a number": MAP.encode() + b'"data":NaN}',
    "data is a list": MAP.encode() + b'"data":[]}',
    "name is a number": b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":1}}',
    "metadata is a list": b'{"apiVersion":"v1","kind":"ConfigMap","metadata":[]}',
    "kind is a list": b'{"apiVersion":"v1","kind":[]}',
    "name with NUL": b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a\\u0000b"}}',
    "owner is null": MAP.replace('"bad"', '"bad","ownerReferences":[null]').encode()
    + b'"data":{}}',
    "finalizer is a number": MAP.replace('"bad"', '"bad","finalizers":[1]').encode()
    + b'"data":{}}',
    "many unknown fields": MAP.encode()
    + ",".join(f'"f{each}":1' for each in range(100_000)).encode()
    + b"}",
}


@pytest.mark.parametrize("what", BODIES)
@pytest.mark.parametrize("media", [JSON, YAML])
def test_body_is_refused(client: Client, what: str, media: str) -> None:
    answer = post(client, f"{MAPS}?fieldValidation=Strict", BODIES[what], media)
    assert answer.status in (400, 422), answer
    assert answer.json()["kind"] == "Status"
    assert len(answer.raw) < 4 * 1024 * 1024


def envelope(raw: bytes, kind: bytes = b"ConfigMap") -> bytes:
    words = b"\x0a\x02v1\x12" + bytes([len(kind)]) + kind
    return b"k8s\0\x0a" + bytes([len(words)]) + words + b"\x12" + varint(len(raw)) + raw


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


PROTO = {
    "no envelope": b"hello",
    "cut envelope": b"k8s\0\x0a\xff",
    "no kind": b"k8s\0",
    "an encoding of the object": envelope(b"") + b"\x1a\x04gzip",
    "another content type": envelope(b"") + b"\x22\x10application/json",
    "foreign kind": envelope(b"", b"Pod"),
    "cut message": envelope(b"\x0a\x7f"),
    "endless varint": envelope(b"\xff" * 1000),
    "string as a number": envelope(b"\x08\x01"),
    "metadata as a number": envelope(b"\x0a\x02\x08\x01"),
    "no UTF-8": envelope(b"\x0a\x04\x0a\x02\xff\xfe"),
    "group of fields": envelope(b"\x0b\x0c"),
    "time of the far future": envelope(b"\x0a\x0e\x42\x0c\x08" + b"\xff" * 9 + b"\x01"),
    "raw JSON that is none": envelope(b"\x0a\x08\x8a\x01\x05\x3a\x03\x0a\x01{"),
}


@pytest.mark.parametrize("what", PROTO)
def test_protobuf_is_refused(client: Client, what: str) -> None:
    answer = post(client, MAPS, PROTO[what], PROTOBUF)
    assert answer.status in (400, 422), answer


def crd(schema: Any) -> bytes:
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    names = {"plural": "lamps", "singular": "lamp", "kind": "Lamp", "listKind": "LampList"}
    spec = {"group": "bad.example.com", "scope": "Cluster", "names": names, "versions": [version]}
    return json.dumps(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "lamps.bad.example.com"},
            "spec": spec,
        }
    ).encode()


def nested(depth: int, **leaf: Any) -> bytes:
    """Return a CRD with a schema of that depth, which the JSON of Python could not write."""
    opening, closing = '{"type":"object","properties":{"a":', "}}"
    schema = deep(opening, closing, depth, json.dumps({"type": "object", **leaf}))
    return crd("SCHEMA").replace(b'"SCHEMA"', schema)


def ruled(rule: str, **more: Any) -> Any:
    spec = {"type": "array", "items": {"type": "integer"}, **more}
    spec["x-kubernetes-validations"] = [{"rule": rule}]
    return {"type": "object", "properties": {"spec": spec}}


LOOP = "self.all(a, self.all(b, self.all(c, self.all(d, a + b + c + d >= 0))))"
SCHEMAS = {
    "nested 1,000 deep": nested(1_000),
    "nested too deep with a rule": nested(300, **{"x-kubernetes-validations": [{"rule": "true"}]}),
    "a rule that may loop for long": ruled(LOOP),
    "a rule of 100,000 terms": ruled("&&".join(["true"] * 100_000)),
    "a rule 100,000 brackets deep": ruled("(" * 100_000 + "true" + ")" * 100_000),
    "a pattern that backtracks": {
        "type": "object",
        "properties": {"a": {"type": "string", "pattern": "((((a{1,1000}){1,1000}){1,1000})+)+$"}},
    },
    "a default of the wrong type": {
        "type": "object",
        "properties": {"a": {"type": "string", "default": {"b": []}}},
    },
}


@pytest.mark.parametrize("what", SCHEMAS)
def test_schema_is_refused(client: Client, what: str) -> None:
    schema = SCHEMAS[what]
    answer = post(client, CRDS, schema if isinstance(schema, bytes) else crd(schema))
    assert answer.status in (400, 422), answer


def test_rule_that_costs_too_much_is_stopped(client: Client) -> None:
    """The estimate is content with a list this short; what is stored then is longer."""
    schema = ruled(LOOP, maxItems=12)
    schema["properties"]["more"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    assert post(client, CRDS, crd(schema)).status == 201
    try:
        while client.ask("GET", LAMPS, who="masters").status != 200:
            pass
        lamp = {"apiVersion": "bad.example.com/v1", "kind": "Lamp", "metadata": {"name": "a"}}
        fine = post(client, LAMPS, json.dumps({**lamp, "spec": [1] * 12}).encode())
        assert fine.status == 201, fine
        lamp["metadata"] = {"name": "b"}
        assert (
            post(client, LAMPS, json.dumps({**lamp, "spec": [1] * 10_000}).encode()).status == 422
        )
        depth = {**lamp, "more": json.loads(deep('{"a":', "}", 900))}
        assert post(client, LAMPS, json.dumps(depth).encode()).status in (400, 422)
    finally:
        client.ask("DELETE", f"{CRDS}/lamps.bad.example.com", who="masters")


SELECTORS = {
    "1 MB": ("labelSelector=" + "a" * 1_000_000, 431),
    "60 KB of terms": ("labelSelector=" + quote(",".join(["!a"] * 5_000)), 400),
    "60 KB of values": ("labelSelector=" + quote(f"a in ({','.join(['b'] * 15_000)})"), 200),
    "60 KB of fields": ("fieldSelector=" + quote(",".join(["metadata.name!=a"] * 2_500)), 400),
    "brackets": ("labelSelector=" + "(" * 50_000, 400),
    "a number of a million digits": ("limit=" + "9" * 50_000, 400),
    "a version of a million digits": ("resourceVersion=" + "9" * 50_000, 400),
    "a token of somebody else": ("continue=" + "A" * 50_000, 400),
    "no UTF-8": ("labelSelector=%ff%fe", 400),
    "the same parameter often": ("&".join(["labelSelector=a"] * 4_000), 200),
}


@pytest.mark.parametrize("what", SELECTORS)
def test_query_is_refused(client: Client, what: str) -> None:
    query, status = SELECTORS[what]
    assert client.ask("GET", f"{MAPS}?{query}", who="masters").status == status


PATHS = {
    "NUL": ("%00", 404),
    "broken escape": ("%zz", 404),
    "hidden slash": ("a%2fb", 404),
    "no UTF-8": ("%ff", 404),
    "long": ("a" * 10_000, 404),
    "dots": ("..%2f..%2fetc", 404),
    "many segments": ("a/" * 5_000, 404),
}


@pytest.mark.parametrize("what", PATHS)
def test_path_is_not_found(client: Client, what: str) -> None:
    path, status = PATHS[what]
    assert client.ask("GET", f"{MAPS}/{path}", who="masters").status == status
    assert client.ask("DELETE", f"{MAPS}/{path}", who="masters").status == status


PATCHES = {
    "a copy of copies": (
        "application/json-patch+json",
        [{"op": "add", "path": "/data", "value": {"a": "x" * 10_000}}]
        + [{"op": "copy", "from": "/data", "path": f"/data/{each}"} for each in range(30)],
    ),
    "a million operations": (
        "application/json-patch+json",
        [{"op": "test", "path": "", "value": 1}] * 50_000,
    ),
    "a merge of nothing": ("application/merge-patch+json", 1),
    "a deep merge": ("application/merge-patch+json", None),
    "an unknown directive": ("application/strategic-merge-patch+json", {"data": {"$patch": 1}}),
}


@pytest.mark.parametrize("what", PATCHES)
def test_patch_is_refused(client: Client, what: str) -> None:
    media, patch = PATCHES[what]
    body = deep('{"a":', "}", 50_000) if patch is None else json.dumps(patch).encode()
    path = f"{MAPS}/kube-root-ca.crt"
    answer = client.send(Request("PATCH", path, {"Content-Type": media}, body, "masters"))
    assert answer.status in (400, 413, 422), answer


# ------------------------------------------------------------------------- the socket


@contextlib.contextmanager
def line(granted: Access) -> Iterator[ssl.SSLSocket]:
    raw = socket.create_connection((granted.host, granted.port), timeout=10)
    with granted.tls.wrap_socket(raw, server_hostname=granted.host) as opened:
        yield opened


def said(opened: ssl.SSLSocket) -> bytes:
    found = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while piece := opened.recv(65536):
            found += piece
    return found


@pytest.mark.usefixtures("client")
def test_garbage_instead_of_tls(granted_there: Access) -> None:
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 10_000, b"\x16\x03\x01\xff\xff" + b"x" * 999):
        with socket.create_connection((granted_there.host, granted_there.port), timeout=10) as raw:
            raw.sendall(data)
            with contextlib.suppress(ConnectionError):
                while raw.recv(65536):
                    pass


@pytest.mark.usefixtures("client")
def test_hundreds_of_half_requests(granted_there: Access) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(100):
            opened = stack.enter_context(line(granted_there))
            opened.sendall(f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nX-{number}: ".encode())


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("framing", ["Content-Length: 104857600", "Transfer-Encoding: chunked"])
def test_body_of_100_megabytes(granted_there: Access, framing: str) -> None:
    head = f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\n{framing}\r\n\r\n"
    piece = b"x" * 1024 * 1024
    if "chunked" in framing:
        piece = b"100000\r\n" + piece + b"\r\n"
    with line(granted_there) as opened:
        opened.sendall(head.encode())
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            for _ in range(100):
                opened.sendall(piece)
        answer = said(opened)
    assert answer.startswith(b"HTTP/1.1 413 ") or answer == b"", answer[:100]


def test_user_with_too_many_groups(client: Client) -> None:
    groups = [f"g{each}" for each in range(1500)]
    headers: Headers = {"Impersonate-User": "x", "Impersonate-Group": groups}
    assert client.send(Request("GET", MAPS, headers, None, "masters")).status == 403


TOKENS = [
    "a.b.c",
    "e30.e30.e30",
    "." * 1000,
    "eyJhbGciOiJub25lIn0.e30.",
    "~" * 100,
    "a" * 50_000,
]


@pytest.mark.parametrize("token", TOKENS)
def test_token_is_refused(client: Client, token: str) -> None:
    assert client.ask("GET", MAPS, who=token).status == 401
