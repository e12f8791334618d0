"""The commands against a server of ours: a story of workspaces, from the outside."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fix_cli import Cli

MODULE = [sys.executable, "-m", "kcpfast"]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A server; what is yielded is its administrator's kubeconfig."""
    root = tmp_path_factory.mktemp("server")
    command = [*MODULE, "start", "--root-directory", str(root), "--secure-port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        assert "is ready at" in process.stdout.readline()
        yield root / "admin.kubeconfig"
        process.terminate()
        process.wait()


@pytest.fixture
def kubeconfig(started: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config"
    path.write_bytes(started.read_bytes())
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


def test_workspaces_are_made_and_walked(kubeconfig: Path, cli: Cli) -> None:
    def ok(*words: str) -> str:
        result = cli(*words)
        assert (result.code, result.err) == (0, "")
        return result.out

    assert ok("create", "workspace", "org", "--type", "organization", "--enter") == (
        'Workspace "org" (type root:organization) is ready to use.\n'
        "Current workspace is 'root:org' (type root:organization).\n"
    )
    assert ok("create", "workspace", "team") == (
        'Workspace "team" (type root:universal) is ready to use.\n'
    )
    assert ok("ws", "team").endswith("'root:org:team' (type root:universal).\n")
    assert ok("ws", "..:..") == "Current workspace is 'root' (type root).\n"
    assert "└── root\n    └── org\n        └── team\n" in ok("ws", "tree")
    assert "└── org  ws=Ready  lc=Ready\n" in ok("ws", "tree", "--wide", "-w", "org")
    assert ok("ws", "-", "--short") == "root:org:team\n"
    again = ("create", "workspace", "team", "-w", "..")
    assert cli(*again).err == 'Error: workspaces.tenancy.kcp.io "team" already exists\n'
    assert "already exists." in ok(*again, "--ignore-existing")
    assert cli("ws", "nowhere").err == 'Error: workspace "root:org:team:nowhere" not found\n'


def test_a_token_nobody_knows_is_explained(kubeconfig: Path, cli: Cli) -> None:
    result = cli("ws", "tree", "--token", "nonsense")
    assert result.code == 1
    assert result.err.startswith("Error: You must be logged in to the server")
    assert f'from context "root" of {kubeconfig}' in result.err


def test_an_untrusted_server_is_explained(kubeconfig: Path, cli: Cli) -> None:
    text = re.sub(r" +certificate-authority-data: .*\n", "", kubeconfig.read_text())
    kubeconfig.write_text(text)
    assert "is not trusted: " in cli("ws", "tree").err
    assert cli("ws", "tree", "--insecure-skip-tls-verify").code == 0


def test_a_tree_is_set_up_for_trying_out(kubeconfig: Path, cli: Cli) -> None:
    flags = ("--scenario", "workspaces", "--name-prefix", "try", "--tree-count", "3")
    result = cli("kcp", "quickstart", *flags, "--tree-seed", "1", "--enter")
    assert (result.code, result.err) == (0, "")
    assert 'Workspace "try-org" created and ready at root:try-org\n' in result.out
    assert "Step 2/2: Creating 3 workspaces (max depth 3, seed 1)...\n" in result.out
    assert "  Progress: 3/3 workspaces created" in result.out
    assert cli("ws", ".", "--short").out == "root:try-org\n"
    assert cli("ws", "tree").out.count("try-ws-") == 3


def test_a_workspace_is_chosen_on_a_terminal(kubeconfig: Path, cli: Cli) -> None:
    assert cli("ws", "create", "chosen", "--ignore-existing").code == 0
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "LINES": "40", "COLUMNS": "100"}
    command = [*MODULE, "ws", "-i"]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        seen = b""
        while b"chosen" not in seen:
            seen += os.read(ours, 4096)
        # Workspaces come in the order of their names: this one is the first.
        os.write(ours, b"j\n")
        while b"Current workspace is 'root:chosen'" not in seen:
            seen += os.read(ours, 4096)
        assert process.wait() == 0
    os.close(ours)
    assert cli("ws", ".", "--short").out == "root:chosen\n"
