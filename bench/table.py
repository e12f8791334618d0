"""python -m bench.table README.md: puts the figures of the last `make bench` between its marks.

Each figure stands beside kcp's own and what it is to be; `scaled` is a rate on the machine that
kcp's figures and the goals are of (bench/load/yardstick.py).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from bench import row
from bench.__main__ import RESULT
from bench.row import Row

# What later runs are compared with: make bench-compare BASE=bench/results/kept.json
KEPT = RESULT.with_name("kept.json")
BEGIN, END = "<!-- figures: python -m bench.table README.md -->", "<!-- end of figures -->"


class Figure(NamedTuple):
    """A line: the name of what was measured, kcp's figure, the goal and more than that."""

    name: str
    kcp: str
    goal: str
    stretch: str


FIGURES = (
    Figure("start", "24.3 s", "200 ms", "120 ms"),
    Figure("restart", "7.9 s (200 workspaces)", "150 ms", "90 ms"),
    Figure("resident", "541 MB", "40 MB", "25 MB"),
    Figure("memory", "5.3 MB", "1 KiB", "0"),
    Figure("spaces", "2.8/s", "300/s", "1,000/s"),
    Figure("delete", "88 s (200 workspaces)", "10 s (10,000)", "2 s"),
    Figure("get", "2,033/s", "20,000/s", "30,000/s"),
    Figure("create 1", "355/s", "1,000/s", "1,500/s"),
    Figure("create 16", "942/s", "6,000/s", "10,000/s"),
    Figure("create 128", "922/s", "10,000/s", "20,000/s"),
    Figure("update 16", "538/s", "5,000/s", "10,000/s"),
    Figure("list", "about 200 ms", "15 ms", "5 ms"),
    Figure("table", "", "60 ms", "25 ms"),
    Figure("watch", "62,700/s", "200,000/s", "300,000/s"),
    Figure("event", "", "400 ms (10,000)", "150 ms"),
    Figure("idle", "54.6 KiB", "26 KiB", "2 KiB"),
    Figure("schema/object", "", "15 us", "5 us"),
    Figure("wildcard", "", "as in one", ""),
    Figure("one", "", "", ""),
    Figure("metrics", "16,566 (200 workspaces)", "under 2,500", ""),
)


def lines(rows: list[Row]) -> list[str]:
    """Return the table in Markdown; a figure that was measured twice is shown as it was last."""
    last = {each.name: each for each in rows}
    out = ["| figure | kcp | kcpfast | scaled | goal | stretch |", "|---|---|---|---|---|---|"]
    for name, kcp, goal, stretch in FIGURES:
        found = last.get(name)
        if found is not None:
            scaled = row.human(found._replace(value=found.scaled)) if found.scaled else ""
            cells = (found.what, kcp, row.human(found), scaled, goal, stretch)
            out.append(f"| {' | '.join(cells)} |")
    return out


def paste(text: str, rows: list[Row], title: str) -> str:
    """Return a text with the table between its marks; ValueError if they are not there."""
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"there is no {BEGIN} ... {END}")
    return "\n".join([f"{before}{BEGIN}", f"{title}.", "", *lines(rows), f"{END}{after}"])


def main() -> None:
    where, rows = row.read(RESULT)
    path = Path(sys.argv[1])
    path.write_text(paste(path.read_text(), rows, row.title(where)))
    KEPT.write_bytes(RESULT.read_bytes())


if __name__ == "__main__":
    main()
