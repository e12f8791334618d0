"""A first start that is killed, at whatever it writes: the next one works, and has all there is."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults.disk import ALL, KILL, KINDS, build
from tests.faults.test_disk import MORE
from tests.harness.https import Client, access
from tests.harness.process import ServerProcess, command
from tests.models.consistency import problems_of

# Of the calls that a start makes, counted without those that allocate: a few, or all (make soak, in
# pieces).
CALLS: Sequence[int] = range(1, 120) if MORE > 1 else (2, 6, 11, 22)
FIRST_STARTS = 12
PIECES = FIRST_STARTS if MORE > 1 else 1


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("faults"))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("piece", range(PIECES), ids=lambda piece: f"piece{piece}of{PIECES}")
def test_a_first_start_that_is_killed(piece: int, library: Path, tmp_path: Path) -> None:
    for at in CALLS[piece::PIECES]:
        root = tmp_path / str(at)
        plan = f"{KILL} {ALL & ~KINDS['map']} {at}"
        begun = {"LD_PRELOAD": str(library), "FAULTS": plan, "FAULTS_FOLDER": str(root)}
        with subprocess.Popen(
            command(root),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **begun},
        ) as process:
            assert process.stdout is not None
            lived = b"kubectl api-resources" in process.stdout.read(700)
            process.kill()
        server = ServerProcess(root)
        with Client(access(server.kubeconfig)) as client:
            assert client.ask("GET", "/clusters/root").status != 401
            assert client.ask("GET", "/readyz").raw == b"ok"
        server.stop()
        assert problems_of(root) == []
        if lived and at > 40:
            return
