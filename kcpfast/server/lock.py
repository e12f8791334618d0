"""The lock of a root directory: one server works on it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class StartError(Exception):
    """The server cannot start, or cannot go on; the text is the one line that the user is told."""


class Lock:
    """Held by the one server that works on a directory; the file tells its pid.

    `unclean`: whoever had it before did not release it, but was ended.
    """

    def __init__(self, root: Path) -> None:
        """Take the lock; StartError names the process that has it."""
        path = root / "server.pid"
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StartError(f"cannot use {root}: {error.strerror}") from None
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.read(self._handle, 32).decode(errors="replace").strip()
            os.close(self._handle)
            raise StartError(f"{root} is in use by the server with pid {pid or '?'}") from None
        try:
            self.unclean = os.fstat(self._handle).st_size > 0
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            os.close(self._handle)
            raise StartError(f"cannot write to {path}: {error.strerror}") from None

    def release(self) -> None:
        """Let the next server in."""
        os.ftruncate(self._handle, 0)
        self.leave()

    def leave(self) -> None:
        """Hold it no longer in a process that was forked; the server goes on to hold it."""
        os.close(self._handle)
