"""python -m tests.vectors KUBECONFIG [WORD ...] [--mended | --rewrite]: replays by hand.

Only scripts with one of the words in their label. One line per case, with what differs.
`--mended` takes what passes now from the list of known failures, `--rewrite` also adds to it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.harness.https import access
from tests.vectors.format import scripts
from tests.vectors.known import failing, finished, rewrite
from tests.vectors.replay import PATIENCE, Outcome, play

_AT_A_TIME = 4
_SHORT = 0.5


def main(arguments: Sequence[str]) -> int:
    """Replay; return 1 if anything failed."""
    kubeconfig, *words = [word for word in arguments if not word.startswith("--")]
    granted, known = access(Path(kubeconfig)), failing()
    chosen = [
        finished(script)
        for script in scripts()
        if not words or any(word in script.label for word in words)
    ]

    def patience(label: str) -> float:
        return _SHORT if label in known or "--rewrite" in arguments else PATIENCE

    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        for found in pool.map(lambda script: [*play(script, granted, patience)], chosen):
            outcomes += found
            for label, diff in found:
                print("not ok" if diff else "ok", label, flush=True)
                for line in diff:
                    print("   ", line)
    failed = {label for label, diff in outcomes if diff}
    print(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    if {"--mended", "--rewrite"} & set(arguments):
        rewrite(outcomes, grow="--rewrite" in arguments)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
