"""The command line, run in this process, against a server that says what a test tells it to."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme

from kcpfast.cli import arguments, commands, start
from kcpfast.cli.client.target import ServerTarget
from kcpfast.server.flags import Config

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: main
clusters:
- name: main
  cluster:
    server: {url}/clusters/root
contexts:
- name: main
  context:
    cluster: main
    user: admin
users:
- name: admin
  user:
    token: secret
"""


class Result(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


class Seen(NamedTuple):
    """A request that the server has seen."""

    what: str
    headers: Mapping[str, str]
    body: Any


class Fake(ThreadingHTTPServer):
    """Answers from `answers`: "GET /path" -> body, or (status, body), or a list of these."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, Any] = {}
        self.headers: dict[str, str] = {}
        self.seen: list[Seen] = []
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    def secure(self, context: ssl.SSLContext) -> None:
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme = "https"

    def handle_error(self, *_where: Any) -> None:
        """Say nothing: a client that refuses the certificate is part of a test."""

    def answer(self, what: str) -> tuple[int, Any]:
        found = self.answers.get(what, (404, status(404, "NotFound", f"{what} not found")))
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        return found if isinstance(found, tuple) else (200, found)

    def bodies(self, what: str) -> list[Any]:
        return [seen.body for seen in self.seen if seen.what == what]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # one segment for each answer: two would wait for each other's ACK
    server: Fake

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        what = f"{self.command} {self.path}"
        self.server.seen.append(Seen(what, dict(self.headers.items()), body))
        code, answer = self.server.answer(what)
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(code)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = _serve

    def log_message(self, *_what: Any) -> None:
        """Keep quiet."""


def status(code: int, reason: str, message: str) -> dict[str, Any]:
    return {
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }


def workspaces(*path: str) -> str:
    return "/".join([f"/clusters/{path[0]}/apis/tenancy.kcp.io/v1alpha1/workspaces", *path[1:]])


def workspace(
    server: Fake, name: str, kind: str = "universal", phase: str = "Ready"
) -> dict[str, Any]:
    """Return a workspace as the server shows it; `name` is a path."""
    parent, _, last = name.rpartition(":")
    return {
        "metadata": {"name": last},
        "spec": {
            "URL": f"{server.url}/clusters/{parent}:{last}",
            "type": {"name": kind, "path": "root"},
        },
        "status": {"phase": phase},
    }


GROUPS = {"groups": [{"name": "tenancy.kcp.io"}]}


def furnish(server: Fake, *paths: str) -> None:
    """Let the server have workspaces, each of which one may enter."""
    for path in ("root", *paths):
        server.answers[f"GET /clusters/{path}/apis"] = GROUPS
        parent, _, name = path.rpartition(":")
        if parent:
            server.answers[f"GET {workspaces(parent, name)}"] = workspace(server, path)


@pytest.fixture
def fake() -> Iterator[Fake]:
    """A server without workspaces."""
    server = Fake()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(fake: Fake, authority: trustme.CA) -> Fake:
    """The same server with TLS; it asks for a client certificate, but does without."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "api.example").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    fake.secure(context)
    return fake


@pytest.fixture
def config(tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubeconfig for the server, found through the environment."""
    path = tmp_path / "config"
    path.write_text(KUBECONFIG.format(url=fake.url))
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.setenv("HOME", str(tmp_path))
    return path


Cli = Callable[..., Result]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command line: cli("ws", "."), or cli(".", program="kubectl-ws")."""

    def run(*words: str, program: str = "kcpfast") -> Result:
        capsys.readouterr()
        code = commands.run([f"/usr/bin/{program}", *words], 0.0)
        return Result(code, *capsys.readouterr())

    return run


def target(*words: str) -> ServerTarget:
    """Return the target that connection flags choose."""
    command = arguments.Command("", "")
    _, values = arguments.parse(words, arguments.CONNECTION_FLAGS)
    return ServerTarget(arguments.CommandLine("kubectl ws", command, [], values))


def start_config(*words: str) -> Config:
    """Return what `kcpfast start` makes of a command line; Failure or UsageError if nothing."""
    rest, values = arguments.parse(words, start.COMMAND.known)
    return start.config_of(arguments.CommandLine("kcpfast start", start.COMMAND, rest, values))
