"""Where the executable begins: it is the program, and sees to what it was unpacked into.

A onefile executable unpacks itself into a folder of its own and removes that when it ends. One that
was killed cannot: the next server that starts removes what nobody holds a lock on any more.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from pathlib import Path

from kcpfast.__main__ import main

LOCK = "kcpfast.lock"


def hold(folder: Path) -> int:
    """Lock a folder for as long as this process lives; return the open lock file."""
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def sweep(folder: Path) -> None:
    """Remove folders beside this one that an executable of ours has left behind."""
    for lock in folder.parent.glob(f"_MEI*/{LOCK}"):
        try:
            handle = os.open(lock, os.O_RDWR)
        except OSError:
            continue  # another user's, or just gone
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
        except OSError:
            continue  # somebody runs from it
        finally:
            os.close(handle)


if __name__ == "__main__":
    unpacked = Path(getattr(sys, "_MEIPASS", ""))
    held = hold(unpacked)
    if sys.argv[1:2] == ["start"]:
        sweep(unpacked)
    sys.exit(main())
