"""python -m bench: every benchmark, as one table and as JSON.

Kernels and hot paths first (bench_*.py), then whole servers: a server of our own, or the one that
--kubeconfig names. Where nginx is present it is measured in the same run, before and after, and
rates are scaled by it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import overload, row, stall
from bench.load import suite
from bench.load.__main__ import plan
from bench.load.local import PROGRAM, Server
from bench.load.yardstick import MEASURE, yardstick
from bench.row import Row

RESULT = Path(__file__).parent / "results" / "bench.json"
_STARTS = 7


def micro() -> list[Row]:
    """Run what pytest-benchmark runs."""
    here = Path(__file__).parent
    with tempfile.NamedTemporaryFile() as file:
        words = ["-m", "pytest", *map(str, sorted(here.glob("bench_*.py"))), "-p", "no:xdist"]
        words += ["--benchmark-only", "--benchmark-quiet", "--benchmark-max-time=0.5"]
        words += ["--benchmark-disable-gc", f"--benchmark-json={file.name}"]
        done = subprocess.run(
            [sys.executable, *words], cwd=here.parent, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        return micro_rows(json.load(file)["benchmarks"])


def micro_rows(found: list[dict[str, Any]]) -> list[Row]:
    """Return what pytest-benchmark has found: one row for a kernel and its twin."""
    median = {}
    for each in found:
        room = Path(each["fullname"].partition("::")[0]).stem[6:]
        name = f"{room}/{each['name'].removeprefix('test_')}"
        extra = each["extra_info"]
        median[name] = each["stats"]["median"] / extra.get("times", 1), extra["what"]
    rows = []
    for name, (seconds, what) in median.items():
        twin = median.get(name.replace("[kernel", "[twin"))
        if "[twin" in name:
            continue
        ratio = twin[0] / seconds if twin and "[kernel" in name else None
        rows.append(Row(name.replace("[kernel]", ""), what, seconds, "s", ratio))
    return rows


def starts(server: Server, *, fresh: bool) -> list[Row]:
    """Start a server several times (on fresh directories) and leave it running, at rest."""
    taken = []
    for at in range(_STARTS):
        server.stop()
        if fresh:
            server.root = server.root.with_name(f"root{at}")
        taken.append(server.start())
    name, what = ("start", "fresh directory") if fresh else ("restart", "directory of this run")
    middle, note = (
        sorted(taken)[len(taken) // 2],
        f"slowest of {_STARTS} {1000 * max(taken):.0f} ms",
    )
    rows = [Row(name, f"ready, {what}", middle, "s", note=note)]
    if fresh:
        resident = server.process.resident()
        rows.append(Row("resident", "resident after a start, children too", resident, "KiB"))
    return rows


def whole(kubeconfig: Path | None, command: str) -> list[Row]:
    """Run the suite against a server."""
    if kubeconfig is not None:
        return measured(kubeconfig)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "root", command)
        try:
            rows = starts(server, fresh=True) + measured(server.kubeconfig)
            server.stop()
            return rows + starts(server, fresh=False)
        finally:
            server.stop()


def measured(kubeconfig: Path) -> list[Row]:
    """Run the suite, in a workspace of root if the server has workspaces."""
    with plan(kubeconfig) as asked:
        spaces = asked.to.ask("GET", "/clusters/root/api/v1/namespaces").status == 200
        return suite.run(asked if spaces else asked._replace(parent=""))


def scaled(rows: list[Row], nginx: float) -> list[Row]:
    """Return rows with their rates scaled by the yardstick; times are what they are."""
    by = MEASURE / nginx
    return [each._replace(scaled=each.value * by) if each.unit == "/s" else each for each in rows]


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, help="a running server")
    parser.add_argument("--command", default=PROGRAM, help="what starts a server: dist/kcpfast")
    parser.add_argument(
        "--only", choices=["micro", "whole", "stall", "overload"], help="a part of it"
    )
    parser.add_argument("--json", type=Path, default=RESULT)
    asked = parser.parse_args()
    if asked.only == "stall":
        stall.measure(asked.command)
        return
    if asked.only == "overload":
        overload.measure(asked.command)
        return
    where = row.machine()
    rows = [] if asked.only == "whole" else micro()
    if asked.only != "micro":
        before = yardstick()
        found = whole(asked.kubeconfig, asked.command)
        after = yardstick()
        if before and after:
            where["nginx"] = (before + after) / 2
            found = scaled(found, where["nginx"])
        rows += found
    print(f"{row.title(where)}\n\n{row.table(rows)}")
    row.write(asked.json, where, rows)
    if asked.only is None and asked.kubeconfig is None:
        stall.measure(asked.command)
        overload.measure(asked.command)


if __name__ == "__main__":
    main()
