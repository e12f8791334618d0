"""ws, ws use: goes to a workspace, or tells where one is."""

from __future__ import annotations

from kcpfast.cli.arguments import SWITCH, Command, CommandLine, Flag
from kcpfast.cli.client.target import ServerTarget
from kcpfast.cli.failure import Failure
from kcpfast.cli.ws.going import go

SHORT = Flag("short", "Print only the path of the workspace, as for a shell prompt", SWITCH)
COMMAND = Command(
    "[. | .. | - | ~ | : | WORKSPACE | :ABSOLUTE:WORKSPACE]",
    "Enter a workspace, or show which one is the current one.",
    (SHORT, Flag("interactive", "Browse the workspaces and choose one", SWITCH, "i")),
    (
        ("show the current workspace", "."),
        ("enter a workspace in the current one", "my-workspace"),
        ("enter one further down", "some:nested:workspace"),
        ("enter one by its absolute path", ":root:org:team"),
        ("enter the root workspace", ":"),
        ("enter the grandparent", "..:.."),
        ("go back to the previous workspace", "-"),
        ("go to the home workspace", "~"),
        ("choose from a tree", "-i"),
    ),
)


def run(call: CommandLine) -> int | None:
    """Go where the word says; without one, home."""
    if call.switch("interactive"):
        if call.words:
            raise Failure("interactive mode does not accept arguments")
        from kcpfast.cli.ws.browse import browse  # noqa: PLC0415 - rarely wanted

        return browse(ServerTarget(call))
    if len(call.words) > 1 or (not call.words and call.spelled.endswith((" use", " cd"))):
        return None
    go(ServerTarget(call), call.words[0] if call.words else "", short=call.switch("short"))
    return 0
