"""A server as a process of its own: started, stopped as an administrator would, or killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

STOP_SECONDS = 5.0


class Refusal(NamedTuple):
    """What a server that did not start left behind."""

    code: int
    error: str


class ServerProcess:
    """`kcpfast start` on a root directory and a free port; ready once constructed."""

    def __init__(
        self, root: Path, *flags: str, within: Sequence[str] = (), log: Path | None = None
    ) -> None:
        """Start it; AssertionError with what it said if it does not become ready.

        `within` is the beginning of a command line that runs what follows it.
        """
        self.root = root
        self.log = log or root.with_name(root.name + ".log")
        with self.log.open("ab") as said:
            self._process = subprocess.Popen(
                [*within, *command(root, *flags)], stdout=subprocess.PIPE, stderr=said, text=True
            )
        assert self._process.stdout is not None
        self.ready = self._process.stdout.readline()
        if " is ready at " not in self.ready:
            self.kill()
            raise AssertionError(f"the server did not start: {self.ready}{self.log.read_text()}")
        self.url = self.ready.split()[4]
        # What it advises comes once all its files are there.
        self.advice = [self._process.stdout.readline() for _ in range(5)]

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.root / "admin.kubeconfig"

    @property
    def running(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal without waiting."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Return the exit code; the process is killed if it takes longer than it may."""
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still there {STOP_SECONDS:.0f} s after SIGTERM") from None

    def kill(self) -> None:
        """Kill it, so that it can finish nothing."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        self._close()

    def stop(self) -> None:
        """Stop it by SIGTERM: it must go in time, with 0, without a traceback in its log."""
        self.signal(signal.SIGTERM)
        code = self.wait()
        self._close()
        said = self.log.read_text()
        assert code == 0, f"exit code {code}: {said}"
        assert "Traceback" not in said, said

    def _close(self) -> None:
        if self._process.stdout is not None:
            self._process.stdout.close()


def command(root: Path, *flags: str) -> list[str]:
    """Return the command line that starts a server on a directory."""
    words = ["start", "--root-directory", str(root), "--secure-port", "0", *flags]
    return [sys.executable, "-m", "kcpfast", *words]


def refused(root: Path, *flags: str, within: Sequence[str] = ()) -> Refusal:
    """Start a server that must not start; return its exit code and what it printed.

    `within` is the beginning of a command line that runs what follows it.
    """
    done = subprocess.run(
        [*within, *command(root, *flags)],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert not done.stdout
    return Refusal(done.returncode, done.stderr)
