"""python -m bench.stall: how long everybody waits while somebody is nasty.

A server in a process of its own; a prober, in another, that asks for one small object again and
again over its own TLS connection; and the catalogue of bench/nasty, sent by an administrator of
one workspace: first one by one, then all at once. For each the longest wait of the prober is
told, and how much processor time the server took in that wait: on a machine that does other
things too, the smaller of the two is what the server is to be blamed for.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import select
import selectors
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from bench import nasty
from bench.load.client import Target, target
from bench.load.local import PROGRAM, Server
from bench.nasty.shot import Nasty, Shot

ONE, TOGETHER = 0.05, 0.1
NASTY, NICE = "nasty", "nice"
_TOKENS = "nasty,nasty,1\nnice,nice,2\nholder,holder,3\n"
_PAUSE = 0.002
_PATIENCE = 120.0
_TOGETHER_SECONDS = 300.0
http.client._MAXHEADERS = 1000  # type: ignore[attr-defined]


class Wait(NamedTuple):
    """The prober's longest wait: seconds, and seconds of the server's work in it."""

    seconds: float
    worked: float

    @property
    def blamed(self) -> float:
        """Return what the server is to be blamed for."""
        return min(self.seconds, self.worked)


class Place(NamedTuple):
    """Where a server is, and whom to be."""

    host: str
    port: int
    ca: str
    pid: int

    def tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca)
        context.check_hostname = False
        return context

    def connect(self) -> http.client.HTTPSConnection:
        """Return a new connection."""
        return http.client.HTTPSConnection(
            self.host, self.port, context=self.tls(), timeout=_PATIENCE
        )


# ------------------------------------------------------------------------- the prober


def worked(pid: int) -> float:
    """Return the seconds of processor time that all threads of a process took so far.

    Those of its children, too: the executable is a process that starts the server as another.
    """
    seconds = 0.0
    for each in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            seconds += int((each / "schedstat").read_text().split()[0]) / 1e9
            children = (each / "children").read_text().split()
            seconds += sum(worked(int(child)) for child in children)
    return seconds


def probe(place: Place) -> None:
    """Ask again and again; for each line that comes in tell the longest wait since the last."""
    connection = place.connect()
    headers = {"Authorization": f"Bearer {NICE}"}
    longest = Wait(0.0, 0.0)
    while True:
        before, begun = worked(place.pid), time.perf_counter()
        connection.request("GET", "/clusters/root:nice/api/v1/namespaces/default", headers=headers)
        status = connection.getresponse()
        status.read()
        if status.status != 200:
            raise SystemExit(f"the prober is answered {status.status}")
        taken = time.perf_counter() - begun
        found = Wait(taken, worked(place.pid) - before)
        longest = max(longest, found, key=lambda wait: wait.blamed)
        if select.select([sys.stdin], [], [], _PAUSE)[0]:
            if not sys.stdin.readline():
                return
            print(*longest, flush=True)
            longest = Wait(0.0, 0.0)


class Prober:
    """The prober as a process."""

    def __init__(self, place: Place) -> None:
        """Start it."""
        words = [sys.executable, "-m", "bench.stall", "--probe", *map(str, place)]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def longest(self) -> Wait:
        """Return the longest wait since this was asked last."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Wait(*map(float, self._process.stdout.readline().split()))

    def stop(self) -> None:
        """Stop it."""
        self._process.communicate(timeout=_PATIENCE)


# ------------------------------------------------------------------------- who is nasty


class Attacker:
    """Sends shots to one workspace."""

    def __init__(self, place: Place) -> None:
        """Ask this server."""
        self._place = place
        self._base = "/clusters/root:nasty"

    def wire(self, shot: Shot, revision: str) -> bytes:
        """Return a request as it is sent."""
        headers = {"Authorization": f"Bearer {NASTY}", "Accept": "application/json"}
        headers |= {"Host": self._place.host, "Content-Type": shot.media, **shot.headers}
        headers["Content-Length"] = str(len(shot.body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        path = shot.path.replace("=@", f"={revision}")
        return f"{shot.method} {self._base}{path} HTTP/1.1\r\n{lines}\r\n".encode() + shot.body

    def one_by_one(self, shots: Iterable[Shot]) -> list[int]:
        """Send each when the one before is answered; return the status codes (0: hung up)."""
        found = []
        revision = self.revision()
        connection = self._place.connect()
        for shot in shots:
            try:
                if connection.sock is None:
                    connection.connect()
                connection.sock.sendall(self.wire(shot, revision))
                found.append(_answer(connection.sock))
            except (OSError, http.client.HTTPException):
                found.append(0)
                connection.close()
        connection.close()
        return found

    def pipelined(self, shots: Iterable[Shot]) -> list[int]:
        """Send all, then read all answers."""
        revision = self.revision()
        connection = self._place.connect()
        connection.connect()
        sock, wires = connection.sock, [self.wire(shot, revision) for shot in shots]
        sender = threading.Thread(target=_send_all, args=(sock, b"".join(wires)), daemon=True)
        sender.start()
        with contextlib.suppress(OSError, http.client.HTTPException):
            for _ in wires:
                _answer(sock)
        connection.close()
        return []

    def revision(self) -> str:
        """Return the newest resourceVersion, as a list tells it."""
        connection = self._place.connect()
        path = f"{self._base}/api/v1/namespaces/default/secrets"
        connection.request("GET", path, headers={"Authorization": f"Bearer {NASTY}"})
        body = connection.getresponse().read()
        connection.close()
        return body.partition(b'"resourceVersion":"')[2].partition(b'"')[0].decode() or "1"

    @contextlib.contextmanager
    def watching(self, watches: list[Shot]) -> Iterator[None]:
        """Hold watches open and read what they say."""
        revision, sockets = self.revision(), []
        for watch in watches:
            connection = self._place.connect()
            connection.connect()
            connection.sock.sendall(self.wire(watch, revision))
            sockets.append(connection.sock)
        stop = threading.Event()
        reader = threading.Thread(target=_drain, args=(sockets, stop))
        reader.start()
        time.sleep(0.3 if watches else 0)
        yield
        stop.set()
        reader.join()
        for sock in sockets:
            sock.close()

    def send(self, row: Nasty) -> list[int]:
        """Send a row of the catalogue; return the status codes of what is not pipelined."""
        shots = list(row.shots())
        with self.watching(list(row.watches())):
            if row.connections == 1:
                return self.pipelined(shots) if row.pipelined else self.one_by_one(shots)
            threads = [
                threading.Thread(target=self.one_by_one, args=(shots,))
                for _ in range(row.connections)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return []


def _answer(sock: ssl.SSLSocket) -> int:
    response = http.client.HTTPResponse(sock)
    response.begin()
    while response.read(1 << 20):
        continue
    return response.status


def _send_all(sock: ssl.SSLSocket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        sock.sendall(data)


def _drain(sockets: list[ssl.SSLSocket], stop: threading.Event) -> None:
    with selectors.DefaultSelector() as selector:
        for sock in sockets:
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ, sock)
        while sockets and not stop.is_set():
            for key, _ in selector.select(0.05):
                with contextlib.suppress(OSError):
                    while key.data.recv(1 << 16):
                        continue


# ------------------------------------------------------------------------- the table


def prepare(to: Target) -> None:
    """Make a workspace for each of the two, and let them in."""
    for name in (NASTY, NICE):
        body = (
            b'{"apiVersion":"tenancy.kcp.io/v1alpha1","kind":"Workspace","metadata":{"name":"%b"}}'
        )
        path = "/clusters/root/apis/tenancy.kcp.io/v1alpha1/workspaces"
        made = to.ask("POST", path, body % name.encode())
        if made.status != 201:
            raise SystemExit(f"no workspace: {made.status} {made.body[:500]!r}")
        binding = (
            b'{"metadata":{"name":"admin-%b"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io",'
            b'"kind":"ClusterRole","name":"cluster-admin"},"subjects":[{"kind":"User","name":"%b"}]}'
        )
        where = f"/clusters/root:{name}/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
        bound = to.ask("POST", where, binding % (name.encode(), name.encode()))
        if bound.status != 201:
            raise SystemExit(f"no binding: {bound.status} {bound.body[:500]!r}")


def run(
    place: Place, only: str, subject: str = "", *, quiet: bool = False
) -> list[tuple[str, Wait]]:
    """Send the catalogue row by row; return each row's longest wait."""
    prober, attacker = Prober(place), Attacker(place)
    rows = []
    attacker.one_by_one(nasty.setup())
    listed = [row for row in nasty.catalogue(subject) if only in row.name]
    for row in listed:
        made = attacker.one_by_one(row.before())
        prober.longest()
        begun = time.perf_counter()
        codes = attacker.send(row)
        time.sleep(row.seconds)
        wait = prober.longest()
        attacker.one_by_one(row.after())
        rows.append((row.name, wait))
        if not quiet:
            taken = time.perf_counter() - begun
            print(
                line(row.name, wait, _most(row)),
                f"{taken:7.2f} s  {_codes(made)}{_codes(codes)}",
                flush=True,
            )
    prober.stop()
    return rows


def run_together(place: Place, only: str, subject: str = "") -> Wait:
    """Send the catalogue at once, a connection or more for each row; return the longest wait."""
    prober, attacker = Prober(place), Attacker(place)
    attacker.one_by_one(nasty.setup())
    listed = [row for row in nasty.catalogue(subject) if only in row.name]
    for row in listed:
        attacker.one_by_one(row.before())
    running = {
        row.name: threading.Thread(target=attacker.send, args=(row,), daemon=True) for row in listed
    }
    prober.longest()
    begun = time.perf_counter()
    for thread in running.values():
        thread.start()
    for thread in running.values():
        thread.join(max(begun + _TOGETHER_SECONDS - time.perf_counter(), 0))
    wait = prober.longest()
    left = [name for name, thread in running.items() if thread.is_alive()]
    taken = time.perf_counter() - begun
    print(line("all at once", wait, TOGETHER), f"{taken:7.2f} s  {len(listed)} rows", flush=True)
    if left:
        print(f"not answered to the end: {', '.join(left)}")
    prober.stop()
    return wait


def _most(row: Nasty) -> float:
    """Return what everybody may wait: for one request, or for many at once."""
    return TOGETHER if row.pipelined or row.connections > 1 else ONE


def line(name: str, wait: Wait, most: float) -> str:
    """Return a row of the table."""
    mark = " " if wait.blamed <= most else "!"
    return f"{mark} {1000 * wait.seconds:8.1f} ms {1000 * wait.worked:8.1f} ms  {name:50}"


def _codes(found: list[int]) -> str:
    counted = {code: found.count(code) for code in dict.fromkeys(found)}
    return "".join(f" {code}" if n == 1 else f" {n}x{code}" for code, n in counted.items())


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.stall", description=__doc__)
    parser.add_argument("--command", default=PROGRAM, help="what starts a server: dist/kcpfast")
    parser.add_argument("--only", default="", help="rows with this in their names")
    parser.add_argument("--subject", default="", help="rows of this module of bench/nasty")
    parser.add_argument("--together", action="store_true", help="all at once, not one by one")
    parser.add_argument("--probe", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.probe:
        host, port, ca, pid = asked.probe
        probe(Place(host, int(port), ca, int(pid)))
        return
    measure(asked.command, asked.only, asked.subject, together=asked.together)


def measure(command: str, only: str = "", subject: str = "", *, together: bool = False) -> None:
    """Start a server, send the catalogue or a part of it, print the table.

    `together` leaves out to send them one by one.
    """
    with tempfile.TemporaryDirectory() as folder:
        tokens = Path(folder) / "tokens"
        tokens.write_text(_TOKENS)
        server = Server(Path(folder) / "root", command)
        try:
            server.start("--token-auth-file", str(tokens))
            with target(server.kubeconfig, "base") as to:
                prepare(to)
                print("      wait   server worked")
                place = Place(to.host, to.port, str(to.ca), server.process.pid)
                if not together:
                    run(place, only, subject)
                if not only or together:
                    run_together(place, only, subject)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
