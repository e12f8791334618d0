"""Any bytes at all get a well-formed answer within five seconds, on a real connection."""

from __future__ import annotations

import http.client
import json
import socket
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.harness.https import Access

SECONDS = 5.0
MAPS = "/clusters/root/api/v1/namespaces/default/configmaps"
MEDIA = (
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "text/plain",
    "",
)
HEADERS = (
    "Accept",
    "Accept-Encoding",
    "Audit-Id",
    "Content-Type",
    "Cookie",
    "Expect",
    "Impersonate-Extra-a%2fb",
    "Impersonate-Group",
    "Impersonate-User",
    "User-Agent",
    "X-Forwarded-For",
)
PARAMETERS = (
    *("continue", "dryRun", "fieldManager", "fieldSelector", "fieldValidation", "labelSelector"),
    *("limit", "pretty", "propagationPolicy", "resourceVersion", "resourceVersionMatch", "timeout"),
)
# Bytes in which what is meant by text is likely to be mistaken.
STRANGE = st.sampled_from(
    [
        b"\x00",
        b"\r",
        b"\xff",
        b"\xed\xa0\x80",
        "٣".encode(),
        b"%",
        b"%00",
        b"%ff",
        b"{",
        b"[",
        b"\x1b",
    ]
)
ANY = st.one_of(
    st.binary(max_size=200),
    st.lists(st.one_of(STRANGE, st.binary(max_size=8)), max_size=12).map(b"".join),
)
A_BODY = st.one_of(
    ANY,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda below: (
            st.lists(below, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["apiVersion", "kind", "metadata", "data", "op", "path", "name", "a"]
                ),
                below,
                max_size=4,
            )
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode()),
)
_SETTINGS = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def answered(granted: Access, data: bytes, method: str = "GET") -> http.client.HTTPResponse:
    """Send bytes over a connection of their own; return the answer, which must be well-formed."""
    raw = socket.create_connection((granted.host, granted.port), timeout=SECONDS)
    with granted.tls.wrap_socket(raw, server_hostname=granted.host) as line:
        line.sendall(data)
        with http.client.HTTPResponse(line, method=method) as answer:
            answer.begin()
            body = answer.read()
    assert 100 < answer.status < 500 or answer.status in (501, 504, 505), (answer.status, body)
    if answer.status >= 400 and answer.headers.get_content_type() == "application/json":
        found = json.loads(body)
        assert (found["kind"], found["code"]) == ("Status", answer.status)
    return answer


def head(granted: Access, method: str, target: str, *lines: bytes) -> bytes:
    """Return the head of a request by an administrator, on a connection that ends with it."""
    first = f"{method} {target} HTTP/1.1".encode()
    token = f"Authorization: Bearer {granted.tokens['admin']}".encode()
    return b"\r\n".join([first, b"Host: a", b"Connection: close", token, *lines, b"", b""])


def field(name: str, value: bytes) -> bytes:
    """Return a header line; the value stays within it."""
    return f"{name}: ".encode() + value.replace(b"\n", b"").replace(b"\r", b"")


@pytest.mark.timeout(120)
@given(data=ANY.filter(lambda data: data.strip(b"\r\n")))
@example(data=b"GET / HTTP/1.1")
@example(data=b"PRI * HTTP/2.0")
@example(data=b"\x16\x03\x01\x02\x00")
@_SETTINGS
def test_bytes(granted: Access, data: bytes) -> None:
    answered(granted, data + b"\r\n\r\n")


@pytest.mark.timeout(120)
@given(method=st.sampled_from(["GET", "DELETE", "PUT"]), name=ANY, query=ANY)
@_SETTINGS
def test_paths_and_queries(granted: Access, method: str, name: bytes, query: bytes) -> None:
    target = f"{MAPS}/{quote_from_bytes(name, safe='')}?{quote_from_bytes(query, safe='=&')}"
    answered(granted, head(granted, method, target), method)


@pytest.mark.timeout(120)
@given(name=st.sampled_from(PARAMETERS), value=ANY)
@_SETTINGS
def test_parameters(granted: Access, name: str, value: bytes) -> None:
    answered(granted, head(granted, "GET", f"{MAPS}?{name}={quote_from_bytes(value)}"))


@pytest.mark.timeout(120)
@given(name=st.sampled_from(HEADERS), value=ANY)
@_SETTINGS
def test_headers(granted: Access, name: str, value: bytes) -> None:
    answered(granted, head(granted, "GET", MAPS, field(name, value)))


@pytest.mark.timeout(120)
@given(token=ANY | st.lists(A_BODY, min_size=3, max_size=3).map(b".".join))
@_SETTINGS
def test_tokens(granted: Access, token: bytes) -> None:
    lines = [b"Host: a", b"Connection: close", field("Authorization", b"Bearer " + token), b"", b""]
    answered(granted, b"\r\n".join([f"GET {MAPS} HTTP/1.1".encode(), *lines]))


@pytest.mark.timeout(120)
@given(
    method=st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]),
    media=st.sampled_from(MEDIA),
    body=A_BODY,
)
@settings(_SETTINGS, max_examples=150)
def test_bodies(granted: Access, method: str, media: str, body: bytes) -> None:
    target = (
        MAPS + "?dryRun=All&fieldManager=me" if method == "POST" else f"{MAPS}/a?fieldManager=me"
    )
    sized = f"Content-Length: {len(body)}".encode()
    lines = [field("Content-Type", media.encode()), sized] if media else [sized]
    answered(granted, head(granted, method, target, *lines) + body, method)
