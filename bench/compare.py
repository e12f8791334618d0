"""python -m bench.compare BASE [NEW]: how many times better than before, row by row."""

from __future__ import annotations

import sys
from pathlib import Path

from bench import row
from bench.__main__ import RESULT
from bench.row import Row


def better(old: Row, new: Row) -> float | None:
    """Return how many times better a value has become; scaled rates are compared, if there are."""
    before, after = (old.scaled, new.scaled) if old.scaled and new.scaled else (old[2], new[2])
    if new.unit == "/s":
        before, after = after, before
    return before / after if after else None


def main() -> None:
    base, new = [*map(Path, sys.argv[1:]), RESULT][:2]
    for path in (base, new):
        if not path.is_file():
            sys.exit(f"there is no {path}: `make bench` writes {RESULT.name}")
    (before, old), (after, rows) = row.read(base), row.read(new)
    known = {(each.name, each.what): each for each in old}
    found = []
    for each in rows:
        was = known.get((each.name, each.what))
        note = f"was {row.human(was)}" if was else "new"
        found.append(
            each._replace(ratio=better(was, each) if was else None, scaled=None, note=note)
        )
    print(f"{row.title(before)}\n{row.title(after)}\n\n{row.table(found)}")


if __name__ == "__main__":
    main()
