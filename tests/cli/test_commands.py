"""Which command a command line means, and what is said when it means none."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kcpfast.cli import commands, start
from tests.fix_cli import Cli

KCP, WS, CREATE = "kubectl-kcp", "kubectl-ws", "kubectl-create-workspace"
LEAVES = [row.path for row in commands.COMMAND_ROWS if row.module]


@pytest.mark.parametrize(
    ("path", "words", "found"),
    [
        ("", "ws", ("ws", "")),
        ("", "ws .", ("ws", ".")),
        ("", "workspace use x", ("ws use", "x")),
        ("", "ws cd x", ("ws use", "x")),
        ("", "kcp ws tree -f", ("ws tree", "-f")),
        ("", "kcp workspace create x --enter", ("ws create", "x --enter")),
        ("", "create workspace x", ("create workspace", "x")),
        ("", "create-workspace x", ("create workspace", "x")),
        ("kcp", "crd snapshot -f -", ("kcp crd snapshot", "-f -")),
        ("kcp", "claims get apibinding b", ("kcp claims get apibinding", "b")),
        ("kcp", "--kubeconfig x ws -w :a tree", ("ws tree", "--kubeconfig x -w :a")),
        ("ws", "--insecure-skip-tls-verify use x", ("ws use", "--insecure-skip-tls-verify x")),
        ("ws", "my-team", ("ws", "my-team")),
        ("ws", "use use", ("ws use", "use")),
        ("ws", "-", ("ws", "-")),
        ("kcp", "nope", ("kcp", "nope")),
    ],
)
def test_find_command(path: str, words: str, found: tuple[str, str]) -> None:
    _, where, rest = commands.find("x", path, words.split())
    assert (where, " ".join(rest)) == found


@pytest.mark.parametrize(
    ("program", "words", "spelled"),
    [
        ("kubectl-ws", "", "kubectl ws"),
        ("kubectl-workspace", "", "kubectl workspace"),
        ("kubectl-workspaces", "", "kubectl workspaces"),
        ("kubectl-kcp", "ws", "kubectl kcp ws"),
        ("kubectl-create-workspace", "", "kubectl create workspace"),
        ("kubectl-create_workspace", "", "kubectl create-workspace"),
        ("kcpfast", "kcp bind apiexport", "kcpfast kcp bind apiexport"),
        ("__main__.py", "ws tree", "kcpfast ws tree"),
    ],
)
def test_help_names_the_command_as_called(program: str, words: str, spelled: str, cli: Cli) -> None:
    result = cli(*words.split(), "--help", program=program)
    assert result.code == 0
    assert f"Usage:\n  {spelled} " in result.out


@pytest.mark.parametrize("path", LEAVES)
def test_every_command_has_help_and_version(path: str, cli: Cli) -> None:
    result = cli(*path.split(), "-h")
    assert (result.code, result.err) == (0, "")
    assert "\nFlags:\n" in result.out
    assert cli(*path.split(), "--version").out.startswith("kcpfast ")


@pytest.mark.parametrize("path", LEAVES)
def test_no_flag_is_spelled_twice(path: str) -> None:
    command = importlib.import_module(commands._ROWS[path].module).COMMAND
    known = command.known
    for names in ([flag.name for flag in known], [flag.short for flag in known if flag.short]):
        assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("words", ["", "help", "--help", "-h"])
@pytest.mark.parametrize("program", ["kcpfast", KCP])
def test_a_group_shows_its_commands(words: str, program: str, cli: Cli) -> None:
    result = cli(*words.split(), program=program)
    assert result.code == 0
    assert "Commands:\n" in result.out


@pytest.mark.parametrize(
    ("program", "words", "text"),
    [
        ("kcpfast", "nope", 'Error: unknown command "nope" for "kcpfast"\n'),
        ("kcpfast", "--nope", 'Error: unknown flag "--nope" for "kcpfast"\n'),
        (KCP, "claims nope", 'Error: unknown command "nope" for "kubectl kcp claims"\n'),
        (WS, "--nope", "Error: unknown flag: --nope\nRun 'kubectl ws --help' for usage.\n"),
        (WS, "create --nope", "Error: unknown flag: --nope\nRun 'kubectl ws create --help'"),
        (CREATE, "a b", "Error: accepts 1 arg(s), received 2\n"),
        ("kcpfast", "start --nope", "Error: unknown flag: --nope\nRun 'kcpfast start --help'"),
        ("kcpfast", "start stray", "kcpfast: unexpected argument: stray\n"),
    ],
)
def test_what_is_unknown_is_refused(program: str, words: str, text: str, cli: Cli) -> None:
    result = cli(*words.split(), program=program)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(text)


@pytest.mark.parametrize(
    ("program", "words", "meant"),
    [
        ("kcpfast", "startt", '"start"'),
        ("kcpfast", "create worksapce", '"workspace"'),
        (KCP, "claim get", '"claims"'),
        (KCP, "crd snapshots", '"snapshot"'),
        ("kcpfast", "start --secure-prot 1", "--secure-port"),
        ("kcpfast", "start --root-dir=x", "--root-directory"),
        ("kcpfast", "start --audit-policy-fil x", "--audit-policy-file"),
        (WS, "tree --ful", "--full"),
        (WS, "create x --entre", "--enter"),
        (WS, "--kubeconfg x", "--kubeconfig"),
    ],
)
def test_who_mistypes_is_told_what_was_meant(
    program: str, words: str, meant: str, cli: Cli
) -> None:
    code, out, err = cli(*words.split(), program=program)
    assert (code, out) == (1, "")
    error, question, usage = err.splitlines()
    assert error.startswith("Error: unknown ")
    assert question == f"Did you mean {meant}?"
    assert usage.endswith("--help' for usage.")


def test_help_is_grouped(cli: Cli) -> None:
    headings = [line for line in cli("--help").out.splitlines() if line.endswith(" Commands:")]
    groups = ("Server", "Workspace", "API", "Shell")
    assert headings == [f"{group} Commands:" for group in groups]
    text = cli("start", "--help").out
    for flag in start.COMMAND.flags:
        assert f"--{flag.name}" in text.partition(f"\n{flag.topic}:\n")[2].partition("\n\n")[0]
    text = cli("ws", "tree", "--help").out
    assert all(f"\n{topic}:\n" in text for topic in ("Flags", "Connection", "Credentials"))


@pytest.mark.parametrize("words", ["a b", "use", "use a b", "current x", "tree x", "help"])
def test_ws_shows_its_help_when_misused(words: str, cli: Cli) -> None:
    result = cli(*words.split(), program=WS)
    assert result.code == 0
    assert "Usage:\n" in result.out


def test_an_interrupt_ends_quietly(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> Callable[[], int]:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "_run", interrupted)
    assert cli("ws") == (130, "", "")


# ------------------------------------------- what commands may not load: they stand in prompts

HEAVY = {
    "asyncio",
    "argparse",
    "cryptography",
    "dataclasses",
    "email",
    "http.client",
    "inspect",
    "lmdb",
    "logging",
    "msgspec",
    "pathlib",
    "subprocess",
    "urllib",
    "uvloop",
}
NETWORK = {"json", "socket", "ssl"}
CODE = """
import sys
from kcpfast.cli.commands import run
code = run(sys.argv, 0.0)
print(code, *sorted(sys.modules), file=sys.stderr)
"""


def loaded(*words: str) -> tuple[int, set[str]]:
    command = [sys.executable, "-c", CODE, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    code, *modules = done.stderr.splitlines()[-1].split()
    return int(code), set(modules)


@pytest.mark.parametrize(
    ("words", "forbidden"),
    [
        ("ws .", HEAVY | NETWORK),
        ("ws current --short", HEAVY | NETWORK),
        ("ws create-context x", HEAVY | NETWORK),
        ("ws --help", HEAVY | NETWORK | {"yaml"}),
        ("ws :", HEAVY),
        ("ws tree", HEAVY),
    ],
)
def test_commands_load_little(words: str, forbidden: set[str], config: Path) -> None:
    code, modules = loaded(*words.split())
    assert code == 0 or words in ("ws :", "ws tree")
    assert not forbidden & modules
    assert not {name for name in modules if name.startswith("kcpfast.server")}
