"""TLS below a connection: the ssl module's memory BIOs between a TCP transport and a protocol.

An event loop's own TLS holds a third more memory for each connection and works longer for each
message: it reads until there is nothing more to be read, and finds that out by an exception.

What the other end does not take waits here as it was written, and is encrypted when its turn comes:
the same event for a thousand slow watches is there once, and what waits can be dropped again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from kcpfast.transport.account import CONNECTION_BYTES, NO_HOLDER, Account
from kcpfast.transport.turns import Turns

# The most that a TLS record holds. No more goes through memory at once: a BIO keeps the room that
# it once needed.
_RECORD = 16 * 1024
# So much is given to the transport below at once.
_PIECE = 4 * _RECORD
# Who takes nothing is not waited for longer than this when there is a last word for it.
_GOODBYE_SECONDS = 10.0
_NOT_TLS = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"


class Upper(Protocol):
    """What runs over TLS: as an asyncio protocol, with Tls for its transport."""

    def connection_made(self, transport: Tls) -> None:
        """Begin."""

    def connection_lost(self, error: Exception | None) -> None:
        """Hear of the end."""

    def data_received(self, data: bytes) -> None:
        """Take what came."""

    def pause_writing(self) -> None:
        """Hear that the other end does not read."""

    def resume_writing(self) -> None:
        """Hear that it does again."""

    def cut(self) -> bool:
        """Give up everything that is held, now; see account.Owner."""


class Tls(asyncio.Protocol):
    """The server's side of TLS on one connection: protocol to what is below, transport above."""

    # `_ended`: nothing is read any more, whatever still comes. `_queue`: what is encrypted once the
    # other end reads, None while it does; `_waiting`: its bytes; `_begun`: part of it is gone.
    __slots__ = (
        "_account", "_begun", "_closing", "_ended", "_in", "_lower", "_make", "_out", "_paused",
        "_queue", "_timer", "_tls", "_turns", "_upper", "_waiting", "holder",
    )  # fmt: skip

    def __init__(
        self,
        context: ssl.SSLContext,
        make: Callable[[], Upper],
        handshake_seconds: float,
        account: Account,
        turns: Turns,
    ) -> None:
        """Wait for a transport; what `make` returns is told once the handshake is done.

        What this connection holds is charged to a holder of the account; it shakes hands when it
        has a turn.
        """
        self._account, self._turns = account, turns
        self.holder = NO_HOLDER
        self._queue: deque[bytes | memoryview] | None = None
        self._waiting = 0
        self._paused = self._begun = False
        self._in: Any = ssl.MemoryBIO()
        self._out: Any = ssl.MemoryBIO()
        self._tls: Any = context.wrap_bio(self._in, self._out, server_side=True)
        self._make = make
        self._lower: Any = None
        self._upper: Upper | None = None
        self._ended = self._closing = False
        loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = loop.call_later(handshake_seconds, self.abort)

    # ------------------------------------------------------------------- called from below

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the client to say hello."""
        self._lower = transport
        address = transport.get_extra_info("peername")
        host = address[0] if isinstance(address, tuple) else ""
        self.holder = self._account.open(self, ("address", host))
        if not self.holder.take(CONNECTION_BYTES):
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell who is above."""
        self._stop_timer()
        self._lower = None
        self._queue = None
        self._ended = True
        # By hand: nobody knows when a collector comes by, and they hold more than all else here.
        self._tls = self._in = self._out = None
        upper, self._upper = self._upper, None
        if upper is not None:
            upper.connection_lost(error)
        self.holder.close()
        self.holder = NO_HOLDER

    def data_received(self, data: bytes) -> None:
        """Decrypt what is there."""
        if self._upper is not None:
            self._receive(data)
        elif self._turns.have_time():
            self._turns.spend(partial(self._receive, data))
        else:
            self._lower.pause_reading()
            self._turns.wait_first(partial(self._go_on, data))

    def _go_on(self, data: bytes) -> None:
        """Go on with shaking hands, now that there is time."""
        if self._lower is not None:
            self._lower.resume_reading()
            self._receive(data)

    def _receive(self, data: bytes) -> None:
        try:
            if len(data) <= _RECORD:
                self._decrypt(data)
            else:
                for start in range(0, len(data), _RECORD):
                    self._decrypt(data[start : start + _RECORD])
        except ssl.SSLError as error:
            self._fail(error)
            return
        if self._out.pending:
            self._flush()

    def _decrypt(self, data: bytes) -> None:
        if self._ended:
            return
        self._in.write(data)
        try:
            if self._upper is None:
                self._shake()
            while self._in.pending and not self._ended:
                self._read()
        except ssl.SSLWantReadError:
            pass  # a record is not whole

    def pause_writing(self) -> None:
        """Keep what is written from now on; pass it on."""
        self._paused = True
        if self._queue is None:
            self._queue = deque()
            if self._upper is not None:
                self._upper.pause_writing()
            if not self.holder.take(_PIECE):  # what waits below
                self.cut()

    def resume_writing(self) -> None:
        """Go on with what waits; pass it on once there is nothing more."""
        self._paused = False
        while self._queue and not self._paused:
            first = self._queue.popleft()
            rest = self._send(first)
            self._waiting -= len(first) - len(rest)
            self._begun = bool(rest)
            if rest:
                self._queue.appendleft(rest)
            else:
                self.holder.give(_whole(first))
        if not self._paused:
            self._all_sent()

    def _all_sent(self) -> None:
        self._queue = None
        self.holder.give(_PIECE)
        if self._upper is not None:
            self._upper.resume_writing()
        if self._closing and self._lower is not None:
            self._say_goodbye()

    def cut(self) -> bool:
        """Give up everything that is held, now; see account.Owner."""
        if self._upper is not None:
            return self._upper.cut()
        self.abort()
        return False

    def eof_received(self) -> bool:
        """Close when the other end has closed."""
        return False

    def _shake(self) -> None:
        self._tls.do_handshake()
        self._stop_timer()
        self._flush()
        self._upper = self._make()
        self._upper.connection_made(self)

    def _read(self) -> None:
        data = self._tls.read(_RECORD)
        if not data:  # the client said that this was all
            self._ended = True
            self.close()
        elif self._upper is not None:
            self._upper.data_received(data)

    def _fail(self, error: ssl.SSLError) -> None:
        """Say why in an alert, and hang up."""
        self._ended = True
        if self._lower is None:
            return
        if error.reason == "HTTP_REQUEST":
            self._lower.write(_NOT_TLS)
        self._flush()
        self._lower.close()

    def _flush(self) -> None:
        if self._lower is not None:
            self._lower.write(self._out.read())

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ------------------------------------------------------------------- called from above

    def write(self, data: bytes | memoryview) -> None:
        """Encrypt and send; what is not taken at once waits."""
        if self._lower is None or self._closing or not data:
            return
        if self._queue is None and len(data) <= _RECORD:
            self._tls.write(data)
            self._lower.write(self._out.read())
            return
        if self._queue is None:
            data = self._send(data)
            self._begun = bool(data)
        if self._queue is None or not data:
            return
        if not self.holder.take(_whole(data)):
            self.cut()
            return
        self._queue.append(data)
        self._waiting += len(data)

    def is_waiting(self) -> bool:
        """Tell whether what is written now has to wait."""
        return self._queue is not None

    def write_together(self, parts: Sequence[bytes]) -> None:
        """Write what is not to be torn apart: if a part of it is sent, the rest cannot be dropped.

        To be called while nothing waits.
        """
        for part in parts:
            self.write(part)
        if self._queue:
            self._begun = True

    def _send(self, data: bytes | memoryview) -> memoryview:
        """Encrypt and send as long as it is taken; return the rest."""
        view, offset = memoryview(data), 0
        while offset < len(view) and not self._paused and self._lower is not None:
            end = min(offset + _PIECE, len(view))
            records = []
            for start in range(offset, end, _RECORD):
                self._tls.write(view[start : min(start + _RECORD, end)])
                records.append(self._out.read())
            self._lower.writelines(records)
            offset = end
        return view[offset:]

    def drop(self) -> bool:
        """Forget what waits; False if something of it is gone already, and its rest with it."""
        if self._queue is None:
            return True
        self.holder.give(sum(map(_whole, self._queue)))
        self._queue.clear()
        self._waiting = 0
        whole, self._begun = not self._begun, False
        return whole

    def close(self) -> None:
        """Say goodbye, send what waits, hang up."""
        if self._lower is None or self._closing:
            return
        self._closing = True
        if self._queue is None:
            self._say_goodbye()
        else:
            asyncio.get_running_loop().call_later(_GOODBYE_SECONDS, self.abort)

    def _say_goodbye(self) -> None:
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()  # the other end's goodbye is not waited for
        self._flush()
        self._lower.close()

    def abort(self) -> None:
        """Hang up."""
        if self._lower is not None:
            self._lower.abort()

    def is_closing(self) -> bool:
        """Tell whether this end has said goodbye."""
        return self._closing or self._lower is None

    def pause_reading(self) -> None:
        """Take nothing more from the network."""
        if self._lower is not None:
            self._lower.pause_reading()

    def resume_reading(self) -> None:
        """Go on."""
        if self._lower is not None:
            self._lower.resume_reading()

    def is_reading(self) -> bool:
        """Tell whether what comes is taken."""
        return self._lower is not None and bool(self._lower.is_reading())

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait to be sent, encrypted."""
        if self._lower is None:
            return 0
        return int(self._lower.get_write_buffer_size()) + self._waiting

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the connection; `ssl_object` is this end of TLS."""
        if name == "ssl_object":
            return self._tls
        return self._lower.get_extra_info(name, default) if self._lower is not None else default


def _whole(data: bytes | memoryview) -> int:
    """Return the bytes that are held for the sake of what is left of them."""
    return len(data) if isinstance(data, bytes) else len(data.obj)  # type: ignore[arg-type]
