"""plugins install: links the names that kubectl looks for to this program.

They are those of its plugins, and those by which it asks them what may follow on a command line.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from kcpfast import atomic
from kcpfast.cli.arguments import Command, CommandLine
from kcpfast.cli.commands import COMPLETERS, PROGRAMS
from kcpfast.cli.failure import Failure

COMMAND = Command(
    "[DIR]",
    "Link kubectl's plugins to this program, in ~/.local/bin or DIR.",
    examples=(("for one user", ""), ("for everybody", "/usr/local/bin")),
    connects=False,
)
_OURS = "kcpfast"


def run(call: CommandLine) -> int:
    """Make the links, all or none; Failure if that is not possible."""
    if len(call.words) > 1:
        raise Failure(f"accepts at most 1 arg(s), received {len(call.words)}")
    program = _program()
    folder = Path(call.words[0]).expanduser().absolute() if call.words else _default()
    names = sorted((*PROGRAMS, *COMPLETERS))
    foreign = [name for name in names if not _free(folder / name, program)]
    if foreign:
        raise Failure(f"not made by kcpfast, remove first: {', '.join(foreign)} in {folder}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            atomic.link(folder / name, program)
    except OSError as error:
        raise Failure(f"cannot link in {folder}: {error.strerror}") from None
    print(f"{len(PROGRAMS)} plugins of kubectl in {folder} are links to {program}")
    if str(folder) not in os.environ.get("PATH", "").split(os.pathsep):
        print(f'kubectl finds them once they are on PATH: export PATH="{folder}:$PATH"')
    return 0


def _program() -> Path:
    """Return the file that runs this program; Failure if it is run as a module of Python."""
    frozen = getattr(sys, "frozen", False)
    program = Path(sys.executable if frozen else sys.argv[0]).resolve()
    if program.suffix == ".py" or not os.access(program, os.X_OK):
        raise Failure("there is no executable to link to", "Install kcpfast, or use the binary.")
    return program


def _default() -> Path:
    home = os.environ.get("HOME")
    if not home:
        raise Failure("HOME is not set", "Name a directory: kcpfast plugins install DIR")
    return Path(home) / ".local" / "bin"


def _free(link: Path, program: Path) -> bool:
    """Tell whether a name may be taken: nothing is there, or a link that was made by us."""
    if not link.is_symlink():
        return not link.exists()
    return Path(os.readlink(link)).name in (_OURS, program.name)
