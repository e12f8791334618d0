"""The README's quickstart, typed as it stands there: it does what the README says it does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.fix_server import Start

README = (Path(__file__).parent.parent / "README.md").read_text()
PROMPT, STARTS = "$ ", "$ make start"


def steps() -> Iterator[tuple[str, str]]:
    """Yield each command of the quickstart, and what stands under it."""
    section = README.partition("## Quickstart\n")[2].partition("\n## ")[0]
    text = "\n".join(re.findall(r"^    (.*)$", section, re.MULTILINE))
    for step in re.split(rf"^{re.escape(PROMPT)}", text, flags=re.MULTILINE)[1:]:
        command, _, output = step.partition("\n")
        yield command, output.rstrip("\n")


def test_quickstart(start: Start, tmp_path: Path) -> None:
    server = start(tmp_path / "root")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"KUBECONFIG": str(server.kubeconfig), "PATH": path}
    variables = ""
    ran = 0
    for command, output in steps():
        if (PROMPT + command).startswith(STARTS):
            continue
        shown = re.fullmatch(r"cat (\S+)", command)
        if shown:
            (tmp_path / shown[1]).write_text(output + "\n")
            continue
        done = subprocess.run(
            ["bash", "-c", f"{variables}{command}"],
            cwd=tmp_path,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        ran += 1
        told = "\n".join(line.rstrip() for line in done.stdout.splitlines() if line.strip())
        assert (done.returncode, told) == (0, output), command
        if re.match(r"\w+=\$\(", command):
            variables += f"{command}\n"
    assert ran > 10
