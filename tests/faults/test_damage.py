"""What a server does with data that are not what was written: it says so, and serves the rest."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest

from tests.faults.disk import FAIL, KINDS, build
from tests.fix_server import Start
from tests.harness.https import Client, access
from tests.harness.process import ServerProcess, refused

PLACE = "/clusters/root/api/v1/namespaces/default/configmaps"


def spoil(root: Path, old: bytes, new: bytes) -> None:
    """Overwrite what a server's file says, all copies of it."""
    file = root / "store" / "data.mdb"
    data = file.read_bytes()
    assert old in data
    file.write_bytes(data.replace(old, new))


def test_a_damaged_object_is_an_error_with_its_key(tmp_path: Path, start: Start) -> None:
    root = tmp_path / "root"
    server = start(root)
    with Client(access(server.kubeconfig)) as client:
        for name in ("good", "bad"):
            made = {"metadata": {"name": name}, "data": {"x": f"the text of {name}"}}
            assert client.ask("POST", PLACE, made).status == 201
    server.stop()
    spoil(root, b"the text of bad", b"the text of bat")
    server = start(root)
    with Client(access(server.kubeconfig)) as client:
        for path in (f"{PLACE}/bad", PLACE, f"{PLACE}?limit=500", "/clusters/*/api/v1/configmaps"):
            answer = client.ask("GET", path, who="masters")
            assert (answer.status, answer.json()["reason"]) == (500, "InternalError")
            assert "|default|bad' is damaged" in answer.json()["message"]
            assert b"bat" not in answer.raw
        assert client.ask("DELETE", f"{PLACE}/bad").status == 500
        assert client.ask("GET", f"{PLACE}/good").status == 200
        assert client.ask("DELETE", f"{PLACE}/good").status == 200
        assert client.ask("GET", "/readyz").raw == b"ok"
    server.stop()


def test_a_file_that_is_cut_off_under_a_server_ends_it_loudly(tmp_path: Path, start: Start) -> None:
    """Nobody can read what is gone: the process ends by a signal, and says where it was."""
    root = tmp_path / "root"
    server = start(root)
    os.truncate(root / "store" / "data.mdb", 8192)
    with Client(access(server.kubeconfig)) as client, contextlib.suppress(OSError):
        client.ask("GET", PLACE)
    assert server.wait() == -signal.SIGBUS
    assert "Fatal Python error: Bus error" in server.log.read_text()
    code, error = refused(root)
    assert code == 1
    assert "data.mdb is damaged: it was cut off" in error


def test_a_disk_that_returns_errors_ends_the_server_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits hears of it, health says why, and the process ends; the next one goes on."""
    root = tmp_path / "root"
    monkeypatch.setenv("LD_PRELOAD", str(build(tmp_path)))
    monkeypatch.setenv("FAULTS", f"{FAIL} {KINDS['sync']} 40")
    monkeypatch.setenv("FAULTS_FOLDER", str(root / "store"))
    server = ServerProcess(root)
    with Client(access(server.kubeconfig)) as client:
        made = 0
        while (
            answer := client.ask("POST", PLACE, {"metadata": {"name": f"a{made}"}})
        ).status == 201:
            made += 1
        assert answer.status == 500
        assert "the store has stopped writing: OSError: [Errno 5]" in answer.json()["message"]
        for path in ("/readyz", "/livez", "/healthz"):
            said = client.ask("GET", path)
            assert said.status == 500
            assert b"[-]etcd failed: the store has stopped writing: " in said.raw
        assert client.ask("GET", f"{PLACE}/a0").status == 200, "reads go on for a moment"
    assert server.wait() == 1
    assert "kcpfast: the store has stopped writing: " in server.log.read_text()
    server.kill()
    monkeypatch.delenv("LD_PRELOAD")
    server = ServerProcess(root, log=tmp_path / "second.log")
    with Client(access(server.kubeconfig)) as client:
        names = {item["metadata"]["name"] for item in client.get(PLACE)["items"]}
        assert {f"a{at}" for at in range(made)} <= names
    server.stop()
