"""The catalogue of nasty requests is whole, and the prober and the table work on a real server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench import nasty, stall
from bench.load.client import target
from kcpfast.transport.parsing import MAX_BODY
from tests.fix_server import Start

ROWS = nasty.catalogue()


def test_the_catalogue_is_long_and_its_names_differ() -> None:
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names)) >= 60


@pytest.mark.parametrize(
    "subject", ["objects", "patches", "rules", "definitions", "grants", "spaces", "stored"]
)
def test_every_body_is_one_that_is_read(subject: str) -> None:
    """What is refused for its length alone costs nobody anything."""
    for row in nasty.catalogue(subject):
        for shot in (*row.before(), *row.shots()):
            assert len(shot.body) <= MAX_BODY, row.name


def test_a_row_against_a_server(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No time is asserted: the prober answers, and each row is told."""
    tokens = tmp_path / "tokens"
    tokens.write_text(stall._TOKENS)
    server = start(tmp_path / "root", "--token-auth-file", str(tokens))
    with target(server.kubeconfig, "base") as to:
        stall.prepare(to)
        place = stall.Place(to.host, to.port, str(to.ca), server.pid)
        rows = stall.run(place, "unknown fields, refused")
    assert [name for name, _ in rows] == ["190,000 unknown fields, refused"]
    assert all(wait.seconds > 0 for _, wait in rows)
    assert " 400" in capsys.readouterr().out


def test_work_of_a_child_counts() -> None:
    """A parent that waits for who works: as the executable does."""
    work = "import time\nwhile time.process_time() < 0.05: pass\nprint(flush=True); input()"
    parent = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    with subprocess.Popen(
        [sys.executable, "-c", parent, work], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seconds = stall.worked(process.pid)
        process.communicate(b"\n")
    assert seconds > 0.05
