"""Fuzzes a server for a time: `python -m tests.fuzz [SECONDS] [SEED]`, or `make fuzz SECONDS=3600`.

Guided by coverage where atheris is installed (the extra `fuzz`), otherwise by seeds alone. Inputs
that reach something new are kept in build/fuzz. What it finds is printed, kept in build/fuzz/found
as a file to put into tests/fuzz/corpus once it is mended, and ends the run with 1.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import logging
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fuzz.world import World

ROOT = Path(__file__).resolve().parent.parent.parent
CORPUS = Path(__file__).with_name("corpus")
KEPT = ROOT / "build" / "fuzz"
LENGTH = 120
# A world fills up with what was made in it.
RENEWED_AFTER = 500
_REPORTED_AFTER = 5000


class Fuzzer:
    """Gives inputs to a world, a new one now and then, on a loop of its own."""

    def __init__(self) -> None:
        from kcpfast.server.certificates import make_account_key  # noqa: PLC0415 - after atheris

        self._loop = asyncio.new_event_loop()
        self._key = Path(tempfile.mkdtemp(prefix="kcpfast-fuzz-")) / "sa.key"
        make_account_key(self._key)
        logging.getLogger("kcpfast").propagate = False
        self._world: World | None = None
        self._left = 0
        self.asked = self.valid = self.findings = 0

    def input(self, data: bytes) -> None:
        """Send the request that some bytes stand for; SystemExit if the answer is wrong."""
        finding = self._loop.run_until_complete(self._ask(data))
        if self.asked % _REPORTED_AFTER == 0:
            self.report()
        if finding:
            found = KEPT / "found"
            found.mkdir(parents=True, exist_ok=True)
            path = found / hashlib.sha256(data).hexdigest()[:16]
            path.write_bytes(data)
            print(f"{finding}\n\nThe input is in {path}", flush=True)
            self.report()
            os._exit(1)

    async def _ask(self, data: bytes) -> str:
        from tests.fuzz.world import leave, world  # noqa: PLC0415 - after atheris

        if self._world is None or not self._left:
            if self._world is not None:
                await leave(self._world)
            self._world, self._left = await world(self._key), RENEWED_AFTER
        self._left -= 1
        before = dict(self._world.counts)
        finding = await self._world.ask(data)
        self.asked += 1
        self.valid += self._world.counts["valid"] - before["valid"]
        return f"{finding.sent}\n{finding.why}" if finding is not None else ""

    def report(self) -> None:
        """Say what was done."""
        share = 100 * self.valid / max(1, self.asked)
        print(f"{self.asked} inputs, {share:.0f} % of them valid requests", flush=True)


def seeded(seconds: float, seed: int) -> None:
    """Go through the corpus, then through what a seed brings, until the time is over."""
    fuzzer, generator = Fuzzer(), random.Random(seed)
    until = time.monotonic() + seconds
    for path in sorted(CORPUS.iterdir()):
        fuzzer.input(path.read_bytes())
    while time.monotonic() < until:
        fuzzer.input(generator.randbytes(LENGTH))
    fuzzer.report()


def guided(seconds: int, seed: int) -> None:
    """Let coverage choose the inputs."""
    import atheris  # noqa: PLC0415 - there or not

    with atheris.instrument_imports(include=["kcpfast"]):
        import kcpfast.server.wire  # noqa: F401, PLC0415 - all rooms come with it
        import tests.fuzz.world  # noqa: F401, PLC0415
    fuzzer = Fuzzer()
    KEPT.mkdir(parents=True, exist_ok=True)
    flags = [f"-max_total_time={seconds}", f"-seed={seed}", "-max_len=400", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *flags, str(KEPT), str(CORPUS)], fuzzer.input)
    atheris.Fuzz()  # which ends the process


def main(arguments: list[str]) -> None:
    """Fuzz for the seconds, and from the seed, that are given."""
    seconds = int(arguments[0]) if arguments else 600
    seed = int(arguments[1]) if len(arguments) > 1 else 1
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed (pip install '.[fuzz]'): nothing but seeds guides this")
        seeded(seconds, seed)
    else:
        guided(seconds, seed)


if __name__ == "__main__":
    main(sys.argv[1:])
