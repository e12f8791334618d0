"""Which command a command line means: one row each, imported only when it is asked for."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from kcpfast.cli.failure import Failure

if TYPE_CHECKING:
    from types import ModuleType

    from kcpfast.cli.arguments import Command


class CommandRow(NamedTuple):
    """A command: its words, the module that has it ("" = a group), what it does, its heading."""

    path: str
    module: str
    about: str
    topic: str = ""


_SERVER, _WORKSPACES, _APIS, _SHELLS = "Server", "Workspace", "API", "Shell"
COMMAND_ROWS = (
    CommandRow("check", "kcpfast.cli.check", "Look whether a server's data are whole", _SERVER),
    CommandRow("start", "kcpfast.cli.start", "Run a server", _SERVER),
    CommandRow("version", "kcpfast.cli.version", "Print the version", _SERVER),
    CommandRow("create", "", "Create what kubectl itself cannot", _WORKSPACES),
    CommandRow("create workspace", "kcpfast.cli.ws.create", "Create a workspace"),
    CommandRow("ws", "kcpfast.cli.ws.use", "Enter, show and make workspaces", _WORKSPACES),
    CommandRow("ws create", "kcpfast.cli.ws.create", "Create a workspace"),
    CommandRow(
        "ws create-context", "kcpfast.cli.ws.create_context", "Keep a workspace as a context"
    ),
    CommandRow("ws current", "kcpfast.cli.ws.current", "Print the current workspace"),
    CommandRow("ws tree", "kcpfast.cli.ws.tree", "Print the workspaces below the current one"),
    CommandRow("ws use", "kcpfast.cli.ws.use", "Enter a workspace"),
    CommandRow(
        "kcp", "", "Work with workspaces and APIs, as the kubectl plugin of kcp does", _APIS
    ),
    CommandRow("kcp bind", "", "Bind APIs into the current workspace"),
    CommandRow("kcp bind apiexport", "kcpfast.cli.kcp.bind", "Bind an APIExport"),
    CommandRow("kcp claims", "", "See and answer permission claims"),
    CommandRow(
        "kcp claims accept", "kcpfast.cli.kcp.claims_decide", "Accept claims of an APIBinding"
    ),
    CommandRow("kcp claims get", "", "See permission claims"),
    CommandRow(
        "kcp claims get apibinding", "kcpfast.cli.kcp.claims_get", "List claims of APIBindings"
    ),
    CommandRow(
        "kcp claims reject", "kcpfast.cli.kcp.claims_decide", "Reject claims of an APIBinding"
    ),
    CommandRow("kcp crd", "", "Work with CustomResourceDefinitions"),
    CommandRow("kcp crd snapshot", "kcpfast.cli.kcp.snapshot", "Turn CRDs into APIResourceSchemas"),
    CommandRow(
        "kcp quickstart", "kcpfast.cli.kcp.quickstart", "Set up workspaces and APIs to try out"
    ),
    CommandRow(
        "completion", "kcpfast.cli.completion", "Let a shell complete command lines", _SHELLS
    ),
    CommandRow("plugins", "", "Make the commands known to kubectl", _SHELLS),
    CommandRow("plugins install", "kcpfast.cli.plugins", "Link kubectl's plugins to this program"),
)
_ROWS = {row.path: row for row in COMMAND_ROWS}
# Other words for the same, each resolved once.
ALIASES = {
    "bind": "kcp bind",
    "claims": "kcp claims",
    "crd": "kcp crd",
    "create-workspace": "create workspace",
    "create ws": "create workspace",
    "kcp version": "version",
    "kcp workspace": "ws",
    "kcp workspaces": "ws",
    "kcp ws": "ws",
    "quickstart": "kcp quickstart",
    "workspace": "ws",
    "workspaces": "ws",
    "ws cd": "ws use",
}
# What a program means by its name; kubectl spells the dashes of a plugin's name as it likes.
PROGRAMS = {
    "kubectl-create-workspace": "create workspace",
    "kubectl-create_workspace": "create workspace",
    "kubectl-kcp": "kcp",
    "kubectl-workspace": "ws",
    "kubectl-workspaces": "ws",
    "kubectl-ws": "ws",
}
# What a shell asks of the program as someone types, and what kubectl runs to ask a plugin so.
COMPLETE, _COMPLETES = "__complete", "kubectl_complete-"
COMPLETERS = tuple(f"{_COMPLETES}{plugin}" for plugin in ("kcp", "workspace", "workspaces", "ws"))


def run(argv: Sequence[str], started: float) -> int:
    """Run the command of a command line; `started` is when the process began (monotonic).

    Returns the exit code; what goes wrong is printed to stderr.
    """
    program = os.path.basename(argv[0]).removesuffix(".exe")
    words = list(argv[1:])
    if program.startswith(_COMPLETES):
        program = program.replace(_COMPLETES, "kubectl-", 1)
        words.insert(0, COMPLETE)
    spelled, path = program.replace("-", " ").replace("_", "-"), PROGRAMS.get(program)
    if path is None:
        spelled, path = "kcpfast", ""
    try:
        code = _run(spelled, path, words, started)
        sys.stdout.flush()
    except Failure as failure:
        print(f"Error: {failure}", file=sys.stderr)
        if failure.hint:
            print(failure.hint, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Python flushes stdout once more as it exits, which would fail again, noisily.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    return code


def _run(spelled: str, path: str, words: list[str], started: float) -> int:
    if words[:1] == [COMPLETE]:
        from kcpfast.cli.completion import answer  # noqa: PLC0415 - asked by shells only

        print(answer(path, words[1:]))
        return 0
    spelled, path, rest = find(spelled, path, words)
    row = _ROWS.get(path)
    if row is None or not row.module:
        return _group(spelled, path, rest)
    return _command(spelled, path, rest, started)


def find(spelled: str, path: str, words: Sequence[str]) -> tuple[str, str, list[str]]:
    """Follow words down the tree of commands, over connection flags that stand between them.

    Returns how the command was spelled, its path, and the words that are left.
    """
    rest = list(words)
    position = 0
    while position < len(rest):
        word = rest[position]
        if word.startswith("-") and word != "-":
            taken = _flag_length(rest, position)
            if not taken:
                break
            position += taken
            continue
        below = f"{path} {word}".strip()
        below = ALIASES.get(below, below)
        if below not in _ROWS:
            break
        spelled, path = f"{spelled} {word}", below
        del rest[position]
    return spelled, path, rest


def _flag_length(words: Sequence[str], position: int) -> int:
    """Return how many words a connection flag takes up; 0 if it is none."""
    from kcpfast.cli.arguments import CONNECTION_FLAGS, SWITCH  # noqa: PLC0415 - not for `start`

    name, given, _ = words[position].lstrip("-").partition("=")
    for flag in CONNECTION_FLAGS:
        if name in (flag.name, flag.short):
            return 1 if given or flag.kind == SWITCH else 2
    return 0


def children(path: str) -> list[CommandRow]:
    """Return the rows of the commands below another, by their last word."""
    prefix = path + " " if path else ""
    below = [row for row in COMMAND_ROWS if row.path.startswith(prefix)]
    rows = [row._replace(path=row.path.removeprefix(prefix)) for row in below]
    rows = [row for row in rows if row.path and " " not in row.path]
    if path == "kcp":
        rows.append(_ROWS["ws"]._replace(path="workspace", topic=""))
    return rows


def command_of(path: str) -> Command | None:
    """Return what a command says of itself; None for a group."""
    row = _ROWS.get(path)
    if row is None or not row.module:
        return None
    command: Command = importlib.import_module(row.module).COMMAND
    return command


def _group(spelled: str, path: str, rest: Sequence[str]) -> int:
    """Show the commands of a group; Failure if a word is left that is none of them."""
    from kcpfast.cli.usage import overview  # noqa: PLC0415 - not for `start`

    asked = not rest or rest[0] in ("help", "--help", "-h")
    if rest and rest[0] == "--version":
        return _version()
    if not asked:
        raise _unknown(spelled, path, rest[0])
    about = _ROWS[path].about if path else "A kcp-compatible control plane in one process"
    print(overview(spelled, about, children(path)))
    return 0


def _unknown(spelled: str, path: str, word: str) -> Failure:
    from kcpfast.cli.arguments import nearest  # noqa: PLC0415 - rarely wanted

    hint = f"Run '{spelled} --help' for usage."
    if word.startswith("-"):
        return Failure(f'unknown flag "{word}" for "{spelled}"', hint)
    meant = nearest(word, [row.path for row in children(path)])
    if meant:
        hint = f'Did you mean "{meant}"?\n{hint}'
    return Failure(f'unknown command "{word}" for "{spelled}"', hint)


def _version() -> int:
    print(importlib.import_module("kcpfast.cli.version").line())
    return 0


def _command(spelled: str, path: str, rest: Sequence[str], started: float) -> int:
    from kcpfast.cli.arguments import CommandLine, parse  # noqa: PLC0415 - not while modules are listed

    module: ModuleType = importlib.import_module(_ROWS[path].module)
    command: Command = module.COMMAND
    try:
        words, values = parse(rest, command.known)
    except Failure as failure:
        usage = f"Run '{spelled} --help' for usage."
        failure.hint = f"{failure.hint}\n{usage}" if failure.hint else usage
        raise
    if values["version"]:
        return _version()
    # None is a command's way to say that it does not know what is wanted of it.
    asked = values["help"] or (words == ["help"] and children(path))
    exit_code = None if asked else module.run(CommandLine(spelled, command, words, values, started))
    if exit_code is None:
        from kcpfast.cli.usage import describe  # noqa: PLC0415 - rarely wanted

        print(describe(spelled, command, children(path)))
        return 0
    code: int = exit_code
    return code
