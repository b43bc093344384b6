"""Small charts as inline SVG: text in, text out, no script, no network, the same bytes for the same numbers.

Colours are CSS classes that the page defines for light and dark. Each chart is an image with a title and a description for those who
do not see it; each point that stands for something has a tooltip, and a link where the thing is on the page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

Point = tuple[float, float]
Range = tuple[float, float]

WIDTH = 720
_MARGIN_TOP, _MARGIN_BOTTOM, _MARGIN_LEFT = 14.0, 46.0, 52.0
_LINE_HEIGHT = 15
_GLYPH_WIDTH = 6.4
"""Of the 12 px label font, on average; labels are kept apart by it."""


@dataclass(frozen=True)
class Line:
    """Points joined: by steps that hold a value until the next, or straight."""

    label: str
    points: Sequence[Point]
    style: str = "first"
    """CSS class: first, second, quiet."""
    steps: bool = False


@dataclass(frozen=True)
class Band:
    """The area between two curves over the same ``xs``."""

    xs: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True)
class Dot:
    """One point. ``label`` is written beside it, ``hint`` shown when pointed at, ``href`` followed when clicked."""

    x: float
    y: float
    hint: str = ""
    href: str = ""
    label: str = ""
    style: str = "first"


@dataclass(frozen=True)
class Bar:
    """One stretch of time in a lane."""

    lane: str
    start: float
    end: float
    style: str
    hint: str = ""
    href: str = ""


@dataclass(frozen=True)
class Text:
    """What a chart is called and what its axes measure. ``about`` says in a sentence what there is to see."""

    title: str
    about: str
    x: str
    y: str = ""


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten) from within ``low`` to ``high``, some ``about`` of them."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((power * factor for factor in (1, 2, 5) if power * factor >= rough * 0.999), power * 10)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(step * count, 12) for count in range(first, last + 1)]


class _Frame:
    """A plotting area with its axes; maps values to pixels."""

    def __init__(self, xs: Range, ys: Range, width: float, height: float, *, right: float, left: float = _MARGIN_LEFT) -> None:
        self.xs, self.ys = _widened(xs), _widened(ys)
        self.left, self.right = left, width - right
        self.top, self.bottom = _MARGIN_TOP, height - _MARGIN_BOTTOM

    def x(self, value: float) -> float:
        return self.left + (value - self.xs[0]) / (self.xs[1] - self.xs[0]) * (self.right - self.left)

    def y(self, value: float) -> float:
        return self.bottom - (value - self.ys[0]) / (self.ys[1] - self.ys[0]) * (self.bottom - self.top)

    def x_axis(self, label: str) -> list[str]:
        parts = [f'<line class="axis" x1="{_n(self.left)}" y1="{_n(self.bottom)}" x2="{_n(self.right)}" y2="{_n(self.bottom)}"/>']
        for tick in ticks(*self.xs, about=max(2, round((self.right - self.left) / 60))):
            x = self.x(tick)
            parts.append(f'<line class="axis" x1="{_n(x)}" y1="{_n(self.bottom)}" x2="{_n(x)}" y2="{_n(self.bottom + 4)}"/>')
            parts.append(_text(x, self.bottom + 18, _number(tick), "tick middle"))
        parts.append(_text((self.left + self.right) / 2, self.bottom + 38, label, "label middle"))
        return parts

    def y_axis(self, label: str) -> list[str]:
        parts: list[str] = []
        for tick in ticks(*self.ys, about=max(2, round((self.bottom - self.top) / 45))):
            y = self.y(tick)
            parts.append(f'<line class="grid" x1="{_n(self.left)}" y1="{_n(y)}" x2="{_n(self.right)}" y2="{_n(y)}"/>')
            parts.append(_text(self.left - 8, y + 4, _number(tick), "tick end"))
        middle = (self.top + self.bottom) / 2
        parts.append(f'<text class="label middle" transform="translate(13 {_n(middle)}) rotate(-90)">{escape(label)}</text>')
        return parts


def line_chart(
    text: Text,
    lines: Sequence[Line],
    band: Band | None = None,
    dots: Sequence[Dot] = (),
    *,
    ys: Range | None = None,
    width: int = WIDTH,
    height: int = 300,
) -> str:
    """Lines over an optional band, each labelled at its end. The y axis spans ``ys``, or else what is shown."""
    xs = [x for line in lines for x, _ in line.points] + list(band.xs if band else ()) + [dot.x for dot in dots]
    if not xs:
        return ""
    if ys is None:
        shown = [y for line in lines for _, y in line.points] + list((*band.low, *band.high) if band else ()) + [dot.y for dot in dots]
        ys = _padded(min(shown), max(shown))
    longest = max((len(line.label) for line in lines), default=0)
    frame = _Frame((min(xs), max(xs)), ys, width, height, right=18 + longest * _GLYPH_WIDTH)
    parts = frame.y_axis(text.y)
    if band:
        edge = [*zip(band.xs, band.high, strict=True), *reversed(list(zip(band.xs, band.low, strict=True)))]
        parts.append(f'<path class="band" d="{_path(frame, edge)}Z"/>')
    for line in lines:
        parts.append(f'<path class="line {escape(line.style)}" d="{_path(frame, _stairs(line.points) if line.steps else line.points)}"/>')
    parts += [_dot(frame, dot, 2.6) for dot in dots]
    parts += frame.x_axis(text.x)
    ends = [(frame.y(line.points[-1][1]), line) for line in lines if line.points]
    for (_, line), y in zip(ends, _kept_apart([y for y, _ in ends], frame.bottom), strict=True):
        parts.append(_text(frame.right + 8, y + 4, line.label, f"name {line.style}"))
    return _svg(text, width, height, parts)


def scatter(text: Text, dots: Sequence[Dot], *, size: int = 430) -> str:
    """Dots over the line where both axes agree; both axes cover the same range. A label that would cover another is left out."""
    values = [value for dot in dots for value in (dot.x, dot.y)]
    if not values:
        return ""
    extent = _padded(min(values), max(values))
    frame = _Frame(extent, extent, size, size, right=4)
    parts = frame.y_axis(text.y)
    low, high = extent
    parts.append(f'<path class="line quiet" d="{_path(frame, [(low, low), (high, high)])}"/>')
    parts += [_dot(frame, dot, 4.0) for dot in dots]
    taken: list[tuple[float, float, float]] = []
    for dot in dots:
        width = len(dot.label) * _GLYPH_WIDTH
        x, y = frame.x(dot.x) + 8, frame.y(dot.y) + 4
        if dot.label and all(abs(y - other) > _LINE_HEIGHT or x > right or x + width < left for left, right, other in taken):
            parts.append(_text(x, y, dot.label, "name"))
            taken.append((x, x + width, y))
    parts += frame.x_axis(text.x)
    return _svg(text, size, size, parts, "chart square")


def timeline(text: Text, lanes: Sequence[str], bars: Sequence[Bar], *, lane_height: int = 30) -> str:
    """A row for each of ``lanes``, in that order; bars that overlap in time share the row's height."""
    if not bars:
        return ""
    height = int(_MARGIN_TOP + _MARGIN_BOTTOM) + lane_height * len(lanes)
    left = 16 + max(len(lane) for lane in lanes) * _GLYPH_WIDTH
    extent = min(bar.start for bar in bars), max(bar.end for bar in bars)
    frame = _Frame(extent, (0.0, 1.0), WIDTH, height, left=left, right=16)
    parts: list[str] = []
    for place, lane in enumerate(lanes):
        top = frame.top + place * lane_height
        parts.append(f'<line class="grid" x1="0" y1="{_n(top)}" x2="{_n(frame.right)}" y2="{_n(top)}"/>')
        parts.append(_text(frame.left - 10, top + lane_height / 2 + 4, lane, "name end"))
        mine = sorted((bar for bar in bars if bar.lane == lane), key=lambda bar: (bar.start, bar.end, bar.href))
        rows, deepest = _packed(mine)
        each = (lane_height - 8) / max(1, deepest)
        for bar, row in zip(mine, rows, strict=True):
            x, width = frame.x(bar.start), max(frame.x(bar.end) - frame.x(bar.start) - 0.5, 1.0)
            rect = (
                f'<rect class="bar {escape(bar.style)}" x="{_n(x)}" y="{_n(top + 4 + row * each)}" '
                f'width="{_n(width)}" height="{_n(max(each - 0.6, 0.8))}">'
            )
            parts.append(_linked(rect, "rect", bar.hint, bar.href))
    parts += frame.x_axis(text.x)
    return _svg(text, WIDTH, height, parts)


def _packed(bars: Sequence[Bar]) -> tuple[list[int], int]:
    """For each bar, sorted by start, the first row that is free; and how many rows that takes."""
    free_from: list[float] = []
    rows: list[int] = []
    for bar in bars:
        row = next((row for row, free in enumerate(free_from) if free <= bar.start), len(free_from))
        free_from[row : row + 1] = [bar.end]
        rows.append(row)
    return rows, len(free_from)


def _kept_apart(wanted: Sequence[float], lowest: float) -> list[float]:
    """The positions ``wanted``, moved as little as a pass down and a pass up can so that no two labels touch."""
    order = sorted(range(len(wanted)), key=lambda place: (wanted[place], place))
    placed = list(wanted)
    for before, after in pairwise(order):
        placed[after] = max(placed[after], placed[before] + _LINE_HEIGHT)
    limit = lowest
    for place in reversed(order):
        placed[place] = min(placed[place], limit)
        limit = placed[place] - _LINE_HEIGHT
    return placed


def _widened(extent: Range) -> Range:
    low, high = extent
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _padded(low: float, high: float) -> Range:
    room = (high - low) * 0.06 or 0.5
    return low - room, high + room


def _stairs(points: Sequence[Point]) -> list[Point]:
    corners: list[Point] = list(points[:1])
    for (_, held), (x, y) in pairwise(points):
        corners += [(x, held), (x, y)]
    return corners


def _path(frame: _Frame, points: Sequence[Point]) -> str:
    return "".join(f"{'L' if place else 'M'}{_n(frame.x(x))} {_n(frame.y(y))}" for place, (x, y) in enumerate(points))


def _dot(frame: _Frame, dot: Dot, radius: float) -> str:
    circle = f'<circle class="dot {escape(dot.style)}" cx="{_n(frame.x(dot.x))}" cy="{_n(frame.y(dot.y))}" r="{_n(radius)}">'
    return _linked(circle, "circle", dot.hint, dot.href)


def _linked(opened: str, tag: str, hint: str, href: str) -> str:
    shape = f"{opened}<title>{escape(hint)}</title></{tag}>" if hint else f"{opened}</{tag}>"
    return f'<a href="{escape(href)}">{shape}</a>' if href else shape


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="{escape(style)}" x="{_n(x)}" y="{_n(y)}">{escape(text)}</text>'


def _n(pixels: float) -> str:
    """A coordinate to a tenth of a pixel."""
    return f"{pixels:.1f}".removesuffix(".0")


def _number(value: float) -> str:
    return f"{value:,.10g}".replace("-", "\N{MINUS SIGN}")


def _svg(text: Text, width: int, height: int, parts: Sequence[str], style: str = "chart") -> str:
    return (
        f'<svg class="{style}" viewBox="0 0 {width} {height}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(text.title)}</title><desc>{escape(text.about)}</desc>\n" + "\n".join(parts) + "\n</svg>"
    )
