"""A whole server in this process, without sockets: requests are handed to `serve`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import uvloop

from kcpfast._core.heads import HeaderBlock
from kcpfast.api.limits.seats import Limits
from kcpfast.auth.rbac import Rbac
from kcpfast.kcp.authorizer import Authorizer
from kcpfast.kcp.policies import Policies
from kcpfast.meta.user import ADMIN_GROUP, AUTHENTICATED, User
from kcpfast.server import wire
from kcpfast.server.bootstrap import installation
from kcpfast.server.certificates import make_account_key
from kcpfast.store.lmdb import LmdbStore
from kcpfast.transport.account import NO_HOLDER
from kcpfast.transport.connection import Connection, Service
from kcpfast.transport.messages import Request, Response, Serve, Stream
from kcpfast.transport.secure import Tls
from kcpfast.transport.turns import Turns

URL, CA = "https://here", "-----BEGIN CERTIFICATE-----\n"
OBJECTS = 1000
ADMIN = User("kcp-admin", "1", (ADMIN_GROUP, AUTHENTICATED))
CONFIG_MAPS = "/clusters/root:bench/api/v1/namespaces/default/configmaps"
MADE = CONFIG_MAPS.replace("bench", "made")
WORKSPACES = "/clusters/root/apis/tenancy.kcp.io/v1alpha1/workspaces"


def config_map(name: str) -> bytes:
    """Return a ConfigMap that is stored as 1 KB."""
    meta = {"name": name, "labels": {"app": "load", "tier": name[-1]}}
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"p": "x" * 800}}
    return json.dumps(obj).encode()


def request(method: str, path: str, body: bytes = b"", accept: str = "") -> Request:
    """Return a request of the administrator, as a Go client would send it."""
    headers = {
        b"host": b"127.0.0.1:6443",
        b"user-agent": b"bench/1.0",
        b"authorization": b"Bearer admin",
        b"accept": accept.encode() or b"application/json",
        b"content-type": b"application/json",
    }
    path, _, query = path.partition("?")
    return Request(method, path, query, headers, body)


class Wire(asyncio.Transport):
    """Takes what is written, and counts it."""

    def __init__(self) -> None:
        """Begin with nothing written."""
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.written = 0
        self.holder = NO_HOLDER

    def write(self, data: Any) -> None:
        self.written += len(data)

    def writelines(self, parts: Any) -> None:
        self.written += sum(map(len, parts))

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False


class Read:
    """The sink of a client that reads as fast as is written; `whole` is what it has read."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.whole: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        self._parts.append(data)

    def pending(self) -> int:
        return 0

    def when_drained(self, callback: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_soon(callback)

    async def drained(self) -> bool:
        return True

    def close(self) -> None:
        self.whole.set_result(b"".join(self._parts))

    def cut(self) -> None:
        self.whole.set_exception(ConnectionResetError("torn off"))


async def read(answer: Response | Stream) -> Response:
    """Return a whole answer, that of a long list as well."""
    if isinstance(answer, Response):
        return answer
    sink = Read()
    stop = answer.start(sink)
    body = await sink.whole
    stop()
    return Response(200, body, answer.content_type, answer.headers, answer.lines)


def repeated(serve: Serve, text: bytes, times: int, loop: asyncio.AbstractEventLoop) -> Any:
    """Return what sends a request many times over one connection; it returns the bytes written."""
    known: dict[bytes, HeaderBlock] = {}

    async def run() -> int:
        wire = Wire()
        turns = Turns(lambda: 0.0)  # there is time for all
        service = Service(serve, lambda code, _text: Response(code), set(), known, turns)
        connection = Connection(service)
        connection.connection_made(cast("Tls", wire))
        for _ in range(times):
            connection.data_received(text)
        connection.connection_lost(None)
        return wire.written

    return lambda: loop.run_until_complete(run())


class Inside:
    """The server, and the loop that it runs on."""

    def __init__(self, folder: Path) -> None:
        """Put the rooms together over a store in an empty folder."""
        key = folder / "sa.key"
        make_account_key(key)
        self.loop = uvloop.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.store = LmdbStore(folder)
        self.parts = wire.core(self.store, CA)
        self.run(self.store.commit(installation(self.parts.objects, URL)))
        settings = wire.Settings(URL, CA, key, {"admin": ADMIN}, limits=Limits(0, 0))
        self.running = wire.server(self.parts, settings)

    def __enter__(self) -> Inside:
        """Make a workspace with objects in it, and one for those that are made meanwhile."""
        self.workspace("bench")
        self.workspace("made")
        self.ask_all([("POST", CONFIG_MAPS, config_map(f"o-{at:04}")) for at in range(OBJECTS)])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None
    ) -> None:
        """Close the store."""
        self.store.close()
        self.loop.close()

    def workspace(self, name: str) -> None:
        """Make a workspace in root."""
        kind = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace"}
        self.ask("POST", WORKSPACES, json.dumps(kind | {"metadata": {"name": name}}).encode())

    def cluster(self, path: str) -> str:
        """Return the logical cluster of a workspace."""
        return self.parts.clusters.resolve(path)

    def authorizer(self) -> Authorizer:
        """Return an authorizer over the same store."""
        reader, objects, catalog, clusters = self.parts
        rules = Rbac(objects, reader)
        return Authorizer(clusters, rules, Policies(objects, catalog, rules, reader))

    def run(self, coroutine: Any) -> Any:
        """Run a coroutine to its end."""
        return self.loop.run_until_complete(coroutine)

    def ask(self, method: str, path: str, body: bytes = b"", accept: str = "") -> Response:
        """Return the answer to one request; it must be a good one."""
        (got,) = self.ask_all([(method, path, body)], accept)
        return got

    def ask_all(self, asked: Iterable[tuple[str, str, bytes]], accept: str = "") -> list[Response]:
        """Return the answers to requests that are made at once."""
        serve = self.running.server.serve

        async def one(each: tuple[str, str, bytes]) -> Response:
            return await read(await serve(request(*each, accept)))

        async def all_of_them() -> list[Response]:
            return await asyncio.gather(*map(one, asked))

        found: list[Response] = self.run(all_of_them())
        assert all(each.status in (200, 201) for each in found), found[0]
        return found
