"""ws current: tells where one is."""

from __future__ import annotations

from kcpfast.cli.arguments import Call, Command
from kcpfast.cli.client.target import Target
from kcpfast.cli.places import announce
from kcpfast.cli.ws.use import SHORT

COMMAND = Command("[--short]", "Print the current workspace, as `ws .` does.", (SHORT,))


def run(call: Call) -> int | None:
    """Print the current workspace."""
    if call.words:
        return None
    print(announce(Target(call).server, short=call.switch("short")), end="")
    return 0
