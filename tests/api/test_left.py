"""Nothing is left of a request once it is answered, whatever the answer.

What its frames hold, megabytes perhaps, goes by itself: a collector is spared what large requests
make, and comes by after a time.
"""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import pytest

from kcpfast.api.context import Call
from kcpfast.transport.account import Account
from kcpfast.transport.messages import Request
from tests.fix_inside import CONFIG_MAPS, Inside, config_map

JSON, MERGE, STEPS, APPLY = (
    "application/json",
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
)
ONE = f"{CONFIG_MAPS}/a"
HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
OBJECT = config_map("b")
ASKED = [
    # method, path, media type, body; its status
    ("POST", CONFIG_MAPS, JSON, OBJECT, 201),
    ("POST", CONFIG_MAPS, JSON, config_map("a"), 409),
    ("POST", CONFIG_MAPS, JSON, config_map("A"), 422),
    ("POST", CONFIG_MAPS, JSON, OBJECT | {"data": []}, 400),
    ("POST", CONFIG_MAPS, JSON, OBJECT | {"kind": "Secret"}, 400),
    ("POST", f"{CONFIG_MAPS}?fieldValidation=Strict", JSON, OBJECT | {"x": 1}, 400),
    ("POST", CONFIG_MAPS, JSON, b'{"a', 400),
    ("POST", CONFIG_MAPS, "application/yaml", b"a: [", 400),
    ("POST", CONFIG_MAPS, "application/vnd.kubernetes.protobuf", b"k8s\0\1", 400),
    ("POST", CONFIG_MAPS, "text/plain", b"a", 415),
    ("POST", CONFIG_MAPS.replace("default", "nowhere"), JSON, OBJECT, 404),
    ("POST", f"{CONFIG_MAPS}?dryRun=x", JSON, OBJECT, 422),
    ("POST", "/apis/a.b/v1/lamps", JSON, {}, 404),
    ("PUT", ONE, JSON, config_map("a", resourceVersion="1"), 409),
    ("PUT", ONE, JSON, OBJECT, 400),
    ("PATCH", ONE, JSON, {}, 415),
    ("PATCH", ONE, MERGE, {"metadata": {"name": "x"}}, 400),
    ("PATCH", ONE, MERGE, {"data": 1}, 422),
    ("PATCH", ONE, STEPS, [{"op": "test", "path": "/x", "value": 1}], 422),
    ("PATCH", ONE, STEPS, [{"op": "x"}], 422),
    ("PATCH", f"{CONFIG_MAPS}/none", MERGE, {}, 404),
    ("PATCH", f"{ONE}?fieldManager=m", APPLY, config_map("a") | {"data": {"k": "w"}}, 409),
    ("PATCH", ONE, APPLY, config_map("a"), 422),
    ("DELETE", ONE, JSON, {"preconditions": {"uid": "x"}}, 409),
    ("DELETE", f"{CONFIG_MAPS}?limit=-", JSON, b"", 400),
    ("DELETE", f"{ONE}?dryRun=All", JSON, b"", 200),
    ("GET", ONE, JSON, b"", 200),
    ("GET", ONE, TABLE, b"", 200),
    ("GET", f"{CONFIG_MAPS}?continue=x", JSON, b"", 400),
    ("GET", f"{CONFIG_MAPS}?resourceVersion=99999&resourceVersionMatch=Exact", JSON, b"", 504),
    ("GET", f"{CONFIG_MAPS}?labelSelector=!!", JSON, b"", 400),
    ("GET", CONFIG_MAPS, "text/html", b"", 406),
]


def alive() -> int:
    return sum(isinstance(each, Call) for each in gc.get_objects())


async def is_gone(before: int) -> bool:
    """Tell whether what was asked is gone, once threads and tasks have come to their ends."""
    for _ in range(100):
        if alive() == before:
            return True
        await asyncio.sleep(0.002)
    return False


async def ask(inside: Inside, method: str, path: str, media: str, body: Any, **more: Any) -> int:
    path, _, query = path.partition("?")
    headers = {b"authorization": b"Bearer admin", b"content-type": media.encode()}
    headers |= {b"accept": media.encode()} if method == "GET" else {}
    headers |= more.get("headers", {})
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    if more.get("large"):
        data = b" " * 40_000 + data if data else data  # beside the loop
    sent = Request(method, inside.at + path, query, headers, data)
    if "account" in more:
        sent.holder = more["account"].open(Nobody(), "client")
    answer = await inside.running.server.serve(sent)
    return getattr(answer, "status", 200)


class Nobody:
    def cut(self) -> bool:
        raise AssertionError("who asks is refused, and not cut off")


@pytest.mark.parametrize("backing", ["memory", "lmdb"], indirect=True)
@pytest.mark.parametrize("large", [False, True])
async def test_nothing_is_left_of_a_request(inside: Inside, large: bool) -> None:
    await inside.send("POST", CONFIG_MAPS, config_map("a") | {"data": {"k": "v" * 40_000 * large}})
    gc.collect()
    before, left = alive(), []
    gc.disable()
    try:
        for method, path, media, body, status in ASKED:
            assert await ask(inside, method, path, media, body, large=large) == status, path
            if not await is_gone(before):
                left.append((method, path, status))
                gc.collect()
        assert left == []
    finally:
        gc.enable()


REFUSING = {
    "there is no room for what is sent": ({}, 30_000),
    "there is no room for a webhook": ({HOOKS: "url"}, 300_000),
    "a webhook does not answer": ({HOOKS: "url"}, 1 << 30),
    "a policy fails": ({POLICIES: "object.data.x == '1'"}, 1 << 30),
    "a policy fails in a loop": ({POLICIES: "[1, 2].all(x, object.data.x == '1')"}, 1 << 30),
    "a policy fails in a term": (
        {POLICIES: "object.data.x == '1' || 1 > 2 || object.data.y == ''"},
        1 << 30,
    ),
}


def refusing(where: str, what: str) -> list[tuple[str, Any]]:
    """Return what is to be created so that ConfigMaps are refused, and where."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"],
            "operations": ["CREATE"]}  # fmt: skip
    if where == HOOKS:
        hook = {"name": "h.example.com", "clientConfig": {"url": "https://127.0.0.1:1/"},
                "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "rules": [rule]}  # fmt: skip
        return [(HOOKS, {"metadata": {"name": "h"}, "webhooks": [hook]})]
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": what}]}
    binding = {"policyName": "p", "validationActions": ["Deny"]}
    return [
        (POLICIES, {"metadata": {"name": "p"}, "spec": spec}),
        (f"{POLICIES}bindings".replace("policiesbindings", "policybindings"),
         {"metadata": {"name": "p"}, "spec": binding}),
    ]  # fmt: skip


@pytest.mark.parametrize("why", REFUSING)
async def test_nothing_is_left_of_what_admission_refuses(inside: Inside, why: str) -> None:
    made, ceiling = REFUSING[why]
    for where, what in made.items():
        for path, obj in refusing(where, what):
            await inside.create(path, obj)
    await inside.settle()
    obj = config_map("b") | {"data": {"k": "v" * 50_000}}
    gc.collect()
    before = alive()
    gc.disable()
    try:
        account = Account(ceiling)
        for _ in range(2):
            assert await ask(inside, "POST", CONFIG_MAPS, JSON, obj, account=account) >= 400
        assert await is_gone(before)
    finally:
        gc.enable()
