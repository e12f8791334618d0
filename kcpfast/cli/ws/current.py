"""ws current: tells where one is."""

from __future__ import annotations

from kcpfast.cli.arguments import Command, CommandLine
from kcpfast.cli.client.target import ServerTarget
from kcpfast.cli.places import announce
from kcpfast.cli.ws.use import SHORT

COMMAND = Command("[--short]", "Print the current workspace, as `ws .` does.", (SHORT,))


def run(call: CommandLine) -> int | None:
    """Print the current workspace."""
    if call.words:
        return None
    print(announce(ServerTarget(call).server, short=call.switch("short")), end="")
    return 0
