"""Which command a command line means: one row each, imported only when it is asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

COMMANDS = {
    "start": ("kcpfast.cli.start", "run a server"),
    "version": ("kcpfast.cli.version", "print the version"),
}

Command = Callable[[Sequence[str], float], int]


def run(argv: Sequence[str], started: float) -> int:
    """Run the command of a command line; `started` is when the process began (monotonic)."""
    words = list(argv[1:])
    name = words.pop(0) if words else "help"
    row = COMMANDS.get(name)
    if row is None:
        known = name in ("help", "--help", "-h")
        print(usage(Path(argv[0]).name), file=sys.stdout if known else sys.stderr)
        return 0 if known else 1
    command: Command = importlib.import_module(row[0]).main
    return command(words, started)


def usage(program: str) -> str:
    """Return the list of commands."""
    lines = [f"Usage: {program} COMMAND [ARGUMENT ...]", ""]
    lines += [f"  {name:18} {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(lines)
