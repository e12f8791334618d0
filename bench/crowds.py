"""Ways in which clients make a server hold memory: what they send, and what they do not read.

Each is sent over a thousand connections by bench/overload.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import Callable, Mapping
from typing import NamedTuple

ROOT = "/clusters/root"
OBJECT = f"{ROOT}/api/v1/namespaces/default"
MAPS = f"{OBJECT}/configmaps"
# One object of a megabyte, by itself.
LARGE = f"{ROOT}/api/v1/namespaces/large"
MB = 1 << 20
_TABLE = "Accept: application/json;as=Table;v=v1;g=meta.k8s.io"
_PROTOBUF = "Accept: application/vnd.kubernetes.protobuf"
_YAML = "Accept: application/yaml"
_GZIP = "Accept-Encoding: gzip"
_DISCOVERY = "Accept: application/json;v=v2;g=apidiscovery.k8s.io;as=APIGroupDiscoveryList"


class Client(NamedTuple):
    """Where the server is, and what a client says in each request."""

    host: str
    port: int
    tls: ssl.SSLContext
    token: str

    def request(self, method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
        """Return a request as it is sent."""
        lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {self.token}"]
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, *headers, "", ""]).encode() + body

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection."""
        return await asyncio.open_connection(self.host, self.port, ssl=self.tls)


Text = Callable[[Client], bytes]


class Way(NamedTuple):
    """How to misbehave: what is sent; `secret`: over TLS; `slow`: some of the answer is read.

    `leaves`: who has sent all of it hangs up; `events`: somebody else changes objects meanwhile;
    `hook`: a webhook hangs.
    """

    text: Text
    secret: bool = True
    slow: bool = False
    leaves: bool = False
    events: bool = False
    hook: bool = False


def get(path: str, *headers: str, times: int = 4) -> Text:
    """Ask for something, some times one after the other."""
    return lambda client: client.request("GET", path, *headers) * times


def unread(*headers: str, query: str = "") -> Text:
    """List what takes 30 MB."""
    return get(MAPS + query, *headers)


def post(path: str, obj: object, times: int = 2) -> Text:
    """Create something."""
    body = json.dumps(obj).encode()
    return lambda client: client.request("POST", path, body=body) * times


def changed(kind: str, body: bytes, path: str = f"{MAPS}/o-0001", times: int = 3) -> Text:
    """Patch an object."""

    def text(client: Client) -> bytes:
        sent = client.request("PATCH", path, body=body) * times
        return sent.replace(b"application/json", f"application/{kind}".encode())

    return text


def half_a_head(client: Client) -> bytes:
    """Send many small headers, and no end of them."""
    small = "\r\n".join(f"{number:x}:" for number in range(8000))
    return client.request("GET", OBJECT, small)[:-2]


def long_heads(client: Client) -> bytes:
    """Send requests with as many headers as are taken, behind one whose answer is not read."""
    small = "\r\n".join(f"{number:x}:" for number in range(8000))
    return client.request("GET", MAPS) + client.request("GET", OBJECT, small) * 20


def half_a_body(client: Client) -> bytes:
    """Send a body, and not its last byte."""
    return client.request("POST", MAPS, body=b"x" * 3 * MB)[:-1]


def pipeline(client: Client) -> bytes:
    """Send bodies that wait behind an answer that is not read."""
    return client.request("GET", MAPS) + client.request("POST", MAPS, body=b"x" * MB) * 5


def growing(client: Client) -> bytes:
    """Send bodies that take thirty times as much once they are decoded."""
    body = b'{"kind":"ConfigMap","apiVersion":"v1","data":[' + b"{}," * 900_000 + b"{}]}"
    return client.request("POST", MAPS, body=body) * 3


def creates(client: Client) -> bytes:
    """Create objects of a megabyte, with as much white space as is taken."""
    texts = []
    for number in range(3):
        obj = {"metadata": {"generateName": f"big-{number}-"}, "data": {"p": "z" * (MB - 4096)}}
        body = json.dumps(obj).encode()
        texts.append(client.request("POST", MAPS, body=body.ljust(3 * MB - 100)))
    return b"".join(texts)


def protobuf_creates(client: Client) -> bytes:
    """Create an object of as many values as fit, two bytes for each."""
    meta = _field(1, _field(2, b"proto-"))
    entries = b"".join(_field(2, _field(1, b"%x" % number)) for number in range(150_000))
    kind = _field(1, _field(1, b"v1") + _field(2, b"ConfigMap"))
    body = b"k8s\0" + kind + _field(2, meta + entries)
    text = client.request("POST", MAPS, body=body) * 3
    return text.replace(b"application/json", b"application/vnd.kubernetes.protobuf")


def _field(number: int, data: bytes) -> bytes:
    """Return a field of bytes of a protobuf message."""
    size, length = len(data), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + data


def repeating(client: Client) -> bytes:
    """Create an object of YAML whose aliases repeat as much as they may: 100,000 values in 2 KB."""
    head = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    body = head + b"x: &a [" + b"1," * 900 + b"]\ny: [" + b"*a," * 105 + b"]\n"
    sent = client.request("POST", MAPS, body=body) * 3
    return sent.replace(b"application/json", b"application/yaml")


def deletes(client: Client) -> bytes:
    """Delete nothing, with options of as many empty fields as are taken."""
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "dryRun": ["All"] * 100_000}
    body = json.dumps(options).encode()
    return client.request("DELETE", f"{MAPS}?labelSelector=a%3Db", body=body) * 3


def hello(_client: Client) -> bytes:
    """Return the first message of a TLS handshake."""
    out = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="x").do_handshake()
    return out.read()


def _definition() -> object:
    """Return a CustomResourceDefinition of many fields."""
    fields = {f"field{number}": {"type": "string", "default": "a"} for number in range(5000)}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "lamps", "kind": "Lamp"}
    spec = {"group": "b.io", "names": names, "scope": "Cluster", "versions": [version]}
    return {"metadata": {"name": "lamps.b.io"}, "spec": spec}


_DATA = {f"k{number}": "v" * 60 for number in range(9000)}
_MERGE = json.dumps({"data": _DATA}).encode()
_STEPS = [{"op": "add", "path": f"/data/{key}", "value": text} for key, text in _DATA.items()]
_APPLIED = {"apiVersion": "v1", "kind": "ConfigMap", "data": _DATA}
_LINES = "apiVersion: v1\nkind: ConfigMap\ndata:\n" + "".join(
    f"  {key}: {text}\n" for key, text in _DATA.items()
)
_APPLY = f"{MAPS}/o-0002?fieldManager=a&force=true"
_HOOKED = {"metadata": {"generateName": "hooked-"}, "data": {"p": "z" * 500_000}}
_REVIEW = {"user": "u", "groups": [f"g{number}" for number in range(60_000)],
           "resourceAttributes": {"verb": "get", "resource": "secrets"}}  # fmt: skip
_AUTHORIZATION = f"{ROOT}/apis/authorization.k8s.io/v1/subjectaccessreviews"
_AUTHENTICATION = f"{ROOT}/apis/authentication.k8s.io/v1/tokenreviews"
_DEFINITIONS = f"{ROOT}/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All"
_LIVE = "?watch=1&resourceVersion=REVISION"

WAYS: Mapping[str, Way] = {
    "nothing said": Way(lambda _client: b""),
    "half a handshake": Way(hello, secret=False),
    "half of half a handshake": Way(lambda client: hello(client)[:-1], secret=False),
    "half a head": Way(half_a_head),
    "long heads": Way(long_heads),
    "half a body": Way(half_a_body),
    "bodies in a pipeline": Way(pipeline),
    "bodies that grow": Way(growing),
    "bodies that grow, hung up": Way(growing, leaves=True),
    "creates of 3 MB": Way(creates),
    "creates of 3 MB, hung up": Way(creates, leaves=True),
    "creates in protobuf": Way(protobuf_creates),
    "patches of 600 KB": Way(changed("merge-patch+json", _MERGE)),
    "patches of 600 KB, hung up": Way(changed("merge-patch+json", _MERGE), leaves=True),
    "JSON patches": Way(changed("json-patch+json", json.dumps(_STEPS).encode())),
    "strategic patches": Way(changed("strategic-merge-patch+json", _MERGE)),
    "applies": Way(changed("apply-patch+yaml", json.dumps(_APPLIED).encode(), _APPLY)),
    "applies in YAML": Way(changed("apply-patch+yaml", _LINES.encode(), _APPLY)),
    "creates in YAML with aliases": Way(repeating),
    "small patches, large object": Way(
        changed("merge-patch+json", b'{"data":{"k":"v"}}', f"{LARGE}/configmaps/large", 20)
    ),
    "small applies, large object": Way(
        changed(
            "apply-patch+yaml",
            b'{"apiVersion":"v1","kind":"ConfigMap","data":{"k":"v"}}',
            f"{LARGE}/configmaps/large?fieldManager=a",
            20,
        )
    ),
    "deletions with options": Way(deletes),
    "access reviews": Way(post(_AUTHORIZATION, {"spec": _REVIEW})),
    "token reviews": Way(post(_AUTHENTICATION, {"spec": {"token": "x.y." + "z" * 2 * MB}})),
    "definitions": Way(post(_DEFINITIONS, _definition())),
    "creates, webhook hangs": Way(post(MAPS, _HOOKED), hook=True),
    "creates, webhook hangs, hung up": Way(post(MAPS, _HOOKED), hook=True, leaves=True),
    "lists unread": Way(unread()),
    "Tables unread": Way(unread(_TABLE)),
    "protobuf lists unread": Way(unread(_PROTOBUF)),
    "YAML lists unread": Way(unread(_YAML)),
    "compressed lists unread": Way(unread(_GZIP)),
    "selected lists unread": Way(unread(query="?labelSelector=a!%3Db")),
    "old lists unread": Way(
        unread(query="?resourceVersion=REVISION&resourceVersionMatch=Exact"), events=True
    ),
    "lists slow": Way(unread(), slow=True),
    "protobuf lists slow": Way(unread(_PROTOBUF), slow=True),
    "compressed lists slow": Way(unread(_GZIP), slow=True),
    "lists, hung up": Way(unread(), leaves=True),
    "large objects unread": Way(get(f"{LARGE}/configmaps/large", times=20)),
    "large objects in protobuf": Way(get(f"{LARGE}/configmaps/large", _PROTOBUF, times=20)),
    "large objects in YAML": Way(get(f"{LARGE}/configmaps/large", _YAML, times=20)),
    "large objects compressed": Way(get(f"{LARGE}/configmaps/large", _GZIP, times=20)),
    "lists of a large object": Way(get(f"{LARGE}/configmaps", times=20)),
    "Tables of a large object": Way(get(f"{LARGE}/configmaps", _TABLE, times=20)),
    "YAML lists of a large object": Way(get(f"{LARGE}/configmaps", _YAML, times=20)),
    "OpenAPI unread": Way(get(f"{ROOT}/openapi/v2", times=20)),
    "OpenAPI slow": Way(get(f"{ROOT}/openapi/v3/api/v1", times=20), slow=True),
    "discovery unread": Way(get(f"{ROOT}/apis", _DISCOVERY, times=50)),
    "watches unread": Way(unread(query="?watch=1"), events=True),
    "watches slow": Way(unread(query="?watch=1"), slow=True, events=True),
    "new events unread": Way(unread(query=_LIVE), events=True),
    "new events in Tables": Way(unread(_TABLE, query=_LIVE), events=True),
    "new events in protobuf": Way(unread(_PROTOBUF, query=_LIVE), events=True),
    "selected events unread": Way(unread(query=f"{_LIVE}&labelSelector=a!%3Db"), events=True),
}
