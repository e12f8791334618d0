"""A whole server without sockets: requests go in as Request, controllers run until idle."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kcpfast.meta.user import ADMIN_GROUP, AUTHENTICATED, MASTERS, User
from kcpfast.server import wire
from kcpfast.server.bootstrap import installation
from kcpfast.server.certificates import make_account_key
from kcpfast.store.contract import Store
from kcpfast.store.lmdb import LmdbStore
from kcpfast.store.memory import MemoryStore
from kcpfast.transport.messages import Request, Response, Stream
from tests.models.consistency import problems

URL, CA = "https://here", "-----BEGIN CERTIFICATE-----\n"
TOKENS = {
    "admin": User("kcp-admin", "1", (ADMIN_GROUP, AUTHENTICATED)),
    "master": User("shard-admin", "2", (MASTERS, AUTHENTICATED)),
}
JSON, MERGE = "application/json", "application/merge-patch+json"
Json = dict[str, Any]


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: Json
    headers: list[tuple[bytes, bytes]]


class Inside:
    """The server; `at` is put before paths that do not begin with /clusters."""

    def __init__(self, parts: wire.Core, running: wire.Running) -> None:
        self.parts = parts
        self.store, self.objects, self.catalog = parts[:3]
        self.running = running
        self.at = "/clusters/root"

    async def send(self, method: str, path: str, body: Any = None, **options: str) -> Answer:
        """Send a request and return what comes back; `options` are those of send_raw."""
        got = await self.send_raw(method, path, body, **options)
        assert isinstance(got, Response)
        text = got.content_type.startswith(b"text/")
        read = {"text": got.body.decode()} if text else json.loads(got.body or b"{}")
        return Answer(got.status, read, list(got.headers))

    async def send_raw(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = "admin",
        user: str = "",
        media: str = JSON,
    ) -> Response | Stream:
        """Send a request as the owner of a token, or as `user`, whom a master impersonates."""
        headers = {b"content-type": media.encode(), b"accept": b"application/json"}
        headers[b"authorization"] = b"Bearer " + (b"master" if user else token.encode())
        if user:
            headers[b"impersonate-user"] = user.encode()
        path, _, query = path.partition("?")
        data = b"" if body is None else json.dumps(body).encode()
        whole = path if path.startswith(("/clusters", "/services")) else self.at + path
        return await self.running.server.serve(Request(method, whole, query, headers, data))

    async def create(self, path: str, obj: Json, **options: Any) -> Json:
        """Create an object that must be accepted."""
        got = await self.send("POST", path, obj, **options)
        assert got.status == 201, got.body
        return got.body

    async def get(self, path: str) -> Json | None:
        """Return an object, None if there is none."""
        got = await self.send("GET", path)
        assert got.status in (200, 404), got.body
        return got.body if got.status == 200 else None

    async def patch(self, path: str, body: Any, **options: Any) -> Json:
        """Merge into an object; the patch must be accepted."""
        got = await self.send("PATCH", path, body, media=MERGE, **options)
        assert got.status == 200, got.body
        return got.body

    async def delete(self, path: str, **options: Any) -> Answer:
        """Delete an object that is there, and let the controllers finish."""
        got = await self.send("DELETE", path, **options)
        assert got.status == 200, got.body
        await self.settle()
        return got

    async def workspace(self, name: str, parent: str = "root", **spec: Any) -> str:
        """Create a workspace and return the path of requests to it."""
        obj = {
            "apiVersion": "tenancy.kcp.io/v1alpha1",
            "kind": "Workspace",
            "metadata": {"name": name},
            "spec": spec,
        }
        path = f"/clusters/{parent}/apis/tenancy.kcp.io/v1alpha1/workspaces"
        made = await self.create(path, obj)
        await self.settle()
        return f"/clusters/{made['spec']['cluster']}"

    async def settle(self, *, hurry: bool = False) -> None:
        """Let the controllers work until nothing is left; `hurry` does not wait for retries."""
        runtime = self.running.controllers
        while True:
            await asyncio.sleep(0)
            if hurry:
                for key in list(runtime._timers):
                    runtime._enqueue(key)
                hurry = False
            elif not runtime.busy():
                return


def config_map(name: str, **meta: Any) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **meta}}


CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture(scope="session")
def account_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "sa.key"
    make_account_key(path)
    return path


@pytest.fixture(params=["memory"])
def backing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """The store of `inside`; parametrize it indirectly with `lmdb` where the disk matters."""
    opened: Store = LmdbStore(tmp_path) if request.param == "lmdb" else MemoryStore()
    yield opened
    opened.close()


@pytest.fixture
async def inside(backing: Store, account_key: Path) -> AsyncIterator[Inside]:
    """A server whose `at` is a workspace of type universal."""
    parts = wire.core(backing, CA)
    await backing.commit(installation(parts.objects, URL))
    running = wire.server(parts, wire.Settings(URL, CA, account_key, TOKENS))
    running.controllers.start()
    server = Inside(parts, running)
    server.at = await server.workspace("ws")
    yield server
    await running.controllers.stop()
    assert problems(backing) == []
