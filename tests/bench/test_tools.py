"""Growth goes on where it was; plots are XML, tables go between their marks, rows have ratios."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import growth, row
from bench.__main__ import micro_rows, scaled
from bench.compare import better
from bench.row import Row
from bench.table import BEGIN, END, paste


def test_every_benchmark_runs() -> None:
    """Once each and untimed: a name that moved is found here, not when figures are wanted."""
    files = map(str, sorted(Path(row.__file__).parent.glob("bench_*.py")))
    words = ["-m", "pytest", *files, "-p", "no:xdist", "--benchmark-disable", "-q"]
    root = Path(row.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, *words], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_pieces_end_at_powers_of_ten() -> None:
    stops = [piece.stop for piece in growth.pieces(0, 2500)]
    assert [stop for stop in stops if growth.is_point(stop)] == [100, 1000]
    assert stops[-1] == 2500
    assert [piece.start for piece in growth.pieces(1000, 2500)] == [1000, 2000]


@pytest.mark.parametrize("name", ["objects", "spaces"])
def test_growth_goes_on_where_it_was(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "_FIRST", 10)
    monkeypatch.setattr(growth, "_RESTARTS", 1)
    growth.grow(name, tmp_path / "root", 10, tmp_path)
    begun = growth.load(tmp_path / f"growth-{name}.json")
    growth.save(tmp_path / f"growth-{name}.json", row.machine(), begun._replace(done=5, points=()))
    growth.grow(name, tmp_path / "root", 10, tmp_path)
    (point,) = growth.load(tmp_path / f"growth-{name}.json").points
    assert point.size == 10
    assert all(value > 0 for value in point)
    assert f"| {row.digits(point.get_p99)} |" in growth.report(tmp_path)
    ElementTree.parse(tmp_path / "growth.svg")


def test_table_is_pasted_between_its_marks() -> None:
    rows = [Row("get", "GET", 1, "/s"), Row("get", "GET of 1 KB", 8000, "/s", scaled=9999)]
    text = paste(f"a\n{BEGIN}\nold\n{END}\nb\n", rows, "machine")
    assert "| GET of 1 KB | 2,033/s | 8,000/s | 9,999/s |" in text
    assert text.startswith(f"a\n{BEGIN}\nmachine.\n")
    assert text.endswith(f"{END}\nb\n")
    assert paste(text, rows, "machine") == text
    with pytest.raises(ValueError, match="there is no"):
        paste("a", rows, "machine")


def found(name: str, median: float, times: int = 1) -> dict[str, object]:
    extra = {"what": "w", "times": times}
    return {
        "fullname": "bench/bench_room.py::test_x",
        "name": name,
        "stats": {"median": median},
        "extra_info": extra,
    }


def test_kernel_and_twin_are_one_row() -> None:
    made = micro_rows([found("test_x[kernel]", 1), found("test_x[twin]", 8), found("test_y", 6, 3)])
    assert made == [Row("room/x", "w", 1, "s", 8), Row("room/y", "w", 2, "s")]


@pytest.mark.parametrize(
    ("unit", "old", "new", "times"), [("/s", 10, 20, 2), ("s", 20, 10, 2), ("KiB", 1, 2, 0.5)]
)
def test_better_is_above_one(unit: str, old: float, new: float, times: float) -> None:
    before, after = Row("a", "b", old, unit), Row("a", "b", new, unit)
    assert better(before, after) == times
    (twice,) = scaled([after], 40_000)
    assert twice.scaled == {"/s": 2 * new}.get(unit)
