"""What clients make the transport hold: it stays below a ceiling, and who holds most pays."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from kcpfast.transport import connection, secure
from kcpfast.transport.account import CONNECTION_BYTES, Account, Holder
from kcpfast.transport.connection import Connection
from kcpfast.transport.messages import Request
from kcpfast.transport.parsing import MAX_BODY, MalformedRequest, Reading
from tests.fix_tls import Tls
from tests.transport.test_connection import BODY, HOST, begin, get, until
from tests.transport.wire import Line, Served, connect, listen

MB = 1024 * 1024


class Owner:
    """Of a request that `runs`, or of none."""

    def __init__(self, *, runs: bool = False) -> None:
        self.is_cut, self.runs = False, runs

    def cut(self) -> bool:
        self.is_cut = True
        return self.runs


def opened(account: Account, party: str, size: int) -> Holder:
    holder = account.open(Owner(), party)
    assert holder.take(size)
    return holder


CASES = [
    # who holds what, who asks for 30 more below a ceiling of 100; who is cut, is there room?
    ("a1 a2", 0, "", True),
    ("a50 b50", 0, "", False),  # who asks is who would hold most
    ("a90 b5", 0, "", False),
    ("a90 b5", 1, "0", True),
    ("a20 a20 a20 b35", 3, "", False),
    ("a20 a20 a25 b30", 3, "2", True),
    ("a60 b10 b10 b10", 1, "0", True),  # as much as the others together: who is there pays
    ("a30 a30 b40", 0, "", False),
    ("a5 a60 b30", 0, "1", True),  # a client's own requests make room for each other
]


@pytest.mark.parametrize(("held", "asking", "cut", "room"), CASES)
def test_who_holds_most_pays(held: str, asking: int, cut: str, room: bool) -> None:
    account = Account(100)
    holders = [opened(account, each[0], int(each[1:])) for each in held.split()]
    before = holders[asking].held
    assert holders[asking].take(30) is room
    assert holders[asking].held == before + 30 * room
    assert account.held <= 100
    assert account.held == sum(each.held for each in holders)
    gone = [at for at, each in enumerate(holders) if each.owner.is_cut]  # type: ignore[attr-defined]
    assert gone == sorted(int(each) for each in cut.split())


LEAVING = [
    # sizes asked for below a ceiling of 100 while 100 of somebody else's are to be given back
    ("b3", True),  # little: nobody notices
    ("b4", False),
    ("b60", False),
    ("b1 b1 b1", True),
    ("b3 b4", False),
    ("b3 c3 d3", True),
]


@pytest.mark.parametrize(("asked", "room"), LEAVING)
def test_what_a_running_request_holds_is_counted_until_it_has_ended(asked: str, room: bool) -> None:
    account = Account(100)
    running = account.open(Owner(runs=True), "a")
    assert running.take(100)
    other = opened(account, "b", 1)
    assert not other.take(50), "there is room for it once the first has ended"
    assert (account.held, account.cuts, account.refusals) == (101, 1, 1)
    other.close()
    answers = [account.open(Owner(), each[0]).take(int(each[1:])) for each in asked.split()]
    assert all(answers) is room
    assert account.cuts == 1, "it is not told again"
    running.join("z")  # it goes on a bit
    running.give(100)
    running.close()
    assert account.open(Owner(), "b").take(60)
    assert account.leaving.held == 0


@pytest.mark.parametrize("closed", [True, False])
def test_heir_goes_on_with_its_part(closed: bool) -> None:
    account = Account(100)
    connection_ = opened(account, "a", 80)
    heir = connection_.heir(Owner(runs=True), 50)
    if closed:
        connection_.close()
    assert account.held == 50 if closed else 80
    assert heir.take(10)
    assert heir.party.held == account.held
    heir.give(60)
    heir.close()
    assert (account.held, heir.take(1 << 30)) == (0 if closed else 30, True)


def test_who_is_closed_or_has_moved_counts_where_it_is() -> None:
    account = Account(100)
    first, second = opened(account, "address", 60), opened(account, "address", 20)
    first.join("user")
    assert (first.party.held, second.party.held, account.held) == (60, 20, 80)
    first.close()
    assert first.take(1000)
    first.join("other")
    first.give(5)
    assert first.heir(Owner(), 5) is first
    assert account.held == 20


def test_without_a_ceiling_there_is_room() -> None:
    assert opened(Account(), "a", 1 << 40).held == 1 << 40


@pytest.fixture
async def served(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(connection, "_LINGER_SECONDS", 0.02)
    found = await listen(tls.server)
    found.account.ceiling = 8 * MB
    yield found
    found.listener.close()
    for each in list(found.service.open):
        if each.transport is not None:
            each.transport.abort()
    await until(lambda: found.account.held == 0)
    assert found.account.most <= found.account.ceiling


def length(number: int) -> bytes:
    return BODY + b"Content-Length: %d\r\n\r\n" % number


SMALL_HEADERS = b"".join(b"%x:\r\n" % number for number in range(8_000))
WHOLE = length(900_000) + b"x" * 900_000
MISBEHAVIOR = {
    "bodies that are never whole": length(MAX_BODY) + b"x" * (MAX_BODY - 1),
    "bodies in chunks that never end": BODY
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + b"10000\r\n%b\r\n" % (b"x" * 65536) * 40,
    "heads that are never whole": b"GET / HTTP/1.1\r\n" + HOST + SMALL_HEADERS,
    "bodies waiting behind another": get(b"/hold") + WHOLE * 4,
    "answers that nobody reads": get(b"/huge"),
}


@pytest.mark.parametrize("what", MISBEHAVIOR)
async def test_whatever_is_sent_stays_below_the_ceiling(
    served: Served, tls: Tls, what: str
) -> None:
    good = await connect(served.port, tls.client())
    context, lines = tls.client(), []
    for _ in range(12):
        bad = await connect(served.port, context)
        bad.writer.transport.pause_reading()  # type: ignore[attr-defined]
        bad.writer.write(MISBEHAVIOR[what])
        lines.append(bad)
        assert (await good.ask(get(b"/good"))).status == 200
    await until(lambda: served.account.cuts + served.account.refusals)
    assert (await good.ask(length(50_000) + b"x" * 50_000)).status == 200
    for each in [*lines, good]:
        each.close()


async def test_who_does_not_even_shake_hands_is_counted(served: Served, tls: Tls) -> None:
    served.account.ceiling = 20 * CONNECTION_BYTES
    good = await connect(served.port, tls.client())
    await until(lambda: served.service.open)
    next(iter(served.service.open)).transport.holder.join("good")  # type: ignore[union-attr]
    ends = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(50)]
    await until(lambda: served.account.cuts >= 30)
    assert (await good.ask(get(b"/good"))).status == 200
    for _, writer in ends:
        writer.transport.abort()
    good.close()


async def test_the_costliest_is_told(served: Served, line: Line, tls: Tls) -> None:
    """Who waits for nothing is told 429, and then hung up on."""
    line.writer.write(length(MAX_BODY) + b"x" * (MAX_BODY - 1))
    await until(lambda: served.account.held > MAX_BODY)
    served.account.ceiling = 4 * MB
    other = await connect(served.port, tls.client())
    assert (await other.ask(length(2 * MB) + b"x" * 2 * MB)).status == 200
    answer = await line.answer()
    assert (answer.status, answer.headers["connection"]) == (429, "close")
    assert await line.ended()
    other.close()


@pytest.fixture
async def line(served: Served, tls: Tls) -> AsyncIterator[Line]:
    found = await connect(served.port, tls.client())
    yield found
    found.close()


async def test_slow_reader_of_a_stream_is_cut_off_with_a_last_word(
    served: Served, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits is dropped and not sent; nothing is torn in the middle."""
    monkeypatch.setattr(connection, "_LINGER_SECONDS", 5.0)
    slow = await asyncio.to_thread(socket.create_connection, ("127.0.0.1", served.port), 10)
    with await asyncio.to_thread(tls.client().wrap_socket, slow, server_hostname="localhost") as it:
        it.sendall(get(b"/stream"))
        await until(lambda: served.echo.sinks)
        sink, piece = served.echo.sinks[0], b"x" * 10_000
        while not served.echo.closed:
            sink.write(piece)
            await asyncio.sleep(0)
        assert served.account.cuts + served.account.refusals
        got = await asyncio.to_thread(_all, it)
    whole, last = b"2710\r\n%b\r\n" % piece, b"8\r\ntoo slow\r\n0\r\n\r\n"
    assert got.partition(b"\r\n\r\n")[2].replace(whole, b"") == last


def _all(end: ssl.SSLSocket) -> bytes:
    return b"".join(iter(lambda: end.recv(65536), b""))


async def test_the_same_bytes_wait_once_for_all(served: Served, tls: Tls) -> None:
    served.account.ceiling = 1 << 40
    context, lines = tls.client(), []
    for _ in range(20):
        line = await connect(served.port, context)
        await begin(served, line)
        line.writer.transport.pause_reading()  # type: ignore[attr-defined]
        lines.append(line)
    piece = b"x" * 3 * MB
    for _ in range(3):
        for sink in served.echo.sinks:
            sink.write(piece)
        await asyncio.sleep(0)
    queues = [each.transport._queue for each in served.service.open]  # type: ignore[union-attr]
    waiting = {id(getattr(part, "obj", part)) for queue in queues for part in queue or ()}
    assert len(waiting) <= 3
    for line in lines:
        line.close()


async def test_request_of_who_is_cut_off_is_given_up(served: Served, line: Line) -> None:
    """It holds what it holds until it ends: that is now."""
    line.writer.write(BODY.replace(b"/", b"/hold", 1) + b"Content-Length: %d\r\n\r\n" % MAX_BODY)
    line.writer.write(b"x" * MAX_BODY)
    await until(lambda: served.echo.seen)
    opened = next(iter(served.service.open))
    opened.cut()
    assert await line.ended()
    assert served.echo.seen[0].held == 0


HELD = BODY.replace(b"/", b"/hold", 1) + b"Content-Length: %d\r\n\r\n" % MAX_BODY


async def test_request_of_who_has_hung_up_is_charged_until_it_ends(
    served: Served, line: Line
) -> None:
    line.writer.write(HELD + b"x" * MAX_BODY + get(b"/a") * 3)
    await until(lambda: served.echo.seen)
    line.close()
    await until(lambda: not served.service.open)
    assert MAX_BODY <= served.account.held <= 2 * MAX_BODY
    served.echo.seen[0].claim(MB)
    held = served.account.held
    assert held > MAX_BODY + MB
    # Who asks for much waits until it has ended, as it is told to.
    other = served.account.open(Owner(), "other")
    assert not other.take(8 * MB - held + 1)
    assert (served.account.held, served.account.cuts) == (held, 1)
    await until(lambda: served.account.held == 0)
    assert other.take(8 * MB)
    other.close()
    assert len(served.echo.seen) == 1, "what waited behind it is not begun"


GONE = {
    "in the middle of a head": b"GET / HTTP/1.1\r\n" + SMALL_HEADERS[:1000],
    "in the middle of a body": length(MAX_BODY) + b"x" * 100_000,
    "while it is answered": HELD + b"x" * MAX_BODY + get(b"/a"),
    "while nothing is read": get(b"/huge") * 2,
    "after nonsense": b"GET / HTTP/1.1\r\n:\r\n\r\n",
    "after too many wait": get(b"/hold") + WHOLE * 12,
}


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("when", GONE)
async def test_nothing_is_left_of_who_is_gone(
    served: Served, tls: Tls, when: str, cut: bool
) -> None:
    """By itself: a collector goes through what a large job has left after a time."""
    gc.collect()
    before = _alive()
    gc.disable()
    try:
        line = await connect(served.port, tls.client())
        line.writer.transport.pause_reading()  # type: ignore[attr-defined]
        line.writer.write(GONE[when])
        await until(lambda: served.service.open)
        await until(lambda: served.account.held > CONNECTION_BYTES or when == "after nonsense")
        if cut:
            next(iter(served.service.open)).cut()
        line.close()
        await until(lambda: not served.service.open)
        served.echo.released.set()
        served.echo.seen.clear()
        await until(lambda: served.account.held == 0)
        async with asyncio.timeout(5):
            while _alive() != before:  # noqa: ASYNC110 - who is refused is listened to for a moment
                await asyncio.sleep(0.01)
    finally:
        gc.enable()


def _alive() -> Counter[str]:
    kinds = (Connection, Reading, Request, MalformedRequest, secure.Tls, Holder)
    return Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, kinds))


async def test_what_a_request_claims_is_given_back_when_it_is_answered(
    served: Served, line: Line
) -> None:
    claim = get(b"/claim?%d")
    for size, status in ((2 * MB, 200), (9 * MB, 429), (7 * MB, 200)):
        answer = await line.ask(claim % size)
        assert answer.status == status
        assert served.account.held == CONNECTION_BYTES


async def test_what_is_refused_is_forgotten(served: Served, line: Line) -> None:
    """Not only by the account: whatever still holds the reader, it has no body any more."""
    line.writer.write(length(MAX_BODY) + b"x" * (MAX_BODY - 1))
    await until(lambda: served.account.held > MAX_BODY)
    opened = next(iter(served.service.open))
    reading = opened._reading
    assert reading is not None
    opened.cut()
    assert (len(reading._body), served.account.held) == (0, CONNECTION_BYTES)
    assert (await line.answer()).status == 429


async def test_what_is_sent_in_part_is_held_whole(
    served: Served, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "WRITE_SECONDS", 5.0)
    line.writer.transport.pause_reading()  # type: ignore[attr-defined]
    line.writer.write(get(b"/huge").replace(b"huge", b"large") * 6)
    await until(lambda: served.account.held > 1_000_000)
    queue = next(iter(served.service.open)).transport._queue  # type: ignore[union-attr]
    assert queue
    assert len(queue[0]) < 1_000_000, "a part of it is sent"
    line.writer.transport.resume_reading()  # type: ignore[attr-defined]
    for _ in range(6):
        assert len((await line.answer()).body) == 1_000_000
    await until(lambda: served.account.held == CONNECTION_BYTES)
