"""A chart's numbers as an SVG picture that stands in a page, in its colours, light or dark.

Colours are the page's variables and text stays text, so that the picture is small and can be read
by a screen reader. There is no script in a report: uPlot draws the site's charts, from the same
numbers.

Rule: draws; decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from perflab.report.form import Chart, ChartMark, Line

__all__ = ["draw", "drawable"]

WIDTH, HEIGHT = 440, 250  # units of the picture, about as many as its place has pixels
LEFT, RIGHT, TOP, BOTTOM = 62, 20, 12, 40  # of these, around what is drawn
BAR_ROW, BROAD_ROW = 14, 36  # at least, and at most, of each bar
NAMES = 0.5  # of the width, which names of bars may take
LATE = 0.75  # of the width: words of a mark beyond it stand before it
LEGEND_ROW, LEGEND_COLUMNS, LETTER = 16, 4, 6.2  # a row's height; a letter's width, about
# Okabe and Ito's colours, which people with other eyes tell apart as well.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d00", "#7f7f7f")
RESTS = ("#7f7f7f", "#cccccc")  # of bars: what is left
RANKS = (50.0, 90.0, 99.0, 99.9, 99.99, 99.999)
FEW_POINTS = 12  # no line to be seen without its points
MOST_TICKS = 6
FEW_DECADES = (
    200.0  # of the highest over the lowest: below it a power of ten alone tells too little
)
ROOM = 0.05  # of the height, above the highest value

HALO = 'paint-order="stroke" stroke="var(--paper)" stroke-width="2.5"'  # of words on curves

Tick = tuple[float, str]


@dataclass(frozen=True)
class _Axis:
    """Where values stand in the picture."""

    low: float
    high: float
    begin: float
    """In units of the picture: where `low` stands."""
    end: float
    ticks: Sequence[Tick]
    log: bool = False

    def at(self, value: float) -> float:
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        share = ((math.log(value) if self.log else value) - low) / (high - low)
        return self.begin + share * (self.end - self.begin)


def draw(chart: Chart, number: int) -> str:
    """The picture as an <svg> element; `number` keeps the ids of a page's pictures apart."""
    legend, rows = _legend(chart)
    height = _height(chart, rows)
    top, bottom = TOP + rows * LEGEND_ROW, height - BOTTOM
    axes = _bar_axes(chart, top, bottom) if chart.bars else _line_axes(chart, top, bottom)
    drawn = _bars(chart, *axes) if chart.bars else _lines(chart, *axes)
    body = [
        *_grid(*axes, names=chart.bars),
        f'<clipPath id="clip-{number}"><rect x="{LEFT}" y="{top - 4}" '
        f'width="{WIDTH - LEFT - RIGHT + 4}" height="{bottom - top + 8}"/></clipPath>',
        f'<g clip-path="url(#clip-{number})">',
        *_marks(chart.marks, axes[0], top, bottom),
        *drawn,
        *_mark_words(chart.marks, axes[0], top),
        "</g>",
        *legend,
        _text((LEFT + WIDTH - RIGHT) / 2, height - 6, chart.x_label, "middle"),
        f'<g transform="rotate(-90)">{_text(-(top + bottom) / 2, 11, chart.y_label, "middle")}</g>',
    ]
    return (
        f'<svg role="img" aria-label="{escape(chart.title)}" viewBox="0 0 {WIDTH} {height:g}" '
        f'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="11" '
        f'fill="var(--ink)">{"".join(body)}</svg>'
    )


def _height(chart: Chart, rows: int) -> float:
    """Of bars as many as there are; few are not broad, and many have their names."""
    if not chart.bars:
        return HEIGHT
    around = TOP + rows * LEGEND_ROW + BOTTOM
    row = (HEIGHT - around) / len(chart.bars)
    return around + len(chart.bars) * max(BAR_ROW, min(BROAD_ROW, row))


def drawable(charts: Sequence[Chart]) -> list[Chart]:
    """Those with a bar, or a line of two points at least."""
    return [
        chart
        for chart in charts
        if chart.bars or any(len(list(_points(line))) > 1 for line in chart.lines)
    ]


def _line_axes(chart: Chart, top: float, bottom: float) -> tuple[_Axis, _Axis]:
    xs = [x for line in chart.lines for x in line.x if math.isfinite(x)]
    ys = [y for line in chart.lines for _, y in _points(line)]
    log_y = chart.log_y and bool(ys) and min(ys) > 0
    high = max(ys, default=1.0)
    if log_y:
        y = _log_axis(min(ys), high, bottom, top, 10)
    else:
        low = min([0.0, *ys])
        y = _axis(low, high + (high - low) * ROOM, bottom, top)
    low, high = min(xs, default=0.0), max(xs, default=1.0)
    if chart.ranks:
        ranks = [(-math.log10(1 - rank / 100), f"P{rank:g}") for rank in RANKS]
        ticks = [each for each in ranks if each[0] <= high + 0.01]
        return _Axis(min(0.0, low), high or 1.0, LEFT, WIDTH - RIGHT, ticks), y
    if chart.log_x and low > 0:
        return _log_axis(low, high, LEFT, WIDTH - RIGHT, 2), y
    return _axis(low, high, LEFT, WIDTH - RIGHT), y


def _bar_axes(chart: Chart, top: float, bottom: float) -> tuple[_Axis, _Axis]:
    """The first bar on top; a bar has the room from its number to the next."""
    parts = [_finite(line) for line in chart.lines]
    longest = max((math.fsum(each) for each in zip(*parts, strict=True)), default=0.0)
    letters = int(WIDTH * NAMES / LETTER)
    names = [(number + 0.5, _end_of(name, letters)) for number, name in enumerate(chart.bars)]
    left = max([LEFT, *(len(name) * LETTER + 12 for _, name in names)])
    x = _axis(0.0, longest or 1.0, left, WIDTH - RIGHT)
    return x, _Axis(0.0, float(len(names)), top, bottom, names)


def _axis(low: float, high: float, begin: float, end: float) -> _Axis:
    """An even one, with round numbers on it."""
    if high <= low:
        low, high = low - (0.5 if low else 0.0), low + 0.5
    step = 10.0 ** math.floor(math.log10((high - low) / MOST_TICKS))
    step *= next(each for each in (1, 2, 5, 10) if (high - low) / (step * each) <= MOST_TICKS)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = [(number * step, _number(number * step)) for number in range(first, last + 1)]
    return _Axis(low, high, begin, end, ticks)


def _log_axis(low: float, high: float, begin: float, end: float, base: int) -> _Axis:
    """Each further power of the base takes the same room."""
    if high <= low:
        low, high = low / 2, low * 2
    first, last = math.floor(math.log(low, base)), math.ceil(math.log(high, base))
    powers = [float(base) ** each for each in range(first, last + 1)]
    few = base == 10 and high / low < FEW_DECADES
    values = [power * each for power in powers for each in ((1, 2, 5) if few else (1,))]
    inside = [value for value in values if low * 0.999 <= value <= high * 1.001]
    thinned = inside[:: math.ceil(len(inside) / (MOST_TICKS + 3)) or 1]
    return _Axis(low, high, begin, end, [(each, _number(each)) for each in thinned], log=True)


def _grid(x: _Axis, y: _Axis, *, names: Sequence[str]) -> Iterator[str]:
    """The frame with its numbers; bars have names, and no lines between them."""
    left, right, floor = x.begin, x.end, max(y.begin, y.end)
    for value, words in x.ticks:
        yield _rule(x.at(value), y.begin, x.at(value), y.end)
        yield _text(x.at(value), floor + 14, words, "middle")
    for value, words in y.ticks:
        if not names:
            yield _rule(left, y.at(value), right, y.at(value))
        yield _text(left - 6, y.at(value) + 4, words, "end")
    yield _rule(left, y.begin, left, y.end, 1.0)
    yield _rule(left, floor, right, floor, 1.0)


def _lines(chart: Chart, x: _Axis, y: _Axis) -> Iterator[str]:
    for index, line in enumerate(chart.lines):
        colour = _colour(chart, index)
        dash = ' stroke-dasharray="5 3"' if line.dashed else ""
        for piece in _pieces(line):
            points = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in piece)
            yield (
                f'<polyline points="{points}" fill="none" stroke="{colour}" '
                f'stroke-width="1.5"{dash}/>'
            )
        found = list(_points(line))
        few = len(found) <= FEW_POINTS
        for a, b in found if few or len(found) < len(line.x) else ():
            radius = 2.5 if few else 1.2
            yield f'<circle cx="{x.at(a):.1f}" cy="{y.at(b):.1f}" r="{radius}" fill="{colour}"/>'


def _bars(chart: Chart, x: _Axis, y: _Axis) -> Iterator[str]:
    """Stacked, lying."""
    height = (y.end - y.begin) / max(1, len(chart.bars)) * 0.7
    reached = [0.0] * len(chart.bars)
    for index, line in enumerate(chart.lines):
        for bar, value in enumerate(_finite(line)):
            begin, end = x.at(reached[bar]), x.at(reached[bar] + value)
            reached[bar] += value
            yield (
                f'<rect x="{begin:.1f}" y="{y.at(bar + 0.5) - height / 2:.1f}" '
                f'width="{end - begin:.1f}" height="{height:.1f}" '
                f'fill="{_colour(chart, index)}"/>'
            )


def _marks(marks: Sequence[ChartMark], x: _Axis, top: float, bottom: float) -> Iterator[str]:
    """What was done when: a line, or a band."""
    for mark in marks:
        begin = x.at(max(x.low, mark.begin_s))
        if mark.end_s is None:
            yield _rule(begin, top, begin, bottom, 1.0)
        else:
            width = x.at(mark.end_s) - begin
            yield (
                f'<rect x="{begin:.1f}" y="{top}" width="{max(0.0, width):.1f}" '
                f'height="{bottom - top}" fill="var(--band)"/>'
            )


def _mark_words(marks: Sequence[ChartMark], x: _Axis, top: float) -> Iterator[str]:
    """At one of four heights, above bands and curves."""
    for row, mark in enumerate(marks):
        begin = x.at(max(x.low, mark.begin_s))
        late = begin > WIDTH * LATE
        place = (begin - 2, "end") if late else (begin + 2, "start")
        words = _text(place[0], top + 9 + row % 4 * 11, mark.text, place[1])
        yield words.replace("<text", f'<text font-size="9" {HALO}', 1)


def _colour(chart: Chart, index: int) -> str:
    """Of a line; what is left of bars is grey, the last of it palest."""
    if chart.bars and chart.lines[index].dashed:
        return RESTS[sum(line.dashed for line in chart.lines[:index]) % len(RESTS)]
    return COLOURS[index % len(COLOURS)]


def _legend(chart: Chart) -> tuple[list[str], int]:
    """What the lines are called, and how many rows that takes; nothing for one line."""
    lines = chart.lines
    if len(lines) < 2:
        return [], 0
    longest = max(len(line.label) for line in lines) * LETTER + 24
    columns = max(1, min(LEGEND_COLUMNS, len(lines), int((WIDTH - LEFT) / longest)))
    found = []
    for index, line in enumerate(lines):
        x = LEFT + index % columns * (WIDTH - LEFT - RIGHT) / columns
        y = TOP + index // columns * LEGEND_ROW
        dash = ' stroke-dasharray="5 3"' if line.dashed else ""
        found.append(
            f'<line x1="{x:.1f}" y1="{y - 3}" x2="{x + 14:.1f}" y2="{y - 3}" stroke-width="3" '
            f'stroke="{_colour(chart, index)}"{dash}/>'
        )
        found.append(_text(x + 18, y + 1, line.label, "start"))
    return found, math.ceil(len(lines) / columns)


def _points(line: Line) -> Iterator[tuple[float, float]]:
    """Those that have a place."""
    for x, y in zip(line.x, line.y, strict=False):
        if y is not None and math.isfinite(x) and math.isfinite(y):
            yield x, y


def _pieces(line: Line) -> Iterator[list[tuple[float, float]]]:
    """The runs of points between gaps."""
    piece: list[tuple[float, float]] = []
    for x, y in zip(line.x, line.y, strict=False):
        if y is None or not (math.isfinite(x) and math.isfinite(y)):
            if len(piece) > 1:
                yield piece
            piece = []
        else:
            piece.append((x, y))
    if len(piece) > 1:
        yield piece


def _end_of(name: str, letters: int) -> str:
    """A name's end, which says more than its begin where it is a path."""
    return name if len(name) <= letters else "…" + name[-letters + 1 :]


def _finite(line: Line) -> list[float]:
    return [value if value is not None and math.isfinite(value) else 0.0 for value in line.y]


def _number(value: float) -> str:
    return f"{value:,.6g}"


def _rule(x1: float, y1: float, x2: float, y2: float, width: float = 0.5) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="var(--rule)" '
        f'stroke-width="{width}"/>'
    )


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
