"""The sink that a stream writes its chunks to: the connection below it may be gone any time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kcpfast.transport.secure import Tls

# What is longer is not copied to be framed.
_LONG = 64 * 1024


class _Framed:
    """The chunk that was framed last: many sinks are given the same bytes one after the other."""

    data = framed = b""

    def chunk(self, data: bytes) -> bytes:
        """Return bytes as a chunk."""
        if data is not self.data:
            self.data, self.framed = data, b"%x\r\n%b\r\n" % (len(data), data)
        return self.framed


_LAST = _Framed()


class Carrier(Protocol):
    """The connection, as its stream sees it: `transport` is None once it is gone."""

    transport: Tls | None

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call back when the client has read."""

    async def until_drained(self) -> None:
        """Wait until the client has read, or is gone."""

    def end_stream(self, chunked: bool) -> None:
        """End the stream; the connection may go on."""

    def cut_stream(self, last: bytes) -> None:
        """Drop what waits, send `last` if that can be, hang up."""


class StreamSink:
    """The sink of one stream; see messages.Sink."""

    __slots__ = ("_chunked", "_connection", "_last")

    def __init__(self, connection: Carrier, chunked: bool, last: bytes) -> None:
        """Write to a connection, in chunks or, for HTTP/1.0, as it comes.

        `last` is what a reader is told that is cut off.
        """
        self._connection: Carrier | None = connection
        self._chunked = chunked
        self._last = last

    def write(self, data: bytes) -> None:
        """Send one chunk."""
        if self._connection is None or self._connection.transport is None:
            return
        transport = self._connection.transport
        if not self._chunked:
            transport.write(data)
        elif len(data) > _LONG and not transport.is_waiting():
            transport.write_together((b"%x\r\n" % len(data), data, b"\r\n"))
        else:
            transport.write(_LAST.chunk(data))

    def pending(self) -> int:
        """Return the bytes that wait in this process."""
        if self._connection is None or self._connection.transport is None:
            return 0
        return self._connection.transport.get_write_buffer_size()

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call back when the client has read."""
        if self._connection is not None:
            self._connection.when_drained(callback)

    async def drained(self) -> bool:
        """Wait until the client has read; False if it is gone."""
        connection = self._connection
        if connection is None:
            return False
        await connection.until_drained()
        return connection.transport is not None

    def cut(self) -> None:
        """Drop what waits, say the last word if it can be said, hang up."""
        connection, self._connection = self._connection, None
        last = self._last
        if last and self._chunked:
            last = _LAST.chunk(last) + b"0\r\n\r\n"
        if connection is not None:
            connection.cut_stream(last)

    def close(self) -> None:
        """End the stream."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.end_stream(self._chunked)
