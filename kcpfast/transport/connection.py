"""HTTP/1.1 on one connection: parse, keep alive, answer in order, push back.

Pipelined requests are served one after the other. What could be read as two different requests
by two parsers (RFC 9112 sections 6.1, 6.3 and 11.2) is refused with 400 and the connection closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import httptools

from kcpfast._core.heads import Cut, Heads, cut
from kcpfast.transport.eager import AT_ONCE, begin
from kcpfast.transport.heads import head
from kcpfast.transport.messages import (
    NOBODY,
    Refuse,
    Request,
    Response,
    Serve,
    Stream,
)
from kcpfast.transport.sink import StreamSink
from kcpfast.transport.tls import peer

MAX_BODY = 3 * 1024 * 1024
MAX_HEAD = 64 * 1024
# Who sends is not known before all is there: nobody may fill the memory with beginnings.
MAX_INCOMING = 256 * 1024 * 1024
HEADER_SECONDS = 30.0
BODY_SECONDS = 60.0
IDLE_SECONDS = 90.0
WRITE_SECONDS = 60.0
_LINGER_SECONDS = 0.5
_MAX_WAITING = 16
_MAX_KNOWN = 512
_MAX_BLOCK = 4096
# Headers that are about this message or this connection: they are looked at each time.
_NOT_KEPT = (b"connection", b"expect", b"trailer", b"transfer-encoding", b"upgrade")
_PIECE = 128 * 1024
_REQUEST_LINE = re.compile(rb"[A-Z-]+ /\S* HTTP/1\.[01]\r\n")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Counter:
    """A number that many change."""

    value = 0

    def add(self, more: int) -> int:
        """Add to it, and return what it is now."""
        self.value += more
        return self.value


class Service(NamedTuple):
    """What all connections of a server share.

    `refuse(code, text)` makes the answer to what is not a request that `serve` could be given;
    `open` holds the living connections, `incoming` counts the bytes of bodies that are not whole,
    `known` maps blocks of headers (and whom a certificate names) to what they were parsed to.
    """

    serve: Serve
    refuse: Refuse
    open: set[Connection]
    incoming: Counter
    known: dict[bytes, Heads]


class _Refused(Exception):
    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


class Connection(asyncio.Protocol):
    """One client connection."""

    # per connection: service, transport, peer, closing; per message: the _-names below
    def __init__(self, service: Service) -> None:
        """Wait for a transport."""
        self.service = service
        self.transport: asyncio.Transport | None = None
        self.peer = NOBODY
        self.closing = False
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Request | _Refused] = deque()
        self._turning = self._more = False
        self._counted = 0
        self._task: Any = None
        self._stream_closed: Callable[[], None] | None = None
        self._drained = asyncio.Event()
        self._drained.set()
        self._when_drained: Callable[[], None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        # A message: begun or not, still in its head or not; whole ones came with this data.
        self._begun = self._whole = False
        self._alone: Cut | None = None
        self._who = self._last_block = b""
        self._begin()

    # ------------------------------------------------------------------- the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport over."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]
        self.peer = peer(transport)
        if self.peer.common_name:
            self._who = "\0".join((self.peer.common_name, *self.peer.organizations)).encode()
        self.service.open.add(self)
        self._expect_within(HEADER_SECONDS)
        self._on_timer()

    def connection_lost(self, _error: Exception | None) -> None:
        """Let go; a request that is running goes on to its end, a stream is told."""
        self.closing = True
        self.service.open.discard(self)
        self._release()
        self._drained.set()
        if self._timer:
            self._timer.cancel()
        if self._stream_closed:
            self._stream_closed()
            self._stream_closed = None
        self.transport = None

    def data_received(self, data: bytes) -> None:
        """Take what is recognized, and feed the parser with everything else."""
        if self.closing:
            return
        self._alone = None if self._begun else cut(data)
        if self._alone is not None and self._is_known(self._alone):
            return
        self._whole = False
        try:
            self._parser.feed_data(data)
            if self._in_head and not self._whole:
                # Of a header that is not complete the parser says nothing yet.
                self._partial += len(data)
                self._check_head(self._partial)
        except httptools.HttpParserUpgrade:
            self.closing = True  # not upgraded: answer as HTTP/1.1, then close
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            self._give_up(cause if isinstance(cause, _Refused) else _Refused(400, str(cause)))
        except httptools.HttpParserInvalidMethodError:
            code = 405 if _REQUEST_LINE.match(data) and not self._whole else 400
            self._give_up(_Refused(code, "unknown method"))
        except httptools.HttpParserError as error:
            self._give_up(_Refused(400, f"malformed request: {error}"))
        except _Refused as refused:
            self._give_up(refused)
        if len(self._waiting) > _MAX_WAITING and self.transport:
            self.transport.pause_reading()

    def _is_known(self, alone: Cut) -> bool:
        """Queue a request if its headers were parsed before."""
        heads = self.service.known.get(alone.block + self._who)
        if heads is None:
            return False
        alone.heads, query = heads, alone.query.decode("ascii")
        request = Request(alone.method, alone.path, query, heads.fields, alone.body, self.peer)
        request.cut = alone
        self._deadline = 0.0
        self._waiting.append(request)
        if not self._busy():
            self._next()
        return True

    def _learn(self, alone: Cut, request: Request) -> None:
        """Remember headers that a client sends for the second time."""
        fields = request.headers
        sized = b"content-length" in fields
        if len(alone.block) > _MAX_BLOCK or sized is not alone.sized or not request.keep_alive:
            return
        if alone.block != self._last_block:
            self._last_block = alone.block
            return
        if any(name in fields for name in _NOT_KEPT):
            return
        known = self.service.known
        if len(known) >= _MAX_KNOWN:
            known.clear()
        left = {name: value for name, value in fields.items() if name != b"content-length"}
        known[alone.block + self._who] = Heads(left)

    def pause_writing(self) -> None:
        """Hear that the client does not read."""
        self._drained.clear()

    def resume_writing(self) -> None:
        """Hear that it reads again."""
        self._drained.set()
        callback, self._when_drained = self._when_drained, None
        if callback:
            callback()

    def eof_received(self) -> bool:
        """Close when the client has closed its side."""
        return False

    # ------------------------------------------------------------------- the parser calls

    def _begin(self) -> None:
        self._in_head = True
        self._expects = False
        self._partial = self._head_size = 0
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body = bytearray()
        self._release()

    def _release(self) -> None:
        """Count the body no more: it is whole, or will never be."""
        if self._counted:
            self.service.incoming.add(-self._counted)
            self._counted = 0

    def on_message_begin(self) -> None:
        """Start a new request."""
        self._begin()
        self._begun = True
        self._expect_within(HEADER_SECONDS)

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request target."""
        self._url += url
        self._check_head(len(self._url))

    def _check_head(self, size: int) -> None:
        if size > MAX_HEAD:
            raise _Refused(431, "the request's headers are too large")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header."""
        key = name.lower()
        self._head_size += len(name) + len(value) + 4
        self._check_head(self._head_size + len(self._url))
        seen = self._headers.get(key)
        if seen is None:
            self._headers[key] = value
        elif key in (b"content-length", b"transfer-encoding", b"host"):
            raise _Refused(400, f"header {key.decode('latin-1')} given twice")
        else:
            self._headers[key] = seen + b"\n" + value

    def on_headers_complete(self) -> None:
        """Check what frames the body before any of it is read."""
        self._in_head = False
        self._expect_within(BODY_SECONDS)
        headers = self._headers
        if b"transfer-encoding" in headers:
            if b"content-length" in headers:
                raise _Refused(400, "both Content-Length and Transfer-Encoding given")
            if headers[b"transfer-encoding"].lower() != b"chunked":
                raise _Refused(400, "unsupported Transfer-Encoding")
        elif int(headers.get(b"content-length") or b"0") > MAX_BODY:
            raise _Refused(413, f"limit is {MAX_BODY}")
        if b"host" not in headers and self._parser.get_http_version() == "1.1":
            raise _Refused(400, "missing required Host header")
        self._expects = headers.get(b"expect", b"").lower() == b"100-continue"
        self._offer_to_continue()

    def _offer_to_continue(self) -> None:
        """Ask for a body that waits to be asked for, once its turn has come (RFC 9110 10.1.1)."""
        if self._expects and not self._busy() and self.transport:
            self._expects = False
            self.transport.write(_CONTINUE)

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        if len(self._body) + len(data) > MAX_BODY:
            raise _Refused(413, f"limit is {MAX_BODY}")
        self._body += data
        self._counted += len(data)
        if self.service.incoming.add(len(data)) > MAX_INCOMING:
            raise _Refused(503, "too much is being sent at once")

    def on_message_complete(self) -> None:
        """Queue the finished request."""
        path, _, query = self._target().partition("?")
        request = Request(
            self._parser.get_method().decode("latin-1"),
            path,
            query,
            self._headers,
            bytes(self._body),
            self.peer,
        )
        upgrade = self._parser.should_upgrade()  # refused: answered as HTTP/1.1, then closed
        request.keep_alive = self._parser.should_keep_alive() and not upgrade
        request.version = self._parser.get_http_version()
        if self._alone is not None:
            self._learn(self._alone, request)
        self._begin()
        self._begun, self._whole = False, True
        self._deadline = 0.0
        self._waiting.append(request)
        if not self._busy():
            self._next()

    def _target(self) -> str:
        target = self._url.decode("latin-1")
        if target.startswith("/"):
            return target
        _, found, rest = target.partition("://")  # absolute form, RFC 9112 section 3.2.2
        if not found:
            raise _Refused(400, "malformed request target")
        return "/" + rest.partition("/")[2]

    # ------------------------------------------------------------------- answering

    def _busy(self) -> bool:
        return self._task is not None

    def _give_up(self, refused: _Refused) -> None:
        self.closing = True
        self._begin()
        self._waiting.append(refused)
        if not self._busy():
            self._next()

    def _next(self) -> None:
        """Answer what waits. Many requests answered at once take no more stack than one."""
        self._more = True
        if self._turning:
            return
        self._turning = True
        try:
            while self._more:
                self._more = False
                self._turn()
        finally:
            self._turning = False

    def _turn(self) -> None:
        if not self._waiting:
            self._task = None
            if self.closing:
                self._close()
                return
            in_message = HEADER_SECONDS if self._in_head else BODY_SECONDS
            self._expect_within(in_message if self._begun else IDLE_SECONDS)
            self._offer_to_continue()
            return
        following = self._waiting.popleft()
        if len(self._waiting) == _MAX_WAITING and self.transport:
            self.transport.resume_reading()
        self._task = AT_ONCE
        waiting = begin(self._loop, self._answer(following))
        if waiting is not None:
            self._task = waiting

    async def _answer(self, request: Request | _Refused) -> None:
        if isinstance(request, _Refused):
            refusal = self.service.refuse(request.code, str(request))
            self._send(refusal, keep=False, body=refusal.body)
            # What the client still sends is read and dropped for a moment: closing at once would
            # reset the connection under the answer (RFC 9112 section 9.6).
            self._loop.call_later(_LINGER_SECONDS, self._close)
            return
        answer = await self.service.serve(request)
        keep = request.keep_alive and not (self.closing and not self._waiting)
        if isinstance(answer, Stream):
            self._stream(answer, request.version)
            return
        body = b"" if request.method == "HEAD" else answer.body
        if len(body) <= _PIECE:
            self._send(answer, keep, body)
        else:
            self._send(answer, keep, b"")
            await self._send_pieces(body)
        if not keep:
            self.closing = True
            self._waiting.clear()
        if not self._drained.is_set():
            await self._until_drained()
        self._next()

    async def _send_pieces(self, body: bytes) -> None:
        """Write a long body as fast as it is read.

        TLS would take all of it at once and say that nothing waits: it is with the transport below.
        """
        for start in range(0, len(body), _PIECE):
            if self.transport is None:
                return
            self.transport.write(body[start : start + _PIECE])
            if not self._drained.is_set():
                await self._until_drained()

    async def _until_drained(self) -> None:
        """Wait until the client has read; hang up on one that takes nothing for a time."""
        before = math.inf
        while self.transport is not None and not self._drained.is_set():
            left = self.transport.get_write_buffer_size()
            if left >= before:
                self.transport.abort()
                return
            before = left
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), WRITE_SECONDS)

    def _send(self, answer: Response, keep: bool, body: bytes) -> None:
        if self.transport is None:
            return
        length = b"Content-Length: %d\r\n" % len(answer.body)
        close = b"" if keep else b"Connection: close\r\n"
        lines = head(answer.status, answer.content_type, answer.headers, answer.lines)
        self.transport.write(b"".join((lines, length, close, b"\r\n", body)))

    def _stream(self, answer: Stream, version: str) -> None:
        if self.transport is None:
            return
        chunked = version == "1.1"
        frame = b"Transfer-Encoding: chunked\r\n" if chunked else b"Connection: close\r\n"
        lines = head(200, answer.content_type, answer.headers, answer.lines)
        self.transport.write(lines + frame + b"\r\n")
        self._deadline = 0.0
        sink = StreamSink(self, chunked)
        try:
            self._stream_closed = answer.start(sink)
        except BaseException:
            self.transport.abort()
            raise

    def end_stream(self, chunked: bool) -> None:
        """End the running stream; the connection is kept if the framing allows."""
        closed, self._stream_closed = self._stream_closed, None
        if self.transport is None:
            return
        if chunked:
            self.transport.write(b"0\r\n\r\n")
        else:
            self.closing = True
        if closed:
            closed()
        self._loop.call_soon(self._next)

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call back soon, but not while the client does not read."""
        if self._drained.is_set():
            self._loop.call_soon(callback)
        else:
            self._when_drained = callback

    def drain(self) -> None:
        """Finish what is running, begin nothing new: the server stops."""
        self.closing = True
        self._waiting.clear()
        if self._stream_closed or not self._busy():
            self._close()

    def _close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    # ------------------------------------------------------------------- time

    def _expect_within(self, seconds: float) -> None:
        self._deadline = self._loop.time() + seconds

    def _on_timer(self) -> None:
        """Check the deadline; one timer serves the connection's whole life."""
        if self.transport is None:
            return
        now = self._loop.time()
        if self._deadline and now >= self._deadline and not self._busy():
            self._close()
            return
        # A deadline may be set to an earlier time meanwhile: none is shorter than this.
        wait = self._deadline - now if self._deadline > now else HEADER_SECONDS
        self._timer = self._loop.call_later(min(wait, HEADER_SECONDS), self._on_timer)
