"""kcpfast start: runs a server in the foreground."""

from __future__ import annotations

import gc
import sys

from kcpfast.cli.arguments import SWITCH, TEXT, Command, CommandLine, Flag
from kcpfast.server import flags
from kcpfast.server.lock import Lock, StartError
from kcpfast.server.provisioning import Provisioning

_LATER, _MEANINGLESS = "Accepted, not at work yet", "Accepted, of no meaning here"
COMMAND = Command(
    "[--flag value ...]",
    "Run a server in the foreground. Flags have kcp's names.",
    (
        *(
            Flag(flag.name, flag.help, TEXT, "v" * (flag.name == "v"), flag.default, flag.topic)
            for flag in flags.SERVER_FLAGS
        ),
        *(
            Flag(name, "", SWITCH if name in flags.SWITCHES else TEXT, topic=_LATER)
            for name in flags.LATER
        ),
        *(Flag(name, "", topic=_MEANINGLESS) for name in flags.MEANINGLESS),
    ),
    (
        ("data in .kcpfast, port 6443", ""),
        ("another directory and port", "--root-directory /var/lib/kcpfast --secure-port 7443"),
    ),
    connects=False,
)


def config_of(call: CommandLine) -> flags.Config:
    """Return what a server is to be by a command line; UsageError names what is wrong with it."""
    if call.words:
        raise flags.UsageError(f"unexpected argument: {call.words[0]}")
    values = {flag.name: call.text(flag.name) for flag in flags.SERVER_FLAGS}
    later = [name for name in flags.LATER if call.given(name)]
    return flags.config(values, later)


def run(call: CommandLine) -> int | None:
    """Run a server until SIGTERM or SIGINT; return the exit code, None if help is wanted."""
    if call.words == ["help"]:
        return None
    try:
        config = config_of(call)
        if not config.root.exists():
            from kcpfast.server.ports import check_free  # noqa: PLC0415 - only for a new one

            check_free(config.bind_address, config.port)
        lock = Lock(config.root)
        provisioning = Provisioning(config, lock)
    except (flags.UsageError, StartError) as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"cannot start: {error}")
    gc.disable()  # what is imported now stays; `run` lets the collector in again
    code = 0
    try:
        _serve(config, provisioning, call.started, unclean=lock.unclean)
    except StartError as error:
        code = _refuse(str(error))
    finally:
        provisioning.end()
        if code and lock.unclean:
            lock.leave()  # whoever comes next is to look as closely
        else:
            lock.release()
    return code


def _serve(
    config: flags.Config, provisioning: Provisioning, started: float, *, unclean: bool
) -> None:
    """Load the server and run it; StartError if it cannot be loaded, or does not start."""
    try:
        from kcpfast.server.run import run as serve  # noqa: PLC0415 - the help needs none of it
    except ImportError as error:
        raise StartError(f"a library that the server needs cannot be used: {error}") from None
    serve(config, provisioning, started, unclean=unclean)


def _refuse(reason: str) -> int:
    """Print in one line why there is no server; return the exit code."""
    print("kcpfast: " + reason.replace("\n", " "), file=sys.stderr)
    return 1
