"""The time by which a store measures ages: whatever is done to the clock of the day, it goes on."""

from __future__ import annotations

import time


class Clock:
    """The store's own time: it goes on from where it was, as fast as time goes, and never jumps."""

    def __init__(self, milliseconds: int) -> None:
        """Go on from a time."""
        self._begin = milliseconds - time.monotonic_ns() // 1_000_000

    def __call__(self) -> int:
        """Return the time in milliseconds."""
        return self._begin + time.monotonic_ns() // 1_000_000
