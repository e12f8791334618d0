"""A server on a small disk that is filled up: it says so, can be emptied, and goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.https import Client, access
from tests.harness.process import ServerProcess
from tests.server.test_start import can_mount, small

PLACE = "/clusters/root/api/v1/namespaces/default/configmaps"
WELL = b"ok"


def config_map(name: str, size: int) -> Any:
    return {"metadata": {"name": name}, "data": {"text": "x" * size}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    if not can_mount(tmp_path):
        pytest.skip("file systems cannot be mounted here")
    (tmp_path / "disk").mkdir()
    process = ServerProcess(
        tmp_path / "disk" / "root",
        within=small(tmp_path / "disk", "40m"),
        log=tmp_path / "server.log",
    )
    yield process
    process.kill()


def inside(server: ServerProcess) -> Path:
    """Return the root directory as the server sees it, which has file systems of its own."""
    return Path(f"/proc/{server.pid}/root{server.root}")


def fill_up(file: Path) -> None:
    """Leave no byte of a disk."""
    with file.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(4096)):
            pass


def ready(client: Client) -> bytes:
    """Return what /readyz says, now and not a second ago."""
    return client.ask("GET", "/readyz").raw


def test_a_disk_that_fills_up(server: ServerProcess) -> None:
    with Client(access(inside(server) / "admin.kubeconfig")) as client:
        for at in range(40):
            assert client.ask("POST", PLACE, config_map(f"old{at}", 200_000)).status == 201
        assert ready(client) == WELL
        fill_up(inside(server).parent / "filler")
        made, refused = 0, None
        while refused is None:
            answer = client.ask("POST", PLACE, config_map(f"new{made}", 200_000))
            if answer.status == 201:
                made += 1
                continue
            refused = answer.json()
        # What was claimed ahead is used up to the reserve.
        assert (refused["code"], refused["reason"]) == (507, "InsufficientStorage")
        assert "no space left on the disk" in refused["message"]
        assert made >= 10
        said = client.ask("GET", "/readyz")
        assert (said.status, said.raw.startswith(b"[+]ping ok\n[+]log ok\n[-]etcd failed: ")) == (
            500,
            True,
        )
        assert client.ask("GET", "/livez").raw == WELL, "a new start would not help"
        assert client.ask("GET", f"{PLACE}/old0").status == 200
        patched = client.ask("PATCH", f"{PLACE}/old0", {"metadata": {"labels": {"a": "b"}}})
        assert patched.status == 200
        for at in range(40):
            assert client.ask("DELETE", f"{PLACE}/old{at}").status == 200
        (inside(server).parent / "filler").unlink()
        answers = [client.ask("POST", PLACE, config_map("last", 200_000)).status for _ in range(1)]
        while answers[-1] == 507:
            answers.append(client.ask("POST", PLACE, config_map("last", 200_000)).status)
        assert answers[-1] == 201
        while ready(client) != WELL:
            pass


def test_only_emptied_it_goes_on(server: ServerProcess) -> None:
    """Nobody gives the disk more room: what is deleted makes it."""
    with Client(access(inside(server) / "admin.kubeconfig")) as client:
        for at in range(60):
            assert client.ask("POST", PLACE, config_map(f"old{at}", 200_000)).status == 201
        fill_up(inside(server).parent / "filler")
        while (
            client.ask(
                "POST", PLACE, {"metadata": {"generateName": "n-"}, "data": {"t": "x" * 200_000}}
            ).status
            == 201
        ):
            pass
        for at in range(60):
            assert client.ask("DELETE", f"{PLACE}/old{at}").status == 200
        # History is forgotten within a few seconds.
        while client.ask("POST", PLACE, config_map("last", 200_000)).status == 507:
            pass
        assert client.ask("GET", f"{PLACE}/last").status == 200
