"""What one request, and all together, may take: over it they are told 429, and when to retry."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kcpfast.api.limits.growth import LARGE_BODY, growth
from kcpfast.transport.account import Account
from kcpfast.transport.messages import Request, Response
from tests.fix_inside import CONFIG_MAPS, Inside

JSON, YAML, PROTOBUF = (
    "application/json",
    "application/yaml; charset=utf-8",
    "application/vnd.kubernetes.protobuf",
)


class Nobody:
    def cut(self) -> bool:
        raise AssertionError("who asks is refused, and not cut off")


BODIES = [
    # a body of about a megabyte, its media type, what it is charged with at least and at most
    (b"[" + b"{}," * 350_000 + b"{}]", JSON, 35 << 20, 250 << 20),
    (b'{"a":"' + b"x" * 1_000_000 + b'"}', JSON, 1 << 20, 8 << 20),
    (b'["' + b"x" * 1_000_000 + "😀".encode() + b'"]', JSON, 4_000_000, 8 << 20),
    (b"- a\n" * 250_000, YAML, 25 << 20, 250 << 20),
    (b"a: &a [b]\nc: *a\n", YAML, 15 << 20, 25 << 20),
    (b"a: &a [b]\nc: [*a]\n", "application/apply-patch+yaml", 15 << 20, 25 << 20),
    (b"*a &b", YAML, 15 << 20, 25 << 20),
    (b"a: &a b\nc:\n" + b"- *a\n" * 100_000, YAML, 15 << 20, 80 << 20),
    (b"verbs: ['*']\nand: R&D\n", YAML, 0, 10_000),
    (b'{"a":"x &a","b":"x *a"}', JSON, 0, 10_000),
    (b"\x0a\x00" * 500_000, PROTOBUF, 35 << 20, 250 << 20),
]


@pytest.mark.parametrize(("body", "media", "least", "most"), BODIES)
def test_growth_is_told_from_the_bytes(body: bytes, media: str, least: int, most: int) -> None:
    assert least <= growth(body, media) <= most


async def ask(inside: Inside, account: Account, data: str, method: str, path: str) -> Response:
    body: Any = {"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": data}}
    headers = {b"content-type": b"application/json", b"authorization": b"Bearer admin"}
    if method == "PATCH":
        headers[b"content-type"] = b"application/merge-patch+json"
    sent = Request(method, inside.at + path, "", headers, json.dumps(body).encode())
    sent.holder = account.open(Nobody(), "client")
    got = await inside.running.server.serve(sent)
    assert isinstance(got, Response)
    return got


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", CONFIG_MAPS), ("PUT", f"{CONFIG_MAPS}/a"), ("PATCH", f"{CONFIG_MAPS}/a")],
)
async def test_body_that_there_is_no_room_for_is_refused(
    inside: Inside, method: str, path: str
) -> None:
    await inside.send("POST", CONFIG_MAPS, {"kind": "ConfigMap", "metadata": {"name": "a"}})
    account = Account(100_000)
    got = await ask(inside, account, "x" * 50_000, method, path)
    assert got.status == 429
    assert (b"Retry-After", b"1") in got.headers
    assert b"X-Kubernetes-Pf" not in got.lines, "nobody was asked for it"
    said = json.loads(got.body)
    assert (said["kind"], said["reason"], said["details"]) == (
        "Status",
        "TooManyRequests",
        {"retryAfterSeconds": 1},
    )
    assert said["message"] == "Too many requests, please try again later."
    assert account.held == 0
    assert (await ask(inside, account, "x" * LARGE_BODY, method, path)).status in (200, 409)


STORED = [
    # a request about a large object, how many times its size is charged at least
    ("PATCH", "", '{"data":{"k":"v"}}', "application/merge-patch+json", "", 8),
    ("PATCH", "", '[{"op":"add","path":"/data/k","value":"v"}]', "application/json-patch+json", "",
     8),
    ("PATCH", "?fieldManager=a&force=true",
     '{"kind":"ConfigMap","apiVersion":"v1","data":{"k":"v"}}',
     "application/apply-patch+yaml", "", 8),
    ("PUT", "?dryRun=All", '{"kind":"ConfigMap","metadata":{"name":"a"}}', JSON, "", 8),
    ("DELETE", "?dryRun=All", "", JSON, "", 8),
    ("GET", "", "", JSON, PROTOBUF, 8),
    ("GET", "", "", JSON, "application/yaml", 8),
    ("GET", "", "", JSON, "application/json;as=Table;v=v1;g=meta.k8s.io", 8),
    ("GET", "?pretty=1", "", JSON, "", 8),
    ("GET", "", "", JSON, "gzip", 2),
    ("GET", "", "", JSON, JSON, 0),  # goes out as it is stored, and is charged then
]  # fmt: skip


@pytest.mark.parametrize(("method", "query", "body", "media", "accept", "times"), STORED)
async def test_stored_object_that_is_decoded_is_charged(
    inside: Inside, method: str, query: str, body: str, media: str, accept: str, times: int
) -> None:
    """However little is sent; who has no room for it is refused."""
    data = {f"key-{number}": "z" * 20 for number in range(8000)}
    obj = {"kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}
    await inside.send("POST", CONFIG_MAPS, obj)
    headers = {b"content-type": media.encode(), b"authorization": b"Bearer admin"}
    headers[b"accept-encoding" if accept == "gzip" else b"accept"] = accept.encode()
    size = len(json.dumps(data))
    for ceiling, expected in ((1 << 30, 200), (times * size, 429 if times else 200)):
        account = Account(ceiling)
        path = f"{inside.at}{CONFIG_MAPS}/a"
        sent = Request(method, path, query[1:], headers, body.encode())
        sent.holder = account.open(Nobody(), "client")
        got = await inside.running.server.serve(sent)
        assert isinstance(got, Response)
        assert got.status == expected
        assert (account.most > times * size) is (expected != 429 and times > 0)


@pytest.mark.parametrize(
    ("query", "accept", "times"),
    [
        ("", "application/json;as=Table;v=v1;g=meta.k8s.io", 8),
        ("", PROTOBUF, 8),
        ("", "application/yaml", 8),
        ("labelSelector=a!%3Db", JSON, 8),
    ],
)
async def test_list_of_a_large_object_is_charged_while_it_is_worked_on(
    inside: Inside, query: str, accept: str, times: int
) -> None:
    data = {f"key-{number}": "z" * 20 for number in range(8000)}
    obj = {"kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}
    await inside.send("POST", CONFIG_MAPS, obj)
    headers = {b"accept": accept.encode(), b"authorization": b"Bearer admin"}
    size = len(json.dumps(data))
    for ceiling, status in ((1 << 30, 200), (times * size, 429)):
        account = Account(ceiling)
        sent = Request("GET", inside.at + CONFIG_MAPS, query, headers)
        sent.holder = account.open(Nobody(), "client")
        got = await inside.running.server.serve(sent)
        assert getattr(got, "status", 200) == status
        assert (account.most > times * size) is (status == 200)
        assert account.held == 0


async def test_deleted_collection_is_charged_with_its_largest_object(inside: Inside) -> None:
    for number in range(5):
        obj = {
            "kind": "ConfigMap",
            "metadata": {"name": f"a-{number}"},
            "data": {"x": "z" * 20_000},
        }
        await inside.send("POST", CONFIG_MAPS, obj)
    account = Account(1 << 30)
    sent = Request("DELETE", inside.at + CONFIG_MAPS, "", {b"authorization": b"Bearer admin"})
    sent.holder = account.open(Nobody(), "client")
    await inside.running.server.serve(sent)
    assert 80_000 < sent.held < 160_000


async def test_a_short_body_does_not_grow_by_defaults_without_end(inside: Inside) -> None:
    """Five thousand empty objects in fifteen kilobytes, each given twenty by the schema."""
    lamp = {"type": "object", "properties": {"d": {"type": "string", "default": "x" * 20_000}}}
    spec = {"type": "object", "properties": {"l": {"type": "array", "items": lamp}}}
    schema = {"type": "object", "properties": {"spec": spec}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "lamps.x.example.com"},
        "spec": {
            "group": "x.example.com",
            "scope": "Cluster",
            "names": {"plural": "lamps", "kind": "Lamp", "listKind": "LampList"},
            "versions": [version],
        },
    }
    made = await inside.send("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    assert made.status == 201
    await inside.settle()
    obj = {"apiVersion": "x.example.com/v1", "kind": "Lamp", "metadata": {"name": "a"}}
    for number, status in ((100, 201), (5000, 413)):
        obj |= {"metadata": {"name": f"l{number}"}, "spec": {"l": [{} for _ in range(number)]}}
        answer = await inside.send("POST", "/apis/x.example.com/v1/lamps", obj)
        assert answer.status == status, answer.body


async def test_a_small_body_is_charged_with_what_its_aliases_repeat(inside: Inside) -> None:
    account = Account(1 << 20)
    for text, status in ((b"data: {a: &a b, c: *a}\n", 429), (b"data: {a: b, c: '*'}\n", 201)):
        head = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
        headers = {b"content-type": b"application/yaml", b"authorization": b"Bearer admin"}
        sent = Request("POST", inside.at + CONFIG_MAPS, "", headers, head + text)
        sent.holder = account.open(Nobody(), "client")
        got = await inside.running.server.serve(sent)
        assert isinstance(got, Response)
        assert got.status == status
