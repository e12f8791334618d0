"""Clients that write at random and remember what they were promised."""

from __future__ import annotations

import http.client
import random
import ssl
import threading
from collections.abc import Callable
from typing import Any

from tests.harness.https import Access, Answer, Client

SPACES = "/clusters/root/apis/tenancy.kcp.io/v1alpha1/workspaces"
_BROKEN = (OSError, http.client.HTTPException, ssl.SSLError)
_CHOICES = ("create", "create", "create", "update", "update", "delete", "space", "drop")
_OK = (200, 201)


class Writer:
    """One client: writes until the server breaks off, each time knowing more of what is true.

    `true` maps a path to the resourceVersion it was left with by an acknowledged write ("" = it
    was deleted). `open` is the path of the write that was not answered. `spaces` are workspaces
    made, `dropped` those whose deletion was acknowledged, which may take its time.
    """

    def __init__(self, name: str, place: str, seed: int) -> None:
        """Write ConfigMaps at a place (a path of configmaps)."""
        self.name, self.place = name, place
        self.true: dict[str, str] = {}
        self.spaces: set[str] = set()
        self.dropped: set[str] = set()
        self.open = ""
        self._random = random.Random(seed)
        self._made = 0

    def work(self, granted: Access, told: Callable[[], None]) -> None:
        """Write until the server is gone; `told` is called after each acknowledged write."""
        with Client(granted) as client:
            try:
                while True:
                    self._write(client)
                    told()
            except _BROKEN:
                return

    def _write(self, client: Client) -> None:
        what = self._random.choice(_CHOICES)
        alive = [path for path, version in self.true.items() if version and path != self.open]
        self._made += 1
        name = f"{self.name}-{self._made}"
        if what == "space":
            self._make_space(client, name)
        elif what == "drop" and self.spaces:
            self._drop_space(client, self._random.choice(sorted(self.spaces)))
        elif what in ("update", "delete") and alive:
            self._change(client, what, self._random.choice(alive))
        else:
            path = f"{self.place}/{name}"
            self._keep(path, self._send(client, path, "POST", self.place, _config_map(name)))

    def _change(self, client: Client, what: str, path: str) -> None:
        if what == "update":
            patch = {"data": {"n": str(self._made)}}
            self._keep(path, self._send(client, path, "PATCH", path, patch))
        else:
            self._send(client, path, "DELETE", path)
            self.true[path] = ""

    def _make_space(self, client: Client, name: str) -> None:
        body = {
            "apiVersion": "tenancy.kcp.io/v1alpha1",
            "kind": "Workspace",
            "metadata": {"name": name},
        }
        made = self._send(client, f"{SPACES}/{name}", "POST", SPACES, body)
        assert made.json()["status"]["phase"] == "Ready"
        self.spaces.add(name)

    def _drop_space(self, client: Client, name: str) -> None:
        self._send(client, f"{SPACES}/{name}", "DELETE", f"{SPACES}/{name}")
        self.spaces.remove(name)
        self.dropped.add(name)

    def _send(self, client: Client, path: str, method: str, to: str, body: Any = None) -> Answer:
        self.open = path
        answer = client.ask(method, to, body)
        assert answer.status in _OK, answer
        self.open = ""
        return answer

    def _keep(self, path: str, answer: Answer) -> None:
        self.true[path] = answer.json()["metadata"]["resourceVersion"]

    # ------------------------------------------------------------------------- afterwards

    def wrong(self, client: Client) -> list[str]:
        """Return which promises a server does not keep; forget what was left open."""
        found = {
            f"{self.place}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
            for item in client.get(self.place)["items"]
        }
        broken = [
            f"{path} is at {found.get(path) or 'nothing'}, not {version or 'nothing'}"
            for path, version in self.true.items()
            if path != self.open and found.get(path, "") != version
        ]
        broken += [f"workspace {name}" for name in self.spaces if not self._usable(client, name)]
        if self.open in self.true:
            self.true[self.open] = found.get(self.open, "")
        self.spaces.discard(self.open.rpartition("/")[2])
        self.open = ""
        return broken

    def _usable(self, client: Client, name: str) -> bool:
        if self.open == f"{SPACES}/{name}":  # it was just being deleted
            return True
        inside = f"/clusters/root:{name}/api/v1/namespaces/default/configmaps/kube-root-ca.crt"
        found = client.ask("GET", f"{SPACES}/{name}")
        ready = found.status == 200 and found.json()["status"]["phase"] == "Ready"
        return ready and client.ask("GET", inside).status == 200


def _config_map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"n": "0"}}


class Crowd:
    """Writers at work at the same time."""

    def __init__(self, writers: list[Writer]) -> None:
        """Let these write."""
        self.writers = writers
        self._left = 0
        self._enough = threading.Event()
        self._lock = threading.Lock()
        self._failed: list[BaseException] = []

    def work(self, granted: Access, writes: int, then: Callable[[], None]) -> None:
        """Let all write, do `then` after so many acknowledged writes, wait until all have ended."""
        self._left = writes
        self._enough.clear()
        threads = [
            threading.Thread(target=self._run, args=(writer, granted)) for writer in self.writers
        ]
        for thread in threads:
            thread.start()
        assert self._enough.wait(20), "the writers do not get on"
        then()
        for thread in threads:
            thread.join()
        assert not self._failed, self._failed

    def _run(self, writer: Writer, granted: Access) -> None:
        try:
            writer.work(granted, self._told)
        except BaseException as error:
            self._failed.append(error)
            self._enough.set()

    def _told(self) -> None:
        with self._lock:
            self._left -= 1
            if not self._left:
                self._enough.set()
