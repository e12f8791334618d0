"""What a tenant writes reaches no header of an answer as it is."""

import json
import re

import pytest

from kcpfast.transport.heads import head
from kcpfast.transport.messages import Request, Response
from tests.fix_inside import CONFIG_MAPS, Inside, Json, config_map
from tests.kcp.provider import SCHEMAS, schema
from tests.transport.test_lines import Parsed

EVIL = "x\r\nSet-Cookie: y"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def odd(text: str) -> Json:
    return config_map("m", annotations={"a": "b"}) | {text: 1, f"{text}2": {text: 1}}


@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        ("GET", "/api", {b"audit-id": b"x\nSet-Cookie: y"}, None),
        ("GET", "/api", {b"audit-id": b"x\rSet-Cookie: y"}, None),
        ("GET", "/api", {b"audit-id": EVIL.encode()}, None),
        ("GET", "/api/v1/..%0d%0aSet-Cookie:%20y/../x", {}, None),
        ("GET", "/api//v1/%0d%0aSet-Cookie:%20y", {}, None),
        ("GET", f"{CONFIG_MAPS}/../x?a=\r\nSet-Cookie: y", {}, None),
        ("POST", f"{CONFIG_MAPS}?fieldValidation=Warn", {}, odd(EVIL)),
        ("POST", f"{CONFIG_MAPS}?fieldValidation=Warn", {}, odd("x\ud800")),
        ("GET", "/api/v1/namespaces/x%0d%0aSet-Cookie:%20y", {}, None),
        ("GET", "/apis/x%0d%0aSet-Cookie:%20y/v1/things", {}, None),
    ],
)
async def test_it_splits_no_answer(
    inside: Inside, method: str, path: str, headers: dict[bytes, bytes], body: Json | None
) -> None:
    path, _, query = path.partition("?")
    data = b"" if body is None else json.dumps(body).encode()
    sent = {b"authorization": b"Bearer admin", b"content-type": b"application/json"} | headers
    answer = await inside.running.server.serve(Request(method, inside.at + path, query, sent, data))
    assert isinstance(answer, Response)
    lines = head(answer.status, answer.content_type, answer.headers, answer.lines)
    found = Parsed(lines + b"Content-Length: 0\r\n\r\n").found
    assert b"Set-Cookie" not in dict(found)
    assert not re.search(rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n", lines)


WRONG = [
    ({"deprecated": True, "deprecationWarning": EVIL}, "non-printable character found at index 1"),
    ({"deprecated": True, "deprecationWarning": "é\x85"}, "found at index 2"),
    ({"deprecated": True, "deprecationWarning": "é" * 129}, "must be <= 256 characters long"),
    ({"deprecationWarning": "old"}, "can only be set for deprecated versions"),
]


@pytest.mark.parametrize(("change", "why"), WRONG)
async def test_a_deprecation_can_be_printed(inside: Inside, change: Json, why: str) -> None:
    """As upstream's validateDeprecationWarning has it, of CRDs and of what is exported."""
    made = schema()
    made["spec"]["versions"][0] |= change
    answer = await inside.send("POST", SCHEMAS, made)
    assert (answer.status, why in answer.body["message"]) == (403, True)
    spec = json.loads(json.dumps(made["spec"]))
    spec["versions"][0]["schema"] = {"openAPIV3Schema": spec["versions"][0]["schema"]}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "lamps.x.example.com"},
        "spec": spec,
    }
    answer = await inside.send("POST", CRDS, crd)
    assert (answer.status, why in answer.body["message"]) == (422, True)
