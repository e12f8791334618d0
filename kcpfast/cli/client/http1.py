"""HTTP/1.1 (RFC 9112) as far as one client of one API server needs it.

http.client would do, but brings the email package along, which takes longer to import than all
requests of `ws NAME` take to be answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from io import BufferedReader
    from socket import socket

_LONGEST_LINE = 1 << 16
_PORTS = {"http": 80, "https": 443}


_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:")


class MalformedAnswer(Exception):
    """What came back is not HTTP."""


class Closed(Exception):
    """The connection ended before the answer did."""


class ServerUrl(NamedTuple):
    """The parts of a server's URL."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and port, as in a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        """Return the URL."""
        return f"{self.scheme}://{self.authority}{self.path}"


def split_url(text: str) -> ServerUrl:
    """Return the parts of an http or https URL; ValueError if it is none. Its path ends in no /."""
    scheme, _, rest = text.partition("://")
    authority, _, path = rest.partition("/")
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        host, port = authority, ""
    scheme = scheme.lower()
    host = host.removeprefix("[").removesuffix("]")
    is_whole = scheme in _PORTS and host and "@" not in host
    if not is_whole or not (not port or (port.isdecimal() and int(port) < 65536)):
        raise ValueError(f'"{text}" is not the URL of a server')
    path = f"/{path}".rstrip("/")
    return ServerUrl(scheme, host, int(port) if port else _PORTS[scheme], path)


def segment(text: str) -> str:
    """Return a text as one segment of a URL's path, or as a value in its query."""
    if _UNRESERVED.issuperset(text):
        return text
    return "".join(
        char if char in _UNRESERVED else "".join(f"%{byte:02X}" for byte in char.encode())
        for char in text
    )


class HttpAnswer(NamedTuple):
    """What came back; the names of the headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class ClientConnection:
    """One connection to a server, for one request after the other."""

    def __init__(self, sock: socket) -> None:
        """Take over a connected socket."""
        self._socket = sock
        self._file: BufferedReader = sock.makefile("rb")
        self.usable = True

    def close(self) -> None:
        """Close the socket."""
        self.usable = False
        self._file.close()
        self._socket.close()

    def exchange(
        self, method: str, target: str, headers: list[tuple[str, str]], body: bytes | None
    ) -> HttpAnswer:
        """Send a request and return the answer.

        Closed or an OSError if the connection ends before, Malformed if it is no answer.
        """
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        if any("\r" in line or "\n" in line for line in lines):
            raise MalformedAnswer("a header has a line break in it")
        head = "\r\n".join([*lines, "", ""]).encode()
        self._socket.sendall(head + (body or b""))
        status, fields = 100, {"": ""}
        while status < 200:
            status, fields = self._head()
        if method == "CONNECT" and status < 300:
            return HttpAnswer(status, fields, b"")
        answer = HttpAnswer(status, fields, self._body(status, fields))
        self.usable = self.usable and fields.get("connection", "").lower() != "close"
        return answer

    def _line(self) -> str:
        line = self._file.readline(_LONGEST_LINE)
        if not line:
            raise Closed
        if not line.endswith(b"\n"):
            raise MalformedAnswer("a line is too long, or was cut off")
        return line.rstrip(b"\r\n").decode("latin-1")

    def _head(self) -> tuple[int, dict[str, str]]:
        version, _, rest = self._line().partition(" ")
        code = rest[:3]
        if not version.startswith("HTTP/1.") or not (len(code) == 3 and code.isdecimal()):
            raise MalformedAnswer("the server does not speak HTTP")
        self.usable = version == "HTTP/1.1"
        fields: dict[str, str] = {}
        while line := self._line():
            name, _, value = line.partition(":")
            fields[name.strip().lower()] = value.strip()
        return int(code), fields

    def _body(self, status: int, fields: dict[str, str]) -> bytes:
        if status in (204, 304):
            return b""
        if fields.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        length = fields.get("content-length", "")
        if not length:
            self.usable = False
            return self._file.read()
        if not length.isdecimal():
            raise MalformedAnswer("the answer's length is no number")
        return self._exactly(int(length))

    def _chunks(self) -> bytes:
        parts = []
        while True:
            size = self._line().partition(";")[0].strip()
            try:
                count = int(size, 16)
            except ValueError:
                raise MalformedAnswer("a chunk's size is no number") from None
            if not count:
                break
            parts.append(self._exactly(count))
            self._line()
        while self._line():
            pass
        return b"".join(parts)

    def _exactly(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) != count:
            raise Closed
        return data
