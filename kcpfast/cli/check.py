"""check: looks whether the data of a server that is not running are whole."""

from __future__ import annotations

import sys
from pathlib import Path

from kcpfast.cli.arguments import SWITCH, Command, CommandLine, Flag
from kcpfast.cli.failure import Failure

COMMAND = Command(
    "[DIR]",
    "Look whether the data in a root directory (.kcpfast, or DIR) are whole. No server may run.",
    (Flag("compact", "Then write them anew without the space that is free in them", SWITCH),),
    (
        ("of the usual place", ""),
        ("of another, which is made smaller", "--compact /var/lib/kcpfast"),
    ),
    connects=False,
)
_MOST_LINES = 1000


def run(call: CommandLine) -> int:
    """Print what is wrong, or that nothing is; return 1 if something is.

    Failure if a server works on the directory, or it cannot be written anew.
    """
    from kcpfast.server.lock import Lock, StartError  # noqa: PLC0415 - not while help is shown

    if len(call.words) > 1:
        raise Failure(f"accepts at most 1 arg(s), received {len(call.words)}")
    root = Path(call.words[0] if call.words else ".kcpfast")
    if not (root / "store").is_dir():
        raise Failure(f"there are no data in {root}")
    try:
        lock = Lock(root, guest=True)
    except StartError as error:
        raise Failure(str(error)) from None
    try:
        return _check(root, compact=call.switch("compact"))
    except OSError as error:
        raise Failure(f"cannot look at the data in {root}: {error}") from None
    finally:
        lock.release()


def _check(root: Path, *, compact: bool) -> int:
    from kcpfast.server.consistency import problems_of  # noqa: PLC0415 - it imports the server
    from kcpfast.store import check  # noqa: PLC0415
    from kcpfast.store.contract import StoreError  # noqa: PLC0415
    from kcpfast.store.opening import BEFORE  # noqa: PLC0415

    seen = check.examine(root / "store")
    if seen.format == BEFORE and not seen.problems:
        print("the pages are whole; the data are of the format before, and written anew at a start")
        return 0
    try:
        problems = seen.problems or problems_of(root)
    except StoreError as error:
        problems = [str(error)]
    for problem in problems[:_MOST_LINES]:
        print(problem, file=sys.stderr)
    if problems:
        print(f"problems: {len(problems)}")
        return 1
    print(", ".join(f"{count} {name}" for name, count in seen.entries.items()) + ": all is well")
    if compact:
        try:
            before, after = check.rewrite(root / "store")
        except (OSError, StoreError) as error:
            raise Failure(f"cannot write the data anew: {error}") from None
        print(f"{before} bytes before, {after} bytes now")
    return 0
