"""HTTPS requests to a server, over connections that are kept; who asks is a word."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml

Headers = Mapping[str, "str | list[str]"]
BOGUS = "not-a-token-of-this-server"


class Answer(NamedTuple):
    """An answer: headers by lower-case name (repeated ones joined by newlines), raw body."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    def json(self) -> Any:
        """Return the body decoded; ValueError if it is not JSON."""
        return json.loads(self.raw)

    def lines(self) -> list[Any]:
        """Return the events of a watch that has ended."""
        return [json.loads(line) for line in self.raw.splitlines() if line.strip()]


class Request(NamedTuple):
    """A request: `who` is admin, masters, anonymous, bogus or a token."""

    method: str
    path: str
    headers: Headers = MappingProxyType({})
    body: bytes | None = None
    who: str = "admin"


class Access(NamedTuple):
    """What a kubeconfig grants: where the server is, how to trust it, tokens by word."""

    url: str
    host: str
    port: int
    tls: ssl.SSLContext
    tokens: Mapping[str, str | None]


def access(kubeconfig: Path) -> Access:
    """Read the kubeconfig that `start` writes."""
    config = yaml.safe_load(kubeconfig.read_text())
    base = next(each["cluster"] for each in config["clusters"] if each["name"] == "base")
    users = {each["name"]: each["user"]["token"] for each in config["users"]}
    url = urllib.parse.urlsplit(base["server"])
    assert url.hostname is not None
    authority = base64.b64decode(base["certificate-authority-data"]).decode()
    tokens = {
        "admin": users["kcp-admin"],
        "masters": users["shard-admin"],
        "anonymous": None,
        "bogus": BOGUS,
    }
    tls = ssl.create_default_context(cadata=authority)
    return Access(base["server"], url.hostname, url.port or 443, tls, tokens)


class Client:
    """Sends requests one after the other over one connection; not to be shared by threads."""

    def __init__(self, granted: Access) -> None:
        """Connect at the first request."""
        self.access = granted
        self._connection = http.client.HTTPSConnection(
            granted.host, granted.port, context=granted.tls, timeout=30
        )

    def __enter__(self) -> Client:
        """Use and close."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()

    def send(self, request: Request, opened: Callable[[], None] = lambda: None) -> Answer:
        """Return the answer; `opened` is called once its head is in (for watches).

        A connection that the server has closed meanwhile is opened again, once.
        """
        kept = self._connection.sock is not None
        try:
            return self._send(request, opened)
        except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError):
            self.close()
            if not kept:
                raise
        return self._send(request, opened)

    def _send(self, request: Request, opened: Callable[[], None]) -> Answer:
        connection = self._connection
        connection.putrequest(request.method, request.path, skip_accept_encoding=True)
        for name, value in self._headers(request):
            connection.putheader(name, value)
        connection.endheaders()
        if request.body:
            # The server may refuse a body before it has read it, and close.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.send(request.body)
        with connection.getresponse() as response:
            opened()
            try:
                raw = response.read()
            except http.client.IncompleteRead as cut:
                raw = cut.partial
                self.close()
        headers: dict[str, str] = {}
        for name, value in response.getheaders():
            key = name.lower()
            headers[key] = f"{headers[key]}\n{value}" if key in headers else value
        return Answer(response.status, headers, raw)

    def _headers(self, request: Request) -> Iterable[tuple[str, str]]:
        token = self.access.tokens.get(request.who, request.who)
        if token:
            yield "Authorization", f"Bearer {token}"
        if request.body is not None:
            yield "Content-Length", str(len(request.body))
        elif request.method in ("POST", "PUT", "PATCH"):
            yield "Content-Length", "0"
        for name, value in request.headers.items():
            for each in value if isinstance(value, list) else [value]:
                yield name, each

    def ask(self, method: str, path: str, body: Any = None, who: str = "admin") -> Answer:
        """Send JSON and return the answer."""
        if body is None:
            return self.send(Request(method, path, who=who))
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Content-Type": kind}
        return self.send(Request(method, path, headers, json.dumps(body).encode(), who))

    def get(self, path: str, who: str = "admin") -> Any:
        """Return what a GET answers, decoded; AssertionError unless it succeeds."""
        answer = self.ask("GET", path, who=who)
        assert answer.status == 200, answer
        return answer.json()
