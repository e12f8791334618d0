"""What a server on this machine costs, read from outside: memory, processor time, disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import lmdb

PROGRAM = f"{sys.executable} -m kcpfast"
_TICK = os.sysconf("SC_CLK_TCK")
# What the change log and the values it needs take is freed when they are forgotten, 10 minutes on.
_LASTING = (b"objects", b"index")


class Process:
    """A process that listens on a port of this machine, and its children."""

    def __init__(self, pid: int) -> None:
        """Look at one that is there."""
        self.pid = pid

    def _status(self, name: str) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(name):
                return float(line.split()[1])
        raise LookupError(name)

    def private(self) -> float:
        """Return the memory that nobody shares, in KiB."""
        return self._status("RssAnon:")

    def resident(self) -> float:
        """Return the memory in use, in KiB, that of children included."""
        found = self._status("VmRSS:")
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            children = (task / "children").read_text().split()
            found += sum(Process(int(child)).resident() for child in children)
        return found

    def cpu(self) -> float:
        """Return the seconds of processor time used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK


def listening(port: int) -> Process | None:
    """Return the process of this machine that listens on a port, None if there is none."""
    inodes = set()
    for kind in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for handle in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(handle.readlink()) in inodes:
                return Process(int(handle.parts[2]))
        except OSError:
            continue
    return None


def live_pages(store: Path) -> int:
    """Return the pages of a store that objects and indexes take."""
    with lmdb.open(str(store), readonly=True, max_dbs=8) as env:
        tables = [env.open_db(name, create=False) for name in _LASTING]
        with env.begin() as txn:
            stats = [txn.stat(table) for table in tables]
    return sum(each["branch_pages"] + each["leaf_pages"] + each["overflow_pages"] for each in stats)


class Server:
    """A server of our own on a directory, started and stopped as often as needed."""

    def __init__(self, root: Path, command: str = PROGRAM) -> None:
        """Take a directory; nothing runs yet."""
        self.root = root
        self._command = command.split()
        self._process: subprocess.Popen[str] | None = None

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.root / "admin.kubeconfig"

    @property
    def process(self) -> Process:
        """The running process; LookupError if there is none."""
        if self._process is None:
            raise LookupError("not running")
        return Process(self._process.pid)

    def start(self, *flags: str) -> float:
        """Start it and return the seconds until it said that it is ready."""
        self.root.mkdir(parents=True, exist_ok=True)
        words = ["start", "--root-directory", str(self.root), "--secure-port", "0"]
        words += ["--bind-address", "127.0.0.1", *flags]
        begun = time.perf_counter()
        with (self.root / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command, *words], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if " is ready at " not in said:
            raise OSError(f"the server did not start: {said}{(self.root / 'log').read_text()}")
        seconds = time.perf_counter() - begun
        while "api-resources" not in self._process.stdout.readline():
            continue
        return seconds

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.communicate(timeout=30)
            finally:
                self._process.kill()
            self._process = None
