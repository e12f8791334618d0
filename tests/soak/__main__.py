"""python -m tests.soak SECONDS: kills, faults, churn and overload, then all must be whole.

A third of the time servers are killed under load (1,000 times if there is time for it), a third the
disk fails in every way that tests/faults knows, a third one server is put under all loads of
`loads` at once. What is printed last is one line; the exit code is 0 if it says clean.
"""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from kcpfast.store import check
from tests.faults.test_first_start import FIRST_STARTS
from tests.faults.test_kill import WRITERS, crowd, gone
from tests.harness.https import Access, Client, access
from tests.harness.process import ServerProcess
from tests.models.consistency import problems_of
from tests.soak.loads import LOADS, Load

KILLS = 1000
# A server is left after so many kills: what it holds grows with each.
KILLS_OF_ONE = 50
HEALTH_SECONDS = 5.0
# Servers that are killed at the same time, each with writers of its own.
KILLED_AT_ONCE = 2
# A third of this is enough for one thorough round of faults; so much each piece gets in any case.
LONG_SECONDS, LEAST_SECONDS = 400.0, 60.0
SETTLE_SECONDS = 30.0


def say(text: str) -> None:
    """Print a line at once."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def whole(root: Path, *, settled: bool = False) -> list[str]:
    """Return what is wrong with a directory that nobody works on."""
    return check.examine(root / "store").problems or problems_of(root, settled=settled)


def kill(folder: Path, until: float) -> tuple[int, list[str]]:
    """Kill servers under load; return how often, and what was wrong afterwards."""
    seeds, kills = itertools.count(1), 0
    wrong: list[str] = []

    def work(most: int) -> None:
        nonlocal kills
        done = 0
        while done < most and time.monotonic() < until and not wrong:
            seed = next(seeds)
            root = folder / f"kills-{seed}"
            try:
                more, found = _kill_one(root, seed, min(KILLS_OF_ONE, most - done), until)
            except Exception as error:
                more, found = 0, [f"server {seed}: {type(error).__name__}: {str(error)[:2000]}"]
            wrong.extend(found)
            done += more
            kills += more
            say(f"{kills} kills")

    threads = [
        threading.Thread(target=work, args=(KILLS // KILLED_AT_ONCE,))
        for _ in range(KILLED_AT_ONCE)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return kills, wrong


def _kill_one(root: Path, seed: int, most: int, until: float) -> tuple[int, list[str]]:
    moments, kills = random.Random(seed), 0
    server = ServerProcess(root)
    with Client(access(server.kubeconfig)) as client:
        writers = crowd(client, seed * WRITERS)
    while kills < most and time.monotonic() < until:
        writers.work(access(server.kubeconfig), moments.randint(1, 120), server.kill)
        kills += 1
        wrong = whole(root)
        server = ServerProcess(root)
        with Client(access(server.kubeconfig)) as client:
            for writer in writers.writers:
                wrong += writer.wrong(client)
                if not gone(client, writer.dropped):
                    wrong.append(f"of {len(writer.dropped)} deleted workspaces some are left")
                writer.dropped.clear()
        if wrong:
            server.kill()
            return kills, wrong
    server.stop()
    return kills, whole(root, settled=True)


def faults(until: float) -> tuple[int, list[str]]:
    """Try every fault of the disk, again and again with other histories; return how many rounds."""
    # Where there is time, each call in turn; else every few.
    more = "10" if until - time.monotonic() > LONG_SECONDS else "1"
    pieces = _pieces(more)
    tried = 0
    while time.monotonic() < until:
        for name in pieces:
            if time.monotonic() > until:
                break
            try:
                done = subprocess.run(
                    [sys.executable, "-m", "pytest", "-q", "-x", name],
                    env={**os.environ, "KCPFAST_FAULTS": more},
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=max(until - time.monotonic(), LEAST_SECONDS),
                )
            except subprocess.TimeoutExpired:
                say(f"faults, {name}: not finished in time")
                continue
            if done.returncode:
                return tried // len(pieces), [done.stdout[-4000:]]
            tried += 1
            say(f"faults: {tried} of {len(pieces)} pieces")
    return tried // len(pieces), []


def _pieces(more: str) -> list[str]:
    """Return the tests of faults, each of which does not take long, as pytest names them."""
    count = FIRST_STARTS if more != "1" else 1
    start = "tests/faults/test_first_start.py::test_a_first_start_that_is_killed"
    starts = [f"{start}[piece{each}of{count}]" for each in range(count)]
    return ["tests/faults/test_disk.py", "tests/faults/test_full_disk.py", *starts]


class Running:
    """All loads on one server, and what they came to."""

    def __init__(self, granted: Access, until: float) -> None:
        """Begin."""
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._granted, self._until = granted, until
        self._threads = [
            threading.Thread(target=self._run, args=(load,))
            for load in LOADS
            for _ in range(load.at_once)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, load: Load) -> None:
        try:
            self.counts[load.name] += load.run(self._granted, self._until)
        except Exception as error:
            self.wrong.append(f"{load.name}: {type(error).__name__}: {str(error)[:2000]}")

    def watch_health(self) -> None:
        """Ask every second whether the server is well; each answer must come in time."""
        with Client(self._granted) as client:
            while time.monotonic() < self._until and not self.wrong:
                begun = time.monotonic()
                answer = client.ask("GET", "/readyz")
                if answer.raw != b"ok":
                    self.wrong.append(f"/readyz: {answer.raw.decode()}")
                if time.monotonic() - begun > HEALTH_SECONDS:
                    self.wrong.append(f"/readyz took {time.monotonic() - begun:.1f} s")
                time.sleep(1)

    def join(self) -> None:
        """Wait for the end of all loads."""
        for thread in self._threads:
            thread.join()


def churn(folder: Path, until: float) -> tuple[Counter[str], list[str]]:
    """Put a server under all loads; return what they counted, and what was wrong."""
    server = ServerProcess(folder / "churn")
    running = Running(access(server.kubeconfig), until)
    running.watch_health()
    running.join()
    for _ in range(int(SETTLE_SECONDS)):
        with Client(access(server.kubeconfig)) as client:
            listed = client.get("/clusters/root/apis/tenancy.kcp.io/v1alpha1/workspaces")["items"]
        if not any(item["metadata"]["name"].startswith("churn-") for item in listed):
            break
        time.sleep(1)
    server.stop()
    return running.counts, [*running.wrong, *whole(server.root, settled=True)]


def main() -> int:
    """Soak for so many seconds; return 0 if all was well."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1800.0
    begun = time.monotonic()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kills, found = kill(folder, begun + seconds / 3)
        wrong += found
        rounds, found = faults(begun + seconds * 2 / 3)
        wrong += found
        counts, found = churn(folder, begun + seconds)
        wrong += found
    for problem in wrong:
        say(problem)
    loads = ", ".join(f"{count} {name}" for name, count in counts.items())
    verdict = "clean" if not wrong else f"{len(wrong)} problems"
    took = time.monotonic() - begun
    say(f"soak: {verdict}: {kills} kills, {rounds} rounds of faults, {loads} in {took:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
