"""A resource has one name: however a path spells it, the plain spelling's answer, or 404.

Who may not ask for what a path spells hears 403 instead. Dots and doubled slashes are answered by a
redirect to the clean path, as kcp does.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any, cast

import pytest

from kcpfast.transport.messages import Response, Stream
from tests.auth.test_impersonation import Tenant
from tests.fix_inside import MERGE, Inside
from tests.kcp.provider import BINDINGS, LAMPS, Market, binding, lamp
from tests.kcp.test_views import grant

RBAC = "/apis/rbac.authorization.k8s.io/v1"
SAR = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
DRY = "dryRun=All"
VERBS: list[tuple[str, str, Any]] = [
    ("GET", "/desk", None),
    ("GET", "", None),
    ("GET", "?watch=1&timeoutSeconds=1", None),
    ("GET", "/desk/status", None),
    ("GET", "/desk/scale", None),
    ("POST", f"?{DRY}", lamp("new")),
    ("PUT", f"/desk?{DRY}", lamp("desk", 2)),
    ("PATCH", f"/desk?{DRY}", {"spec": {"size": 3}}),
    ("PATCH", f"/desk/status?{DRY}", {"status": {"size": 3}}),
    ("DELETE", f"/desk?{DRY}", None),
    ("DELETE", f"?{DRY}", None),
    ("HEAD", "/desk", None),
    ("OPTIONS", "", None),
]


def spellings(identity: str, other: str) -> Iterator[tuple[str, str]]:
    """Yield what stands for `lamps` in a path, and for the path up to it."""
    for plural in (
        f"lamps:{identity}", f"lamps%3A{identity}", f"lamps%3a{identity}", f"lamps:{other}",
        f"lamps:{identity.upper()}", f"lamps:{identity}:", f"lamps::{identity}", "lamps:",
        f"lamps:{identity}%00", "lamps:*", "lamps:customresources", ":" + identity, "Lamps",
        "LAMPS", "lamp", "Lamp", "lamps%20", "%6camps", "lamps%00", "lamps%2F", "lamps%2fdesk",
        "lamps.x.example.com", "lamps;a=b", "l\u0430mps", "lamps.", "*", "%2A", "lamps%3A%2A",
    ):  # fmt: skip
        yield LAMPS, plural
    for before in (
        LAMPS.replace("/v1/", "/v1/watch/"), LAMPS.replace("/v1/", "/V1/"),
        LAMPS.replace("/apis/", "/api/"), LAMPS.replace("/apis/", "/APIS/"),
        LAMPS.replace("/v1/", "/v\uff11/"), LAMPS.replace("/v1/", "/v%EF%BC%91/"),
        LAMPS.replace("default", "%64efault"),
        LAMPS.replace("default", "default%00"), LAMPS.replace("/apis/", "//apis/"),
        LAMPS.replace("/v1/", "/v1//"), LAMPS.replace("/v1/", "/v1/./"),
        LAMPS.replace("/v1/", "/v1/x/../"), LAMPS.replace("/v1/", "/v1/%2e/"),
        LAMPS.replace("x.example", "x%2eexample"), LAMPS.replace("x.example", "X.example"),
        LAMPS.replace("namespaces", "watch/namespaces"),
    ):  # fmt: skip
        yield before, "lamps"
        yield before, f"lamps:{identity}"


async def ask(inside: Inside, user: str, method: str, path: str, body: Any) -> tuple[int, str]:
    """Return status and body of an answer, without what differs each time."""
    media = MERGE if method == "PATCH" else "application/json"
    got = await inside.send_raw(method, path, body, user=user, media=media)
    if not isinstance(got, Response):
        return 200, "a watch"
    text = re.sub(r'"(uid|creationTimestamp|time)":"[^"]*"', r'"\1":""', got.body.decode())
    return got.status, text


async def people(inside: Inside, where: str) -> tuple[str, ...]:
    """Give users of a consumer rights, by the name `lamps` alone."""
    version = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    for user, verbs in (("reader", ["get", "list", "watch"]), ("owner", ["*"])):
        rules = [
            {"apiGroups": ["x.example.com"], "resources": ["lamps"], "verbs": verbs},
            {"nonResourceURLs": ["/"], "verbs": ["access"]},
        ]
        meta = {"name": user}
        role = {**version, "kind": "ClusterRole", "metadata": meta, "rules": rules}
        await inside.create(f"{where}{RBAC}/clusterroles", role)
        subject = {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
        bound = {
            **version,
            "kind": "ClusterRoleBinding",
            "metadata": meta,
            "subjects": [subject],
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": user,
            },
        }
        await inside.create(f"{where}{RBAC}/clusterrolebindings", bound)
    return "reader", "owner", "stranger", "kcp-admin"


@pytest.fixture(params=[{}, {"maximalPermissionPolicy": {"local": {}}}], ids=["", "policy"])
async def market(inside: Inside, request: pytest.FixtureRequest) -> Market:
    market = Market(inside)
    await market.open(**request.param)
    return market


async def test_every_spelling_is_the_plain_one_or_none(market: Market, inside: Inside) -> None:
    home, unbound = await market.consumer("home"), await inside.workspace("unbound")
    found = await inside.get(f"{market.shop}/apis/apis.kcp.io/v1alpha2/apiexports/x.example.com")
    assert found is not None
    identity = found["status"]["identityHash"]
    tenancy = await inside.get("/clusters/root/apis/apis.kcp.io/v1alpha2/apiexports/tenancy.kcp.io")
    other = (tenancy or {})["status"]["identityHash"]
    await inside.send("POST", home + LAMPS, lamp("desk"), token="master")
    wrong = []
    for user in await people(inside, home):
        for method, behind, body in VERBS:
            plain = await ask(inside, user, method, home + LAMPS + behind, body)
            for before, plural in spellings(identity, other):
                part, _, query = behind.partition("?")
                path = f"{before.removesuffix('lamps')}{plural}{part}?{query}"
                got = await ask(inside, user, method, home + path, body)
                wanted = plain
                if "/watch/" in before and method == "GET":  # that is how one used to watch
                    wanted = (200, "a watch") if plain[0] == 200 else plain
                if got != wanted and got[0] not in (403, 404, 307):
                    wrong.append((user, method, path, got, plain))
    path = f"{unbound}{LAMPS}:{identity}"
    for method, behind, body in VERBS:
        got = await ask(inside, "kcp-admin", method, path + behind, body)
        if got[0] != 404:
            wrong.append(("kcp-admin", method, path, got, (404, "")))
    assert wrong == []


async def test_a_policy_holds_for_every_spelling(inside: Inside) -> None:
    """Who may nothing by the export's policy gets nothing; nor does a review say otherwise."""
    market = Market(inside)
    await market.open(maximalPermissionPolicy={"local": {}})
    home = await market.consumer("home")
    found = await inside.get(f"{market.shop}/apis/apis.kcp.io/v1alpha2/apiexports/x.example.com")
    identity = (found or {})["status"]["identityHash"]
    await people(inside, home)
    for plural in ("lamps", f"lamps:{identity}"):
        path = LAMPS.removesuffix("lamps") + plural
        assert (await inside.send("GET", home + path, user="owner")).status == 403
        wanted = {"verb": "get", "group": "x.example.com", "resource": plural}
        spec = {"user": "owner", "resourceAttributes": wanted}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
        got = await inside.create(home + SAR, review | {"spec": spec})
        assert got["status"]["allowed"] is False


async def test_a_view_knows_its_resources_by_their_identity_alone(inside: Inside) -> None:
    market = Market(inside)
    await market.open()
    home = await market.consumer("home")
    await inside.create(home + LAMPS, lamp("desk"))
    found = await inside.get(f"{market.shop}/apis/apis.kcp.io/v1alpha2/apiexports/x.example.com")
    identity = (found or {})["status"]["identityHash"]
    await grant(inside, market.shop, "dora", "get")
    for plural, status in (("lamps", 200), (f"lamps:{identity}", 200), ("lamps:other", 404)):
        path = market.seen(home, LAMPS.removesuffix("lamps") + plural + "/desk")
        assert (await inside.send("GET", path, user="dora")).status == status
    second = await inside.workspace("second")
    await inside.create(second + BINDINGS, binding("l", "root:shop"))
    await inside.settle()
    path = market.seen("*", f"/apis/x.example.com/v1/lamps:{identity}")
    assert (await inside.send("GET", path)).status == 200


WATCHED = [
    ("/api/v1/watch/namespaces/default", {"default"}),
    ("/api/v1/watch/namespaces/default?fieldSelector=metadata.name=other", set()),
    ("/api/v1/namespaces?watch=1&fieldSelector=metadata.name=default", {"default"}),
    ("/api/v1/watch/namespaces/default/configmaps/kube-root-ca.crt", {"kube-root-ca.crt"}),
    ("/api/v1/watch/namespaces/default/configmaps", None),
    ("/api/v1/watch/namespaces", None),
    ("/api/v1/watch/namespaces/other", None),
]


class Heard:
    """A sink that keeps what is written."""

    def __init__(self) -> None:
        self.text = b""

    def write(self, data: bytes) -> None:
        self.text += data

    def close(self) -> None:
        pass

    def pending(self) -> int:
        return 0


@pytest.mark.parametrize(("path", "names"), WATCHED)
async def test_a_watch_of_one_name_shows_that_alone(
    inside: Inside, path: str, names: set[str] | None
) -> None:
    """`names` is None where one who may watch these two objects may not watch."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}
    await inside.create("/api/v1/namespaces", space)
    rule = {"apiGroups": [""], "resources": ["namespaces", "configmaps"], "verbs": ["watch"]}
    rule["resourceNames"] = ["default", "kube-root-ca.crt"]
    await Tenant(inside, "guest", inside.at).may(rule)
    got = await inside.send_raw("GET", path, user="guest")
    if names is None:
        assert isinstance(got, Response)
        assert got.status == 403
        return
    assert isinstance(got, Stream)
    heard = Heard()
    stop: Any = got.start(cast(Any, heard))
    await asyncio.sleep(0.05)
    stop()
    events = [json.loads(each) for each in heard.text.splitlines()]
    assert {each["object"]["metadata"]["name"] for each in events} == names
