"""kill -9 under load: what was acknowledged is there, nothing is half-written, work goes on."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.faults.writers import SPACES, Crowd, Writer
from tests.fix_server import Start
from tests.harness.https import Client, access
from tests.models.consistency import problems_of

SERVERS, KILLS, WRITERS = 5, 10, 4
SETTLE_SECONDS = 10.0


def crowd(client: Client, seed: int) -> Crowd:
    """Return writers, each with a workspace of its own to write to."""
    writers = []
    for each in range(WRITERS):
        name = f"home{each}"
        body = {
            "apiVersion": "tenancy.kcp.io/v1alpha1",
            "kind": "Workspace",
            "metadata": {"name": name},
        }
        assert client.ask("POST", SPACES, body).status == 201
        place = f"/clusters/root:{name}/api/v1/namespaces/default/configmaps"
        writers.append(Writer(f"w{each}", place, seed + each))
    return Crowd(writers)


def gone(client: Client, names: set[str]) -> bool:
    """Tell whether workspaces whose deletion was acknowledged go, in a while."""
    deadline = time.monotonic() + SETTLE_SECONDS
    left = set(names)
    while left and time.monotonic() < deadline:
        left = {name for name in left if client.ask("GET", f"{SPACES}/{name}").status != 404}
    return not left


# ssl leaves a socket to the collector whose peer is gone before the handshake has begun.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(SERVERS))
def test_nothing_acknowledged_is_lost(seed: int, tmp_path: Path, start: Start) -> None:
    moments = random.Random(seed)
    root = tmp_path / "root"
    server = start(root)
    with Client(access(server.kubeconfig)) as client:
        writers = crowd(client, seed)
    for _ in range(KILLS):
        granted = access(server.kubeconfig)
        writers.work(granted, moments.randint(1, 120), server.kill)
        assert problems_of(root) == []
        server = start(root)
        with Client(access(server.kubeconfig)) as client:
            for writer in writers.writers:
                assert writer.wrong(client) == []
                assert gone(client, writer.dropped)
                writer.dropped.clear()
    server.stop()
    assert problems_of(root, settled=True) == []
