"""ws -i, ws tree -i: lets a workspace be chosen from the whole tree, and goes there."""

from __future__ import annotations

import sys

from kcpfast.cli.client.connect import connect
from kcpfast.cli.client.target import ServerTarget
from kcpfast.cli.failure import Failure
from kcpfast.cli.places import resolve
from kcpfast.cli.ws.going import go
from kcpfast.cli.ws.screen import choose


def browse(target: ServerTarget) -> int:
    """Let the user choose a workspace on the screen, and go there; Failure without a terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Failure("interactive mode needs a terminal")
    current = target.place.path
    with connect(target) as session:
        path = choose(session, resolve(current, ":"), current)
    if path:
        go(target, f":{path}")
    return 0
