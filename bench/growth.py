"""python -m bench.growth spaces|objects --upto N: what changes as a server grows.

spaces    workspaces with ten objects of 1 KB each
objects   objects of 1 KB in one workspace
report    the tables and the plot once more, from what is known

At each power of ten: how fast creates are, a GET and a page of a list, how long a restart takes,
memory and file. All is kept in a directory (--root): a run that was cut off, or is to go further,
goes on where it was. Results lie in bench/results (--out): growth-RUN.json, growth.md, growth.svg.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench import row
from bench.load.__main__ import plan
from bench.load.client import Flood, Request
from bench.load.local import Server, live_pages
from bench.load.runs import TENANCY, Plan, config_map, workspace
from bench.plot import Panel, plot

RESULTS = Path(__file__).parent / "results"
EACH = 10  # objects in a workspace
_PREFIX, _TOP = "g", "growth"
_FIRST, _MOST = 100, 10_000  # operations in one piece
_CLIENTS, _GETS, _PAGES, _RESTARTS = 16, 5000, 30, 3


class Point(NamedTuple):
    """What was measured at a size: rates per second, milliseconds, MiB."""

    size: int
    created: float
    objects: float
    get_p50: float
    get_p99: float
    page: float
    restart: float
    busy: float
    idle: float
    file: float
    live: float


class State(NamedTuple):
    """How far a run is: `begun` is the piece that may be there in part."""

    done: int = 0
    begun: int = 0
    points: tuple[Point, ...] = ()


class Kind(NamedTuple):
    """A run: makes some more, and tells paths of single objects and of a long list."""

    title: str
    make: Callable[[Plan, range], list[Flood]]
    path: Callable[[int], str]
    listed: str


def _maps(parent: str) -> str:
    return f"/clusters/{parent}/api/v1/namespaces/default/configmaps"


def _space(at: int) -> str:
    """Return the path of a workspace: a thousand below each of the workspaces in the middle."""
    return f"root:{_TOP}:m{at // 1000}:{_PREFIX}{at}"


def _make_spaces(asked: Plan, numbers: range) -> list[Flood]:
    tops = {f"root:{_TOP}": 0} | {_space(at).rpartition(":")[0]: 0 for at in numbers}
    for path in tops:
        above, _, name = path.rpartition(":")
        asked.to.ask("POST", f"/clusters/{above}/{TENANCY}", workspace(name))
    pairs = [_space(at).rpartition(":")[::2] for at in numbers]
    made = [
        Request("POST", f"/clusters/{above}/{TENANCY}", workspace(name)) for above, name in pairs
    ]
    objects = [
        Request("POST", _maps(_space(at)), config_map(f"o{each}"))
        for at in numbers
        for each in range(EACH)
    ]
    return [asked.to.flood(some, _CLIENTS, 201) for some in (made, objects)]


def _make_objects(asked: Plan, numbers: range) -> list[Flood]:
    asked.to.ask("POST", f"/clusters/root/{TENANCY}", workspace(_TOP))
    path = _maps(f"root:{_TOP}")
    # Names in no order, as people and controllers give them.
    names = [f"{at * 2654435761 % (1 << 32):08x}-{at}" for at in numbers]
    made = [Request("POST", path, config_map(name)) for name in names]
    return [asked.to.flood(made, _CLIENTS, 201)]


def _object(at: int) -> str:
    return f"{_maps(f'root:{_TOP}')}/{at * 2654435761 % (1 << 32):08x}-{at}"


KINDS = {
    "spaces": Kind(
        f"workspaces with {EACH} objects each",
        _make_spaces,
        lambda at: f"{_maps(_space(at))}/o{at % EACH}",
        "/clusters/*/api/v1/configmaps",
    ),
    "objects": Kind("objects in one workspace", _make_objects, _object, _maps(f"root:{_TOP}")),
}


def pieces(done: int, upto: int) -> Iterator[range]:
    """Yield what is to be made, in pieces that end at powers of ten."""
    while done < upto:
        goal = _FIRST
        while goal <= done:
            goal *= 10
        size = max(_FIRST, min(_MOST, goal // 10))
        following = min(done + size, goal, upto)
        yield range(done, following)
        done = following


def is_point(count: int) -> bool:
    """Tell whether a size is measured: powers of ten."""
    return count >= _FIRST and str(count).strip("0") == "1"


def measure(server: Server, kind: Kind, count: int, made: list[Flood]) -> Point:
    """Return what a server is like at a size; it is started anew on the way."""
    chosen = random.Random(count)
    with plan(server.kubeconfig) as asked:
        numbers = [chosen.randrange(count) for _ in range(_GETS)]
        got = asked.to.flood([Request("GET", kind.path(at)) for at in numbers], _CLIENTS)
        page = Request("GET", f"{kind.listed}?limit=500", times=_PAGES)
        pages = asked.master.flood([page], 1)
    if got.failed or pages.failed:
        raise OSError(f"{got.failed} GETs and {pages.failed} pages failed")
    busy, taken = server.process.private(), []
    for _ in range(_RESTARTS):
        server.stop()
        taken.append(server.start())
    store = server.root / "store"
    return Point(
        count,
        made[0].rate,
        made[-1].rate,
        got.quantile(0.5),
        got.quantile(0.99),
        pages.quantile(0.5),
        1000 * sorted(taken)[_RESTARTS // 2],
        busy / 1024,
        server.process.private() / 1024,
        (store / "data.mdb").stat().st_blocks / 2048,
        live_pages(store) / 256,
    )


def load(path: Path) -> State:
    """Read how far a run is."""
    if not path.exists():
        return State()
    found = json.loads(path.read_text())
    points = tuple(Point(**each) for each in found["points"])
    return State(found["done"], found["begun"], points)


def save(path: Path, where: dict[str, Any], state: State) -> None:
    """Write how far a run is, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    points = [each._asdict() for each in state.points]
    text = json.dumps({"machine": where, **state._asdict(), "points": points}, indent=1)
    fresh = path.with_suffix(".new")
    fresh.write_text(text + "\n")
    fresh.rename(path)


def grow(name: str, root: Path, upto: int, out: Path) -> None:
    """Make more until there are `upto`, and measure on the way."""
    kind, where = KINDS[name], row.machine()
    path = out / f"growth-{name}.json"
    if not (root / "store").exists():
        path.unlink(missing_ok=True)
    state, server = load(path), Server(root)
    server.start()
    try:
        for numbers in pieces(state.done, upto):
            again = state.begun > state.done
            save(path, where, state._replace(begun=numbers.stop))
            with plan(server.kubeconfig) as asked:
                made = kind.make(asked, numbers)
            if not again and any(each.failed for each in made):
                raise OSError(f"{[each.failed for each in made]} creates failed")
            points = state.points
            if is_point(numbers.stop):
                points = (*points, measure(server, kind, numbers.stop, made))
            state = State(numbers.stop, numbers.stop, points)
            save(path, where, state)
            rates = " and ".join(f"{each.rate:,.0f}/s" for each in made)
            print(f"{numbers.stop:,} {kind.title}: {rates}", flush=True)
    finally:
        server.stop()


COLUMNS: dict[str, Callable[[Point], float]] = {
    "creates/s": lambda point: point.created,
    "objects/s": lambda point: point.objects,
    "GET p50 ms": lambda point: point.get_p50,
    "GET p99 ms": lambda point: point.get_p99,
    "page of 500 ms": lambda point: point.page,
    "restart ms": lambda point: point.restart,
    "memory at work MiB": lambda point: point.busy,
    "memory after a start MiB": lambda point: point.idle,
    "file MiB": lambda point: point.file,
    "of it in use MiB": lambda point: point.live,
}


def report(out: Path) -> str:
    """Write the tables and the plot of what is known; return the tables."""
    parts, series = [], {}
    for name, kind in KINDS.items():
        state = load(out / f"growth-{name}.json")
        if not state.points:
            continue
        series[kind.title] = state.points
        machine = json.loads((out / f"growth-{name}.json").read_text())["machine"]
        lines = [["", *COLUMNS], ["---:"] * (1 + len(COLUMNS))]
        for point in state.points:
            cells = [row.digits(column(point)) for column in COLUMNS.values()]
            lines.append([f"{point.size:,}", *cells])
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        parts.append(f"## {kind.title.capitalize()}\n\n{row.title(machine)}\n\n{table}\n")
    text = "# Growth\n\n![plot](growth.svg)\n\n" + "\n".join(parts)
    (out / "growth.md").write_text(text)
    panels = [
        Panel(
            title,
            {
                name: [(point.size, column(point)) for point in points]
                for name, points in series.items()
            },
        )
        for title, column in COLUMNS.items()
    ]
    (out / "growth.svg").write_text(plot(panels))
    return text


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="bench.growth", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("run", nargs="*", choices=[*KINDS, "report"], default=["report"])
    parser.add_argument("--upto", type=int, default=10_000)
    parser.add_argument("--root", type=Path, default=Path("build") / "growth")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    for name in asked.run:
        if name != "report":
            grow(name, asked.root / name, asked.upto, asked.out)
    print(report(asked.out))


if __name__ == "__main__":
    main()
