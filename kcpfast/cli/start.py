"""kcpfast start: runs a server in the foreground."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

from kcpfast.server.flags import UsageError, parse, usage
from kcpfast.server.lock import Lock, StartError
from kcpfast.server.making import Making


def main(arguments: Sequence[str], started: float) -> int:
    """Run a server until SIGTERM or SIGINT; return the exit code."""
    if any(word in ("--help", "-h", "help") for word in arguments):
        print(usage())
        return 0
    try:
        config = parse(arguments)
        if not config.root.exists():
            from kcpfast.server.ports import check_free  # noqa: PLC0415 - only for a new one

            check_free(config.bind_address, config.port)
        lock = Lock(config.root)
        making = Making(config, lock)
    except (UsageError, StartError) as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"cannot start: {error}")
    gc.disable()  # what is imported now stays; `run` lets the collector in again
    from kcpfast.server.run import run  # noqa: PLC0415 - the help needs none of it

    code = 0
    try:
        run(config, making, started, unclean=lock.unclean)
    except StartError as error:
        code = _refuse(str(error))
    finally:
        making.end()
        if code and lock.unclean:
            lock.leave()  # whoever comes next is to look as closely
        else:
            lock.release()
    return code


def _refuse(why: str) -> int:
    """Say in one line why there is no server; return the exit code."""
    print("kcpfast: " + why.replace("\n", " "), file=sys.stderr)
    return 1
