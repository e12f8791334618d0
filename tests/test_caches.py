"""The switch that turns all caches off changes no answer: what is remembered is what is read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kcpfast.server import wire
from kcpfast.store.memory import MemoryStore

ROOT = Path(__file__).parent.parent
# State machines, and the recorded exchanges (they wait more than they work).
AGAIN = {
    "machines": ("tests/doors", "tests/controllers/test_wakes.py", "-k", "Doors or Controllers"),
    "recorded": ("tests/vectors", "-n", "4"),
}


@pytest.mark.parametrize(("said", "remembers"), [("off", False), ("on", True), ("", True)])
def test_the_environment_tells(monkeypatch: pytest.MonkeyPatch, said: str, remembers: bool) -> None:
    monkeypatch.setenv("KCPFAST_CACHES", said)
    assert wire.core(MemoryStore(), "").store.remembers is remembers


@pytest.mark.timeout(300)
@pytest.mark.parametrize("tests", AGAIN.values(), ids=AGAIN)
def test_nothing_fails_without_caches(tests: tuple[str, ...]) -> None:
    if os.environ.get("KCPFAST_CACHES") == "off":
        pytest.skip("this is that run")
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    plain = {name: os.environ[name] for name in os.environ if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=plain | {"KCPFAST_CACHES": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
