"""Requests worked on at once: whose turn it is, who waits, and who is told to come again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from kcpfast.api.context import Call
from kcpfast.api.limits import seats
from kcpfast.api.limits.seats import Limits, Pool, Seat, Seats, flow_of
from kcpfast.auth.tokens import CLUSTER_EXTRA
from kcpfast.meta.errors import ApiError
from kcpfast.meta.user import ANONYMOUS_USER, MASTERS, Attributes, User
from kcpfast.transport.messages import Request, Response, Sink, Stream
from tests.fix_inside import CONFIG_MAPS, Inside, config_map

SHARES = [
    # seats, users in the order in which they ask (each as often as it gets one), what they get
    (200, "a", {"a": 132}),
    (200, "ab", {"a": 75, "b": 75}),
    (200, "abcd", {"a": 41, "b": 41, "c": 40, "d": 40}),
    (1, "ab", {"a": 1}),
    (2, "ab", {"a": 1, "b": 1}),
    (4, "a", {"a": 3}),
    (0, "ab", {"a": 500, "b": 500}),
]


@pytest.mark.parametrize(("size", "users", "wanted"), SHARES)
def test_seats_are_shared(size: int, users: str, wanted: dict[str, int]) -> None:
    pool = Pool(size)
    for _ in range(500):
        for user in users:
            pool.enter(Seat(pool, user, first=False))
    assert pool.users == wanted
    free = pool.size - pool.taken
    assert pool.enter(Seat(pool, "system:x", first=True)) is (free > 0 or not size)


def test_there_is_room_for_one_more() -> None:
    """However many one user asks for, another finds a seat."""
    pool = Pool(200)
    while pool.enter(Seat(pool, "greedy", first=False)):
        continue
    for user in range(20):
        assert pool.enter(Seat(pool, f"other-{user}", first=False))


async def asking(pool: Pool, *flows: str, first: bool = False) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(pool.wait(Seat(pool, flow, first))) for flow in flows]
    await asyncio.sleep(0)
    return tasks


async def test_free_seat_goes_to_the_system_then_to_who_has_fewest() -> None:
    pool = Pool(8)
    for _ in range(4):
        assert pool.enter(Seat(pool, "a", first=False))
    for flow in "bcd":
        pool.add(flow)  # now there is but the one that is kept
    pool.add("system")
    waiting = await asking(pool, "a", "a", "e")
    waiting += await asking(pool, "system:node", first=True)
    order = []
    for task, name in zip(waiting, ("a1", "a2", "e", "system"), strict=True):
        task.add_done_callback(lambda _, name=name: order.append(name))  # type: ignore[misc]
    for flow in ("system", "b", "c", "d"):
        pool.leave(flow)
        for _ in range(3):
            await asyncio.sleep(0)
    assert order[:2] == ["system", "e"]
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert pool.taken == sum(pool.users.values())


async def test_who_waits_too_long_or_behind_too_many_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(seats, "WAIT_SECONDS", 0.01)
    pool = Pool(2)
    pool.add("b")
    pool.add("b")
    found = await asyncio.gather(*await asking(pool, "a", "a", "a"), return_exceptions=True)
    assert [isinstance(each, ApiError) and each.code for each in found] == [429] * 3
    assert (pool.taken, pool._waiting) == (2, {})


async def test_seat_of_who_gave_up_is_nobodys() -> None:
    pool = Pool(1)
    pool.add("b")
    (task,) = await asking(pool, "a")
    pool.leave("b")
    task.cancel()  # after the seat was given, before it was sat on
    await asyncio.gather(task, return_exceptions=True)
    assert (pool.taken, pool.users) == (0, {})


MASTER = User("m", groups=(MASTERS,))
ACCOUNT = User("system:serviceaccount:ns:a", extra=((CLUSTER_EXTRA, ("c1",)),))
KINDS = [
    # user, verb, resource; pool, is it the system's?
    (User("u"), "create", "widgets", "writes", False),
    (User("u"), "delete", "widgets", "writes", False),
    (User("u"), "deletecollection", "widgets", "writes", False),
    (User("u"), "patch", "widgets", "writes", False),
    (User("u"), "list", "widgets", "reads", False),
    (User("u"), "watch", "widgets", "watches", False),
    (User("u"), "update", "leases", "leases", False),
    (User("u"), "watch", "leases", "watches", False),
    (User("u"), "list", "leases", "reads", False),
    (User("system:kube-scheduler"), "update", "widgets", "writes", True),
    (ANONYMOUS_USER, "list", "widgets", "reads", False),
    (ACCOUNT, "list", "widgets", "reads", False),
    (MASTER, "create", "widgets", None, False),
    (MASTER, "watch", "widgets", None, False),
]


@pytest.mark.parametrize(("user", "verb", "resource", "pool", "first"), KINDS)
def test_each_kind_has_seats_of_its_own(
    user: User, verb: str, resource: str, pool: str | None, first: bool
) -> None:
    found = Seats(Limits(4, 4, 4))
    call = Call.__new__(Call)
    call.user, call.attributes, call.flow = user, Attributes(verb, resource=resource), "flow"
    seat = found.of(call)
    assert seat == (pool and Seat(getattr(found, pool), "flow", first))


def test_accounts_of_a_workspace_are_one_user() -> None:
    other = ACCOUNT._replace(name="system:serviceaccount:ns:b")
    elsewhere = ACCOUNT._replace(extra=((CLUSTER_EXTRA, ("c2",)),))
    assert flow_of(ACCOUNT) == flow_of(other) != flow_of(elsewhere)
    assert flow_of(User("a")) == flow_of(User("a", uid="1")) == "a"


# ------------------------------------------------------------------------- a whole server


class Gone:
    """A sink that nobody reads."""

    def write(self, data: bytes) -> None:
        """Drop it."""

    def pending(self) -> int:
        return 0

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Never."""

    async def drained(self) -> bool:
        await asyncio.Event().wait()
        return False

    def close(self) -> None:
        """Nothing is open."""

    def cut(self) -> None:
        """Nothing is open."""


@pytest.fixture
def small(inside: Inside) -> Seats:
    """The seats of a server that has but two of each."""
    found = inside.running.server._seats = Seats(Limits(2, 2, 2))
    return found


async def test_write_without_a_seat_is_refused_and_others_are_served(
    inside: Inside, small: Seats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seats, "WAIT_SECONDS", 0.0)
    small.writes.add("kcp-admin")
    small.writes.add("kcp-admin")
    refused = await inside.send("POST", CONFIG_MAPS, config_map("a"))
    assert refused.status == 429
    assert (b"Retry-After", b"1") in refused.headers
    assert refused.body["message"] == "Too many requests, please try again later."
    assert (await inside.send("GET", "/api/v1/namespaces/default")).status == 200
    assert (await inside.send("GET", CONFIG_MAPS)).status == 200
    assert (await inside.send("GET", "/readyz")).status == 200
    lease = {
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "a"},
    }  # fmt: skip
    leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
    assert (await inside.send("POST", leases, lease)).status == 201
    assert (await inside.send("POST", CONFIG_MAPS, config_map("a"), token="master")).status == 201
    small.writes.leave("kcp-admin")
    assert (await inside.send("POST", CONFIG_MAPS, config_map("b"))).status == 201
    assert small.writes.users == {"kcp-admin": 1}


@pytest.mark.parametrize("fails", [False, True])
async def test_who_acts_as_another_takes_a_seat_of_its_own(
    inside: Inside, small: Seats, fails: bool
) -> None:
    taken: list[dict[str, int]] = []
    create = inside.objects.create

    async def noticing(*arguments: Any, **more: Any) -> Any:
        taken.append(dict(small.writes.users))
        if fails:
            raise ApiError("Conflict", "no")
        return await create(*arguments, **more)

    inside.objects.create = noticing  # type: ignore[method-assign]
    headers = {
        b"authorization": b"Bearer admin",
        b"impersonate-user": b"somebody-else",
        b"impersonate-group": b"system:kcp:admin",
        b"content-type": b"application/json",
    }
    body = json.dumps(config_map("a")).encode()
    request = Request("POST", inside.at + CONFIG_MAPS, "", headers, body)
    await inside.running.server.serve(request)
    assert taken == [{"kcp-admin": 1}]
    assert small.writes.users == {}


@pytest.mark.parametrize(("query", "pool"), [("watch=1", "watches"), ("", "reads")])
async def test_stream_keeps_its_seat_until_it_is_closed(
    inside: Inside, small: Seats, monkeypatch: pytest.MonkeyPatch, query: str, pool: str
) -> None:
    monkeypatch.setattr(seats, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr("kcpfast.api.verbs.listed.PIECE", 1)
    monkeypatch.setattr("kcpfast.api.listing.PIECE", 1)
    for name in "abc":
        await inside.create(CONFIG_MAPS, config_map(name))
    path = f"{CONFIG_MAPS}?{query}"
    sink: Sink = Gone()
    streams = [await inside.send_raw("GET", path) for _ in range(1)]
    for each in streams:
        assert isinstance(each, Stream)
        stop = each.start(sink)
    assert getattr(small, pool).users == {"kcp-admin": 1}
    getattr(small, pool).add("other")
    refused = await inside.send_raw("GET", path)
    assert isinstance(refused, Response)
    assert refused.status == 429
    getattr(small, pool).leave("other")
    stop()
    assert getattr(small, pool).users == {}
    await asyncio.sleep(0)
