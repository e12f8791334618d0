"""Opens sessions: the one place where ssl and http.client are let in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcpfast.cli.client.target import ServerTarget

if TYPE_CHECKING:
    from kcpfast.cli.client.session import Session


def connect(target: ServerTarget) -> Session:
    """Return a session with a target's server; nothing is sent yet."""
    from kcpfast.cli.client.session import Session  # noqa: PLC0415 - 35 ms, and not for `ws .`

    return Session(target)
