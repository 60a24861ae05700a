"""Plots as SVG, drawn by hand: a report must open without network, script or font."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

SIDE: Final = 240  # of the plotting area
MARGIN: Final = 44  # for ticks and names of axes
COLOURS: Final = ("#1f5fa8", "#b4451f", "#3d7a3d", "#6b4fa0")
TICKS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)

Curve = Sequence[Sequence[float]]  # points (x, y), both in [0, 1]


def curves(title: str, across: str, up: str, lines: Mapping[str, Curve], *, diagonal: bool = False) -> str:
    """Draw lines in the unit square, each with its name below.

    Args:
        title: Read out by screen readers and shown above.
        across: Name of the horizontal axis.
        up: Name of the vertical axis.
        lines: Name to points.
        diagonal: Whether to draw the line of guessing, or of perfect calibration.
    """
    drawn = [_path([(0.0, 0.0), (1.0, 1.0)], "#999", dashed=True)] if diagonal else []
    names = []
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        drawn.append(_path(points, colour))
        names.append(_legend(number, name, colour))
    return _figure(title, _axes(across, up) + "".join(drawn + names), rows=len(lines))


def reliability(title: str, bins: Sequence[Mapping[str, Any]]) -> str:
    """Draw mean score against observed part of bins of equal size, with the line of perfect calibration."""
    points = [(float(one["mean_score"]), float(one["observed"])) for one in bins]
    dots = "".join(f'<circle cx="{_x(x):.1f}" cy="{_y(y):.1f}" r="4" fill="{COLOURS[0]}"/>' for x, y in points)
    inside = _axes("mean score", "observed part") + _path([(0.0, 0.0), (1.0, 1.0)], "#999", dashed=True)
    return _figure(title, inside + _path(points, COLOURS[0]) + dots, rows=0)


def histogram(title: str, counts: Mapping[str, Sequence[int]], threshold: float) -> str:
    """Draw the shares of scores in equal bins of [0, 1], one outline per name, and the threshold."""
    at = _x(threshold)
    drawn = [f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{_y(0)}" y2="{_y(1)}" stroke="#222" stroke-dasharray="2 3"/>']
    for number, (name, own) in enumerate(counts.items()):
        colour, total, points = COLOURS[number % len(COLOURS)], max(1, sum(own)), []
        for place, count in enumerate(own):
            points += [(place / len(own), count / total), ((place + 1) / len(own), count / total)]
        drawn += [_path(points, colour), _legend(number, f"{name} (n = {sum(own)})", colour)]
    return _figure(title, _axes("score; dotted: threshold", "share of pictures") + "".join(drawn), rows=len(counts))


def confusion(title: str, table: Mapping[str, Mapping[str, int]]) -> str:
    """Draw counts of true label (row) by answer (column), darker for a larger part of the row."""
    cell = SIDE / max(1, len(table))
    drawn = []
    for row, (truth, answers) in enumerate(table.items()):
        total = max(1, sum(answers.values()))
        drawn.append(_text(MARGIN - 4, MARGIN + cell * (row + 0.5), truth, "end"))
        for column, (answer, count) in enumerate(answers.items()):
            x, y, part = MARGIN + cell * column, MARGIN + cell * row, count / total
            drawn.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{cell:.1f}" height="{cell:.1f}" stroke="#fff" '
                f'fill="{COLOURS[0]}" fill-opacity="{0.08 + 0.82 * part:.2f}"/>'
            )
            drawn.append(_text(x + cell / 2, y + cell / 2, str(count), "middle", "#fff" if part > 0.5 else "#222"))
            if row == 0:
                drawn.append(_text(x + cell / 2, MARGIN - 8, answer, "middle"))
    return _figure(title, "".join(drawn), rows=0)


def _figure(title: str, inside: str, rows: int) -> str:
    width, height = SIDE + 2 * MARGIN, SIDE + 2 * MARGIN + 16 * rows
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg role="img" aria-label="{escape(title)}" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">{inside}</svg></figure>'
    )


def _axes(across: str, up: str) -> str:
    ticks = "".join(
        f'<line x1="{_x(t)}" x2="{_x(t)}" y1="{_y(0)}" y2="{_y(1)}" stroke="#eee"/>'
        f'<line x1="{_x(0)}" x2="{_x(1)}" y1="{_y(t)}" y2="{_y(t)}" stroke="#eee"/>'
        f"{_text(_x(t), _y(0) + 12, f'{t:g}', 'middle')}{_text(_x(0) - 4, _y(t), f'{t:g}', 'end')}"
        for t in TICKS
    )
    middle = MARGIN + SIDE / 2
    turned = f'<g transform="rotate(-90 10 {middle})">{_text(10, middle, up, "middle")}</g>'
    return ticks + _text(middle, _y(0) + 28, across, "middle") + turned


def _path(points: Curve, colour: str, *, dashed: bool = False) -> str:
    placed = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in points)
    dash = ' stroke-dasharray="4 4"' if dashed else ""
    return f'<polyline points="{placed}" fill="none" stroke="{colour}" stroke-width="1.8"{dash}/>'


def _legend(number: int, name: str, colour: str) -> str:
    y = SIDE + 2 * MARGIN + 16 * number
    return (
        f'<rect x="{MARGIN}" y="{y - 5}" width="14" height="4" fill="{colour}"/>{_text(MARGIN + 20, y, name, "start")}'
    )


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#222") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="11" text-anchor="{anchor}" dominant-baseline="middle" '
        f'fill="{colour}">{escape(text)}</text>'
    )


def _x(value: float) -> float:
    return MARGIN + SIDE * value


def _y(value: float) -> float:
    return MARGIN + SIDE * (1.0 - value)
