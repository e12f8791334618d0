"""A connection without a socket: bytes go in as a client's, what comes back must be HTTP."""

from __future__ import annotations

import asyncio
import http.client
import io
from typing import Any, cast

from kcpfast.api.answer import not_understood
from kcpfast.transport.account import Account
from kcpfast.transport.connection import Connection, Service
from kcpfast.transport.messages import Serve
from kcpfast.transport.secure import Tls
from kcpfast.transport.turns import Turns
from tests.fuzz.choices import Choices
from tests.fuzz.grammar import Places, Sent, request

_TURNS = 200
_METHODS = (b"GET", b"POST", b"HEAD", b"PRI", b"get", b"CONNECT", b"OPTIONS", b"TRACE", b"M-SEARCH")
_LINES = (
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: identity",
    b"Content-Length: 5",
    b"Content-Length: -1",
    b"Content-Length: " + b"9" * 40,
    b"Content-Length: \xd9\xa3",
    b"Expect: 100-continue",
    b"Connection: close, upgrade",
    b"Upgrade: websocket",
    b"Host: b",
    b"Host:",
    b" folded",
    b": empty",
    b"a" * 5000 + b": 1",
    b"X: \x00\xff",
    b"Trailer: a",
)


class _Wire(io.BytesIO):
    """What a server said, read as from a socket."""

    def makefile(self, *_args: object) -> _Wire:
        return self

    def close(self) -> None:
        pass  # there are more answers in it


class Pipe:
    """The transport of a connection that keeps what is written."""

    def __init__(self) -> None:
        self.said = b""
        self.closed = False
        self.holder = Account().open(cast("Any", self), "client")

    def write(self, data: bytes) -> None:
        self.said += bytes(data)

    def close(self) -> None:
        self.closed = True

    abort = drop = close

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, _name: str) -> None:
        return None


def pieces(choices: Choices, where: Places) -> list[bytes]:
    """Return what a client sends: requests one after the other, spoiled, cut anywhere."""
    said = b"".join(_message(choices, where) for _ in range(1 + choices.number(3)))
    if choices.chance(30):
        at = choices.number(len(said) + 1)
        said = said[:at] + choices.take(choices.number(6)) + said[at + choices.number(4) :]
    if not choices.chance(40):
        return [said]
    at = choices.number(len(said) + 1)
    return [said[:at], said[at:]]


def _message(choices: Choices, where: Places) -> bytes:
    sent = request(choices, where)
    lines = [b"%b: %b" % pair for pair in sent.headers.items()]
    method, body = sent.method.encode(), sent.body
    if body and choices.chance(20):
        lines.append(b"Transfer-Encoding: chunked")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    elif body or choices.chance(30):
        lines.append(b"Content-Length: %d" % len(body))
    if choices.chance(15):
        lines.append(choices.pick(_LINES))
    if choices.chance(5):
        method = choices.pick(_METHODS)
    version = choices.pick((b"1.1", b"1.1", b"1.1", b"1.0", b"1.2", b"2.0", b"0.9"))
    target = sent.path.encode("utf-8", "surrogatepass")
    target += b"?" + sent.query.encode() if sent.query else b""
    first = b"%b %b HTTP/%b" % (method, target, version)
    return b"\r\n".join([first, b"Host: a", *lines, b"", body])


async def exchange(serve: Serve, choices: Choices, where: Places) -> tuple[Sent, str]:
    """Send what the bytes stand for; return it, and what is wrong with what came back."""
    sent = pieces(choices, where)
    connection = Connection(Service(serve, not_understood, set(), {}, Turns()))
    pipe = Pipe()
    connection.connection_made(cast("Tls", pipe))
    for piece in sent:
        if not pipe.closed:
            connection.data_received(piece)
            await _settle(connection)
    connection.connection_lost(None)
    await _settle(connection)
    whole = b"".join(sent)
    # What is said in answer to HEAD cannot be told from an answer that is cut short.
    why = "" if b"HEAD" in whole else _check(pipe.said)
    return Sent("", "", "", {}, whole, spoiled=True), why


async def _settle(connection: Connection) -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)
        if not connection._busy():
            return


def _check(said: bytes) -> str:
    """Return what is wrong with a series of answers; the last may be a stream that goes on."""
    wire = _Wire(said)
    while wire.tell() < len(said):
        answer = http.client.HTTPResponse(cast("Any", wire))
        try:
            answer.begin()
            answer.read()
        except http.client.IncompleteRead:
            return "" if answer.chunked else f"cut short: {said[-300:]!r}"
        except (http.client.HTTPException, ValueError) as error:
            return f"{error!r}: {said[:300]!r}"
        if answer.status >= 500 and answer.status not in (501, 504, 505):
            return f"{answer.status} {said[-2000:]!r}"
        if answer.chunked or answer.length is None:
            return ""
    return ""
