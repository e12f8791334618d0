"""The cases that fail today, and those where kcpfast shows the end of work that kcp had begun.

known_failing.json   file/script/case -> why it fails; only ever shortened
finished.json        file/script/case -> why, and the answer that is given instead
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tests.vectors.format import Case, Script

_FOLDER = Path(__file__).parent
_FAILING = _FOLDER / "known_failing.json"
_FINISHED = _FOLDER / "finished.json"

Reasons = Mapping[str, str]


def failing() -> Reasons:
    """Return why cases fail, by label."""
    found: Reasons = json.loads(_FAILING.read_text())
    return found


def rewrite(outcomes: Iterable[tuple[str, Sequence[str]]], *, grow: bool) -> None:
    """Take out what was played (label, diff) and is mended; with `grow`, add what failed."""
    known = dict(failing())
    for label, diff in outcomes:
        if not diff:
            known.pop(label, None)
        elif grow:
            known.setdefault(label, _reason(diff))
    _FAILING.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")


def _reason(diff: Sequence[str]) -> str:
    """Return the difference of status, or else the first there is: wanted -> answered."""
    changed = [line for line in diff[2:] if line[0] in "+-"]
    told = [line for line in changed if '"status":' in line and line[-1].isdigit()] or changed
    first = {line[0]: line[1:].replace('"', "").strip(" ,") for line in reversed(told)}
    return f"{first.get('-', 'nothing')} -> {first.get('+', 'nothing')}"[:120]


def finished(script: Script) -> Script:
    """Return a script with what is expected of cases whose work is done at once here."""
    instead = json.loads(_FINISHED.read_text())

    def done(case: Case) -> Case:
        found = instead.get(f"{script.label}/{case.name}")
        return replace(case, expect={**case.expect, **found["expect"]}) if found else case

    return replace(script, cases=[done(case) for case in script.cases])
