"""The lock of a root directory: one server works on it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path


class StartError(Exception):
    """The server cannot start, or cannot go on; the text is the one line that the user is told."""


class Lock:
    """Held by the one server that works on a directory; the file tells its pid.

    `unclean`: whoever had it before did not release it, but was ended.
    """

    def __init__(self, root: Path, *, guest: bool = False) -> None:
        """Take the lock; StartError names the process that has it.

        A `guest` leaves the file as it was, and needs no room on the disk.
        """
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
            before = os.pread(self._handle, 32, 0)
            self.unclean, self._left = bool(before), before if guest else b""
            self._write(f"{os.getpid()}\n".encode())
        except OSError as error:
            if guest:
                return
            os.close(self._handle)
            raise StartError(f"cannot write to {path}: {error.strerror}") from None

    def release(self) -> None:
        """Let the next server in."""
        with contextlib.suppress(OSError):
            self._write(self._left)
        self.leave()

    def _write(self, said: bytes) -> None:
        # In this order: what is written over needs no room.
        os.pwrite(self._handle, said, 0)
        os.ftruncate(self._handle, len(said))

    def leave(self) -> None:
        """Hold it no longer in a process that was forked; the server goes on to hold it."""
        os.close(self._handle)
