"""HTTP/1.1 over TLS with little in between, so that the client is not what is measured."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

Chunk = Callable[[bytes], None]


class Target(NamedTuple):
    """A server, as a kubeconfig's context `base` (or its current one) names it."""

    host: str
    port: int
    tls: ssl.SSLContext
    headers: str


def target(kubeconfig: Path) -> Target:
    """Read a kubeconfig; a user with a token or with a client certificate in it."""
    config = yaml.safe_load(kubeconfig.read_text())
    contexts = {each["name"]: each["context"] for each in config["contexts"]}
    context = contexts.get("base") or contexts[config["current-context"]]
    cluster = _named(config["clusters"], context["cluster"], "cluster")
    user = _named(config["users"], context["user"], "user")
    url = urllib.parse.urlsplit(cluster["server"])
    ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
    tls = ssl.create_default_context(cadata=ca)
    tls.check_hostname = False
    if "token" not in user:
        raise SystemExit("the user in the kubeconfig needs a token")
    headers = (
        f"Host: {url.netloc}\r\nAuthorization: Bearer {user['token']}\r\n"
        "Accept: application/json\r\n"
    )
    return Target(url.hostname or "", url.port or 443, tls, headers)


def _named(listed: list[Any], name: str, member: str) -> Any:
    return next(each[member] for each in listed if each["name"] == name)


class Answer(NamedTuple):
    """Status and body."""

    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Line(asyncio.Protocol):
    """One connection: a request at a time, or one watch."""

    def __init__(self, to: Target) -> None:
        self._to = to
        self._transport: asyncio.Transport | None = None
        self._data = bytearray()
        self._waiting: asyncio.Future[Answer] | None = None
        self._chunk: Chunk | None = None
        self._in_stream = False
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error or ConnectionResetError("closed by the server"))

    def ask(
        self, method: str, path: str, body: bytes = b"", media: str = "application/json"
    ) -> asyncio.Future[Answer]:
        """Send a request; the future is its answer."""
        assert self._transport is not None
        head = f"{method} {path} HTTP/1.1\r\n{self._to.headers}"
        if body:
            head += f"Content-Type: {media}\r\nContent-Length: {len(body)}\r\n"
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(head.encode() + b"\r\n" + body)
        return self._waiting

    def watch(self, path: str, chunk: Chunk) -> asyncio.Future[Answer]:
        """Open a watch; the future is done once its head is in, `chunk` gets what comes then."""
        self._chunk = chunk
        return self.ask("GET", path)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._in_stream:
            assert self._chunk is not None
            self._chunk(data)
            return
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._data[:end]).lower()
        status = int(head[9:12])
        if self._chunk is not None and status == 200:
            self._in_stream = True
            rest = bytes(self._data[end + 4 :])
            self._done(Answer(status, b""))
            if rest:
                self._chunk(rest)
            return
        at = head.find(b"content-length:")
        length = int(head[at + 15 : (head + b"\r").find(b"\r", at)]) if at >= 0 else 0
        if len(self._data) >= end + 4 + length:
            self._done(Answer(status, bytes(self._data[end + 4 : end + 4 + length])))

    def _done(self, answer: Answer) -> None:
        self._data.clear()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(answer)


async def connect(to: Target, count: int) -> list[Line]:
    """Open connections, not all at once: a handshake costs the server a millisecond."""
    loop = asyncio.get_running_loop()
    lines: list[Line] = []
    while len(lines) < count:
        some = min(64, count - len(lines))
        made = await asyncio.gather(
            *(
                loop.create_connection(lambda: Line(to), to.host, to.port, ssl=to.tls)
                for _ in range(some)
            )
        )
        lines += [line for _, line in made]
    return lines
