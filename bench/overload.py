"""Clients that misbehave against a server that may take 64 MiB more than at its start.

A thousand connections do one thing each that makes a server hold memory: half a request, answers
and events that nobody reads, bodies that grow when they are decoded. Meanwhile another client asks
for an object, and opens a connection, as often as it can; none of its requests may fail. Printed is
by how much the process grew at most (pages of files, which the store's are, left out) and the
longest that the other client waited.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from bench.load.client import Target
from bench.load.local import Server

MAPS = "/clusters/root/api/v1/namespaces/default/configmaps"
OBJECT = "/clusters/root/api/v1/namespaces/default"
ROOM = 64 << 20
OBJECTS, SIZE = 600, 50_000
MB = 1 << 20


class Client(NamedTuple):
    """Where the server is, and what a client says in each request."""

    host: str
    port: int
    tls: ssl.SSLContext
    token: str

    def request(self, method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
        """Return a request as it is sent."""
        lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {self.token}"]
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, *headers, "", ""]).encode() + body

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection."""
        return await asyncio.open_connection(self.host, self.port, ssl=self.tls)


def half_a_head(client: Client) -> bytes:
    small = "\r\n".join(f"{number:x}:" for number in range(8000))
    return client.request("GET", OBJECT, small)[:-2]


def half_a_body(client: Client) -> bytes:
    return client.request("POST", MAPS, body=b"x" * 3 * MB)[:-1]


def pipeline(client: Client) -> bytes:
    return client.request("GET", MAPS) + client.request("POST", MAPS, body=b"x" * MB) * 5


def growing(client: Client) -> bytes:
    body = b'{"kind":"ConfigMap","apiVersion":"v1","data":[' + b"{}," * 900_000 + b"{}]}"
    return client.request("POST", MAPS, body=body) * 3


def unread(*headers: str, query: str = "") -> Callable[[Client], bytes]:
    return lambda client: client.request("GET", MAPS + query, *headers) * 4


TABLE = "Accept: application/json;as=Table;v=v1;g=meta.k8s.io"
WAYS: Mapping[str, Callable[[Client], bytes]] = {
    "nothing said": lambda _client: b"",
    "half a head": half_a_head,
    "half a body": half_a_body,
    "bodies in a pipeline": pipeline,
    "bodies that grow": growing,
    "lists unread": unread(),
    "Tables unread": unread(TABLE),
    "protobuf lists unread": unread("Accept: application/vnd.kubernetes.protobuf"),
    "compressed lists unread": unread("Accept-Encoding: gzip"),
    "selected lists unread": unread(query="?labelSelector=a!%3Db"),
    "watches unread": unread(query="?watch=1"),
    "new events unread": unread(query="?watch=1&resourceVersion=REVISION"),
}


class Waited(NamedTuple):
    """The longest waits of the client that behaves, in seconds, and what it was refused."""

    answer: float
    connection: float
    refused: int


async def misbehave(client: Client, text: bytes) -> asyncio.StreamWriter | None:
    try:
        _, writer = await client.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(text)
    except OSError:
        return None
    return writer


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
        other = await client.connect()
        refused += await ask(*other, text)
        connections.append(time.perf_counter() - begun)
        other[1].transport.abort()
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


async def crowd(client: Client, good: Client, text: bytes, count: int, writes: bytes) -> Waited:
    """Have many connections misbehave, for some seconds after the last has come."""
    until = asyncio.Event()
    behaving = asyncio.create_task(behave(good, until))
    open_ = []
    for begun in range(0, count, 50):
        open_ += await asyncio.gather(*[misbehave(client, text) for _ in range(begun, begun + 50)])
    reader, writer = await good.connect()
    for _ in range(60):
        if writes:
            await ask(reader, writer, writes)
        await asyncio.sleep(0.05)
    until.set()
    writer.transport.abort()
    found = await behaving
    for each in open_:
        if each is not None:
            each.transport.abort()
    return found


def fill(target: Target) -> str:
    for number in range(OBJECTS):
        data = {"p": "x" * SIZE}
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"o-{number:04}"}, "data": data}
        assert target.ask("POST", MAPS, json.dumps(obj).encode()).status in (201, 409)
    found = json.loads(target.ask("GET", MAPS + "?limit=1").body)
    return str(found["metadata"]["resourceVersion"])


def grown(server: Server) -> float:
    """Return by how many MiB private memory has been above what it is at a start, at most."""
    return server.process.private() / 1024


async def sampled(server: Server, until: asyncio.Event) -> float:
    most = 0.0
    while not until.is_set():
        most = max(most, server.process.private() / 1024)
        await asyncio.sleep(0.02)
    return most


async def measure(root: Path, count: int, only: str) -> None:
    """Print a line for each way to misbehave."""
    idle = Server(root)
    idle.start()
    own = int(idle.process.resident() * 1024)
    idle.stop()
    for name, way in WAYS.items():
        if only and only not in name:
            continue
        server = Server(root)
        server.start("--max-memory", str(own + ROOM))
        begun = server.process.private() / 1024
        try:
            bad, good = clients(server)
            text = way(bad)
            if b"REVISION" in text:
                _, writer = await bad.connect()
                writer.transport.abort()
                text = text.replace(b"&resourceVersion=REVISION", b"&resourceVersion=%d" % revision(server))
            writes = b""
            if "watches" in name or "events" in name:
                writes = good.request("PATCH", f"{MAPS}/o-0000", body=CHANGE).replace(
                    b"application/json", b"application/merge-patch+json", 1
                )
            until = asyncio.Event()
            sampling = asyncio.create_task(sampled(server, until))
            waited = await crowd(bad, good, text, count, writes)
            until.set()
            most = await sampling - begun
            print(f"{name:28} {most:7.1f} MiB  answer {waited.answer * 1000:7.0f} ms  "
                  f"connection {waited.connection * 1000:7.0f} ms  refused {waited.refused}", flush=True)
        finally:
            server.stop()


CHANGE = json.dumps({"data": {"p": "y" * SIZE}}).encode()


def revision(server: Server) -> int:
    from bench.load.client import target as read_kubeconfig
    with read_kubeconfig(server.kubeconfig) as target:
        return int(json.loads(target.ask("GET", MAPS + "?limit=1").body)["metadata"]["resourceVersion"])


def clients(server: Server) -> tuple[Client, Client]:
    import yaml, base64
    config = yaml.safe_load(server.kubeconfig.read_text())
    base = next(each["cluster"] for each in config["clusters"] if each["name"] == "base")
    tls = ssl.create_default_context(cadata=base64.b64decode(base["certificate-authority-data"]).decode())
    tls.check_hostname = False
    users = {each["name"]: each["user"]["token"] for each in config["users"]}
    host, _, port = base["server"].removeprefix("https://").partition(":")
    return tuple(Client(host, int(port), tls, users[n]) for n in ("kcp-admin", "shard-admin"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        server = Server(root)
        server.start()
        from bench.load.client import target as read_kubeconfig
        with read_kubeconfig(server.kubeconfig) as target:
            fill(target)
        server.stop()
        asyncio.run(measure(root, given.count, given.only))


if __name__ == "__main__":
    main()
