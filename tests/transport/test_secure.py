"""TLS of our own on a connection: versions, pieces of any size, goodbyes, no handshake."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
from collections.abc import Callable

import pytest

from kcpfast.transport.account import Account
from kcpfast.transport.secure import Tls
from kcpfast.transport.turns import Turns
from tests.fix_tls import Tls as Keys
from tests.transport.test_connection import get
from tests.transport.wire import connect, listen


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_both_versions_carry_large_answers(tls: Keys, version: ssl.TLSVersion) -> None:
    served = await listen(tls.server)
    context = tls.client()
    context.minimum_version = context.maximum_version = version
    line = await connect(served.port, context)
    assert (await line.ask(get(b"/large"))).body == b"x" * 1_000_000
    assert (await line.ask(get(b"/a"))).body == b"GET /a? 0"
    line.close()
    served.listener.close()


async def test_older_versions_are_refused(tls: Keys) -> None:
    served = await listen(tls.server)
    context = tls.client()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await connect(served.port, context)
    served.listener.close()


async def test_who_is_gone_leaves_nothing_to_a_collector(tls: Keys) -> None:
    """A thousand that were cut off would hold 50 MB until it comes by."""

    def kept() -> int:
        return sum(
            isinstance(each, ssl.SSLObject) and each.server_side for each in gc.get_objects()
        )

    served = await listen(tls.server)
    gc.collect()
    gc.disable()
    try:
        before = kept()
        for path in (b"/large", b"/stream", b"/a"):
            line = await connect(served.port, tls.client())
            line.writer.write(get(path))
            await line.reader.readline()
            assert kept() == before + 1
            line.close()
            while served.service.open:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0)
            assert kept() == before
    finally:
        gc.enable()
    assert served.account.held == 0
    served.listener.close()


class Crumbs:
    """A client over plain TCP, whose TLS is made in memory and sent byte by byte."""

    def __init__(
        self, context: ssl.SSLContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader, self.writer = reader, writer
        self.inward, self.outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.inward, self.outward, server_hostname="localhost")

    async def until(self, step: Callable[[], object]) -> object:
        """Try a step again and again, with what the server says in between."""
        while True:
            wants = None
            try:
                return step()
            except ssl.SSLWantReadError as error:
                wants = error
            finally:
                await self.send()
            assert wants is not None
            self.inward.write(await self.reader.read(65536))

    async def send(self) -> None:
        for byte in self.outward.read():
            self.writer.write(bytes([byte]))
            await self.writer.drain()


async def test_records_may_come_byte_by_byte(tls: Keys) -> None:
    served = await listen(tls.server)
    line = Crumbs(tls.client(), *await asyncio.open_connection("127.0.0.1", served.port))
    await line.until(line.tls.do_handshake)
    for path in (b"/a", b"/b"):
        line.tls.write(get(path))
        await line.send()
        answer = await line.until(line.tls.read)
        assert isinstance(answer, bytes)
        assert answer.endswith(b"GET %b? 0" % path)
    await line.until(line.tls.unwrap)  # which waits for the server to say goodbye, too
    assert await line.reader.read() == b""
    line.writer.close()
    served.listener.close()


async def test_nothing_is_read_behind_a_goodbye(tls: Keys) -> None:
    """However much comes with it: the connection ends once, and no other begins."""
    served = await listen(tls.server)
    line = Crumbs(tls.client(), *await asyncio.open_connection("127.0.0.1", served.port))
    await line.until(line.tls.do_handshake)
    for answered in (b"/a", b"/b"):
        line.tls.write(get(answered))
    with contextlib.suppress(ssl.SSLWantReadError):
        line.tls.unwrap()
    line.writer.write(line.outward.read() + bytes(40_000))
    await line.reader.read()
    line.writer.close()
    while served.service.open:  # noqa: ASYNC110 - what is waited for happens on this loop
        await asyncio.sleep(0)
    assert [each.path for each in served.echo.seen] == ["/a", "/b"]
    served.listener.close()


NOT_TLS = [
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP "),
    (b"\x16\x03\x01\x00\x05hello", b"\x15\x03"),  # an alert
    (b"\0" * 100, b""),  # nothing: the line is cut
]


@pytest.mark.parametrize(("sent", "begins"), NOT_TLS)
async def test_what_is_not_tls_is_told_so(tls: Keys, sent: bytes, begins: bytes) -> None:
    served = await listen(tls.server)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(sent)
    assert (await reader.read()).startswith(begins)
    writer.close()
    served.listener.close()


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01"])
async def test_who_does_not_shake_hands_is_hung_up_on(tls: Keys, sent: bytes) -> None:
    loop, account, turns = asyncio.get_running_loop(), Account(), Turns()

    def protocol() -> Tls:
        return Tls(tls.server, lambda: pytest.fail("no handshake"), 0.02, account, turns)

    listener = await loop.create_server(protocol, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    listener.close()
