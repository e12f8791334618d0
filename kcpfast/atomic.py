"""Files that are written whole or not at all: certificates, keys, tokens, kubeconfigs, the store.

A file is made beside its place under a name that nobody else has, and renamed into it. A reader
sees the file as it was before or as it is now, also after a process that was killed. The mode is
set before anything is written, so a secret is never readable by others.
"""

from __future__ import annotations

import contextlib
import errno
import os

_FRESH = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
# How the system says that a file cannot be replaced although it may be written into: it is mounted
# by itself, or its directory belongs to somebody else.
_FIXED = (errno.EBUSY, errno.EACCES, errno.EPERM)
# How it says that a directory cannot be synced: some file systems cannot, and one may write into a
# directory without reading it.
_UNSYNCED = (errno.EINVAL, errno.ENOTSUP, errno.EACCES)
_NO_GROUP = 0o707


def write(
    path: str | os.PathLike[str], data: bytes, mode: int = 0o600, *, durable: bool = True
) -> None:
    """Write a file with a mode, of which the process's umask is taken away. Links are replaced.

    What is not `durable` may be lost, or empty, after a power cut: only for what is written anew
    at each start. OSError if it cannot be written; then the file is what it was.
    """
    partial = _beside(path)
    handle = os.open(partial, _FRESH, mode)
    _finish(handle, partial, path, data, durable=durable)


def rewrite(path: str, data: bytes) -> None:
    """Write a file anew with the mode and the owner it has; private if there was none.

    A file that cannot be replaced is written into, which is not safe from being killed. OSError if
    it cannot be written.
    """
    try:
        before = os.stat(path)
    except FileNotFoundError:
        write(path, data)
        return
    try:
        partial = _beside(path)
        handle = os.open(partial, _FRESH, 0o600)
        _imitate(handle, partial, before)
        _finish(handle, partial, path, data, durable=True)
    except OSError as error:
        if error.errno not in _FIXED:
            raise
        with open(path, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def link(path: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Make a symbolic link in one step, in place of what had its name; OSError if it cannot be."""
    partial = _beside(path)
    os.symlink(target, partial)
    _put(partial, path)


def sync(path: str | os.PathLike[str]) -> None:
    """Make a file, or the names in a directory, durable."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _beside(path: str | os.PathLike[str]) -> str:
    """Return a new name in the same directory, which no other process will choose."""
    folder, name = os.path.split(os.fspath(path))
    return os.path.join(folder, f".{name}.{os.urandom(6).hex()}.partial")


def _imitate(handle: int, partial: str, before: os.stat_result) -> None:
    """Give an empty file the owner and mode of another; it is closed and removed on OSError."""
    try:
        mode = before.st_mode & 0o7777
        try:
            os.fchown(handle, before.st_uid, before.st_gid)
        except PermissionError:
            mode &= _NO_GROUP  # the group is another one
        os.fchmod(handle, mode)
    except OSError:
        os.close(handle)
        _remove(partial)
        raise


def _finish(
    handle: int, partial: str, path: str | os.PathLike[str], data: bytes, *, durable: bool
) -> None:
    """Fill a new file, close it and give it its name; it is removed if that fails."""
    try:
        with open(handle, "wb", buffering=0) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            if durable:
                os.fsync(handle)
    except BaseException:
        _remove(partial)
        raise
    _put(partial, path)
    if durable:
        _sync_names(os.path.dirname(path) or ".")


def _sync_names(folder: str) -> None:
    try:
        sync(folder)
    except OSError as error:
        if error.errno not in _UNSYNCED:
            raise


def _put(partial: str, path: str | os.PathLike[str]) -> None:
    try:
        os.replace(partial, path)
    except BaseException:
        _remove(partial)
        raise


def _remove(partial: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(partial)
