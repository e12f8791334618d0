"""Nobody becomes more than they may by acting as another: the admin of one workspace tries."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kcpfast.auth.authenticate import _digest
from kcpfast.kcp.effective import carried, identities, is_sound, scoped, warrant_of
from kcpfast.meta.user import AUTHENTICATED, MASTERS, User
from kcpfast.transport.messages import Request, Response
from tests.fix_inside import CONFIG_MAPS, Inside, Json
from tests.kcp.provider import BINDINGS, LAMPS, Market, binding, lamp

ADMINS = [
    "system:masters",
    "system:kcp:admin",
    "system:kcp:tenancy:workspace-bootstrapper",
    "system:kcp:logical-cluster-admin",
    "system:kcp:external-logical-cluster-admin",
    "system:kcp:initializer:root:x",
    "system:kcp:terminator:root:x",
]
APPLY = "application/apply-patch+yaml"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
WARRANT, SCOPES, HOME = (
    "authorization.kcp.io/warrant",
    "authentication.kcp.io/scopes",
    "authentication.kcp.io/cluster-name",
)


def nested(depth: int, **user: Any) -> str:
    """Return a warrant in so many warrants."""
    text = json.dumps(user)
    for _ in range(depth):
        text = json.dumps({"user": "x", "extra": {WARRANT: [text]}})
    return text


class Tenant:
    """Somebody who holds `rules` in a workspace of their own."""

    def __init__(self, inside: Inside, name: str, where: str) -> None:
        self.inside, self.name, self.where = inside, name, where

    async def may(self, *rules: Json) -> None:
        version = {"apiVersion": "rbac.authorization.k8s.io/v1"}
        meta = {"metadata": {"name": self.name.replace(":", "-")}}
        enter = {"nonResourceURLs": ["/"], "verbs": ["access"]}
        role = {**version, "kind": "ClusterRole", **meta, "rules": [*rules, enter]}
        await self.inside.create(f"{self.where}{RBAC}/clusterroles", role)
        group = "rbac.authorization.k8s.io"
        subject = {"kind": "User", "name": self.name, "apiGroup": group}
        named = {"kind": "ClusterRole", "name": meta["metadata"]["name"], "apiGroup": group}
        bound = {"kind": "ClusterRoleBinding", **meta, "roleRef": named, "subjects": [subject]}
        await self.inside.create(f"{self.where}{RBAC}/clusterrolebindings", {**version, **bound})

    async def ask(self, method: str, path: str, body: Any = None, **acting: Any) -> int:
        """Ask as `user`, with `groups` and `extra`; return the status."""
        server = self.inside.running.server
        media = acting.get("media", "application/json").encode()
        headers = {b"authorization": b"Bearer tenant", b"content-type": media}
        headers[b"impersonate-user"] = acting.get("user", "u").encode()
        if acting.get("groups"):
            headers[b"impersonate-group"] = "\n".join(acting["groups"]).encode()
        if acting.get("uid"):
            headers[b"impersonate-uid"] = acting["uid"].encode()
        for key, values in (acting.get("extra") or {}).items():
            name = b"impersonate-extra-" + key.replace("/", "%2f").encode()
            headers[name] = "\n".join(values).encode()
        path, _, query = path.partition("?")
        data = b"" if body is None else json.dumps(body).encode()
        whole = path if path.startswith(("/clusters", "/services")) else self.where + path
        answer = await server.serve(Request(method, whole, query, headers, data))
        assert isinstance(answer, Response)
        return answer.status


def log_in(inside: Inside, user: User) -> None:
    """Have the token `tenant` be a user's."""
    inside.running.server._front._authenticator._tokens[_digest("tenant")] = user


@pytest.fixture
async def tenant(inside: Inside) -> Tenant:
    log_in(inside, User("tenant", groups=("system:authenticated", "team")))
    made = Tenant(inside, "tenant", inside.at)
    await made.may({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]})
    return made


@pytest.mark.parametrize("group", ADMINS)
@pytest.mark.parametrize("depth", [None, 0, 1, 3])
async def test_nobody_carries_a_group_that_they_are_not_in(
    tenant: Tenant, group: str, depth: int | None
) -> None:
    if depth is None:
        acting: Json = {"groups": [group]}
    else:
        acting = {"extra": {WARRANT: [nested(depth, user="x", groups=["team", group])]}}
    assert await tenant.ask("GET", CONFIG_MAPS, **acting) == 403


ALLOWED = [
    {},
    {"groups": ["team", "others"]},
    {"uid": "7"},
    {"extra": {"colour": ["red"]}},
    {"user": "system:serviceaccount:default:default"},
]


@pytest.mark.parametrize("acting", ALLOWED)
async def test_an_admin_acts_as_anybody_else_in_their_workspace(
    tenant: Tenant, acting: Json
) -> None:
    """Whom nobody has given anything: they are let in by the warrant of the tenant alone."""
    extra = acting.get("extra", {}) | {WARRANT: [json.dumps({"user": "tenant"})]}
    assert await tenant.ask("GET", CONFIG_MAPS, **(acting | {"extra": extra})) == 200


def rule(*resources: str, group: str = "", **more: Any) -> Json:
    return {"apiGroups": [group], "resources": list(resources), "verbs": ["impersonate"]} | more


EXTRAS = rule("*", group="authentication.k8s.io")
NAMED = [
    (rule("users", resourceNames=["u"]), {}, 1),
    (rule("users", resourceNames=["u"]), {"extra": {WARRANT: [nested(0, user="v")]}}, 0),
    (rule("users", resourceNames=["u", "v"]), {"extra": {WARRANT: [nested(0, user="v")]}}, 1),
    (rule("users"), {"extra": {WARRANT: [nested(0, user="v", groups=["g"])]}}, 0),
    (rule("users"), {"extra": {WARRANT: [nested(2, user="v", groups=["g"])]}}, 0),
    (rule("users", "groups"), {"extra": {WARRANT: [nested(2, user="v", groups=["g"])]}}, 1),
    (rule("users"), {"extra": {SCOPES: ["cluster:else"]}}, 0),
    (rule("users", "groups"), {"extra": {SCOPES: ["cluster:else"]}}, 1),
    (rule("users"), {"extra": {HOME: ["else"]}}, 0),
    (rule("users", "groups"), {"extra": {HOME: ["else"]}}, 1),
    (rule("users"), {"extra": {WARRANT: [nested(0, user="v", extra={HOME: ["else"]})]}}, 0),
    (
        rule("users"),
        {"extra": {WARRANT: [
            nested(0, user="system:serviceaccount:a:b", extra={HOME: ["ws"]})]}},
        0,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given", "acting", "allowed"), NAMED)
async def test_what_an_extra_carries_is_checked_as_if_it_was_named(
    inside: Inside, tenant: Tenant, given: Json, acting: Json, allowed: int
) -> None:
    helper = Tenant(inside, "helper", inside.at)
    log_in(inside, User("helper"))
    await helper.may(given, EXTRAS)
    await Tenant(inside, "u", inside.at).may(
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}
    )
    status = await helper.ask("GET", CONFIG_MAPS, **acting)
    elsewhere = SCOPES in acting.get("extra", {})
    assert status == (200 if allowed and not elsewhere else 403)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "1", "null", '{"user": 1}', '{"groups": "a"}', '{"user":"a"}' + "}",
             '{"extra": {"a": "b"}}', "[" * 5000, nested(9, user="a"),
             '{"user":"system:serviceaccount:a:b"}'],
)  # fmt: skip
async def test_what_is_no_warrant_is_refused(tenant: Tenant, text: str) -> None:
    assert await tenant.ask("GET", CONFIG_MAPS, extra={WARRANT: [text]}) == 400


BORROWED = [
    {"user": "kcp-admin"},
    {"user": "owner"},
    {"extra": {WARRANT: [nested(0, user="kcp-admin")]}},
    {"extra": {WARRANT: [nested(3, user="kcp-admin")]}},
    {"extra": {WARRANT: [nested(0, user="owner", groups=["vip"])]}},
    {"groups": ["vip"]},
    {"user": "system:serviceaccount:default:bot", "extra": {HOME: ["SHOP"]}},
    {"extra": {HOME: ["SHOP"]}},
    {"extra": {SCOPES: ["cluster:SHOP,cluster:OWN"]}},
    {"extra": {WARRANT: [
        nested(0, user="system:serviceaccount:default:bot", extra={HOME: ["SHOP"]})]}},
]  # fmt: skip


@pytest.mark.parametrize("acting", BORROWED)
async def test_what_others_may_elsewhere_is_not_to_be_had(
    inside: Inside, tenant: Tenant, acting: Json
) -> None:
    """A private export, to which its owner, a group, an account and a whole cluster may bind."""
    market = Market(inside)
    await market.open()
    shop, own = (each.rpartition("/")[2] for each in (market.shop, inside.at))
    group = "rbac.authorization.k8s.io"
    role = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "bind"},
        "rules": [{"apiGroups": ["apis.kcp.io"], "resources": ["apiexports"], "verbs": ["bind"]}],
    }
    await inside.create(f"{market.shop}{RBAC}/clusterroles", role)
    who = [("User", "owner"), ("User", "kcp-admin"), ("Group", "vip"),
           ("User", f"system:kcp:serviceaccount:{shop}:default:bot"),
           ("User", "system:serviceaccount:default:bot"),
           ("Group", f"system:cluster:{shop}")]  # fmt: skip
    bound = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "bind"},
        "roleRef": {"kind": "ClusterRole", "name": "bind", "apiGroup": group},
        "subjects": [{"kind": kind, "name": name, "apiGroup": group} for kind, name in who],
    }
    await inside.create(f"{market.shop}{RBAC}/clusterrolebindings", bound)
    text = json.dumps(acting).replace("SHOP", shop).replace("OWN", own)
    asked = json.loads(text)
    asked["extra"] = asked.get("extra", {})
    own_warrant = json.dumps({"user": "tenant"})
    asked["extra"][WARRANT] = [*asked["extra"].get(WARRANT, ()), own_warrant]
    path = BINDINGS + "?dryRun=All"
    assert await tenant.ask("POST", path, binding("b", "root:shop"), **asked) == 403


async def test_a_policy_is_asked_of_who_acts_as_another(inside: Inside, tenant: Tenant) -> None:
    market = Market(inside)
    await market.open(maximalPermissionPolicy={"local": {}})
    group, path = "rbac.authorization.k8s.io", f"{market.shop}{RBAC}"
    for who, verbs in (("vip", ["*"]), ("team", ["get", "patch"])):
        rules = [{"apiGroups": ["x.example.com"], "resources": ["lamps"], "verbs": verbs}]
        role = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": who}}
        await inside.create(f"{path}/clusterroles", role | {"rules": rules})
        subject = {"kind": "Group", "name": f"apis.kcp.io:binding:{who}", "apiGroup": group}
        bound = role | {
            "kind": "ClusterRoleBinding",
            "roleRef": {"kind": "ClusterRole", "name": who, "apiGroup": group},
            "subjects": [subject],
        }
        await inside.create(f"{path}/clusterrolebindings", bound)
    await market.bind(inside.at, "lamps")
    acting: Json = {"groups": ["vip"], "extra": {WARRANT: [nested(0, user="tenant")]}}
    assert await tenant.ask("POST", LAMPS, lamp("l"), **acting) == 403
    # An apply that creates something is a create, too.
    applied = f"{LAMPS}/l?fieldManager=me"
    assert await tenant.ask("PATCH", applied, lamp("l"), media=APPLY, **acting) == 403
    await inside.create(LAMPS, lamp("l"), token="master")
    assert await tenant.ask("PATCH", applied, lamp("l"), media=APPLY, **acting) == 200
    acting = {"groups": ["team"], "extra": {WARRANT: [nested(0, user="tenant", groups=["vip"])]}}
    assert await tenant.ask("POST", LAMPS, lamp("l"), **acting) == 403


def test_a_confined_user_is_nobody_elsewhere() -> None:
    inner = User(
        "v", groups=("g", AUTHENTICATED), extra=((WARRANT, (nested(0, user="w", groups=["h"]),)),)
    )
    extra = ((WARRANT, (warrant_of(inner),)), (HOME, ("b",)))
    user = User("u", groups=(MASTERS, AUTHENTICATED), extra=extra)
    confined = scoped(user, "a")
    assert is_sound(confined)
    assert [each.name for each in carried(confined)] == ["u", "v", "w"]
    assert {each.name for each in identities(confined, "a")} == {"u", "v", "w"}
    for cluster in ("b", "c", "*", ""):
        found = identities(confined, cluster)
        assert {each.name for each in found} == {"system:anonymous"}
        groups = {group for each in found for group in each.groups}
        assert groups == {AUTHENTICATED, "system:cluster:a", "system:unauthenticated"}
