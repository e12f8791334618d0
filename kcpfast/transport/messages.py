"""What a connection hands up and takes back: requests, responses, streams."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from kcpfast._core.heads import FastRequest
from kcpfast.transport.account import NO_HOLDER
from kcpfast.transport.turns import Turns

Header = tuple[bytes, bytes]


class Peer(NamedTuple):
    """Who is at the other end, as far as the connection itself knows.

    `common_name` and `organizations` are those of a verified client certificate, else empty.
    """

    address: str
    common_name: str
    organizations: tuple[str, ...]

    def anywhere(self) -> Peer:
        """Return who it is, wherever they are."""
        return self._replace(address="")


T = TypeVar("T")
NO_PEER = Peer("", "", ())


class Request:
    """One HTTP request, body included.

    `headers` maps lower-case names to values; a repeated header's values are joined by a newline,
    which cannot stand in a value. `cut` is there if this client sent the same headers before: who
    answers may remember by its `heads` and `line` what they came to, and may not change them.
    `holder` is what this request is charged to, with `held` bytes until it is answered. `gone`:
    nobody waits for the answer any more.
    """

    __slots__ = (
        "body",
        "cut",
        "gone",
        "headers",
        "held",
        "holder",
        "keep_alive",
        "method",
        "path",
        "peer",
        "query",
        "turns",
        "version",
    )

    def __init__(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: dict[bytes, bytes] | None = None,
        body: bytes = b"",
        peer: Peer = NO_PEER,
    ) -> None:
        """Build a request; `path` and `query` are as sent, still percent-encoded."""
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers if headers is not None else {}
        self.body = body
        self.peer = peer
        self.keep_alive = True
        self.version = "1.1"
        self.cut: FastRequest | None = None
        self.holder = NO_HOLDER
        self.held = 0
        self.gone = False
        self.turns: Turns | None = None

    @property
    def client(self) -> Hashable:
        """Who sends it, as far as the connection knows: whoever authenticates in that way."""
        return self.headers.get(b"authorization") or self.peer.common_name

    def is_crowded(self) -> bool:
        """Tell whether others wait for their turn, or room is scarce."""
        crowded = self.turns is not None and not self.turns.have_time()
        return crowded or self.holder.is_scarce()

    async def in_turn(self, work: Callable[[], T]) -> T:
        """Do more of the work on this request once others had their turn; return its result.

        CancelledError if nobody waits for the answer any more.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        results: list[T] = []
        errors: list[Exception] = []

        def turn() -> None:
            if self.gone:
                done.cancel()
            if done.cancelled():
                return
            try:
                results.append(work())
            except Exception as error:
                errors.append(error)
            done.set_result(None)

        if self.turns is None:
            loop.call_soon(turn)
        else:
            self.turns.wait(self.client, turn)
        await done
        if errors:
            raise errors.pop()  # which knows this frame: they would keep each other
        return results.pop()

    def claim(self, size: int) -> None:
        """Charge what working on this takes, until it is answered; TooMuch if there is no room."""
        if not self.holder.take(size):
            raise TooMuch
        self.held += size

    def header(self, name: bytes) -> str:
        """Return a header's value, repeated ones joined by commas; "" if absent.

        Names of users and groups stand in headers: all of them are read as UTF-8.
        """
        value = self.headers.get(name)
        return value.replace(b"\n", b", ").decode("utf-8", "replace") if value else ""

    def header_values(self, name: bytes) -> list[str]:
        """Return each value of a repeated header."""
        value = self.headers.get(name)
        return value.decode("utf-8", "replace").split("\n") if value is not None else []


class TooMuch(Exception):
    """There is no room for what a request needs."""


class Sink(Protocol):
    """Where a stream writes its chunks."""

    def write(self, data: bytes) -> None:
        """Send bytes as one chunk, or drop them if the connection is gone."""

    def pending(self) -> int:
        """Return how many bytes the reader has not taken yet."""

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call back soon, but not before the reader has taken most of what was written."""

    async def drained(self) -> bool:
        """Wait until the reader has taken most of what was written; False if it is gone.

        Who takes nothing for long is hung up on.
        """

    def close(self) -> None:
        """End the stream properly."""

    def cut(self) -> None:
        """Drop what the reader has not taken, say the stream's last word if possible, hang up."""


class Response(NamedTuple):
    """A complete answer; `lines` are headers as `heads.line` makes them, line breaks included."""

    status: int
    body: bytes = b""
    content_type: bytes = b"application/json"
    headers: Sequence[Header] = ()
    lines: bytes = b""


class Stream(NamedTuple):
    """An answer without an end: `start` is given the sink, and returns what to call at its close.

    It is called once the head is written; nothing is awaited, so that whoever feeds the sink is
    attached before anything else can happen. `last` is what a reader is told that is cut off.
    """

    start: Callable[[Sink], Callable[[], None]]
    content_type: bytes = b"application/json"
    headers: Sequence[Header] = ()
    lines: bytes = b""
    last: bytes = b""


Serve = Callable[[Request], Awaitable[Response | Stream]]
Refuse = Callable[[int, str], Response]
