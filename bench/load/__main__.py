"""python -m bench.load --kubeconfig FILE RUN ...: runs one after the other, a table, and JSON.

spaces tree             make -n workspaces below --parent, over -p connections
create update get       ConfigMaps of 1 KB in --parent
beside                  the GETs once more while another client makes workspaces and RoleBindings
list table page         -n times all of them, as kubectl asks for them, the first 500
watch event             -n creates for -p watchers, at once or one by one
idle                    -p watches that nothing happens to
wildcard                lists over the -n workspaces of spaces, and as much in one
delete                  the tree
metrics                 how many series there are
suite                   all of them, at modest numbers, in a workspace of their own

--parent "" is a server that has no workspaces; runs that need them are left out, and named.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import row
from bench.load import suite
from bench.load.client import target
from bench.load.local import listening
from bench.load.runs import Plan
from bench.load.suite import RUNS
from bench.row import Row


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.load", description=__doc__)
    parser.add_argument("runs", nargs="+", choices=[*RUNS, "suite"], metavar="RUN")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--parent", default="root", help="workspace to work in")
    parser.add_argument("--prefix", default=f"load{int(time.time()) % 100000}")
    parser.add_argument("-n", type=int, default=1000, help="operations")
    parser.add_argument("-p", type=int, default=16, help="connections")
    parser.add_argument("--json", type=Path, help="where the rows are written, too")
    return parser.parse_args()


@contextmanager
def plan(
    kubeconfig: Path, parent: str = "root", prefix: str = "bench", total: int = 0, clients: int = 0
) -> Iterator[Plan]:
    """Yield where and how the runs work; processes of this machine are looked at."""
    masters = ("shard-base", "system:admin", "base")
    with target(kubeconfig, "base") as to, target(kubeconfig, *masters) as master:
        here = to.host in ("127.0.0.1", "::1", "localhost")
        store = kubeconfig.parent / "store"
        process = listening(to.port) if here and store.is_dir() else None
        yield Plan(to, master, process, store, parent, prefix, total, clients)


def run(asked: Plan, names: Sequence[str]) -> list[Row]:
    """Run what is asked for."""
    rows: list[Row] = []
    for name in names:
        if name == "suite":
            rows += suite.run(asked)
        elif RUNS[name].workspaces and not asked.parent:
            rows.append(Row(name, "left out: it needs workspaces", 0, ""))
        else:
            got = RUNS[name].go(asked)
            rows += [got] if isinstance(got, Row) else got
    return rows


def main() -> None:
    asked = arguments()
    with plan(asked.kubeconfig, asked.parent, asked.prefix, asked.n, asked.p) as wanted:
        found = run(wanted, asked.runs)
    where = row.machine()
    print(f"{row.title(where)}\n\n{row.table(found)}")
    if asked.json:
        row.write(asked.json, where, found)


if __name__ == "__main__":
    main()
