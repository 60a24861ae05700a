"""The plot of the simulated order, as SVG: two panels with one bar for each load and order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.review.order_simulation import Figures

WIDTH, HEIGHT, PANEL = 880, 330, 400
TOP, BOTTOM, LEFT = 64, 262, 56
FONT = 'font-family="Inter, Helvetica, Arial, sans-serif" font-size="12"'
INK, LINE = "#1b2733", "#c4ccd4"
COLOURS = {"order": "#0b7285", "score": "#c2410c"}
NAMES = {"order": "order of the worklist", "score": "score alone (control)"}


def plot(found: list[Figures]) -> str:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" {FONT}>',
        "<title>Waits in the order of the worklist, in units of first come, first served</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    limits = {0.8: 0.3, 0.9: 0.3, 0.95: 0.3, 1.05: 0.6}
    parts += _panel(20, "Flagged: mean wait", found, lambda one: one.flagged_mean, (0, 1), limits, _linear)
    limits = {0.8: 1.1, 0.9: 1.1, 0.95: 1.1}
    parts += _panel(460, "The rest: longest wait", found, lambda one: one.rest_longest, (0.8, 30), limits, _log)
    for place, (name, label) in enumerate(NAMES.items()):
        x = 76 + place * 190
        parts.append(f'<rect x="{x}" y="{HEIGHT - 26}" width="11" height="11" fill="{COLOURS[name]}"/>')
        parts.append(f'<text x="{x + 17}" y="{HEIGHT - 16}" fill="{INK}">{label}</text>')
    parts.append(f'<path d="M456 {HEIGHT - 20}h16" stroke="{INK}" stroke-width="2"/>')
    parts.append(
        f'<text x="478" y="{HEIGHT - 16}" fill="{INK}">at most, by intent; 1 = first come, first served</text>'
    )
    return "\n".join([*parts, "</svg>", ""])


def _linear(value: float, scale: tuple[float, float]) -> float:
    return (value - scale[0]) / (scale[1] - scale[0])


def _log(value: float, scale: tuple[float, float]) -> float:
    return math.log(value / scale[0]) / math.log(scale[1] / scale[0])


def _panel(x, title, found, values, scale, limits, bent) -> list[str]:
    def height(value: float) -> float:
        return BOTTOM - bent(max(value, scale[0]), scale) * (BOTTOM - TOP)

    out = [f'<text x="{x + LEFT}" y="36" font-size="15" font-weight="600" fill="{INK}">{title}</text>']
    for tick in (0, 0.25, 0.5, 0.75, 1) if scale[1] == 1 else (1, 2, 5, 10, 20):
        out.append(f'<path d="M{x + LEFT} {height(tick):.1f}H{x + PANEL - 10}" stroke="{LINE}"/>')
        out.append(
            f'<text x="{x + LEFT - 8}" y="{height(tick) + 4:.1f}" text-anchor="end" fill="{INK}">{tick:g}</text>'
        )
    for place, one in enumerate(found):
        left = x + LEFT + 14 + place * 82
        for at, name in enumerate(COLOURS):
            value = values(one)[name]
            y, bar = height(value), left + at * 29
            aim = height(limits[one.load]) if one.load in limits else BOTTOM
            label = aim - 5 if y - 16 < aim < y + 4 or (0 < y - aim < 16) else y - 4
            out.append(
                f'<rect x="{bar}" y="{y:.1f}" width="25" height="{max(1.0, BOTTOM - y):.1f}" fill="{COLOURS[name]}"/>'
            )
            out.append(
                f'<text x="{bar + 12.5}" y="{label:.1f}" text-anchor="middle" font-size="11" fill="{INK}">'
                f"{value:.{2 if value < 3 else 0}f}</text>"
            )
        if one.load in limits:
            y = height(limits[one.load])
            out.append(f'<path d="M{left - 4} {y:.1f}h62" stroke="{INK}" stroke-width="2"/>')
        out.append(f'<text x="{left + 27}" y="{BOTTOM + 18}" text-anchor="middle" fill="{INK}">load {one.load}</text>')
    return out
