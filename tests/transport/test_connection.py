"""HTTP/1.1 as bytes over real TLS: what is answered, refused, kept open and closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from kcpfast.transport import connection, turns
from kcpfast.transport.account import CONNECTION_BYTES
from kcpfast.transport.parsing import MAX_BODY, MAX_HEAD
from tests.fix_tls import Tls
from tests.transport.wire import Line, Served, connect, listen

HOST = b"Host: localhost\r\n"


async def until(holds: Callable[[], object]) -> None:
    """Let the loop turn until something holds."""
    while not holds():  # noqa: ASYNC110 - what is waited for happens on this loop
        await asyncio.sleep(0)


@pytest.fixture
async def served(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(connection, "_LINGER_SECONDS", 0.02)
    found = await listen(tls.server)
    yield found
    found.listener.close()
    for each in list(found.service.open):
        if each.transport is not None:
            each.transport.abort()
    await asyncio.sleep(0)


@pytest.fixture
async def line(served: Served, tls: Tls) -> AsyncIterator[Line]:
    opened = await connect(served.port, tls.client())
    yield opened
    opened.close()


def get(path: bytes, *headers: bytes, version: bytes = b"1.1") -> bytes:
    lines = b"".join(each + b"\r\n" for each in headers)
    return b"GET " + path + b" HTTP/" + version + b"\r\n" + HOST + lines + b"\r\n"


GOOD = [
    # what is sent, the text of the answer
    (get(b"/a"), b"GET /a? 0"),
    (get(b"/a?x=1&y=%20"), b"GET /a?x=1&y=%20 0"),
    (get(b"https://somewhere/a?b"), b"GET /a?b 0"),
    (b"DELETE /a HTTP/1.1\r\n" + HOST + b"\r\n", b"DELETE /a? 0"),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc", b"POST /? 3"),
    (b"PUT / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
     b"PUT /? 3"),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "text"), GOOD)
async def test_requests_are_answered_and_the_connection_kept(
    line: Line, sent: bytes, text: bytes
) -> None:
    for _ in range(4):
        answer = await line.ask(sent)
        assert (answer.status, answer.body) == (200, text)
        assert "connection" not in answer.headers


@pytest.mark.parametrize(("sent", "text"), GOOD)
async def test_requests_may_come_byte_by_byte(line: Line, sent: bytes, text: bytes) -> None:
    for position in range(len(sent)):
        line.writer.write(sent[position : position + 1])
        await line.writer.drain()
    assert (await line.answer()).body == text


BODY = b"POST / HTTP/1.1\r\n" + HOST
CHUNKED = BODY + b"Transfer-Encoding: chunked\r\n\r\n"
# fmt: off
BAD = [
    (b"\x00\x01\x02\x03\r\n\r\n", 400),
    (b"hello\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
    (b"GET nothing HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    *[(b"GET / HTTP/%b\r\n" % each + HOST + b"\r\n", 505)
      for each in (b"2.0", b"0.9", b"3.0", b"9.9")],
    *[(b"GET / HTTP/%b\r\n" % each + HOST + b"\r\n", 400) for each in (b"2", b"11.1", b"x.y")],
    (b"POST / HTTP/2.0\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc", 505),
    (b"FROB / HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    (get(b"/", b"Bad Name: x"), 400),
    (get(b"/", b"Name : x"), 400),
    (get(b"/", b"X: a\r\n folded"), 400),
    (get(b"/", b"X: a\x00b"), 400),
    (get(b"/", b"Host: other"), 400),
    (BODY + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
    (BODY + b"Content-Length: 3, 3\r\n\r\nabc", 400),
    (BODY + b"Content-Length: -1\r\n\r\n", 400),
    (BODY + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 400),
    (BODY + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    (BODY + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (CHUNKED + b"zz\r\nabc\r\n", 400),
    (CHUNKED + b"3\r\nabcde", 400),
    (BODY + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1), 413),
    (CHUNKED + b"%x\r\n" % (MAX_BODY + 1) + b"x" * (MAX_BODY + 1), 413),
    (get(b"/", b"X: " + b"x" * MAX_HEAD), 431),
    (get(b"/" + b"x" * MAX_HEAD), 431),
    (get(b"/", *[b"X-%d: " % number + b"x" * 100 for number in range(700)]), 431),
    (b"GET / HTTP/1.1\r\nX: " + b"x" * 5 * MAX_HEAD, 431),  # and no end of it
]
# fmt: on


@pytest.mark.parametrize(("sent", "status"), BAD)
async def test_what_is_no_request_is_refused_and_the_connection_closed(
    served: Served, line: Line, sent: bytes, status: int
) -> None:
    answer = await line.ask(sent)
    assert (answer.status, answer.headers["connection"]) == (status, "close")
    assert await line.ended()
    assert not served.echo.seen


@pytest.mark.parametrize(("sent", "status"), BAD)
async def test_is_refused_as_well_when_its_headers_are_known(
    served: Served, line: Line, sent: bytes, status: int
) -> None:
    for _ in range(3):
        await line.ask(get(b"/"))
        await line.ask(BODY + b"Content-Length: 1\r\n\r\nx")
    assert (await line.ask(sent)).status == status
    assert await line.ended()
    assert len(served.echo.seen) == 6


KEPT = [
    # a request, is it recognized by its headers when it comes for the third time?
    (get(b"/a"), True),
    (get(b"/a?x=%20"), True),
    (get(b"/", b"Connection: keep-alive"), False),
    (get(b"/", b"content-length: 0"), False),
    (get(b"/a%20b"), False),
    (get(b"/a+b"), False),
    (get(b"http://somewhere/"), False),
    (get(b"/").replace(b"GET", b"HEAD"), False),
    (BODY + b"Content-Length: 1\r\n\r\nx", True),
    (CHUNKED + b"0\r\n\r\n", False),
]


@pytest.mark.parametrize(("sent", "kept"), KEPT)
async def test_what_comes_again_is_recognized(
    served: Served, line: Line, sent: bytes, kept: bool
) -> None:
    for _ in range(3):
        line.writer.write(sent)
        await line.answer(bodiless=sent.startswith(b"HEAD"))
    assert (served.echo.seen[-1].cut is not None) is kept


async def test_largest_body_and_head_pass(line: Line) -> None:
    sent = BODY + b"Content-Length: %d\r\n\r\n" % MAX_BODY + b"x" * MAX_BODY
    assert (await line.ask(sent)).body == b"POST /? %d" % MAX_BODY
    assert (await line.ask(get(b"/", b"X: " + b"x" * (MAX_HEAD - 100)))).status == 200


async def test_body_of_many_small_chunks(served: Served, line: Line) -> None:
    line.writer.write(CHUNKED + b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n")
    assert (await line.answer()).body == b"POST /? 50000"
    assert served.account.held == CONNECTION_BYTES


async def test_pipelined_requests_are_answered_in_order(served: Served, line: Line) -> None:
    count = 100
    line.writer.write(get(b"/hold") + b"".join(get(b"/%d" % each) for each in range(count)))
    await until(lambda: served.echo.seen)
    served.echo.released.set()
    assert (await line.answer()).body == b"GET /hold? 0"
    for each in range(count):
        assert (await line.answer()).body == b"GET /%d? 0" % each


async def test_pipelined_heads_do_not_count_together(line: Line) -> None:
    one = get(b"/", b"X: " + b"x" * 1000)
    count = 2 * MAX_HEAD // len(one)
    whole = one * count
    line.writer.write(whole[:-5])
    line.writer.write(whole[-5:])
    assert [(await line.answer()).status for _ in range(count)] == [200] * count


async def test_garbage_behind_a_request_does_not_touch_it(served: Served, line: Line) -> None:
    line.writer.write(get(b"/hold") + b"\x00garbage\r\n\r\n")
    await until(lambda: served.echo.seen)
    served.echo.released.set()
    assert (await line.answer()).body == b"GET /hold? 0"
    assert (await line.answer()).status == 400
    assert await line.ended()


async def test_reading_stops_while_too_many_requests_wait(served: Served, line: Line) -> None:
    line.writer.write(get(b"/hold") + get(b"/x") * 30)
    await line.writer.drain()
    await until(lambda: served.echo.seen)
    opened = next(iter(served.service.open))
    await until(lambda: len(opened._waiting) == 30)
    transport = opened.transport
    assert transport is not None
    assert not transport.is_reading()
    served.echo.released.set()
    assert [(await line.answer()).status for _ in range(31)] == [200] * 31
    assert transport.is_reading()


HEADS = [
    # request, is the connection kept?
    (get(b"/"), True),
    (get(b"/", b"Connection: close"), False),
    (get(b"/", version=b"1.0"), False),
    (get(b"/", b"Connection: keep-alive", version=b"1.0"), True),
    (get(b"/", b"Connection: Upgrade", b"Upgrade: websocket"), False),
]


@pytest.mark.parametrize(("sent", "kept"), HEADS)
async def test_connection_is_kept_as_asked(line: Line, sent: bytes, kept: bool) -> None:
    answer = await line.ask(sent)
    assert answer.status == 200
    assert ("connection" not in answer.headers) is kept
    if kept:
        assert (await line.ask(sent)).status == 200
    else:
        assert await line.ended()


async def test_head_is_answered_without_its_body(line: Line) -> None:
    answer = await line.ask(get(b"/large").replace(b"GET", b"HEAD", 1))
    assert (answer.headers["content-length"], answer.body) == ("1000000", b"")
    assert (await line.ask(get(b"/a"))).body == b"GET /a? 0"


EXPECTING = BODY + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def test_body_is_asked_for(line: Line) -> None:
    line.writer.write(EXPECTING)
    assert await line.reader.readuntil(b"\r\n\r\n") == CONTINUE
    assert (await line.ask(b"abc")).body == b"POST /? 3"


async def test_body_behind_another_request_is_asked_for_in_its_turn(
    served: Served, line: Line
) -> None:
    line.writer.write(get(b"/hold") + EXPECTING)
    await until(lambda: served.echo.seen)
    served.echo.released.set()
    assert (await line.answer()).body == b"GET /hold? 0"
    assert await line.reader.readuntil(b"\r\n\r\n") == CONTINUE
    assert (await line.ask(b"abc")).body == b"POST /? 3"


async def test_body_that_is_too_large_is_not_asked_for(line: Line) -> None:
    sent = EXPECTING.replace(b"h: 3", b"h: %d" % (MAX_BODY + 1))
    assert (await line.ask(sent)).status == 413


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HT", get(b"/")[:-2], BODY + b"Content-Length: 3\r\n\r\na"]
)
async def test_who_does_not_go_on_is_hung_up_on(
    served: Served, tls: Tls, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    for name in ("HEADER_SECONDS", "BODY_SECONDS", "IDLE_SECONDS"):
        monkeypatch.setattr(connection, name, 0.02)
    line = await connect(served.port, tls.client())
    line.writer.write(begun)
    assert await line.ended()
    line.close()
    await until(lambda: not served.service.open)


async def test_who_reads_nothing_is_hung_up_on(
    served: Served, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "WRITE_SECONDS", 0.02)
    line.writer.transport.pause_reading()  # type: ignore[attr-defined]
    line.writer.write(get(b"/huge"))
    await until(lambda: served.service.open)
    await until(lambda: not served.service.open)


async def test_who_reads_slowly_gets_all(
    served: Served, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "WRITE_SECONDS", 5.0)
    line.writer.write(get(b"/huge") + get(b"/a"))
    answer = await line.answer()
    assert len(answer.body) == 30_000_000
    assert (await line.answer()).body == b"GET /a? 0"


async def test_client_certificate_tells_who_it_is(served: Served, tls: Tls) -> None:
    line = await connect(served.port, tls.client("someone", "system:masters"))
    assert (await line.ask(get(b"/"))).headers["x-peer"] == "someone,system:masters"
    line.close()


async def test_request_of_who_hung_up_is_finished(served: Served, line: Line) -> None:
    line.writer.write(get(b"/hold"))
    await until(lambda: served.echo.seen)
    running = next(iter(served.service.open))._task
    line.close()
    await until(lambda: not served.service.open)
    served.echo.released.set()
    assert running is not None
    await running


# ------------------------------------------------------------------------- streams


async def begin(served: Served, line: Line, version: bytes = b"1.1") -> bytes:
    line.writer.write(get(b"/stream", version=version))
    head = await line.reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    return head


async def test_stream_comes_in_chunks_and_the_connection_is_kept(
    served: Served, line: Line
) -> None:
    assert b"Transfer-Encoding: chunked\r\n" in await begin(served, line)
    sink = served.echo.sinks[0]
    sink.write(b"one")
    assert await line.chunk() == b"one"
    sink.write(b"two")
    sink.close()
    sink.write(b"lost")
    assert [await line.chunk(), await line.chunk()] == [b"two", b""]
    assert served.echo.closed == [0]
    assert (await line.ask(get(b"/a"))).body == b"GET /a? 0"


async def test_stream_to_an_old_client_ends_with_the_connection(served: Served, line: Line) -> None:
    assert b"Connection: close\r\n" in await begin(served, line, b"1.0")
    served.echo.sinks[0].write(b"all")
    served.echo.sinks[0].close()
    assert await line.reader.read() == b"all"


async def test_stream_hears_that_its_reader_is_gone(served: Served, line: Line) -> None:
    await begin(served, line)
    line.close()
    await until(lambda: served.echo.closed)
    served.echo.sinks[0].write(b"nobody reads this")
    assert served.echo.sinks[0].pending() == 0


async def test_stream_knows_what_its_reader_has_not_taken(served: Served, line: Line) -> None:
    await begin(served, line)
    sink, drained = served.echo.sinks[0], asyncio.Event()
    line.writer.transport.pause_reading()  # type: ignore[attr-defined]
    piece, count = b"x" * 100_000, 0
    while sink.pending() < 2_000_000:
        sink.write(piece)
        count += 1
        await asyncio.sleep(0)
    sink.when_drained(drained.set)
    await asyncio.sleep(0)
    assert not drained.is_set()
    line.writer.transport.resume_reading()  # type: ignore[attr-defined]
    for _ in range(count):
        assert await line.chunk() == piece
    await drained.wait()
    assert sink.pending() == 0


async def test_thousands_of_pipelined_requests_take_no_stack(served: Served, line: Line) -> None:
    count = 5_000
    line.writer.write(get(b"/hold") + get(b"/") * count)
    opened = next(iter(served.service.open))
    await until(lambda: len(opened._waiting) > 100)
    served.echo.released.set()
    assert (await line.answer()).body == b"GET /hold? 0"
    for _ in range(count):
        assert (await line.answer()).status == 200


async def test_new_connection_gets_in_while_many_are_busy(
    served: Served, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However little each round has time for, and however many wait: it is counted in answers."""
    monkeypatch.setattr(turns, "ROUND_SECONDS", 0.0)
    count, context = 24, tls.client()
    busy = [await connect(served.port, context) for _ in range(count)]
    for each in busy:
        each.writer.write(get(b"/busy") * 200)
    await until(lambda: len(served.echo.seen) > count)
    before = len(served.echo.seen)
    new = await connect(served.port, context)
    await new.ask(get(b"/new"))
    asked = [request.path for request in served.echo.seen]
    assert asked.index("/new") - before < 10 * count
    for each in (*busy, new):
        each.close()


async def test_pipelined_requests_leave_others_their_turn(
    served: Served, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is time for one answer in a round, others have theirs in the next."""
    monkeypatch.setattr(turns, "ROUND_SECONDS", 0.0)
    busy, other = [await connect(served.port, tls.client()) for _ in range(2)]
    busy.writer.write(get(b"/busy") * 3000)
    await until(lambda: served.echo.seen)
    other.writer.write(get(b"/other"))
    await other.answer()
    asked = [request.path for request in served.echo.seen]
    assert asked.index("/other") < 3000
    for each in (busy, other):
        each.close()
