"""HTTP/1.1 on one connection: keep alive, answer in order, push back.

Pipelined requests are served one after the other. What is no request is refused and the
connection closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from kcpfast._core.heads import FastRequest, HeaderBlock, cut
from kcpfast.transport.eager import AT_ONCE, begin
from kcpfast.transport.heads import head, line
from kcpfast.transport.known import keep
from kcpfast.transport.messages import (
    NO_PEER,
    Refuse,
    Request,
    Response,
    Serve,
    Stream,
)
from kcpfast.transport.parsing import FULL, MalformedRequest, Reading
from kcpfast.transport.secure import Tls
from kcpfast.transport.sink import StreamSink
from kcpfast.transport.tls import peer
from kcpfast.transport.turns import Turns

HEADER_SECONDS = 30.0
BODY_SECONDS = 60.0
IDLE_SECONDS = 90.0
WRITE_SECONDS = 60.0
_LINGER_SECONDS = 0.5
# Requests that wait behind another: more are not read before their turn.
_MAX_WAITING, _MAX_WAITING_BYTES = 16, 1024 * 1024
_REQUEST = 2048
_MAX_BLOCK = 4096
# A longer body is not copied to stand behind its head.
_JOINED = 128 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LENGTH = line(b"Content-Length", b"%d")
_CLOSE = line(b"Connection", b"close")
_CHUNKED = line(b"Transfer-Encoding", b"chunked")

LOG = logging.getLogger("kcpfast.transport")


class Service(NamedTuple):
    """What all connections of a server share.

    `refuse(code, text)` makes the answer to what is not a request that `serve` could be given;
    `open` holds the living connections, `known` maps blocks of headers (and whom a certificate
    names) to what they were parsed to, `turns` tells whose request is next.
    """

    serve: Serve
    refuse: Refuse
    open: set[Connection]
    known: dict[bytes, HeaderBlock]
    turns: Turns


class Connection:
    """One client connection."""

    # Ten thousand idle watches have one each: nothing is made before it is needed.
    __slots__ = (
        "_alone",
        "_deadline",
        "_drained",
        "_last_block",
        "_loop",
        "_reading",
        "_running",
        "_sink",
        "_stream_closed",
        "_task",
        "_timer",
        "_waiting",
        "_waiting_bytes",
        "_when_drained",
        "_who",
        "closing",
        "peer",
        "service",
        "transport",
    )

    def __init__(self, service: Service) -> None:
        """Wait for a transport."""
        self.service = service
        self.transport: Tls | None = None
        self.peer = NO_PEER
        self.closing = False
        self._loop = asyncio.get_running_loop()
        self._reading: Reading | None = None
        self._waiting: list[Request | MalformedRequest] = []
        self._waiting_bytes = 0
        self._task: Any = None
        # The request that is being answered.
        self._running: Request | None = None
        self._stream_closed: Callable[[], None] | None = None
        self._sink: StreamSink | None = None
        # There while the client does not read.
        self._drained: asyncio.Event | None = None
        self._when_drained: Callable[[], None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._alone: FastRequest | None = None
        self._who = self._last_block = b""

    # ------------------------------------------------------------------- the transport calls

    def connection_made(self, transport: Tls) -> None:
        """Take the transport over."""
        self.transport = transport
        self.peer = peer(transport)
        if self.peer.common_name:
            self._who = ascii(self.peer[1:]).encode()
        self.service.open.add(self)
        self._expect_within(HEADER_SECONDS)

    def connection_lost(self, _error: Exception | None) -> None:
        """Let go; a request that is running goes on to its end, a stream is told."""
        self.closing = True
        self.service.open.discard(self)
        self._forget_waiting()
        running = self._running
        if running is not None:
            running.holder = running.holder.heir(self, running.held)
            running.gone = True
        self._end_reading()
        self.resume_writing()
        if self._timer:
            self._timer.cancel()
        if self._stream_closed:
            self._stream_closed()
            self._stream_closed = self._sink = None
        self.transport = None

    def data_received(self, data: bytes) -> None:
        """Take what is recognized, and feed the parser with everything else."""
        if self.closing:
            return
        self._alone = cut(data) if self._reading is None else None
        if self._alone is None or not self._is_known(self._alone):
            self._read(data)
        if self._waiting and self._is_full() and self.transport:
            self.transport.pause_reading()

    def _is_full(self) -> bool:
        return len(self._waiting) > _MAX_WAITING or self._waiting_bytes > _MAX_WAITING_BYTES

    def _read(self, data: bytes) -> None:
        if self.transport is None:
            return
        reading = self._reading = self._reading or Reading(self, self.transport.holder)
        try:
            reading.feed(data)
        except MalformedRequest as refused:
            if not self.closing:  # it has not been given up already, by what was read before
                self._give_up(refused)
        if reading.upgrade:
            self.closing = True
        if not reading.begun:
            self._end_reading()

    def _end_reading(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.end()

    def _is_known(self, alone: FastRequest) -> bool:
        """Queue a request if its headers were parsed before."""
        heads = self.service.known.get(alone.block + self._who)
        if heads is None:
            return False
        alone.heads, query = heads, alone.query.decode("ascii")
        request = Request(alone.method, alone.path, query, heads.fields, alone.body, self.peer)
        request.cut, self._alone = alone, None
        self.received(request)
        return True

    def _learn(self, alone: FastRequest, request: Request) -> None:
        """Remember headers that a client sends for the second time."""
        fields = request.headers
        sized = b"content-length" in fields
        if len(alone.block) > _MAX_BLOCK or sized is not alone.sized or not request.keep_alive:
            return
        if alone.block != self._last_block:
            self._last_block = alone.block
            return
        keep(self.service.known, alone.block + self._who, fields)

    def pause_writing(self) -> None:
        """Hear that the client does not read."""
        self._drained = self._drained or asyncio.Event()

    def resume_writing(self) -> None:
        """Hear that it reads again."""
        drained, self._drained = self._drained, None
        if drained is not None:
            drained.set()
        callback, self._when_drained = self._when_drained, None
        if callback:
            callback()

    # ------------------------------------------------------------------- the reading calls

    def head_begun(self) -> None:
        """Give the client time for its headers."""
        self._expect_within(HEADER_SECONDS)

    def body_begun(self) -> None:
        """Give the client time for its body."""
        self._expect_within(BODY_SECONDS)
        self._offer_to_continue()

    def received(self, request: Request) -> None:
        """Queue a request that is whole."""
        alone, self._alone = self._alone, None
        if alone is not None:
            self._learn(alone, request)
        self._deadline = 0.0
        if self.transport is not None:
            request.holder = self.transport.holder
        turns = request.turns = self.service.turns
        at_once = not self._busy() and turns.have_time()
        if not at_once and not self._may_wait(request):
            return
        self._waiting.append(request)
        if at_once:
            turns.spend(self._turn)
        elif not self._busy():
            self._next()

    def _client(self) -> Hashable:
        """Return who sends what is to be answered next: whoever authenticates in that way."""
        first = self._waiting[0]
        return first.client if isinstance(first, Request) else self.peer.common_name

    def _may_wait(self, request: Request) -> bool:
        """Charge a request that has to wait for others; give up if there is no room for it."""
        size = max(len(request.body) + _REQUEST - request.held, 0)
        if not request.holder.take(size):
            self._let_go(request)
            self._give_up(MalformedRequest(429, FULL))
            return False
        request.held += size
        self._waiting_bytes += request.held
        return True

    def _let_go(self, request: Request) -> None:
        """Give back what a request was charged with: it is answered, or will not be."""
        request.holder.give(request.held)
        request.held = 0
        if self.transport is None:
            request.holder.close()

    def _forget_waiting(self) -> None:
        for request in self._waiting:
            if isinstance(request, Request):
                self._let_go(request)
        self._waiting.clear()
        self._waiting_bytes = 0

    def _offer_to_continue(self) -> None:
        """Ask for a body that waits to be asked for, once its turn has come (RFC 9110 10.1.1)."""
        reading = self._reading
        if reading is not None and reading.expects and not self._busy() and self.transport:
            reading.expects = False
            self.transport.write(_CONTINUE)

    # ------------------------------------------------------------------- answering

    def _busy(self) -> bool:
        return self._task is not None

    def _give_up(self, refused: MalformedRequest) -> None:
        self.closing = True
        self._end_reading()
        refused.__traceback__ = refused.__context__ = None
        self._waiting.append(refused)
        if not self._busy():
            self._next()

    def _next(self) -> None:
        """Answer what waits, if anything does, once all others had their turn."""
        if self._waiting:
            self._task = AT_ONCE
            self.service.turns.wait(self._client(), self._turn)
        else:
            self._turn()

    def _turn(self) -> None:
        if not self._waiting:
            self._task = None
            if self.closing:
                self._close()
                return
            reading, seconds = self._reading, IDLE_SECONDS
            if reading is not None and reading.begun:
                seconds = HEADER_SECONDS if reading.in_head else BODY_SECONDS
            self._expect_within(seconds)
            self._offer_to_continue()
            return
        # Nothing is charged with waiting if there is nothing but what came just now.
        following = self._take_charged() if self._waiting_bytes else self._waiting.pop(0)
        self._task = AT_ONCE
        if isinstance(following, Request):
            self._running = following
        waiting = begin(self._loop, self._answer(following))
        if waiting is not None:
            self._task = waiting

    def _take_charged(self) -> Request | MalformedRequest:
        """Take the first of what waits, and read on if there is room for more."""
        was_full, following = self._is_full(), self._waiting.pop(0)
        if isinstance(following, Request):
            self._waiting_bytes = max(self._waiting_bytes - following.held, 0)
        if was_full and not self._is_full() and self.transport:
            self.transport.resume_reading()
        return following

    async def _answer(self, request: Request | MalformedRequest) -> None:
        if isinstance(request, MalformedRequest):
            refusal = self.service.refuse(request.code, str(request))
            self._send(refusal, keep=False, body=refusal.body)
            # What the client still sends is read and dropped for a moment: closing at once would
            # reset the connection under the answer (RFC 9112 section 9.6).
            self._loop.call_later(_LINGER_SECONDS, self._close)
            return
        try:
            answer = await self.service.serve(request)
        except asyncio.CancelledError:
            self._task = AT_ONCE  # the task knows this frame: they would keep each other
            raise
        except Exception:
            LOG.exception("a request that is not answered")
            answer = self.service.refuse(500, "Internal error occurred")
            request.keep_alive = False
        finally:
            self._running = None
            if request.held or self.transport is None:
                self._let_go(request)
        keep = request.keep_alive and not (self.closing and not self._waiting)
        if isinstance(answer, Stream):
            self._stream(answer, request.version)
            return
        body = b"" if request.method == "HEAD" else answer.body
        if len(body) <= _JOINED:
            self._send(answer, keep, body)
        else:
            self._send(answer, keep, b"")
            if self.transport is not None:
                self.transport.write(body)
        if not keep:
            self.closing = True
            self._forget_waiting()
        if self._drained is not None:
            del request, answer, body  # what is not sent yet the transport holds
            await self.until_drained()
        self._next()

    async def until_drained(self) -> None:
        """Wait until the client has read; hang up on one that takes nothing for a time."""
        before = math.inf
        while self.transport is not None and self._drained is not None:
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
        length = _LENGTH % len(answer.body)
        close = b"" if keep else _CLOSE
        lines = head(answer.status, answer.content_type, answer.headers, answer.lines)
        self.transport.write(b"".join((lines, length, close, b"\r\n", body)))

    def _stream(self, answer: Stream, version: str) -> None:
        chunked = version == "1.1"
        sink = StreamSink(self, chunked, answer.last)
        if self.transport is None:
            answer.start(sink)()  # nobody reads: it ends as it begins
            return
        frame = _CHUNKED if chunked else _CLOSE
        lines = head(200, answer.content_type, answer.headers, answer.lines)
        self.transport.write(lines + frame + b"\r\n")
        self._deadline = 0.0
        self._last_block = b""
        self._sink = sink
        try:
            self._stream_closed = answer.start(sink)
        except BaseException:
            self.transport.abort()
            raise

    def end_stream(self, chunked: bool) -> None:
        """End the running stream; the connection is kept if the framing allows."""
        closed, self._stream_closed, self._sink = self._stream_closed, None, None
        if self.transport is None:
            return
        if chunked:
            self.transport.write(b"0\r\n\r\n")
        else:
            self.closing = True
        if closed:
            closed()
        self._loop.call_soon(self._next)

    def cut_stream(self, last: bytes) -> None:
        """Drop what the reader of the running stream has not taken; say the last word; hang up."""
        closed, self._stream_closed, self._sink = self._stream_closed, None, None
        self.closing = True
        self._forget_waiting()
        if self.transport is not None:
            if self.transport.drop() and last:
                self.transport.write(last)
            self.transport.close()
            self._loop.call_later(_LINGER_SECONDS, self._abort)
        if closed:
            closed()

    def cut(self) -> bool:
        """Give up what this client holds: there is no room, and it holds most.

        It is told so where that can be: a watch by 410, who waits for nothing by 429. True if its
        request ends in a moment.
        """
        self._forget_waiting()
        task = self._task
        if task is not None and task is not AT_ONCE:
            # Not at once: a task that has not begun would leave its coroutine as it is. And a task
            # that is cancelled knows its frames, which know this connection.
            self._task = AT_ONCE
            self._loop.call_soon(task.cancel)
            self._abort()
            return True
        if self.closing or (self._sink is None and self._busy()):
            self._abort()
        elif self._sink is not None:
            self._sink.cut()
        else:
            self._give_up(MalformedRequest(429, FULL))
        return self._running is not None

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call back soon, but not while the client does not read."""
        if self._drained is None:
            self._loop.call_soon(callback)
        else:
            self._when_drained = callback

    def drain(self) -> None:
        """Finish what is running, begin nothing new: the server stops."""
        self.closing = True
        self._forget_waiting()
        if self._stream_closed or not self._busy():
            self._close()

    def _close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    # ------------------------------------------------------------------- time

    def _expect_within(self, seconds: float) -> None:
        self._deadline = self._loop.time() + seconds
        if self._timer is None:
            self._timer = self._loop.call_later(min(seconds, HEADER_SECONDS), self._on_timer)

    def _on_timer(self) -> None:
        """Check the deadline; who has none, as a watch, has no timer either."""
        self._timer = None
        if self.transport is None or not self._deadline:
            return
        wait = self._deadline - self._loop.time()
        if wait <= 0 and not self._busy():
            self._close()
            return
        # A deadline may be set to an earlier time meanwhile: none is shorter than this.
        wait = wait if wait > 0 else HEADER_SECONDS
        self._timer = self._loop.call_later(min(wait, HEADER_SECONDS), self._on_timer)
