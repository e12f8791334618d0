"""Small plots as SVG: one panel for each quantity, sizes on a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from bench.row import digits

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM, _GAP = 300, 190, 52, 30, 28, 16
_ACROSS = 3
_COLOURS = ("#1f6fb4", "#d1581c", "#2f8f4e", "#7a4fb0")


class Panel(NamedTuple):
    """A quantity: for each series its (size, value)."""

    title: str
    series: dict[str, Sequence[tuple[float, float]]]


def plot(panels: Sequence[Panel]) -> str:
    """Return panels side by side, three in a row, with a legend above."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.series))
    rows = math.ceil(len(panels) / _ACROSS)
    width, height = _ACROSS * (_WIDTH + _GAP), rows * (_HEIGHT + _GAP) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for at, name in enumerate(names):
        x = 10 + at * 260
        parts.append(f'<circle cx="{x}" cy="14" r="4" fill="{_COLOURS[at]}"/>')
        parts.append(f'<text x="{x + 10}" y="18">{escape(name)}</text>')
    for at, panel in enumerate(panels):
        x, y = at % _ACROSS * (_WIDTH + _GAP), 30 + at // _ACROSS * (_HEIGHT + _GAP)
        parts += [f'<g transform="translate({x} {y})">', *_panel(panel, names), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, names: list[str]) -> Iterable[str]:
    points = [point for line in panel.series.values() for point in line]
    low, high = min(x for x, _ in points), max(x for x, _ in points)
    top = _round_up(max(y for _, y in points))
    span = math.log10(high / low) or 1
    right, bottom = _WIDTH - 14, _HEIGHT - _BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        across = math.log10(x / low) / span
        return _LEFT + across * (right - _LEFT), bottom - y / top * (bottom - _TOP)

    yield f'<text x="{_LEFT}" y="18" font-weight="bold">{escape(panel.title)}</text>'
    for share in (0, 0.5, 1):
        y = bottom - share * (bottom - _TOP)
        yield f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="#ddd"/>'
        label = digits(share * top)
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1):
        x, _ = place(10.0**power, 0)
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{10**power:,}</text>'
    for name, line in panel.series.items():
        colour = _COLOURS[names.index(name)]
        places = [place(*point) for point in line]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places)


def _round_up(value: float) -> float:
    """Return the next number of one digit (1, 2, 5 and tens of them)."""
    if value <= 0:
        return 1.0
    size: float = 10.0 ** math.floor(math.log10(value))
    return next(size * digit for digit in (1, 2, 3, 4, 5, 6, 8, 10) if size * digit >= value)
