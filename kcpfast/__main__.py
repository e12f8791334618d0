"""python -m kcpfast, and the scripts: picks the command, by its word or by the program's name."""

from __future__ import annotations

import sys
import time

_STARTED = time.monotonic()


def main() -> int:
    """Run the command that the command line asks for; return its exit code."""
    from kcpfast.cli.commands import run  # noqa: PLC0415 - after the clock was read

    return run(sys.argv, _STARTED)


if __name__ == "__main__":
    sys.exit(main())
