"""What is remembered of requests changes no answer; the twin is a request that nobody remembers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from kcpfast._core.heads import HeaderBlock, cut
from kcpfast._core.routing import renamed, route
from kcpfast.transport.messages import NO_PEER, Peer, Request, Response
from tests.fix_inside import CONFIG_MAPS, Inside, Json, config_map
from tests.kcp.provider import BINDINGS, LAMPS, NAME, Market, lamp, schema

JANE = Peer("", "jane", ("team",))
RBAC = "/apis/rbac.authorization.k8s.io/v1"
FIELDS = {b"accept": b"application/json", b"content-type": b"application/json"}


class Client:
    """Somebody who sends the same headers all the time."""

    def __init__(self, inside: Inside, peer: Peer, **headers: str) -> None:
        self.serve, self.at, self.peer = inside.running.server.serve, inside.at, peer
        more = {name.replace("_", "-").encode(): text.encode() for name, text in headers.items()}
        token = {} if peer.common_name else {b"authorization": b"Bearer admin"}
        self.heads = HeaderBlock(FIELDS | token | more)

    async def ask(
        self, method: str, path: str, body: Any = None, *, known: bool = True
    ) -> tuple[int, bytes]:
        path = path if path.startswith("/clusters") else self.at + path
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(data)}\r\n\r\n"
        target, _, query = path.partition("?")
        request = Request(method, target, query, self.heads.fields, data, self.peer)
        request.cut = cut(head.encode() + data) if known else None
        if request.cut is not None:
            request.cut.heads = self.heads
        got = await self.serve(request)
        assert isinstance(got, Response)
        return got.status, got.body


def plans(inside: Inside) -> int:
    return len(inside.running.server._routes)


ASKED = [
    # path, headers, is it remembered?
    (f"{CONFIG_MAPS}/a", {}, True),
    (f"{CONFIG_MAPS}/b", {}, True),
    (f"{CONFIG_MAPS}/missing", {}, True),
    (f"{CONFIG_MAPS}/a?pretty=1", {}, True),
    (CONFIG_MAPS, {}, True),
    (f"{CONFIG_MAPS}?limit=1", {}, False),
    ("/api/v1/namespaces/default", {}, True),
    ("/api/v1/namespaces/other", {}, True),
    ("/api/v1/namespaces/default/status", {}, True),
    ("/api/v1/configmaps", {}, True),
    (f"{CONFIG_MAPS}/status", {}, True),
    (f"{CONFIG_MAPS}/a/status", {}, False),
    ("/api/v1/namespaces/default/resourcequotas/status/status", {}, True),
    ("/api/v1/configmaps/a", {}, False),
    (f"{CONFIG_MAPS}/..", {}, False),
    (f"{CONFIG_MAPS}/a/", {}, False),
    ("/apis/x.example.com/v1/lamps", {}, False),
    ("/version", {}, False),
    ("/clusters/*/api/v1/configmaps", {}, False),
    (f"{CONFIG_MAPS}/a", {"impersonate_user": "jane"}, False),
    (f"{CONFIG_MAPS}/a", {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}, True),
    (f"{CONFIG_MAPS}/a", {"accept": "text/html"}, True),
    (f"{CONFIG_MAPS}/a?x={1000 * 'x'}", {}, False),
    (f"{CONFIG_MAPS}/{1000 * 'x'}", {}, False),
]


@pytest.mark.parametrize(("path", "headers", "kept"), ASKED)
async def test_answer_is_that_of_a_request_that_nobody_remembers(
    inside: Inside, path: str, headers: dict[str, str], kept: bool
) -> None:
    client = Client(inside, NO_PEER, **headers)
    for name in ("a", "b"):
        await client.ask("POST", CONFIG_MAPS, config_map(name), known=False)
    wanted = await client.ask("GET", path, known=False)
    before = plans(inside)
    for _ in range(3):
        assert await client.ask("GET", path) == wanted
    assert (plans(inside) > before) is kept


async def test_one_plan_is_for_all_names(inside: Inside) -> None:
    client, before = Client(inside, NO_PEER), plans(inside)
    for number in range(4):
        path = f"{CONFIG_MAPS}/c{number}"
        assert (await client.ask("POST", CONFIG_MAPS, config_map(f"c{number}")))[0] == 201
        got = await client.ask("PUT", path, config_map(f"c{number}") | {"data": {"a": path}})
        assert json.loads(got[1])["data"] == {"a": path}
        assert (await client.ask("GET", path)) == got
        assert (await client.ask("DELETE", path))[0] == 200
        assert (await client.ask("GET", path))[0] == 404
    assert plans(inside) == before + 4


async def test_one_plan_is_for_the_status_of_all(inside: Inside) -> None:
    market = Market(inside)
    await market.open()
    await market.bind(inside.at, "lamps")
    client, before = Client(inside, NO_PEER), plans(inside)
    for name in ("a", "b", "status"):
        made = await inside.create(LAMPS, lamp(name))
        path = f"{LAMPS}/{name}/status"
        got = await client.ask("PUT", path, made | {"status": {"size": 3}})
        assert (got[0], json.loads(got[1])["status"]) == (200, {"size": 3})
        assert await client.ask("GET", path) == got
        assert await client.ask("GET", path, known=False) == got
    assert plans(inside) == before + 2


async def allow_jane(inside: Inside, rule: Json, at: str = "") -> None:
    rules = [rule | {"apiGroups": ["*"]}, {"verbs": ["access"], "nonResourceURLs": ["/"]}]
    group = "rbac.authorization.k8s.io"
    meta = {"apiVersion": f"{group}/v1", "metadata": {"name": "jane"}}
    role = {"apiGroup": group, "kind": "ClusterRole", "name": "jane"}
    who = {"apiGroup": group, "kind": "User", "name": "jane"}
    await inside.create(f"{at}{RBAC}/clusterroles", meta | {"kind": "ClusterRole", "rules": rules})
    made = meta | {"kind": "ClusterRoleBinding", "roleRef": role, "subjects": [who]}
    await inside.create(f"{at}{RBAC}/clusterrolebindings", made)


CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


async def test_nothing_is_created_of_what_is_being_deleted(inside: Inside) -> None:
    spec = schema(plural="bulbs")["spec"]
    version = spec["versions"][0] | {"schema": {"openAPIV3Schema": {"type": "object"}}}
    meta = {"apiVersion": "apiextensions.k8s.io/v1", "metadata": {"name": f"bulbs.{NAME}"}}
    made = meta | {"kind": "CustomResourceDefinition", "spec": spec | {"versions": [version]}}
    await inside.create(CRDS, made)
    await inside.settle()
    client, bulbs = Client(inside, NO_PEER), LAMPS.replace("lamps", "bulbs")
    held = lamp("held") | {"kind": "Bulb"}
    held["metadata"]["finalizers"] = ["x.example.com/held"]
    await inside.create(bulbs, held)
    for name, status in (("a", 201), ("b", 201), ("c", 403)):
        if status == 403:
            await inside.send("DELETE", f"{CRDS}/bulbs.{NAME}")
        assert (await client.ask("POST", bulbs, lamp(name) | {"kind": "Bulb"}))[0] == status
    await inside.patch(f"{bulbs}/held", {"metadata": {"finalizers": None}})


async def deny(inside: Inside) -> None:
    await inside.delete(f"{RBAC}/clusterrolebindings/jane")


async def put_to_sleep(inside: Inside) -> None:
    await inside.patch(
        "/apis/core.kcp.io/v1alpha1/logicalclusters/cluster",
        {"metadata": {"annotations": {"core.kcp.io/inactive": "true"}}},
    )


async def delete_workspace(inside: Inside) -> None:
    await inside.delete("/clusters/root/apis/tenancy.kcp.io/v1alpha1/workspaces/ws")


async def unbind(inside: Inside) -> None:
    await inside.delete(f"{BINDINGS}/lamps")


Change = Callable[[Inside], Awaitable[None]]
DOUBTS: list[tuple[Change, str, int]] = [
    # what happens, what was allowed before, its status then
    (deny, f"{CONFIG_MAPS}/a", 403),
    (deny, CONFIG_MAPS, 403),
    (put_to_sleep, f"{CONFIG_MAPS}/a", 403),
    (delete_workspace, f"{CONFIG_MAPS}/a", 403),
    (delete_workspace, f"/clusters/root:ws{CONFIG_MAPS}/a", 404),
    (delete_workspace, f"/clusters/root:ws:child{CONFIG_MAPS}/kube-root-ca.crt", 404),
    (unbind, f"{LAMPS}/a", 404),
]


@pytest.mark.parametrize(("change", "path", "status"), DOUBTS)
async def test_nothing_is_remembered_longer_than_it_holds(
    inside: Inside, change: Change, path: str, status: int
) -> None:
    market = Market(inside)
    await market.open()
    await market.bind(inside.at, "lamps")
    await inside.create(CONFIG_MAPS, config_map("a"))
    await inside.create(LAMPS, lamp("a"))
    for at in ("", await inside.workspace("child", "root:ws")):
        await allow_jane(inside, {"verbs": ["get", "list"], "resources": ["*"]}, at)
    jane = Client(inside, JANE)
    assert [(await jane.ask("GET", path))[0] for _ in range(3)] == [200] * 3
    assert plans(inside)
    await change(inside)
    assert (await jane.ask("GET", path))[0] == status
    assert await jane.ask("GET", path) == await jane.ask("GET", path, known=False)


async def write_elsewhere(inside: Inside) -> None:
    at = await inside.workspace("elsewhere")
    await allow_jane(inside, {"verbs": ["get"], "resources": ["*"]}, at)
    await inside.delete(f"{at}{RBAC}/clusterrolebindings/jane")
    await inside.delete("/clusters/root/apis/tenancy.kcp.io/v1alpha1/workspaces/elsewhere")


async def allow_others(inside: Inside) -> None:
    group = "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["*"], "verbs": ["*"]}
    for kind, at in (("Role", f"{RBAC}/namespaces/default"), ("ClusterRole", RBAC)):
        meta = {"apiVersion": f"{group}/v1", "metadata": {"name": "others"}}
        role = {"apiGroup": group, "kind": kind, "name": "others"}
        who = {"apiGroup": group, "kind": "User", "name": "joe"}
        made = meta | {"kind": f"{kind}Binding", "roleRef": role, "subjects": [who]}
        await inside.create(f"{at}/{kind.lower()}s", meta | {"kind": kind, "rules": [rule]})
        await inside.create(f"{at}/{kind.lower()}bindings", made)


async def bring_a_resource(inside: Inside) -> None:
    market = Market(inside)
    await market.open()
    await market.consumer("consumer")


async def have_objects(inside: Inside) -> None:
    await inside.create(CONFIG_MAPS, config_map("other"))
    await inside.create("/api/v1/namespaces", {"kind": "Namespace", "metadata": {"name": "new"}})
    await inside.workspace("child", "root:ws")
    await inside.delete(f"{CONFIG_MAPS}/other")


UNRELATED = [write_elsewhere, allow_others, bring_a_resource, have_objects]


@pytest.mark.parametrize("change", UNRELATED)
@pytest.mark.parametrize("at", ["", "/clusters/root:ws"])
async def test_a_plan_survives_what_it_does_not_depend_on(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, change: Change, at: str
) -> None:
    await inside.create(CONFIG_MAPS, config_map("a"))
    await allow_jane(inside, {"verbs": ["get", "list"], "resources": ["*"]})
    jane, path = Client(inside, JANE), f"{at}{CONFIG_MAPS}/a"
    wanted = await jane.ask("GET", path)
    await change(inside)
    prepared: list[Any] = []
    server = inside.running.server
    monkeypatch.setattr(server, "_steps", prepared.append)
    assert await jane.ask("GET", path) == wanted
    assert not prepared


async def test_a_right_to_one_object_is_remembered_for_that_alone(inside: Inside) -> None:
    await allow_jane(inside, {"verbs": ["get"], "resources": ["*"], "resourceNames": ["a"]})
    for name in ("a", "b"):
        await inside.create(CONFIG_MAPS, config_map(name))
    jane = Client(inside, JANE)
    for name, status in (("a", 200), ("b", 403), ("a", 200), ("b", 403)):
        assert (await jane.ask("GET", f"{CONFIG_MAPS}/{name}"))[0] == status


async def test_decisions_about_long_names_are_not_kept(inside: Inside) -> None:
    await allow_jane(inside, {"verbs": ["get"], "resources": ["configmaps"]})
    answers = inside.running.server._front._authorizer.rbac._answers
    jane, counts = Client(inside, JANE), []
    for name in (2000 * "a", 2000 * "b", "c", "d"):
        await jane.ask("GET", f"{CONFIG_MAPS}/{name}", known=False)
        counts.append(len(answers))
    first, second, third, fourth = counts
    assert first == second < third < fourth


PATHS = [
    "/apis/g.io/v1/widgets/w/status",
    "/apis/g.io/v1/namespaces/n/widgets/w/status",
    "/clusters/root:a/api/v1/namespaces/default/configmaps/a",
    "/api/v1/configmaps/a",
    "/apis/g.io/v1/widgets/namespaces",
    "/services/v/x/clusters/*/apis/g.io/v1/namespaces/n/widgets/w",
]


@pytest.mark.parametrize("path", PATHS)
def test_renamed_is_the_route_of_the_other_path(path: str) -> None:
    behind = "/status" if path.endswith("/status") else ""
    before = path.removesuffix(behind).rpartition("/")[0]
    other, found = route(f"{before}/another.name{behind}"), renamed(route(path), "another.name")
    fields = ("service", "cluster", "rest", "group", "version", "namespace", "plural", "name")
    for field in (*fields, "subresource", "watch"):
        assert getattr(found, field) == getattr(other, field)
