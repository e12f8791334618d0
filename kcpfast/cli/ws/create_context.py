"""ws create-context: keeps the current workspace as a context of the kubeconfig."""

from __future__ import annotations

from kcpfast.cli.arguments import SWITCH, Command, CommandLine, Flag
from kcpfast.cli.client.kubeconfig import CONTEXTS
from kcpfast.cli.client.target import ServerTarget
from kcpfast.cli.failure import Failure
from kcpfast.cli.ws import contexts

COMMAND = Command(
    "[CONTEXT]",
    "Create a kubeconfig context for the current workspace, and switch to it.",
    (Flag("overwrite", "Overwrite the context if it exists", SWITCH),),
    (
        ("create a context named by the path of the workspace", ""),
        ("create a context with a name of its own", "my-context"),
    ),
)


def run(call: CommandLine) -> int | None:
    """Create the context that is named, or one named by the path of the workspace."""
    if len(call.words) > 1:
        return None
    target = ServerTarget(call)
    place = target.place
    name = call.words[0] if call.words else place.path
    create(target, name, place.url, overwrite=call.switch("overwrite"), enter=True)
    return 0


def create(target: ServerTarget, name: str, url: str, *, overwrite: bool, enter: bool) -> None:
    """Create a context for the workspace at a URL and say so; Failure if it exists."""
    config = target.config
    if config.find(CONTEXTS, name) is not None and not overwrite:
        raise Failure(
            f'context "{name}" already exists in kubeconfig, use --overwrite to update it'
        )
    before = config.current
    verb = "Created" if contexts.add(config, target.context, name, url) else "Updated"
    if enter:
        config.current = name
    config.save()
    switched = " and switched to it" if enter and before != name else ""
    print(f'{verb} context "{name}"{switched}.')
