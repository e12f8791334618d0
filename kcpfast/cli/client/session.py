"""A session with the server: one connection that is kept, JSON in and out."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

from kcpfast import __version__
from kcpfast.cli.client.credentials import RequestCredentials, identify
from kcpfast.cli.client.explain import refusal, unreachable
from kcpfast.cli.client.http1 import (
    ClientConnection,
    Closed,
    HttpAnswer,
    MalformedAnswer,
    ServerUrl,
    split_url,
)
from kcpfast.cli.client.tls import secured
from kcpfast.cli.failure import Failure
from kcpfast.cli.places import place_of

if TYPE_CHECKING:
    from kcpfast.cli.client.target import ServerTarget

Object = dict[str, Any]
_ATTEMPTS = 8
_LONGEST_PAUSE = 10.0
_AGENT = f"kcpfast/{__version__} (cli)"
_LOUD = 6
_GONE = (Closed, ConnectionResetError, BrokenPipeError)


class Session:
    """Requests to one server with one set of credentials."""

    def __init__(self, target: ServerTarget) -> None:
        """Find the credentials; nothing is sent yet."""
        self.target = target
        place = place_of(target.server)
        try:
            self._url = split_url(place.base if place else target.server)
        except ValueError as error:
            raise Failure(str(error), f"The address comes from {target.origin}.") from None
        self._identity: RequestCredentials = identify(target)
        self._loud = target.call.number("v") >= _LOUD
        self._connection: ClientConnection | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Session:
        """Return the session."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the connection."""
        self.close()

    def get(self, path: str) -> Object:
        """Return an object or a list; Refused if the answer is an error."""
        return self.request("GET", path)

    def request(self, method: str, path: str, body: Object | None = None) -> Object:
        """Return the answer's object; Refused if it is an error, Failure if there is none.

        What the server puts off (429, and 503 with Retry-After) is tried again.
        """
        data = None if body is None else json.dumps(body).encode()
        for attempt in range(1, _ATTEMPTS + 1):
            answer = self._send(method, path, data)
            pause = answer.headers.get("retry-after", "")
            if not (answer.status in (429, 503) and pause.isdecimal()) or attempt == _ATTEMPTS:
                break
            time.sleep(min(float(pause), _LONGEST_PAUSE))
        try:
            document = json.loads(answer.body) if answer.body else {}
        except ValueError:
            document = None
        if answer.status < 300 and isinstance(document, dict):
            return document
        raise refusal(answer, document if isinstance(document, dict) else {}, self.target)

    def _send(self, method: str, path: str, data: bytes | None) -> HttpAnswer:
        started = time.monotonic()
        try:
            answer = self._exchange(method, path, data)
        except (OSError, Closed, MalformedAnswer) as error:
            self.close()
            raise unreachable(error, self.target, str(self._url)) from None
        if self._connection is not None and not self._connection.usable:
            self.close()
        if self._loud:
            spent = (time.monotonic() - started) * 1000
            print(f"{method} {self._url}{path} {answer.status} in {spent:.0f} ms", file=sys.stderr)
        return answer

    def _exchange(self, method: str, path: str, data: bytes | None) -> HttpAnswer:
        """Send a request; if a kept connection turns out to be closed, once more, for GET."""
        headers = [
            ("Host", self._url.authority),
            ("Accept", "application/json"),
            ("User-Agent", _AGENT),
            *self._identity.headers,
        ]
        if data is not None:
            headers.append(("Content-Type", "application/json"))
        path = self._url.path + path
        if self._connection is not None and method == "GET":
            try:
                return self._connection.exchange(method, path, headers, data)
            except _GONE:
                self.close()
        if self._connection is None:
            self._connection = self._connect()
        return self._connection.exchange(method, path, headers, data)

    def _connect(self) -> ClientConnection:
        target, url = self.target, self._url
        timeout = target.call.number("request-timeout") or None
        proxy = proxy_of(target, url)
        if proxy:
            sock = socket.create_connection((proxy.hostname, proxy.port or 80), timeout)
            _tunnel(sock, url, proxy)
        else:
            sock = socket.create_connection((url.host, url.port), timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if url.scheme == "http":
            return ClientConnection(sock)
        try:
            return ClientConnection(secured(sock, url.host, target, self._identity))
        except BaseException:
            sock.close()
            raise


def proxy_of(target: ServerTarget, url: ServerUrl) -> Any:
    """Return the URL of the proxy to go through, None without one; Failure if it is no HTTP proxy.

    The kubeconfig's proxy-url wins over HTTPS_PROXY, which does not count for NO_PROXY's hosts.
    """
    given = target.call.text("proxy-url") or target.cluster.text("proxy-url")
    local = url.host in ("localhost", "::1") or url.host.startswith("127.")
    if not given and not local and any(name.lower().endswith("_proxy") for name in os.environ):
        from urllib.request import getproxies_environment, proxy_bypass  # noqa: PLC0415 - 15 ms

        given = "" if proxy_bypass(url.host) else getproxies_environment().get(url.scheme, "")
    if not given:
        return None
    from urllib.parse import urlsplit  # noqa: PLC0415 - 5 ms, and few have proxies

    proxy = urlsplit(given if "://" in given else f"http://{given}")
    if proxy.scheme != "http" or not proxy.hostname:
        raise Failure(f"proxy {given}: only HTTP proxies are supported")
    return proxy


def _tunnel(sock: socket.socket, url: ServerUrl, proxy: Any) -> None:
    from base64 import b64encode  # noqa: PLC0415 - few have proxies
    from urllib.parse import unquote  # noqa: PLC0415 - few have proxies

    host = f"[{url.host}]" if ":" in url.host else url.host
    authority = f"{host}:{url.port}"
    headers = [("Host", authority), ("User-Agent", _AGENT)]
    if proxy.username:
        text = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        headers.append(("Proxy-Authorization", "Basic " + b64encode(text.encode()).decode()))
    answer = ClientConnection(sock).exchange("CONNECT", authority, headers, None)
    if answer.status >= 300:
        sock.close()
        address = f"{proxy.hostname}:{proxy.port or 80}"
        raise Failure(f"the proxy {address} does not connect to {url}: status {answer.status}")
