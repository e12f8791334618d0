"""A disk that fails as it is told, and a store on it: what the tests of faults have in hand."""

from __future__ import annotations

import asyncio
import errno
import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kcpfast.store import check
from kcpfast.store.contract import Conflict, Put, StoreError, Write
from kcpfast.store.lmdb import LmdbStore
from kcpfast.store.memory import MemoryStore

HERE = Path(__file__).parent
FAIL, KILL, CUT = 1, 2, 3
KINDS = {"write": 1, "sync": 2, "truncate": 4, "map": 8, "name": 16, "claim": 32}
ALL = sum(KINDS.values())
GONE = 99
Content = tuple[list[tuple[bytes, int, bytes]], list[tuple[bytes, bytes]], int]


class Plan(NamedTuple):
    """What happens at the call of a number; `more` calls behind it fail as well."""

    what: int
    kinds: int = ALL
    at: int = 1
    more: int = 0
    error: int = errno.EIO
    seed: int = 0


class Ended(NamedTuple):
    """How the process of a store ended: 0, or GONE if a fault ended it."""

    code: int


def build(folder: Path) -> Path:
    """Compile the library that is preloaded."""
    made = folder / "faults.so"
    flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, str(HERE / "faults.c"), "-o", str(made), "-ldl"], check=True)
    return made


class Disk:
    """The process that opens stores; one after the other."""

    def __init__(self, library: Path) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "driver.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "LD_PRELOAD": str(library)},
        )

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _send(self, message: object) -> None:
        assert self._process.stdin is not None
        data = pickle.dumps(message)
        self._process.stdin.write(struct.pack("<I", len(data)) + data)
        self._process.stdin.flush()

    def receive(self) -> Any:
        """Return the next thing that is said."""
        assert self._process.stdout is not None
        (size,) = struct.unpack("<I", self._process.stdout.read(4))
        return pickle.loads(self._process.stdout.read(size))

    def open(self, folder: Path, plan: Plan | None = None) -> Any:
        """Open a store; return its revision, or why not: a StoreError, or Ended."""
        self._send((folder, plan and tuple(plan)))
        said = self.receive()
        if isinstance(said, StoreError):
            assert self.receive() == ("ended", 0)
        return Ended(said[1]) if isinstance(said, tuple) else said

    def ask(self, word: str, argument: Any = None) -> Any:
        """Return what an open store answers, or Ended."""
        self._send((word, argument))
        said = self.receive()
        return Ended(said[1]) if isinstance(said, tuple) and said[:1] == ("ended",) else said

    def shut(self) -> int:
        """Close the store; return how many calls there were since faults were planned."""
        counted = self.ask("close")
        assert self.receive() == ("ended", 0)
        assert isinstance(counted, int)
        return counted


def content(store: LmdbStore | MemoryStore) -> Content:
    """Return all that a store holds."""
    objects = [tuple(item) for item in store.scan(b"").items]
    return objects, list(store.index_scan(b"")), store.revision()  # type: ignore[return-value]


def content_of(folder: Path) -> Content:
    """Return what the store of a directory holds, which must be whole."""
    opened = LmdbStore(folder)
    found = content(opened)
    opened.close()
    seen = check.examine(folder)
    assert seen.problems == []
    return found


def after(commits: Sequence[Sequence[Write]]) -> Content:
    """Return what a store holds after some commits."""
    store = MemoryStore()
    with asyncio.Runner() as runner:
        for writes in commits:
            try:
                runner.run(store.commit(writes))
            except Conflict:
                continue
    return content(store)


def put(name: str, size: int = 3) -> list[Write]:
    """Return a commit."""
    return [Put(b"k\0" + name.encode(), b"v" * size)]
