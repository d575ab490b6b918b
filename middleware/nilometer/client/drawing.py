"""Draws results as HTML with inline SVG, for notebooks. All text is escaped; there are no scripts."""

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import TypeVar

WIDTH, HEIGHT, MARGIN = 640, 160, 4  # pixels
SPARK_WIDTH, SPARK_HEIGHT = 120, 24
AXIS_WIDTH = 64  # pixels for the numbers left of a plot
INK = "#3b82f6"  # readable on white and on black
BAND_OPACITY = 0.25
MOST_PLAIN = 1e15  # numbers below are written without an exponent
MOST_ROWS = 50  # rows of a table; the rest is counted

_STYLE = "font: 13px system-ui, sans-serif"
_AXIS = "font-size: 11px; opacity: .75; display: flex; justify-content: space-between"
_BLOCKS = "▁▂▃▄▅▆▇█"

T = TypeVar("T")


def figure(title: str, body: str, note: str = "") -> str:
    """Return *body*, which is HTML, below a *title* and above a *note*, which are text."""
    below = f"<div style='opacity:.7'>{escape(note)}</div>" if note else ""
    return f"<div style='{_STYLE}'><b>{escape(title)}</b>{body}{below}</div>"


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table of texts; a cell of type `Markup` is inserted unchanged."""
    kept = list(rows)
    head = "".join(f"<th style='text-align:left'>{escape(one)}</th>" for one in headings)
    lines = ["<tr>" + "".join(map(_cell, row)) + "</tr>" for row in kept[:MOST_ROWS]]
    more = len(kept) - MOST_ROWS
    if more > 0:
        lines.append(f"<tr><td colspan='{len(headings)}'>and {more} more</td></tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


class Markup(str):
    """Text that is already HTML."""

    __slots__ = ()


def number(value: float | None) -> str:
    """Return a number with at least four digits, such as ``19,244``; a dash for None or NaN."""
    if value is None or math.isnan(value):
        return "-"
    is_long = MOST_PLAIN > abs(value) >= 1000
    return f"{value:,.0f}" if is_long else f"{value:.4g}"


def line(
    values: Sequence[float | None],
    band: tuple[Sequence[float | None], Sequence[float | None]] | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> Markup:
    """Return an SVG line through *values*, with gaps where a value is missing.

    Args:
        values: Values from left to right.
        band: Lower and upper values of a band behind the line.
        size: Width and height in pixels.
    """
    edges = () if band is None else (*band[0], *band[1])
    bounds, count = _bounds([*values, *edges]), len(values)
    parts = []
    for pairs in _runs([] if band is None else list(map(_pair, *band))):
        upper = [_place(at, high, count, bounds, size) for at, (_, high) in pairs]
        lower = [_place(at, low, count, bounds, size) for at, (low, _) in reversed(pairs)]
        parts.append(
            f"<polygon points='{' '.join(upper + lower)}' fill='{INK}' fill-opacity='{BAND_OPACITY}'/>"
        )
    for run in _runs(list(map(_finite, values))):
        places = [_place(at, value, count, bounds, size) for at, value in run]
        if len(places) == 1:
            x, y = places[0].split(",")
            parts.append(f"<circle cx='{x}' cy='{y}' r='1.5' fill='{INK}'/>")
        else:
            parts.append(f"<polyline points='{' '.join(places)}' fill='none' stroke='{INK}'/>")
    return _svg("".join(parts), size)


def bars(heights: Sequence[float]) -> Markup:
    """Return an SVG bar for each of *heights*, which are >= 0, from left to right."""
    most = max(heights, default=0.0) or 1.0
    width = (WIDTH - 2 * MARGIN) / max(len(heights), 1)
    parts = []
    for at, height in enumerate(heights):
        tall = (HEIGHT - 2 * MARGIN) * height / most
        parts.append(
            f"<rect x='{MARGIN + at * width:.1f}' y='{HEIGHT - MARGIN - tall:.1f}' "
            f"width='{max(width - 1, 0.5):.1f}' height='{tall:.1f}' fill='{INK}'/>"
        )
    return _svg("".join(parts), (WIDTH, HEIGHT))


def plot(drawn: Markup, vertical: tuple[str, str], across: tuple[str, str]) -> Markup:
    """Return *drawn* with texts at its ends: bottom and top, left and right."""
    bottom, top, left, right = map(escape, (*vertical, *across))
    beside = f"{_AXIS}; flex-direction: column; text-align: right; width: {AXIS_WIDTH}px"
    below = f"{_AXIS}; width: {WIDTH}px; margin-left: {AXIS_WIDTH + MARGIN}px"
    return Markup(
        f"<div style='display: flex; gap: {MARGIN}px'>"
        f"<div style='{beside}'><span>{top}</span><span>{bottom}</span></div>{drawn}</div>"
        f"<div style='{below}'><span>{left}</span><span>{right}</span></div>"
    )


def ends(values: Iterable[float | None]) -> tuple[str, str]:
    """Return the smallest and the largest of the finite *values*, as text."""
    low, high = _bounds(values)
    return number(low), number(high)


def spark(values: Sequence[float | None]) -> Markup:
    """Return a small SVG line for a cell of a table."""
    return line(values, size=(SPARK_WIDTH, SPARK_HEIGHT))


def sparkline(values: Sequence[float | None]) -> str:
    """Return one block character for each value; a space where it is missing."""
    bounds = _bounds(values)
    last = len(_BLOCKS) - 1
    return "".join(
        " " if value is None else _BLOCKS[round(_share(value, bounds) * last)]
        for value in map(_finite, values)
    )


def _cell(content: object) -> str:
    text = content if isinstance(content, Markup) else escape(str(content))
    return f"<td style='text-align:left'>{text}</td>"


def _svg(content: str, size: tuple[int, int]) -> Markup:
    width, height = size
    return Markup(
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' "
        f"viewBox='0 0 {width} {height}' role='img'>{content}</svg>"
    )


def _bounds(values: Iterable[float | None]) -> tuple[float, float]:
    """Return the smallest and the largest of the finite *values*; 0 and 1 without any."""
    finite = [value for value in map(_finite, values) if value is not None]
    return min(finite, default=0.0), max(finite, default=1.0)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _pair(low: float | None, high: float | None) -> tuple[float, float] | None:
    """Return both values; None if one of them is missing."""
    low, high = _finite(low), _finite(high)
    return None if low is None or high is None else (low, high)


def _share(value: float, bounds: tuple[float, float]) -> float:
    """Return the position of *value* between *bounds*, 0 to 1; the middle if they are equal."""
    low, high = bounds
    # Halves, because the difference of two large numbers may be infinite.
    return (value / 2 - low / 2) / (high / 2 - low / 2) if high / 2 > low / 2 else 0.5


def _place(
    at: int, value: float, count: int, bounds: tuple[float, float], size: tuple[int, int]
) -> str:
    """Return the pixel ``x,y`` of *value* at position *at* of *count*."""
    width, height = size
    across = at / (count - 1) if count > 1 else 0.5
    x = MARGIN + across * (width - 2 * MARGIN)
    y = height - MARGIN - _share(value, bounds) * (height - 2 * MARGIN)
    return f"{x:.1f},{y:.1f}"


def _runs(values: Sequence[T | None]) -> list[list[tuple[int, T]]]:
    """Return each run of neighbours that are not None, with their positions."""
    runs: list[list[tuple[int, T]]] = []
    joined = False
    for at, value in enumerate(values):
        if value is not None:
            if not joined:
                runs.append([])
            runs[-1].append((at, value))
        joined = value is not None
    return runs
