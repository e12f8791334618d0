"""python -m tests.differential A B [--seeds FROM:TO | --scripts FILE] [--record FOLDER] [--whole].

Sends the scripts of some seeds to the servers of two kubeconfigs, A being right by definition,
and prints how their answers differ, grouped by kind, one shrunk script for each. `--whole` does
not shrink. `--record` keeps what A answered.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.differential.generate import script
from tests.differential.judge import Difference, difference
from tests.differential.script import Answer, Script
from tests.differential.script import script as recorded_script
from tests.differential.shrink import shrunk
from tests.differential.sides import Side


class Referee:
    """Compares two servers; each script is run under a name that no other has."""

    def __init__(self, right: Side, other: Side, run: str) -> None:
        """Objects are named after `run`, a short word that is new to both servers."""
        self._right, self._other, self._run = right, other, run
        self._count = itertools.count()

    def compare(self, asked: Script) -> Difference | None:
        """Return the first difference in the answers."""
        return difference(asked, *self.both(asked))

    def both(self, asked: Script) -> tuple[list[Answer], list[Answer]]:
        """Return what the two answer."""
        name = f"d{self._run}{next(self._count):06d}x"
        return self._right.answers(asked, name), self._other.answers(asked, name)


def record(folder: Path, recorded: Iterable[tuple[Script, list[Answer]]]) -> None:
    """Keep scripts with their answers, one file for each resource."""
    files: dict[str, list[Any]] = {}
    for asked, answers in recorded:
        steps = [
            {"request": step.data(), "answer": answer.data()}
            for step, answer in zip(asked.steps, answers, strict=True)
        ]
        files.setdefault(asked.subject, []).append({"name": asked.name, "steps": steps})
    folder.mkdir(parents=True, exist_ok=True)
    for subject, scripts in files.items():
        lines = ",\n".join(json.dumps(each) for each in scripts)
        (folder / f"{subject}.json").write_text(f"[\n{lines}\n]\n")


def shown(found: Difference) -> str:
    """Return a difference as text: the requests that lead to it, and both values."""
    steps = [
        f"  {each.method} {each.path} {each.media}\n    {each.body.decode(errors='replace')}"
        for each in found.script.steps[: found.at + 1]
    ]
    values = [f"  at {found.pointer} of {found.statuses}", f"  A {found.left!r}"[:500]]
    return "\n".join([*steps, *values, f"  B {found.right!r}"[:500]])


def _scripts(file: Path | None, seeds: str) -> list[Script]:
    if file:
        return [recorded_script(file.stem, each) for each in json.loads(file.read_text())]
    return [script(seed) for seed in range(*map(int, seeds.split(":")))]


def main() -> int:
    """Compare; return 1 if anything differs."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("servers", nargs=2, type=Path)
    arguments.add_argument("--seeds", default="0:1000")
    arguments.add_argument("--scripts", type=Path)
    arguments.add_argument("--run", default="a")
    arguments.add_argument("--record", type=Path)
    arguments.add_argument("--whole", action="store_true")
    options = arguments.parse_args()
    right, other = map(Side, options.servers)
    referee = Referee(right, other, options.run)
    kinds: Counter[tuple[Any, ...]] = Counter()
    examples: dict[tuple[Any, ...], Difference] = {}
    recorded = []
    scripts = _scripts(options.scripts, options.seeds)
    for asked in scripts:
        answers, others = referee.both(asked)
        recorded.append((asked, answers))
        found = difference(asked, answers, others)
        if found:
            kinds[found.kind] += 1
            examples.setdefault(found.kind, found)
    for kind, count in kinds.most_common():
        example = examples[kind]
        smallest = example if options.whole else shrunk(example, referee.compare)
        print(f"{count} x (seed {example.script.name})\n{shown(smallest)}\n", flush=True)
    print(f"{len(scripts)} scripts, {kinds.total()} answered differently, in {len(kinds)} ways")
    if options.record:
        record(options.record, recorded)
    return 1 if kinds else 0


if __name__ == "__main__":
    raise SystemExit(main())
