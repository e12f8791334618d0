"""python -m bench.load --kubeconfig FILE RUN ...: runs one after the other, a table, and JSON.

spaces tree memory     make -n workspaces below --parent
create update get list ConfigMaps of 1 KB in --parent
watch idle             -p watches
delete                 the workspace --parent
start                  a server of our own, on a fresh directory and again (no kubeconfig)
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from bench.load.client import target
from bench.load.runs import RUNS, Plan, Row


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.load", description=__doc__)
    parser.add_argument("runs", nargs="+", choices=[*RUNS, "start"], metavar="RUN")
    parser.add_argument("--kubeconfig", type=Path)
    parser.add_argument("--parent", default="root", help="workspace to work in")
    parser.add_argument("--prefix", default=f"load{int(time.time()) % 100000}")
    parser.add_argument("-n", type=int, default=1000, help="operations")
    parser.add_argument("-p", type=int, default=16, help="connections")
    parser.add_argument("--json", type=Path, help="where the rows are written, too")
    parser.add_argument("--command", default=f"{sys.executable} -m kcpfast", help="for start")
    return parser.parse_args()


def starts(command: str) -> list[Row]:
    """Time a server from its exec to its word that it is ready: first start, then restarts."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        words = [*command.split(), "start", "--root-directory", folder, "--secure-port", "0"]
        for run, times in (("start", 1), ("restart", 5)):
            taken = []
            for _ in range(times):
                begun = time.perf_counter()
                with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
                    assert process.stdout is not None
                    assert "ready" in process.stdout.readline()
                    taken.append(1000 * (time.perf_counter() - begun))
                    process.send_signal(signal.SIGTERM)
                    process.communicate()
            taken.sort()
            rows.append(Row(run, times, 0, taken[times // 2], taken[-1]))
    return rows


def main() -> None:
    asked = arguments()
    rows: list[Row] = []
    for name in asked.runs:
        if name == "start":
            rows += starts(asked.command)
            continue
        plan = Plan(asked.n, asked.p, asked.parent, asked.prefix)
        rows.append(uvloop.run(RUNS[name](target(asked.kubeconfig), plan)))
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    print(f"{machine}\n{'run':10}{'count':>9}{'per s':>10}{'p50 ms':>10}{'p99 ms':>10}  note")
    for row in rows:
        print(
            f"{row.run:10}{row.total:9}{row.per_second:10.1f}{row.p50:10.2f}{row.p99:10.2f}"
            f"  {row.note}"
        )
    if asked.json:
        asked.json.write_text(json.dumps([row._asdict() for row in rows], indent=1))


if __name__ == "__main__":
    main()
