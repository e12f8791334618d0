"""Asks a server: one request at a time from Python, many by the program of flood.c.

The program is made by the C compiler when it is first needed.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import struct
import subprocess
import tempfile
import urllib.parse
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import yaml

_SOURCE = Path(__file__).with_name("flood.c")
_PROGRAM = Path(__file__).parents[2] / "build" / "flood"
_RESULT = struct.Struct("=ddQQQQ")


class Request(NamedTuple):
    """What is asked, and how many times in a row; a body is JSON."""

    method: str
    path: str
    body: bytes = b""
    accept: str = "application/json"
    times: int = 1


class Answer(NamedTuple):
    """Status and body."""

    status: int
    body: bytes

    def json(self) -> Any:
        """Return the body decoded."""
        return json.loads(self.body)


class Watching(NamedTuple):
    """Watches that are open meanwhile; `mark` is in the text of each event once.

    `lockstep` sends the next request when all watches have heard of the one before.
    """

    path: str
    watches: int
    mark: bytes = b'"type":"ADDED"'
    lockstep: bool = False


class Flood(NamedTuple):
    """What came of many requests.

    Seconds that each took in the order of the answers, that all took, and that the client itself
    worked; answers that were not as wanted; bytes of bodies; events that watches were told.
    """

    taken: list[float]
    seconds: float
    own: float
    failed: int
    size: int
    delivered: int

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.taken) / self.seconds

    def quantile(self, share: float) -> float:
        """Return a quantile of the latencies, in milliseconds."""
        found = sorted(self.taken)
        return 1000 * found[min(len(found) - 1, int(share * len(found)))]


class Target:
    """A server and how to be let in."""

    def __init__(self, url: str, ca: bytes, certificate: bytes = b"", token: str = "") -> None:
        """Take the PEM of a CA and of a client certificate with its key, or a bearer token."""
        found = urllib.parse.urlsplit(url)
        self.host, self.port = found.hostname or "", found.port or 443
        self._files = tempfile.TemporaryDirectory()
        self.ca, self.certificate = (Path(self._files.name) / name for name in ("ca", "crt"))
        self.ca.write_bytes(ca)
        if certificate:
            self.certificate.write_bytes(certificate)
        self._headers = f"Host: {found.netloc}\r\n"
        if token:
            self._headers += f"Authorization: Bearer {token}\r\n"
        self._token = token

    def __enter__(self) -> Target:
        """Use it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up, and remove what was written to files."""
        self._connection.close()
        self._files.cleanup()

    @cached_property
    def _connection(self) -> http.client.HTTPSConnection:
        tls = ssl.create_default_context(cafile=str(self.ca))
        tls.check_hostname = False
        if self.certificate.exists():
            tls.load_cert_chain(self.certificate)
        return http.client.HTTPSConnection(self.host, self.port, context=tls, timeout=60)

    def ask(self, method: str, path: str, body: bytes = b"", accept: str = "*/*") -> Answer:
        """Return the answer to one request."""
        headers = {"Accept": accept, "Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        self._connection.request(method, path, body or None, headers)
        got = self._connection.getresponse()
        return Answer(got.status, got.read())

    def text(self, request: Request) -> bytes:
        """Return a request as it is sent."""
        body = request.body
        media = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        head = f"{request.method} {request.path} HTTP/1.1\r\nAccept: {request.accept}\r\n"
        return f"{head}{self._headers}{media}\r\n".encode() + body

    def command(self) -> list[str]:
        """Return the command line of the program."""
        certificate = str(self.certificate) if self.certificate.exists() else "-"
        return [str(_program()), self.host, str(self.port), str(self.ca), certificate]

    def flood(
        self,
        requests: Iterable[Request],
        clients: int,
        status: int = 200,
        *,
        wanted: bytes = b"",
        watching: Watching | None = None,
    ) -> Flood:
        """Send requests over so many connections; `status` and `wanted` make a good answer."""
        job = self._job(requests, clients, status, wanted, watching, hold=False)
        done = subprocess.run(self.command(), input=job, stdout=subprocess.PIPE, check=True)
        seconds, own, count, failed, size, delivered = _RESULT.unpack_from(done.stdout)
        taken = array("f", done.stdout[_RESULT.size :])
        assert len(taken) == count
        return Flood(taken.tolist(), seconds, own, failed, size, delivered)

    @contextmanager
    def watches(self, watching: Watching) -> Iterator[None]:
        """Hold watches open."""
        job = self._job((), 0, 200, b"", watching, hold=True)
        with subprocess.Popen(
            self.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as running:
            assert running.stdin is not None
            assert running.stdout is not None
            running.stdin.write(job)
            running.stdin.flush()
            if running.stdout.readline() != b"open\n":
                raise OSError("the watches could not be opened")
            yield
            running.stdin.close()

    def _job(
        self,
        requests: Iterable[Request],
        clients: int,
        status: int,
        wanted: bytes,
        watching: Watching | None,
        *,
        hold: bool,
    ) -> bytes:
        """Return a job as the program reads it."""
        watch = watching or Watching("/", 0)
        kinds = [(each.times, self.text(each)) for each in requests]
        head = (clients, watch.watches, watch.lockstep, hold, status, len(kinds))
        parts = [struct.pack("=6I", *head)]
        for text in (wanted, watch.mark, self.text(Request("GET", watch.path))):
            parts += [struct.pack("=I", len(text)), text]
        for times, text in kinds:
            parts += [struct.pack("=II", times, len(text)), text]
        return b"".join(parts)


def target(kubeconfig: Path, *contexts: str) -> Target:
    """Read a kubeconfig: the first of the contexts that is there, else the current one."""
    config = yaml.safe_load(kubeconfig.read_text())
    known = {each["name"]: each["context"] for each in config["contexts"]}
    name = next((each for each in contexts if each in known), config["current-context"])
    cluster = _named(config["clusters"], known[name]["cluster"], "cluster")
    user = _named(config["users"], known[name]["user"], "user")
    pem = (_pem(user, "client-certificate"), _pem(user, "client-key"))
    ca = _pem(cluster, "certificate-authority")
    return Target(cluster["server"], ca, b"".join(pem), user.get("token", ""))


def _named(listed: list[Any], name: str, member: str) -> Any:
    return next(each[member] for each in listed if each["name"] == name)


def _pem(found: Any, name: str) -> bytes:
    if name in found:
        return Path(found[name]).read_bytes()
    return base64.b64decode(found.get(f"{name}-data", ""))


def _program() -> Path:
    if not _PROGRAM.exists() or _PROGRAM.stat().st_mtime < _SOURCE.stat().st_mtime:
        _PROGRAM.parent.mkdir(exist_ok=True)
        subprocess.run(["cc", "-O2", "-o", _PROGRAM, _SOURCE, "-ldl"], check=True)
    return _PROGRAM
