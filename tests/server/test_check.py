"""kcpfast check, beside a server, on what is no store, and where nothing can be written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.fix_server import Start
from tests.harness.process import ServerProcess
from tests.server.test_start import can_mount, small


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("checked") / "root"
    ServerProcess(root).stop()
    return root


@pytest.fixture
def root(seed: Path, tmp_path: Path) -> Path:
    copied = tmp_path / "root"
    subprocess.run(["cp", "-a", str(seed), str(copied)], check=True)
    return copied


def look(root: Path, *flags: str, within: Sequence[str] = ()) -> tuple[int, str]:
    """Return the exit code of a check, and all it said."""
    words = [*within, sys.executable, "-m", "kcpfast", "check", *flags, str(root)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=20)
    return done.returncode, done.stdout + done.stderr


def a_folder(root: Path, name: str) -> None:
    (root / "store" / name).unlink()
    (root / "store" / name).mkdir()


def a_link(root: Path) -> None:
    (root / "store" / "data.mdb").rename(root / "elsewhere.mdb")
    (root / "store" / "data.mdb").symlink_to(root / "elsewhere.mdb")


SPOILED: list[tuple[Callable[[Path], None], str]] = [
    (lambda root: a_folder(root, "data.mdb"), "Is a directory"),
    (lambda root: a_folder(root, "lock.mdb"), "Is a directory"),
    (lambda root: (root / "store" / "data.mdb").unlink(), "there is no store"),
    (a_link, "is a link: it cannot be written anew in its place"),
]


@pytest.mark.parametrize(("spoil", "said"), SPOILED)
def test_what_cannot_be_looked_at_is_told(
    spoil: Callable[[Path], None], said: str, root: Path
) -> None:
    spoil(root)
    code, found = look(root, "--compact")
    assert code == 1
    assert said in found
    assert "Traceback" not in found


def test_beside_a_server_nothing_is_looked_at(root: Path, start: Start) -> None:
    server = start(root)
    for flags in ((), ("--compact",)):
        code, found = look(root, *flags)
        assert (code, f"in use by the server with pid {server.pid}" in found) == (1, True)
    server.stop()
    assert look(root)[0] == 0


def test_after_an_end_the_next_start_looks_as_closely(root: Path) -> None:
    (root / "server.pid").write_text("123\n")
    assert look(root)[0] == 0
    assert (root / "server.pid").read_text() == "123\n"


def test_a_full_disk_can_be_looked_at(root: Path, tmp_path: Path) -> None:
    """To write it anew needs room; without, all stays as it is."""
    if not can_mount(tmp_path):
        pytest.skip("file systems cannot be mounted here")
    over = tmp_path / "small"
    over.mkdir()
    script = (
        'cp -a "$1/." "$2"; dd if=/dev/zero of="$2/fill" bs=1k 2>/dev/null || true;'
        ' before=$(cksum "$2/store/data.mdb"); shift 2;'
        ' "$@" && echo looked; "$@" --compact || echo refused;'
        ' [ "$before" = "$(cksum small/store/data.mdb)" ] && ls small/store'
    )
    within = [
        *small(over, "900k"),
        "sh",
        "-c",
        f"cd {tmp_path}; {script}",
        "sh",
        str(root),
        "small",
    ]
    code, found = look(over, within=within)
    assert code == 0, found
    assert "all is well\nlooked\n" in found
    assert "cannot write the data anew" in found
    assert "refused\ndata.mdb\nlock.mdb\n" in found
