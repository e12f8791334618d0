"""A file is what it was or what it was to become, whatever fails and whenever the process ends."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from kcpfast import atomic

OLD, NEW = b"old\n", b"new\n" * 1000
Write = Callable[[Path], None]
WRITES: dict[str, Write] = {
    "write": lambda path: atomic.write(path, NEW),
    "write, not durable": lambda path: atomic.write(path, NEW, durable=False),
    "rewrite": lambda path: atomic.rewrite(str(path), NEW),
}
# Calls of the system that a write consists of, in their order.
CALLS = ("open", "fchown", "fchmod", "fsync", "replace")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("existing", [False, True])
def test_what_is_written_is_there_and_private(write: Write, existing: bool, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if existing:
        path.touch(0o600)
    write(path)
    assert path.read_bytes() == NEW
    assert mode_of(path) == 0o600
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("mode", "umask", "expected"),
    [(0o600, 0o022, 0o600), (0o644, 0o022, 0o644), (0o644, 0o077, 0o600), (0o600, 0, 0o600)],
)
def test_the_umask_is_taken_away(mode: int, umask: int, expected: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        atomic.write(tmp_path / "file", NEW, mode)
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "file") == expected


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o666])
def test_a_mode_is_kept(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    path.chmod(mode)
    atomic.rewrite(str(path), NEW)
    assert (path.read_bytes(), mode_of(path)) == (NEW, mode)


def test_a_group_that_cannot_be_kept_reads_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    path.chmod(0o640)
    monkeypatch.setattr(os, "fchown", failing(errno.EPERM))
    atomic.rewrite(str(path), NEW)
    assert (path.read_bytes(), mode_of(path)) == (NEW, 0o600)


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_was_left_behind_is_not_written_into(kind: str, tmp_path: Path) -> None:
    """Neither what an older release left, readable by all, nor what somebody put there."""
    path, other = tmp_path / "key", tmp_path / "other"
    left = tmp_path / "key.partial"
    other.write_bytes(OLD)
    if kind == "link":
        left.symlink_to(other)
    else:
        left.write_bytes(OLD)
        left.chmod(0o644)
    atomic.write(path, NEW)
    assert (path.read_bytes(), mode_of(path)) == (NEW, 0o600)
    assert other.read_bytes() == OLD


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def steps(name: str, existing: bool) -> tuple[str, ...]:
    """Return the calls that a write consists of."""
    if name == "rewrite" and existing:
        return CALLS
    return ("open", "replace") if "not durable" in name else ("open", "fsync", "replace")


@pytest.mark.parametrize(
    ("name", "existing", "call"),
    [(name, old, call) for name in WRITES for old in (False, True) for call in steps(name, old)],
)
def test_what_fails_changes_nothing(
    name: str, existing: bool, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    if existing:
        path.write_bytes(OLD)
    monkeypatch.setattr(os, call, failing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space"):
        WRITES[name](path)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == (["file"] if existing else [])
    assert not existing or path.read_bytes() == OLD


def test_a_full_disk_leaves_the_file_whole(tmp_path: Path) -> None:
    """The system's own limit of a file's size stands for the disk."""
    path = tmp_path / "file"
    path.write_bytes(OLD)
    program = (
        "import resource, signal, sys; from kcpfast import atomic\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))\n"
        "atomic.rewrite(sys.argv[1], b'new' * 100)"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True)
    assert "File too large" in done.stderr
    assert path.read_bytes() == OLD
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("call", ["open", "replace"])
@pytest.mark.parametrize("number", [errno.EBUSY, errno.EACCES, errno.EPERM])
def test_what_cannot_be_replaced_is_written_into(
    number: int, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    inode = path.stat().st_ino
    monkeypatch.setattr(os, call, failing(number))
    atomic.rewrite(str(path), NEW)
    monkeypatch.undo()
    assert (path.read_bytes(), path.stat().st_ino) == (NEW, inode)
    assert os.listdir(tmp_path) == ["file"]


# Ends the process, as SIGKILL does, when it comes to a call for the first (or the nth) time.
_KILLED = """
import os, sys
from kcpfast import atomic
function, path, call, after = sys.argv[1:]
real = getattr(os, call)
def last(*arguments, **named):
    if after == "after":
        real(*arguments, **named)
    os._exit(9)
setattr(os, call, last)
getattr(atomic, function)(path, b"new\\n" * 1000)
"""


@pytest.mark.parametrize("after", ["before", "after"])
@pytest.mark.parametrize(
    ("function", "call"),
    [(name, call) for name in ("write", "rewrite") for call in steps(name, True)],
)
def test_who_is_killed_leaves_the_old_or_the_new(
    function: str, call: str, after: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    path.chmod(0o600)
    done = subprocess.run([sys.executable, "-c", _KILLED, function, path, call, after])
    assert done.returncode == 9
    assert path.read_bytes() == (NEW if (call, after) == ("replace", "after") else OLD)
    assert {mode_of(left) for left in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("durable", [False, True])
def test_what_is_durable_is_synced_before_and_after_it_has_its_name(
    durable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def noted(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: Any) -> Any:
            kind = "" if name == "replace" else stat.filemode(os.fstat(arguments[0]).st_mode)[0]
            calls.append(name + kind)
            return real(*arguments)

        monkeypatch.setattr(os, name, call)

    noted("fsync")
    noted("replace")
    atomic.write(tmp_path / "file", NEW, durable=durable)
    assert calls == (["fsync-", "replace", "fsyncd"] if durable else ["replace"])


@pytest.mark.parametrize(
    ("number", "raises"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True)]
)
def test_a_directory_that_cannot_be_synced_holds_the_file(
    number: int, raises: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "sync", failing(number))
    with pytest.raises(OSError, match=os.strerror(number)) if raises else nullcontext():
        atomic.write(tmp_path / "file", NEW)
    assert (tmp_path / "file").read_bytes() == NEW


def test_a_link_is_replaced_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "link"
    path.symlink_to("old")
    atomic.link(path, "new")
    assert os.readlink(path) == "new"
    monkeypatch.setattr(os, "replace", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        atomic.link(path, "newer")
    assert os.readlink(path) == "new"
    assert os.listdir(tmp_path) == ["link"]
