"""The systemd unit and the Dockerfile: as far as they can be tried without either."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fix_cli import start_config

PACKAGING = Path(__file__).resolve().parent.parent.parent / "packaging"
UNIT = (PACKAGING / "kcpfast.service").read_text()
DOCKERFILE = (PACKAGING / "Dockerfile").read_text()


def command_of_unit() -> list[str]:
    found = re.search(r"^ExecStart=(.*)$", UNIT, re.MULTILINE)
    assert found
    return shlex.split(found[1])


def command_of_image() -> list[str]:
    found = re.search(r"^ENTRYPOINT \[(.*)\]$", DOCKERFILE, re.MULTILINE)
    assert found
    return [word.strip().strip('"') for word in found[1].split(",")]


@pytest.mark.parametrize(
    ("command", "root"),
    [(command_of_unit(), "/var/lib/kcpfast"), (command_of_image(), "/data")],
    ids=["systemd", "docker"],
)
def test_the_command_is_understood(command: list[str], root: str) -> None:
    assert command[:2] == ["/usr/local/bin/kcpfast", "start"]
    assert start_config(*command[2:]).root == Path(root)


def test_the_state_is_where_systemd_makes_it() -> None:
    assert "\nStateDirectory=kcpfast\n" in UNIT


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    program = tmp_path / "kcpfast"
    program.touch(0o755)
    unit = tmp_path / "kcpfast.service"
    unit.write_text(UNIT.replace("/usr/local/bin/kcpfast", str(program)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", "--man=no", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_stage_of_the_image_is_copied_from() -> None:
    assert re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE, re.MULTILINE) == ["build"]
    copied = re.findall(r"^COPY --from=build (?:--\S+ )?(\S+) ", DOCKERFILE, re.MULTILINE)
    assert copied == ["/src/dist/kcpfast", "/libz.so.1", "/data"]
