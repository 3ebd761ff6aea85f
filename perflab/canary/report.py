"""A canary's result as Markdown, for a terminal or a pull request, and as one HTML page.

Rule: words and layout; all figures come from the record.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from perflab.canary.judge import ERROR, FIGURES, GUARDS
from perflab.canary.record import CanaryResult, FigureStanding, PairOfSlots
from perflab.report.form import Chart, Line
from perflab.report.render import rendered
from perflab.stats.sequences import PairedDifferences

__all__ = ["HEAD", "canary_html", "canary_markdown", "interval", "row"]

HEAD = ("figure", "worse by", "interval", "margin", "power", "could have seen", "")
STATES = {"within": "within", "worse": "WORSE", "open": "not clear"}
COLOURS = {"promote": "met", "roll back": "not-met", "hold": "unmeasured"}
POINTS = 60  # of a curve


def canary_markdown(result: CanaryResult) -> str:
    """The answer first, then what it rests on."""
    ruling = result.ruling
    decided = f"decided by {ruling.decided_by}: " if ruling.decided_by else ""
    return "\n".join(
        [
            f"# {ruling.verdict}",
            "",
            f"{result.question}, after {ruling.pairs} pairs in {ruling.seconds:.1f} s"
            f"{', interrupted' if result.interrupted else ''}.",
            "",
            f"{decided}{ruling.why}",
            "",
            f"| {' | '.join(HEAD)} |",
            "| " + "--- | " * len(HEAD),
            *(f"| {' | '.join(row(each))} |" for each in result.figures),
            "",
            f"`{result.command}` · {result.began} · {result.machine.get('processor', '?')}, "
            f"{result.machine.get('cores', '?')} cores",
            "",
        ]
    )


def row(each: FigureStanding) -> tuple[str, ...]:
    """A figure's cells, as HEAD says."""
    return (
        f"{each.name}: {FIGURES[each.name].about}" if each.name in FIGURES else each.name,
        f"{each.estimate:+.3g} {each.unit}",
        interval(each),
        f"{each.margin:.3g} {each.unit}",
        f"{each.power:.0%} for {each.target:+.3g} {each.unit}",
        "nothing" if each.could_see is None else f"{each.could_see:+.3g} {each.unit}",
        STATES[each.state],
    )


def interval(each: FigureStanding) -> str:
    """What a figure can be."""
    low, high = ("?" if end is None else f"{end:+.3g}" for end in (each.low, each.high))
    return f"{low} to {high} {each.unit}"


def canary_html(result: CanaryResult, pairs: Sequence[PairOfSlots]) -> str:
    """The whole page, with a picture of how each figure became clear."""
    return rendered(
        "canary",
        result,
        {},
        head=HEAD,
        rows=[row(each) for each in result.figures],
        charts=[_chart(each, pairs, len(result.figures)) for each in result.figures],
        colours=COLOURS,
    )


def _chart(each: FigureStanding, pairs: Sequence[PairOfSlots], figures: int) -> Chart:
    """Estimate and interval of a figure as the pairs came."""
    figure = FIGURES[each.name]
    sequence = PairedDifferences(figure.clip, ERROR / figures)
    step = max(1, math.ceil(len(pairs) / POINTS))
    x: list[float] = []
    curves: dict[str, list[float | None]] = {"estimate": [], "low": [], "high": []}
    for place, pair in enumerate(pairs, 1):
        difference = figure.difference(pair)
        if difference is not None and (each.name in GUARDS or not pair.warm_up):
            sequence.add(difference)
        if sequence.count and (place % step == 0 or place == len(pairs)):
            bounds = sequence.bounds()
            x.append(round(pair.baseline.begin_s, 2))
            for name, curve in curves.items():
                curve.append(figure.shown(getattr(bounds, name)))
    margin: list[float | None] = [each.margin] * len(x)
    lines = [Line(label=name, x=x, y=y, dashed=name != "estimate") for name, y in curves.items()]
    lines.append(Line(label="margin", x=x, y=margin))
    return Chart(
        title=f"{each.name}: {figure.about}",
        x_label="seconds",
        y_label=f"candidate worse by, {each.unit}",
        lines=lines,
    )
