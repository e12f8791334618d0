"""The one way a command ends badly: raised anywhere in the room, printed once by `commands.run`."""

from __future__ import annotations


class Failure(Exception):
    """What the user is told after `Error: `; `hint` is a further line, about what to do."""

    def __init__(self, text: str, hint: str = "") -> None:
        """Keep both lines."""
        super().__init__(text)
        self.hint = hint


class RequestRefused(Failure):
    """The server answered, and the answer is an error: its HTTP code and Status reason."""

    def __init__(self, code: int, reason: str, text: str, hint: str = "") -> None:
        """Keep what callers tell answers apart by."""
        super().__init__(text, hint)
        self.code = code
        self.reason = reason
