"""Clients that misbehave against a server that may take 64 MiB more than at its start.

A thousand connections do one thing each that makes a server hold memory: half a request, answers
and events that nobody reads, bodies that grow when they are decoded. Meanwhile another client asks
for an object, and opens a connection, as often as it can; none of its requests may fail. Printed is
by how much the process grew at most (pages of files, which the store's are, left out), what is left
of that some seconds after all have gone, and the longest that the other client waited.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import multiprocessing
import random
import resource
import socket
import ssl
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import yaml

from bench.crowds import LARGE, MAPS, OBJECT, WAYS, Client, Way
from bench.load.client import target
from bench.load.local import PROGRAM, Server

ROOM = 64 << 20
OBJECTS, SIZE, KEYS = 600, 50_000, 20_000
AT_ONCE, ROUNDS = 50, 60
# What a slow reader takes, and how often; and how long after all have gone is looked again.
SIP, SIP_SECONDS, AFTER_SECONDS = 8192, 0.5, 8.0
HOOKS = "/clusters/root/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
BUSY, SEEN = 256, 20
LEAVE_SECONDS = 2.0
ALL = "all of these at once"


class Waited(NamedTuple):
    """The longest waits of the client that behaves, in seconds, and what it was refused."""

    answer: float
    connection: float
    refused: int


async def misbehave(client: Client, way: Way, text: bytes) -> asyncio.StreamWriter | None:
    sock = socket.socket()
    sock.setblocking(False)
    if way.slow:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SIP)
    try:
        await asyncio.get_running_loop().sock_connect(sock, (client.host, client.port))
        tls = {"ssl": client.tls, "server_hostname": "x"} if way.secret else {}
        _, writer = await asyncio.open_connection(sock=sock, **tls)  # type: ignore[arg-type]
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(text)
        if way.leaves:
            writer.transport.set_write_buffer_limits(0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(writer.drain(), LEAVE_SECONDS)
            writer.transport.abort()
    except OSError:
        sock.close()
        return None
    return writer


async def sip(open_: list[asyncio.StreamWriter]) -> None:
    """Read a bit from each now and then: what little is in the socket."""
    while True:
        await asyncio.sleep(SIP_SECONDS)
        for switch in ("resume_reading", "pause_reading"):
            for writer in open_:
                if not writer.transport.is_closing():
                    getattr(writer.transport, switch)()
            await asyncio.sleep(0.05)


async def behave(client: Client, until: asyncio.Event) -> Waited:
    """Ask for an object, over an old connection and over new ones."""
    text = client.request("GET", OBJECT)
    answers, connections, refused = [0.0], [0.0], 0
    reader, writer = await client.connect()
    while not until.is_set():
        begun = time.perf_counter()
        refused += await ask(reader, writer, text)
        answers.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        try:
            other = await client.connect()
            refused += await ask(*other, text)
            other[1].transport.abort()
        except (OSError, EOFError):
            refused += 1
        connections.append(time.perf_counter() - begun)
        await asyncio.sleep(0.05)
    writer.transport.abort()
    return Waited(max(answers), max(connections), refused)


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bytes) -> bool:
    """Tell whether a request is refused; OSError or EOFError if it is not answered."""
    writer.write(text)
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].split()[0]
    await reader.readexactly(int(length))
    return b" 200 " not in head.splitlines()[0]


async def crowd(client: Client, good: Client, said: list[tuple[Way, bytes]], count: int) -> Waited:
    """Have many connections misbehave, for some seconds after the last has come."""
    slow, events = any(way.slow for way, _ in said), any(way.events for way, _ in said)
    coming = islice(cycle(said), count)
    until = asyncio.Event()
    behaving = asyncio.create_task(behave(good, until))
    open_: list[asyncio.StreamWriter] = []
    sipping = asyncio.create_task(sip(open_ if slow else []))
    while group := list(islice(coming, AT_ONCE)):
        some = await asyncio.gather(*[misbehave(client, *each) for each in group])
        open_ += [each for each in some if each is not None]
    reader, writer = await good.connect()
    change = json.dumps({"data": {"p": noise()}}).encode()
    writes = good.request("PATCH", f"{MAPS}/o-0000", body=change)
    writes = writes.replace(b"application/json", b"application/merge-patch+json", 1)
    for _ in range(ROUNDS):
        if events:
            await ask(reader, writer, writes)
        await asyncio.sleep(0.05)
    until.set()
    sipping.cancel()
    writer.transport.abort()
    found = await behaving
    for each in open_:
        each.transport.abort()
    return found


def noise() -> str:
    """Return a text that no compression makes much shorter."""
    return base64.b64encode(random.Random(0).randbytes(SIZE * 3 // 4)).decode()


def fill(server: Server) -> None:
    """Store what is listed, 30 MB, and a large object."""
    with target(server.kubeconfig) as found:
        for number in range(OBJECTS):
            meta, data = {"name": f"o-{number:04}"}, {"p": noise()}
            obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
            found.ask("POST", MAPS, json.dumps(obj).encode())
        space = {"metadata": {"name": LARGE.rpartition("/")[2]}}
        found.ask("POST", LARGE.rpartition("/")[0], json.dumps(space).encode())
        data = {f"key-{number}": "z" * 20 for number in range(KEYS)}
        large = {"metadata": {"name": "large"}, "data": data}
        found.ask("POST", f"{LARGE}/configmaps", json.dumps(large).encode())


def revision(server: Server) -> int:
    with target(server.kubeconfig) as found:
        meta = json.loads(found.ask("GET", MAPS + "?limit=1").body)["metadata"]
    return int(meta["resourceVersion"])


def clients(server: Server) -> tuple[Client, Client]:
    """Return the client that misbehaves and the one that does not."""
    config = yaml.safe_load(server.kubeconfig.read_text())
    base = next(each["cluster"] for each in config["clusters"] if each["name"] == "base")
    ca = base64.b64decode(base["certificate-authority-data"]).decode()
    tls = ssl.create_default_context(cadata=ca)
    tls.check_hostname = False
    users = {each["name"]: each["user"]["token"] for each in config["users"]}
    host, _, port = base["server"].removeprefix("https://").partition(":")
    bad, good = (Client(host, int(port), tls, users[name]) for name in ("kcp-admin", "shard-admin"))
    return bad, good


async def sampled(server: Server, until: asyncio.Event) -> float:
    """Return the most private memory that a server had, in MiB."""
    most = 0.0
    while not until.is_set():
        most = max(most, server.process.private() / 1024)
        await asyncio.sleep(0.02)
    return most


@contextlib.contextmanager
def hanging(server: Server) -> Iterator[None]:
    """Have a webhook asked about ConfigMaps that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        hook = {
            "name": "hangs.example.com", "clientConfig": {"url": url}, "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "timeoutSeconds": 30, "failurePolicy": "Ignore",
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"],
                       "operations": ["CREATE"]}],
        }  # fmt: skip
        obj = {"metadata": {"name": "hangs"}, "webhooks": [hook]}
        with target(server.kubeconfig) as to:
            to.ask("POST", HOOKS, json.dumps(obj).encode())
        try:
            yield
        finally:
            # Another connection: of who misbehaves all are cut off in the end.
            with target(server.kubeconfig) as to:
                to.ask("DELETE", f"{HOOKS}/hangs")


async def one_way(server: Server, name: str, count: int) -> str:
    """Return the line about one way to misbehave."""
    before, (bad, good) = server.process.private() / 1024, clients(server)
    ways = list(WAYS.values()) if name == ALL else [WAYS[name]]
    newest = b"%d" % revision(server)
    said = [(way, way.text(bad).replace(b"REVISION", newest)) for way in ways]
    until = asyncio.Event()
    sampling = asyncio.create_task(sampled(server, until))
    with hanging(server) if any(way.hook for way in ways) else contextlib.nullcontext():
        waited = await crowd(bad, good, said, count)
        until.set()
        most = await sampling - before
        await asyncio.sleep(AFTER_SECONDS)
    after = server.process.private() / 1024 - before
    return (
        f"{name:32} {most:6.1f} MiB more, {after:5.1f} after, "
        f"answer {waited.answer * 1000:5.0f} ms, connection {waited.connection * 1000:5.0f} ms, "
        f"refused {waited.refused}"
    )


async def busy_clients(client: Client, count: int) -> None:
    """List without end, over many connections."""

    async def one() -> None:
        reader, writer = await client.connect()
        while True:
            writer.write(client.request("GET", MAPS))
            await reader.readuntil(b"\r\n\r\n")
            while size := int(await reader.readline(), 16):
                await reader.readexactly(size + 2)
            await reader.readline()

    await asyncio.gather(*[one() for _ in range(count)])


async def new_connections(client: Client) -> str:
    """Return the line about new connections while others are busy, in another process."""
    taken = []
    for _ in range(SEEN):
        begun = time.perf_counter()
        reader, writer = await client.connect()
        await ask(reader, writer, client.request("GET", OBJECT))
        taken.append(time.perf_counter() - begun)
        writer.transport.abort()
        await asyncio.sleep(0.1)
    return f"a new connection beside {BUSY} busy clients is served after {max(taken):.2f} s at most"


def measure_connections(server: Server) -> str:
    """Measure how long a new TLS connection waits while many clients list."""
    _, good = clients(server)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.apply_async(_busy, (server.kubeconfig,))
        time.sleep(5)
        return asyncio.run(new_connections(good))


def _busy(kubeconfig: Path) -> None:
    asyncio.run(busy_clients(clients(Server(kubeconfig.parent))[0], BUSY))


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.overload", description=__doc__)
    parser.add_argument("--command", default=PROGRAM, help="what starts a server: dist/kcpfast")
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--only", default="", help="ways whose names have this in them")
    given = parser.parse_args()
    measure(given.command, given.only, given.connections)


def measure(command: str, only: str = "", connections: int = 1000) -> None:
    """Start a server for each way to misbehave, and print what it came to."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "root", command)
        try:
            server.start()
            fill(server)
            server.stop()
            server.start()
            room = int(server.process.resident() * 1024) + ROOM
            if not only:
                print(measure_connections(server), flush=True)
            server.stop()
            for name in (*WAYS, ALL):
                if only in name:
                    server.start("--max-memory", str(room))
                    print(asyncio.run(one_way(server, name, connections)), flush=True)
                    server.stop()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
