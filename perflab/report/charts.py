"""A chart's numbers as an SVG picture that stands in a page, in its colours, light or dark.

Theory of operation. matplotlib draws; every colour it is given is a stand-in, which is replaced in
the text of the picture by a variable of the page's style sheet. Text stays text, so that the
picture is small and can be read by a screen reader.

Rule: draws; decides nothing.
"""

from __future__ import annotations

import io
import math
import re
from typing import TYPE_CHECKING, Any

from perflab.report.form import Chart, Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]

INCHES = (5.4, 2.9)
# Okabe and Ito's colours, which people with other eyes tell apart as well.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d00", "#7f7f7f")
INK, RULE, BAND = "#010203", "#040506", "#070809"
VARIABLES = {INK: "var(--ink)", RULE: "var(--rule)", BAND: "var(--band)"}
RANKS = (50.0, 90.0, 99.0, 99.9, 99.99, 99.999)
SIZES = re.compile(r'(<svg\b[^>]*?) width="[^"]*"', re.S)
HEIGHT = re.compile(r'(<svg\b[^>]*?) height="[^"]*"', re.S)
FEW_POINTS = 12
METADATA = re.compile(r"<metadata>.*?</metadata>", re.S)
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": RULE,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
}


def draw(chart: Chart, number: int) -> str:
    """The picture as an <svg> element; `number` keeps the ids of a page's pictures apart."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    style: Any = STYLE | {"svg.hashsalt": f"chart {number}"}
    with mpl.rc_context(style):
        figure = Figure(figsize=INCHES, layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        if chart.bars:
            _draw_bars(axes, chart)
        else:
            for index, line in enumerate(chart.lines):
                _draw_line(axes, line, COLOURS[index % len(COLOURS)])
            _scales(axes, chart)
        _marks(axes, chart)
        axes.set_xlabel(chart.x_label)
        axes.set_ylabel(chart.y_label)
        if len(chart.lines) > 1:
            columns = min(len(chart.lines), 4)
            figure.legend(loc="outside upper left", ncols=columns, fontsize=8)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return _element(out.getvalue(), chart.title)


def _draw_line(axes: Axes, line: Line, colour: str) -> None:
    # A curve of few points, or with gaps, is no line to be seen.
    dotted = len(line.x) <= FEW_POINTS or None in line.y
    axes.plot(
        line.x,
        [math.nan if value is None else value for value in line.y],
        label=line.label,
        color=colour,
        linestyle="--" if line.dashed else "-",
        linewidth=1.3,
        marker="o" if dotted else None,
        markersize=3 if len(line.x) <= FEW_POINTS else 1.5,
    )


def _draw_bars(axes: Axes, chart: Chart) -> None:
    """Stacked, lying, the first on top."""
    left = [0.0] * len(chart.bars)
    for index, line in enumerate(chart.lines):
        widths = [value or 0.0 for value in line.y]
        colour = COLOURS[index % len(COLOURS)]
        axes.barh(range(len(left)), widths, left=left, label=line.label, color=colour)
        left = [begin + width for begin, width in zip(left, widths, strict=True)]
    axes.set_yticks(range(len(left)), chart.bars)
    axes.invert_yaxis()
    axes.margins(x=0)
    axes.grid(visible=False, axis="y")


def _scales(axes: Axes, chart: Chart) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    positive = all(v is None or v > 0 for line in chart.lines for v in line.y)
    if chart.log_y and positive and any(line.y for line in chart.lines):
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    if chart.ranks:
        most = max((line.x[-1] for line in chart.lines if line.x), default=1.0)
        ranks = [rank for rank in RANKS if -math.log10(1 - rank / 100) <= most + 0.01]
        axes.set_xticks([-math.log10(1 - rank / 100) for rank in ranks])
        axes.set_xticklabels([f"P{rank:g}" for rank in ranks])
    elif chart.log_x:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}"))


def _marks(axes: Axes, chart: Chart) -> None:
    for row, mark in enumerate(chart.marks):
        if mark.end_s is None:
            axes.axvline(mark.begin_s, color=RULE, linewidth=1)
        else:
            axes.axvspan(mark.begin_s, mark.end_s, color=BAND, linewidth=0)
        axes.annotate(
            mark.text,
            (mark.begin_s, 1 - 0.08 * (row % 4)),
            xycoords=("data", "axes fraction"),
            xytext=(2, -8),
            textcoords="offset points",
            fontsize=7,
            annotation_clip=True,
        )


def _element(text: str, title: str) -> str:
    """The <svg> element alone, as wide as its place, with the page's colours and a title."""
    svg = METADATA.sub("", text[text.index("<svg") :], count=1)
    svg = HEIGHT.sub(r"\1", SIZES.sub(r"\1", svg, count=1), count=1)
    for stand_in, variable in VARIABLES.items():
        svg = svg.replace(stand_in, variable)
    label = title.replace("&", "and").replace('"', "'").replace("<", "")
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
