"""Every recorded script against a real server: one test each, they are independent."""

from __future__ import annotations

import pytest

from tests.harness.https import Access
from tests.vectors.format import Script, scripts
from tests.vectors.known import failing, finished
from tests.vectors.replay import PATIENCE, play

KNOWN = failing()
SCRIPTS = scripts()
_SHORT = 0.5


def patience(label: str) -> float:
    """What is known to fail is not waited for."""
    return _SHORT if label in KNOWN else PATIENCE


@pytest.mark.timeout(120)
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.label)
def test_script_is_answered_as_recorded(script: Script, granted: Access) -> None:
    wrong, mended = [], []
    for label, diff in play(finished(script), granted, patience):
        if diff and label not in KNOWN:
            wrong.append("\n  ".join([label, *diff]))
        elif not diff and label in KNOWN:
            mended.append(label)
    assert not wrong, "\n".join(wrong)
    assert not mended, f"out of known_failing.json with: {mended}"


def test_known_failures_exist() -> None:
    assert set(KNOWN) <= {f"{each.label}/{case.name}" for each in SCRIPTS for case in each.cases}
