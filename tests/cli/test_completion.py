"""What may follow on a command line, as shells and kubectl ask it and as bash offers it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kcpfast.cli import commands
from kcpfast.cli.completion import COMMAND
from tests.fix_cli import Cli

KCP, WS = "kubectl-kcp", "kubectl-ws"
FILES, NO_FILES = ":0", ":4"


@pytest.mark.parametrize(
    ("program", "words", "offered", "last"),
    [
        ("kcpfast", ["st"], ["start"], NO_FILES),
        ("kcpfast", ["nope"], [], NO_FILES),
        ("kcpfast", ["ws", ""], ["create", "create-context", "current", "tree", "use"], NO_FILES),
        ("kcpfast", ["ws", "tr"], ["tree"], NO_FILES),
        ("kcpfast", ["create", ""], ["workspace"], NO_FILES),
        ("kcpfast", ["kcp", "--context", "x", "claims", ""], ["accept", "get", "reject"], NO_FILES),
        ("kcpfast", ["completion", ""], ["bash", "fish", "zsh"], NO_FILES),
        ("kcpfast", ["plugins", "install", ""], [], FILES),
        ("kcpfast", ["check", "--com"], ["--compact"], NO_FILES),
        ("kcpfast", ["check", "--compact", ""], [], FILES),
        ("kcpfast", ["start", "--secure"], ["--secure-port"], NO_FILES),
        ("kcpfast", ["start", "--tls-cert-file", ""], [], FILES),
        ("kcpfast", ["start", "--tls-cert-file=x"], [], FILES),
        ("kcpfast", ["start", "--audit-log-comp"], ["--audit-log-compress"], NO_FILES),
        ("kcpfast", ["version", "-o", ""], ["json", "yaml"], NO_FILES),
        ("kcpfast", ["version", "--output", "j"], ["json"], NO_FILES),
        ("kcpfast", ["version", "--output=y"], ["--output=yaml"], NO_FILES),
        ("kcpfast", ["version", "--nope=y"], [], NO_FILES),
        ("kcpfast", ["ws", "use", ""], [], NO_FILES),
        ("kcpfast", ["ws", "some", ""], [], NO_FILES),
        ("kcpfast", ["ws", "some", "--sh"], ["--short"], NO_FILES),
        ("kcpfast", ["nope", ""], [], NO_FILES),
        ("kcpfast", ["check", "--compact", "a", ""], [], NO_FILES),
        ("kcpfast", ["completion", "bash", ""], [], NO_FILES),
        ("kcpfast", ["--as-"], ["--as-group", "--as-uid"], NO_FILES),
        ("kcpfast", ["ws", "tree", "--wi"], ["--wide"], NO_FILES),
        (WS, ["cur"], ["current"], NO_FILES),
        (KCP, ["crd", "snapshot", "--pre"], ["--prefix"], NO_FILES),
        (KCP, ["work"], ["workspace"], NO_FILES),
    ],
)
def test_what_may_follow(
    program: str, words: list[str], offered: list[str], last: str, cli: Cli
) -> None:
    result = cli("__complete", *words, program=program)
    *lines, end = result.out.splitlines()
    assert (result.code, result.err) == (0, "")
    assert ([line.partition("\t")[0] for line in lines], end) == (offered, last)


def test_all_commands_are_offered_with_what_they_do(cli: Cli) -> None:
    lines = cli("__complete").out.splitlines()
    assert lines == [*(f"{row.path}\t{row.about}" for row in commands.children("")), NO_FILES]
    assert cli("__complete", "").out.splitlines() == lines


@pytest.mark.parametrize("name", commands.COMPLETERS)
def test_kubectl_asks_by_another_name(name: str, cli: Cli) -> None:
    asked = cli("", program=name)
    plugin = name.replace("kubectl_complete-", "kubectl-")
    assert plugin in commands.PROGRAMS
    assert asked == cli("__complete", "", program=plugin)
    assert len(asked.out.splitlines()) > 3


def script(path: Path, name: str) -> None:
    """Make an executable that is this program under a name."""
    run = f"import sys; from kcpfast.cli.commands import run; run(['{name}', *sys.argv[1:]], 0)"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{run}" "$@"\n')
    path.chmod(0o755)


def test_kubectl_completes_a_plugin(tmp_path: Path, config: Path) -> None:
    for name in ("kubectl-ws", "kubectl_complete-ws"):
        script(tmp_path / name, name)
    done = subprocess.run(
        ["kubectl", "__complete", "ws", "tree", "--w"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    words = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    assert words == ["--wide", "--workspace", NO_FILES]


@pytest.mark.parametrize("shell", COMMAND.choices)
def test_scripts_are_of_their_shells(shell: str, cli: Cli) -> None:
    result = cli("completion", shell)
    assert (result.code, result.err) == (0, "")
    assert "__complete" in result.out
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=result.out, text=True, check=True)


def test_other_shells_are_refused(cli: Cli) -> None:
    assert cli("completion", "tcsh").err.startswith('Error: unknown shell "tcsh"; there are bash')
    assert cli("completion", "bash", "zsh").code == 1
    assert "Usage:" in cli("completion").out


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("kcpfast sta", ["start"]),
        ("kcpfast ws t", ["tree"]),
        ("kcpfast ws   --server https://h:1/ tr", ["tree"]),
        ("kcpfast version -o ", ["json", "yaml"]),
        ("kcpfast version --output=", ["json", "yaml"]),
        ("kcpfast nope ", []),
        ("kcpfast start --max-m", ["--max-mutating-requests-inflight", "--max-memory"]),
    ],
)
def test_bash_offers_what_it_replaces(
    line: str, offered: list[str], tmp_path: Path, cli: Cli
) -> None:
    script(tmp_path / "kcpfast", "kcpfast")
    functions = cli("completion", "bash").out
    ask = 'COMP_POINT=${#COMP_LINE}; _kcpfast; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "-c", f"{functions}{ask}"],
        env={**os.environ, "COMP_LINE": line, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == offered
