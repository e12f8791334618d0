"""Requests to others: HTTPS, one connection each, with a deadline and a bounded answer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import httptools

from kcpfast.transport.heads import line

MAX_ANSWER = 8 * 1024 * 1024
_READ = 64 * 1024
# What a connection of the event loop's own TLS holds, and what an answer grows to when it is read.
OUTGOING_BYTES = 320 * 1024
_GROWTH = 10
# Of the bundles of CAs long ones are not kept: anybody may write them.
_MAX_REMEMBERED = 32 * 1024
ClaimSize = Callable[[int], None]
# What stands for itself in path and query (RFC 3986 section 3.3; % begins an escape), in host and
# port.
_TARGET = "/?%:@!$&'()*+,;=~"
_HOST = "[]:%"


class OutgoingError(Exception):
    """There was no answer; the text says why."""


class OutgoingAnswer(NamedTuple):
    """What came back."""

    status: int
    body: bytes


def trusting(ca: str) -> ssl.SSLContext:
    """Return a context that trusts a CA bundle (PEM), or ("") what the system trusts.

    Raises ssl.SSLError or ValueError if it is no bundle.
    """
    return _remembered(ca) if len(ca) <= _MAX_REMEMBERED else _trusting(ca)


def _trusting(ca: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=ca or None)
    context.set_alpn_protocols(["http/1.1"])
    return context


_remembered = lru_cache(maxsize=64)(_trusting)


async def post(
    url: str,
    body: bytes,
    context: ssl.SSLContext,
    seconds: float,
    headers: Mapping[str, str],
    claim: ClaimSize,
) -> OutgoingAnswer:
    """Send a body to an https URL and return the answer; OutgoingError if there is none in time.

    `claim` is told of what is held meanwhile, and may raise what ends it.
    """
    claim(OUTGOING_BYTES + len(body))
    exchange = _within(seconds, _post(url, body, context, headers, claim))
    try:
        # A task of its own: a timeout belongs to one, and who asks may be in none yet.
        return await asyncio.get_running_loop().create_task(exchange)
    except TimeoutError:
        raise OutgoingError("context deadline exceeded") from None
    except (OSError, ssl.SSLError, httptools.HttpParserError, ValueError) as error:
        raise OutgoingError(str(error) or type(error).__name__) from error


async def _within(seconds: float, exchange: Awaitable[OutgoingAnswer]) -> OutgoingAnswer:
    async with asyncio.timeout(seconds):
        return await exchange


async def _post(
    url: str, body: bytes, context: ssl.SSLContext, headers: Mapping[str, str], claim: ClaimSize
) -> OutgoingAnswer:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        writer.write(_head(parts.netloc, target, len(body), headers) + body)
        return await _read(reader, claim)
    finally:
        writer.transport.abort()  # everything was said: nobody waits for a farewell


def _head(host: str, target: str, length: int, headers: Mapping[str, str]) -> bytes:
    """Return the head of a request; what of host and target cannot stand there is escaped."""
    begun = f"POST {quote(target, safe=_TARGET)} HTTP/1.1\r\n".encode()
    fields = {"Host": quote(host, safe=_HOST), "Content-Length": str(length), **headers}
    fields["Connection"] = "close"
    lines = [line(name.encode(), value.encode()) for name, value in fields.items()]
    return b"".join((begun, *lines, b"\r\n"))


class _Reading:
    """What the parser tells of one answer."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.done = False

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.done = True


async def _read(reader: asyncio.StreamReader, claim: ClaimSize) -> OutgoingAnswer:
    reading = _Reading()
    parser = httptools.HttpResponseParser(reading)
    while not reading.done:
        data = await reader.read(_READ)
        if not data:
            # An answer without a length ends with the connection.
            if not parser.get_status_code():
                raise OutgoingError("EOF")
            break
        claim(_GROWTH * len(data))
        parser.feed_data(data)
        if len(reading.body) > MAX_ANSWER:
            raise OutgoingError(f"the answer is longer than {MAX_ANSWER} bytes")
    return OutgoingAnswer(parser.get_status_code(), bytes(reading.body))
