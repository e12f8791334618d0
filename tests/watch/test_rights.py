"""A watch ends when what it is allowed by is withdrawn, whatever that was; no other one does."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from kcpfast.api.verbs import watch as verb
from kcpfast.auth.authenticate import _digest
from kcpfast.meta.errors import forbidden
from kcpfast.meta.user import AUTHENTICATED, User
from kcpfast.transport.messages import Request, Stream
from kcpfast.watch import feed, rights
from kcpfast.watch.rights import Right, Rights
from tests.fix_inside import CONFIG_MAPS, Inside, Json, config_map
from tests.kcp.provider import ALL_LAMPS, BINDINGS, EXPORTS, LAMPS, NAME, READ, Market, lamp
from tests.watch.test_watch import Reader

RBAC = "/apis/rbac.authorization.k8s.io/v1"
SPACE = "/api/v1/namespaces/default"
GROUP = "rbac.authorization.k8s.io"
SECRETS, ACCOUNTS = f"{SPACE}/secrets", f"{SPACE}/serviceaccounts"
LOGICAL = "/apis/core.kcp.io/v1alpha1/logicalclusters/cluster"
ENTER: Json = {"nonResourceURLs": ["/"], "verbs": ["access"]}
SEE: Json = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "watch"]}
CONTENT: Json = {
    "apiGroups": ["apis.kcp.io"], "resources": ["apiexports/content"], "verbs": ["list", "watch"]
}  # fmt: skip
USERS: tuple[Json, ...] = ({"kind": "User", "name": "guest", "apiGroup": GROUP},)


def secret(name: str, **more: Any) -> Json:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **more}


async def grant(
    inside: Inside, where: str, name: str, rule: Json, subjects: tuple[Json, ...] = USERS
) -> None:
    """Let somebody do something in a workspace; without a subject of its own it is the guest."""
    for kind, more in (
        ("ClusterRole", {"rules": [rule]}),
        ("ClusterRoleBinding", {
            "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
            "subjects": list(subjects),
        }),
    ):  # fmt: skip
        obj = {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": name}, **more}
        await inside.create(f"{where}{RBAC}/{kind.lower()}s", obj)


class Open:
    """An open watch."""

    def __init__(self, inside: Inside) -> None:
        self.inside, self.reader = inside, Reader()
        self.stop: Callable[[], None] = lambda: None

    async def begin(self, path: str, *, slow: bool = False, **options: str) -> Open:
        mark = "&" if "?" in path else "?"
        got = await self.inside.send_raw("GET", f"{path}{mark}watch=true", **options)
        assert isinstance(got, Stream), got
        self.reader.slow = slow
        self.stop = got.start(self.reader)
        return self

    async def told(self) -> list[str]:
        """Return what came once all rights were gone through: names, and codes of errors."""
        hub = self.inside.running.hub
        await until(lambda: not hub.asks())
        hub.flush()
        found = [json.loads(line) for line in self.reader.text.splitlines()]
        return [
            str(each["object"]["code"])
            if each["type"] == "ERROR"
            else each["object"]["metadata"]["name"]
            for each in found
        ]


async def until(holds: Callable[[], object]) -> None:
    while not holds():  # noqa: ASYNC110 - what is waited for happens on this loop
        await asyncio.sleep(0)


# ------------------------------------------------------------------ in a workspace


async def grants(inside: Inside) -> None:
    await grant(inside, inside.at, "enter", ENTER)
    await grant(inside, inside.at, "see", SEE)


def deletes(path: str) -> Callable[[Inside], Awaitable[Any]]:
    return lambda inside: inside.send("DELETE", path)


def patches(path: str, body: Json) -> Callable[[Inside], Awaitable[Any]]:
    return lambda inside: inside.patch(path, body, token="master")


def required(groups: str | None) -> Json:
    return {"metadata": {"annotations": {"authorization.kcp.io/required-groups": groups}}}


BOUND = f"{RBAC}/clusterrolebindings"
ENDS: list[tuple[str, Callable[[Inside], Awaitable[Any]]]] = [
    ("403", deletes(f"{BOUND}/see")),
    ("403", deletes(f"{BOUND}/enter")),
    ("403", deletes(f"{RBAC}/clusterroles/see")),
    ("403", patches(f"{BOUND}/see", {"subjects": []})),
    ("403", patches(f"{RBAC}/clusterroles/see", {"rules": [SEE | {"verbs": ["list"]}]})),
    ("403", patches(f"{RBAC}/clusterroles/see", {"rules": [SEE | {"resourceNames": ["b"]}]})),
    ("403", patches(LOGICAL, required("insiders"))),
]
GOES_ON: list[Callable[[Inside], Awaitable[Any]]] = [
    patches(f"{RBAC}/clusterroles/see", {"rules": [SEE | {"verbs": ["*"]}]}),
    patches(f"{BOUND}/see", {"metadata": {"labels": {"a": "b"}}}),
    patches(LOGICAL, required("system:authenticated")),
    lambda inside: grant(inside, inside.at, "also", SEE),
    lambda inside: inside.create(CONFIG_MAPS, config_map("other")),
]
PATHS = ["/api/v1/secrets", SECRETS, "/api/v1/watch/secrets",
         "/api/v1/secrets?sendInitialEvents=true&resourceVersionMatch=NotOlderThan"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("code", "ends"), ENDS)
async def test_who_may_no_more_is_told_no_more(
    inside: Inside, path: str, code: str, ends: Callable[[Inside], Awaitable[Any]]
) -> None:
    await grants(inside)
    guest = await Open(inside).begin(path, user="guest")
    admin = await Open(inside).begin(path, token="master")
    await ends(inside)
    assert (await guest.told())[-1] == code
    assert guest.reader.closed
    await inside.create(SECRETS, secret("later"), token="master")
    assert "later" not in await guest.told()
    assert "later" in await admin.told()
    assert not admin.reader.closed
    admin.stop()


@pytest.mark.parametrize("changes", GOES_ON)
async def test_who_still_may_is_told_on(
    inside: Inside, changes: Callable[[Inside], Awaitable[Any]]
) -> None:
    await grants(inside)
    guest = await Open(inside).begin(SECRETS, user="guest")
    await changes(inside)
    await guest.told()
    await inside.create(SECRETS, secret("later"))
    assert await guest.told() == ["later"]
    await inside.send("DELETE", f"{BOUND}/also")
    await inside.send("DELETE", f"{BOUND}/see")
    assert await guest.told() == ["later", "403"]


async def test_a_watch_that_is_being_fed_ends_too(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_OBJECTS", 1)
    await grants(inside)
    for name in "abc":
        await inside.create(SECRETS, secret(name))
    guest = await Open(inside).begin(SECRETS, user="guest", slow=True)
    await inside.send("DELETE", f"{BOUND}/see")
    assert await guest.told() == ["a", "403"]
    assert guest.reader.closed


async def test_a_right_withdrawn_before_a_watch_begins_is_seen(inside: Inside) -> None:
    """Between the answer and its first byte there may be commits."""
    await grants(inside)
    got = await inside.send_raw("GET", f"{SECRETS}?watch=true", user="guest")
    await inside.send("DELETE", f"{BOUND}/see")
    late = Open(inside)
    assert isinstance(got, Stream)
    late.stop = got.start(late.reader)
    assert await late.told() == ["403"]


async def test_a_workspace_that_is_gone_has_no_watches(inside: Inside) -> None:
    where = await inside.workspace("short", "root")
    await inside.settle()
    watches = [await Open(inside).begin("/clusters/root:short" + SECRETS, token="master")]
    await grant(inside, where, "enter", ENTER)
    await grant(inside, where, "see", SEE)
    watches.append(await Open(inside).begin(where + SECRETS, user="guest"))
    path = "/clusters/root/apis/tenancy.kcp.io/v1alpha1/workspaces/short"
    await inside.delete(path)
    await inside.settle(hurry=True)
    assert [(await each.told())[-1] for each in watches] == ["404", "403"]


# ------------------------------------------------------------------ tokens


@pytest.mark.parametrize("ends", ["serviceaccounts/bot", "secrets/tok"])
async def test_a_token_that_dies_ends_its_watches(inside: Inside, ends: str) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot"}}
    await inside.create(ACCOUNTS, account)
    meta = {"name": "tok", "annotations": {"kubernetes.io/service-account.name": "bot"}}
    held = secret("tok", type="kubernetes.io/service-account-token") | {"metadata": meta}
    made = await inside.create(SECRETS, held)
    token = b64decode(made["data"]["token"]).decode()
    bot: Json = {"kind": "ServiceAccount", "name": "bot", "namespace": "default"}
    await grant(inside, inside.at, "see", SEE | {"resources": ["configmaps"]}, (bot,))
    opened = await Open(inside).begin(CONFIG_MAPS, token=token)
    await inside.delete(f"{SPACE}/{ends}")
    assert (await opened.told())[-1] == "401"
    assert opened.reader.closed


async def test_a_watch_lasts_no_longer_than_its_token(inside: Inside) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot"}}
    await inside.create(ACCOUNTS, account)
    asked = {"spec": {"expirationSeconds": 600}}
    token = (await inside.create(f"{ACCOUNTS}/bot/token", asked))["status"]["token"]
    authenticator = inside.running.server._api.authenticator
    requests = {
        "token": Request("GET", "/", "", {b"authorization": b"Bearer " + token.encode()}),
        "admin": Request("GET", "/", "", {b"authorization": b"Bearer admin"}),
        "nobody": Request("GET", "/"),
    }
    left = {who: authenticator.seconds_left(asking) for who, asking in requests.items()}
    assert 590 < left["token"] <= 600
    assert left["admin"] == left["nobody"] == float("inf")


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [(1, 1.0), (-1, 0.0), (2**33, 2.0**33), (99999999999999999, 0.0), (2**62, verb.MIN_SECONDS)],
)
def test_seconds_run_over_as_those_of_go(asked: int, seconds: float) -> None:
    found = verb._seconds(asked)
    assert found == seconds or seconds == verb.MIN_SECONDS <= found <= 2 * seconds


async def test_who_may_act_as_another_no_more_is_told_no_more(inside: Inside) -> None:
    await grants(inside)
    tokens = inside.running.server._front._authenticator._tokens
    tokens[_digest("actor")] = User("actor", "", (AUTHENTICATED,))
    act: Json = {"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]}
    actor: Json = {"kind": "User", "name": "actor", "apiGroup": GROUP}
    await grant(inside, inside.at, "act", act, (actor,))
    await grant(inside, inside.at, "come", ENTER, (actor,))
    headers = {b"authorization": b"Bearer actor", b"impersonate-user": b"guest"}
    asked = Request("GET", inside.at + SECRETS, "watch=true", headers)
    got = await inside.running.server.serve(asked)
    assert isinstance(got, Stream)
    opened = Open(inside)
    opened.stop = got.start(opened.reader)
    await inside.create(SECRETS, secret("first"))
    await inside.send("DELETE", f"{BOUND}/act")
    assert await opened.told() == ["first", "403"]


# ------------------------------------------------------------------ views


VIEW_ENDS: list[tuple[str, str, str, Json | None]] = [
    ("403", "shop", f"{BOUND}/content", None),
    ("403", "shop", f"{BOUND}/enter", None),
    ("404", "shop", f"{EXPORTS}/{NAME}", None),
]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(("code", "where", "path", "body"), VIEW_ENDS)
async def test_a_view_that_is_closed_shows_no_more(
    inside: Inside, code: str, where: str, path: str, body: Json | None, whole: bool
) -> None:
    market = Market(inside)
    await market.open(READ)
    consumer = await market.consumer("one", READ)
    await grant(inside, market.shop, "enter", ENTER)
    await grant(inside, market.shop, "content", CONTENT)
    seen = market.seen("/*" if whole else consumer, ALL_LAMPS)
    opened = await Open(inside).begin(seen, user="guest")
    await inside.create(consumer + LAMPS, lamp("first"))
    assert await opened.told() == ["first"]
    await inside.send("DELETE", market.shop + path)
    told = await opened.told()
    assert told[-1] in (code, "403")
    assert opened.reader.closed
    await inside.send("POST", consumer + LAMPS, lamp("later"))
    assert "later" not in await opened.told()


async def test_what_an_export_claims_no_more_is_shown_no_more(inside: Inside) -> None:
    market = Market(inside)
    await market.open(READ)
    consumer = await market.consumer("one", READ | {"verbs": ["*"]})
    opened = await Open(inside).begin(market.seen("/*", "/api/v1/configmaps"))
    await inside.patch(f"{market.shop}{EXPORTS}/{NAME}", {"spec": {"permissionClaims": None}})
    await inside.create(consumer + CONFIG_MAPS, config_map("later"))
    assert (await opened.told())[-1] == "404"
    assert opened.reader.closed


async def test_a_binding_that_is_gone_ends_what_was_seen_of_one_consumer(inside: Inside) -> None:
    market = Market(inside)
    await market.open()
    consumer = await market.consumer("one")
    opened = await Open(inside).begin(market.seen(consumer, ALL_LAMPS))
    await inside.delete(f"{consumer}{BINDINGS}/lamps")
    await inside.settle(hurry=True)
    assert (await opened.told())[-1:] in (["403"], [])
    assert opened.reader.closed


# ------------------------------------------------------------------ what it costs


class Held:
    """A basis that says how often it was looked at."""

    def __init__(self) -> None:
        self.good, self.asked = True, 0

    def holds(self) -> bool:
        self.asked += 1
        return self.good


def refuse() -> Held:
    raise forbidden("secrets", "", "", "not any more")


async def test_watches_of_one_user_and_place_share_a_right(inside: Inside) -> None:
    await grants(inside)
    for query in ("timeoutSeconds=10", "timeoutSeconds=20", "allowWatchBookmarks=true"):
        for user in ("guest", ""):
            await Open(inside).begin(f"{SECRETS}?{query}", user=user)
    assert len(inside.running.hub._rights) == 2
    inside.running.hub.close()
    assert len(inside.running.hub._rights) == 0


async def test_commits_are_looked_at_together_and_none_is_missed() -> None:
    ended: list[tuple[str, bytes]] = []
    found: Rights[str] = Rights(lambda watch, status: ended.append((watch, status)))
    bases = {name: Held() for name in "abc"}

    for name, basis in bases.items():
        found.enter(Right(name, "me", basis, refuse), name)
    begun = sum(basis.asked for basis in bases.values())
    for _ in range(1000):
        found.on_commit()
    await until(lambda: not found.busy())
    assert sum(basis.asked for basis in bases.values()) - begun <= 2 * len(bases)
    found.on_commit()
    bases["b"].good = False  # by a commit that came meanwhile
    await until(lambda: not found.busy())
    assert [watch for watch, _ in ended] == ["b"]
    assert json.loads(ended[0][1])["code"] == 403


async def test_many_rights_are_looked_at_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rights, "_TURN_SECONDS", 0.0)
    found: Rights[int] = Rights(lambda watch, status: None)
    bases = [Held() for _ in range(100)]
    for number, basis in enumerate(bases):
        found.enter(Right(number, "me", basis, Held), number)
    seen = sum(basis.asked for basis in bases)
    found.on_commit()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert sum(basis.asked for basis in bases) - seen < 10
    await until(lambda: not found.busy())
    assert sum(basis.asked for basis in bases) - seen == 100


async def test_nobody_is_delayed_by_what_changes_for_another() -> None:
    asked: list[str] = []

    def renew() -> Held:
        asked.append("")
        return Held()

    found: Rights[int] = Rights(lambda watch, status: asked.append("mine"))
    for number in range(100):
        found.enter(Right(number, "another", changed := Held(), renew), number)
        changed.good = False
    found.enter(Right("mine", "me", mine := Held(), refuse), -1)
    mine.good = False
    found.on_commit()
    await until(lambda: not found.busy())
    assert "mine" in asked[:3]
    assert len(asked) == 101
