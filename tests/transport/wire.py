"""A server of nothing but the transport, and a client that writes and reads raw bytes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import NamedTuple

from kcpfast.transport.account import Account
from kcpfast.transport.connection import Connection, Service
from kcpfast.transport.messages import Request, Response, Sink, Stream, TooMuch
from kcpfast.transport.secure import Tls
from kcpfast.transport.turns import Turns


class Echo:
    """Answers with what it understood; `/hold` waits to be released, `/stream` streams."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.released = asyncio.Event()
        self.sinks: list[Sink] = []
        self.closed: list[int] = []

    async def serve(self, request: Request) -> Response | Stream:
        self.seen.append(request)
        if request.path == "/hold":
            await self.released.wait()
        if request.path == "/stream":
            return Stream(self._start, b"text/plain", last=b"too slow")
        if request.path == "/large":
            return Response(200, b"x" * 1_000_000, b"text/plain")
        if request.path == "/claim":
            try:
                request.claim(int(request.query))
            except TooMuch:
                return Response(429)
        if request.path == "/huge":
            return Response(200, b"x" * 30_000_000, b"text/plain")
        text = f"{request.method} {request.path}?{request.query} {len(request.body)}"
        return Response(200, text.encode(), b"text/plain", [(b"X-Peer", _peer(request))])

    def _start(self, sink: Sink) -> Callable[[], None]:
        self.sinks.append(sink)
        return lambda: self.closed.append(self.sinks.index(sink))


def _peer(request: Request) -> bytes:
    return ",".join([request.peer.common_name, *request.peer.organizations]).encode()


class Answer(NamedTuple):
    """One answer, as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


class Line:
    """A client's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def answer(self, *, bodiless: bool = False) -> Answer:
        """Read one answer with a Content-Length."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")[:-2]
        headers = {name.lower(): value.strip() for name, _, value in
                   (line.partition(":") for line in lines)}  # fmt: skip
        length = 0 if bodiless else int(headers.get("content-length", 0))
        return Answer(int(first.split()[1]), headers, await self.reader.readexactly(length))

    async def ask(self, data: bytes) -> Answer:
        """Send bytes and read one answer."""
        self.writer.write(data)
        return await self.answer(bodiless=data.startswith(b"HEAD"))

    async def chunk(self) -> bytes:
        """Read one chunk of a stream; empty at its end."""
        size = int(await self.reader.readline(), 16)
        data = await self.reader.readexactly(size)
        await self.reader.readexactly(2)
        return data

    async def ended(self) -> bool:
        """Wait until the server has closed; tell whether it said nothing more."""
        try:
            return await self.reader.read() == b""
        except (ConnectionError, ssl.SSLError):
            return True

    def close(self) -> None:
        """Hang up."""
        self.writer.transport.abort()


def refuse(code: int, text: str) -> Response:
    """Answer what is no request."""
    return Response(code, text.encode(), b"text/plain")


class Served(NamedTuple):
    """A listening server."""

    port: int
    echo: Echo
    service: Service
    account: Account
    listener: asyncio.AbstractServer


async def listen(context: ssl.SSLContext) -> Served:
    """Serve an Echo on a free port."""
    echo = Echo()
    service = Service(echo.serve, refuse, set(), {}, Turns())
    account = Account()
    loop = asyncio.get_running_loop()

    def protocol() -> Tls:
        return Tls(context, lambda: Connection(service), 30.0, account, service.turns)

    listener = await loop.create_server(protocol, "127.0.0.1", 0)
    return Served(listener.sockets[0].getsockname()[1], echo, service, account, listener)


async def connect(port: int, context: ssl.SSLContext) -> Line:
    """Open a connection."""
    return Line(*await asyncio.open_connection("127.0.0.1", port, ssl=context))
