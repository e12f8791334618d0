"""One line of the table of benchmarks, the same for kernels and for whole servers."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple


class Row(NamedTuple):
    """What was measured: a value with its unit; rates are `/s`, and higher is better only there.

    `ratio` is how many times faster than its slow twin a kernel is; `scaled` is the value on the
    machine that the yardstick speaks of; `note` is what else is to be said.
    """

    name: str
    what: str
    value: float
    unit: str
    ratio: float | None = None
    scaled: float | None = None
    note: str = ""


def human(row: Row) -> str:
    """Return a row's value as people read it: three digits, a unit that fits."""
    value, unit = row.value, row.unit
    if unit == "s":
        for factor, name in ((1e9, "ns"), (1e6, "us"), (1e3, "ms")):
            if value * factor < 1000:
                return f"{digits(value * factor)} {name}"
    if unit == "KiB" and value > 9999:
        value, unit = value / 1024, "MiB"
    return f"{digits(value)}{unit}" if unit.startswith("/") else f"{digits(value)} {unit}".strip()


def digits(value: float) -> str:
    """Return a number with three digits that count."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, kernel, Python."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
        "when": time.strftime("%Y-%m-%d %H:%M"),
    }


def title(found: dict[str, Any]) -> str:
    """Return the first line of a table."""
    line = (
        f"{found['cpu']}, {found['cores']} cores, Linux {found['kernel']}, "
        f"Python {found['python']}, load {found['load']}, {found['when']}"
    )
    return line + (f", nginx {found['nginx']:,.0f}/s" if found.get("nginx") else "")


def table(rows: Iterable[Row]) -> str:
    """Return rows as text."""
    lines = [("name", "what", "measured", "ratio", "scaled", "note")]
    for row in rows:
        ratio = f"{row.ratio:.1f}x" if row.ratio else ""
        scaled = human(row._replace(value=row.scaled)) if row.scaled else ""
        lines.append((row.name, row.what, human(row), ratio, scaled, row.note))
    widths = [max(len(line[at]) for line in lines) for at in range(6)]
    right = (False, False, True, True, True, False)
    return "\n".join(
        "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def write(path: Path, where: dict[str, Any], rows: Iterable[Row]) -> None:
    """Write a result as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found = {"machine": where, "rows": [row._asdict() for row in rows]}
    path.write_text(json.dumps(found, indent=1) + "\n")


def read(path: Path) -> tuple[dict[str, Any], list[Row]]:
    """Read a result."""
    found = json.loads(path.read_text())
    return found["machine"], [Row(**row) for row in found["rows"]]
