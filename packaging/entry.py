"""Where the executable begins: it is the program, and sees to what it was unpacked into.

A onefile executable unpacks itself into a folder of its own and removes that when it ends. One that
was killed cannot: the next server that starts removes what nobody holds a lock on any more.
"""

from __future__ import annotations

import os
import sys

import ondemand
import pyimod02_importers

LOCK = "kcpfast.lock"


def hold(folder: str) -> int:
    """Lock a folder for as long as this process lives; return the open lock file."""
    import fcntl  # noqa: PLC0415 - compiled, found only now

    handle = os.open(os.path.join(folder, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def sweep(folder: str) -> None:
    """Remove folders beside this one that an executable of ours has left behind."""
    import fcntl  # noqa: PLC0415 - as above

    with os.scandir(os.path.dirname(folder)) as entries:
        found = [entry.path for entry in entries if entry.name.startswith("_MEI")]
    for path in found:
        try:
            handle = os.open(os.path.join(path, LOCK), os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue  # another user's, or just gone
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(path)
        except OSError:
            continue  # somebody runs from it
        finally:
            os.close(handle)


def remove(folder: str) -> None:
    """Remove a folder and all that is in it."""
    import shutil  # noqa: PLC0415 - rarely something is left behind

    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    unpacked = sys._MEIPASS
    ondemand.install(pyimod02_importers.pyz_archive, unpacked)
    held = hold(unpacked)
    if sys.argv[1:2] == ["start"]:
        sweep(unpacked)
    from kcpfast.__main__ import main

    sys.exit(main())
