"""Disk space, claimed before it is needed, so that a full disk is noticed ahead of a write.

The blocks behind the end of the data file are claimed ahead of what is written (fallocate(2) with
FALLOC_FL_KEEP_SIZE). While that works no commit can meet a full disk. When it does not work any
more the disk is *short*: everything still works, health says so. When what is left, free pages
inside the file included, is the reserve, the disk is *full*: only deletions, and what controllers
note down, are written, so that it can be emptied. Where a file system cannot claim blocks, the free
space that it tells of stands for them.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

from kcpfast._core import tree

# Bytes: claimed at least ahead of what is used, claimed beyond that at a time, kept for deletions.
AHEAD, STEP, RESERVE = 8 << 20, 4 << 20, 4 << 20
# While the disk is short, blocks are claimed again no more often than this.
_AGAIN_SECONDS = 1.0
# An input/output error with less space than this is taken for a full disk.
_LEAST = 64 << 10
# What fallocate(2) returns where the file system cannot claim blocks.
_UNABLE = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Space:
    """The room that a data file has; used by the writer's thread only.

    `used` tells how many bytes of the file hold pages, `free` how many of these are free.
    """

    def __init__(self, file: Path, used: Callable[[], int], free: Callable[[], int]) -> None:
        """Look for the first time."""
        self._handle = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        self._used, self._free = used, free
        self._end = 0
        self._tried = 0.0
        self._claims = True
        self.short = ""
        self.full = False
        self.look()

    def look(self) -> None:
        """Claim space for the next writes; set `short` and `full` if that fails.

        Called before each transaction: it returns at once while enough is claimed.
        """
        used = self._used()
        if used + AHEAD <= self._end and not self.short:
            return
        now = time.monotonic()
        if not self.short or now - self._tried >= _AGAIN_SECONDS:
            self._tried = now
            self._claim(used)
        if used + AHEAD <= self._end:
            self.short, self.full = "", False
        else:
            self._measure(used)

    def _claim(self, used: int) -> None:
        """Claim blocks behind the bytes that are used, and set `_end` to where they end."""
        target = used + AHEAD + STEP
        code = tree.claim(self._handle, used, target - used) if self._claims else errno.EOPNOTSUPP
        if code in _UNABLE:
            self._claims = False
            self._end = used + self._left()
        elif code == 0:
            self._end = target

    def _measure(self, used: int) -> None:
        room = max(self._end - used, 0) + self._free()
        self.full = room <= RESERVE
        what = "no space left on the disk" if self.full else "the disk is nearly full"
        self.short = f"{what}: there is room for {room >> 10} KiB, {RESERVE >> 10} are a reserve"

    def is_out(self, code: int) -> bool:
        """Tell whether an error means that there is no room; if so, take note of it.

        LMDB calls a write that was cut short by a full disk an input/output error.
        """
        if code not in NO_ROOM and not (code == errno.EIO and self._left() < _LEAST):
            return False
        self._end, self._tried = 0, time.monotonic()
        self.full = True
        self.short = "no space left on the disk: a write found no room"
        return True

    def _left(self) -> int:
        seen = os.fstatvfs(self._handle)
        return seen.f_bavail * seen.f_frsize

    def close(self) -> None:
        """Let the file go."""
        os.close(self._handle)
