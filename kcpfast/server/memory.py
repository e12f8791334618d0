"""How much memory a server may take: `--max-memory`, or a quarter of what there is.

What clients make it hold (transport/account.py) has the part of that which the server itself, at
its start, does not take; some is left to what allocation wastes. Free memory that the allocator
keeps goes back to the system when it has grown.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from kcpfast._core import heap
from kcpfast.meta import quantity

_SHARE = 4
# On a small machine a quarter would not do for the process alone.
_SMALLEST = 128 << 20
# Half of what there is is counted out to clients: the other half is what allocation wastes.
_LEAST = 32 << 20
# Larger blocks are the system's again once they are free, and so is what is free at the heap's end.
# Smaller ones stay: to have a page again that was given back costs more than to read a list into
# it. One heap is enough, as one thread works.
_MAPPED, _TOP, _ARENAS = 1 << 20, 2 << 20, 1
# Growth of so much is looked through for what is free.
_SLACK = 8 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PROC, _CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def parse(text: str) -> int:
    """Return the bytes that a quantity as 512Mi or 2G means; ValueError if it is none."""
    try:
        size, _ = quantity.parse(text)
    except quantity.QuantityError:
        size = Decimal(-1)
    if size < 0 or size != int(size):
        raise ValueError(f"{text} is no number of bytes (as 512Mi or 2Gi)")
    return int(size)


def usual(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> int:
    """Return a quarter of the memory that this process may use: the machine's or its cgroups'.

    A server needs some, however small the machine: 128 MiB are taken there.
    """
    lines = (proc / "meminfo").read_text().splitlines()
    total = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:"))
    return max(min([total, *_limits(proc, cgroups)]) // _SHARE, _SMALLEST)


def _limits(proc: Path, cgroups: Path) -> Iterator[int]:
    """Yield the limits of the control groups that this process is in, of both versions.

    See https://docs.kernel.org/admin-guide/cgroup-v2.html (memory.max) and cgroup-v1/memory.html.
    """
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        base = cgroups / "memory" if controllers else cgroups
        name = "memory.limit_in_bytes" if controllers else "memory.max"
        inner = base / path.lstrip("/")
        for folder in (inner, *inner.parents):
            yield from _limit(folder / name)
            if folder == base:
                break


def _limit(path: Path) -> Iterator[int]:
    try:
        text = path.read_text().strip()
    except OSError:
        return
    if text.isdecimal():
        yield int(text)


def ceiling(most: int, proc: Path = _PROC) -> int:
    """Return what clients may hold together if the process as it is now may come to `most` bytes.

    ValueError if that is too little to work with.
    """
    lines = (proc / "self/status").read_text().splitlines()
    own = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))
    if most < own + _LEAST:
        least = (own + _LEAST >> 20) + 1
        raise ValueError(f"{most >> 20} MiB are too little, it takes {least}Mi at least")
    return (most - own) // 2


class Heap:
    """The memory of this process that no file stands behind; `trims` counts what was given back."""

    def __init__(self, proc: Path = _PROC) -> None:
        """Tell the allocator to keep little, before anything large is asked for."""
        heap.fix(_MAPPED, _TOP, _ARENAS)
        self.trims = 0
        self._statm = proc / "self/statm"
        self._seen = self._least = self._private()

    def tidy_growth(self) -> None:
        """Give back what is free if there is more in use than when this was last done."""
        if self._private() > self._seen + _SLACK:
            self._trim()

    def tidy(self) -> None:
        """Give back what is free if there is more in use than at the start."""
        if self._private() > self._least + _SLACK:
            self._trim()

    def _trim(self) -> None:
        heap.trim()
        self.trims += 1
        self._seen = self._private()

    def _private(self) -> int:
        fields = self._statm.read_bytes().split()
        return (int(fields[1]) - int(fields[2])) * _PAGE
