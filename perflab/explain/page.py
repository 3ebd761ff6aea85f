"""An explanation as a page that needs nothing else, as Markdown, and for programs.

Rule: words and pictures; what came from a commit is escaped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from perflab.explain.form import Explanation, MovedFigure
from perflab.gate.cause.words import as_marked
from perflab.gate.report import escaped
from perflab.report.form import Chart, ChartMark, Line
from perflab.report.render import rendered

__all__ = ["as_html", "as_json", "as_markdown", "headline"]

MOST_MOVED = 12  # of a group
MOST_SAME = 20


def headline(each: Explanation) -> str:
    """What happened, in one line."""
    return f"{each.figure}: {_change(each.ratio)}"


def as_html(each: Explanation) -> str:
    """The whole page."""
    return rendered(
        "explain",
        each,
        {"change": _change, "value": _value, "interval": _interval},
        title=headline(each),
        charts=_charts(each),
        trade=list(_trade(each.moved)),
        commit=f"{each.commit[:8]} {each.subject}".strip(),
        verdict="not-met" if each.ratio > 1 else "met",
        most_same=MOST_SAME,
    )


def _charts(each: Explanation) -> list[Chart]:
    """The series with the step, and both levels."""
    if not each.series:
        return []
    x = [float(point.place) for point in each.series]
    share = each.before > 0

    def drawn(value: float) -> float:
        return (value / each.before - 1) * 100 if share else value

    lines = [Line(label=each.machine, x=x, y=[drawn(point.value) for point in each.series])]
    marks = []
    if each.step:
        before, after = map(float, each.step)
        lines.append(
            Line(label="before", x=[x[0], before], y=[drawn(each.before)] * 2, dashed=True)
        )
        lines.append(Line(label="after", x=[after, x[-1]], y=[drawn(each.after)] * 2, dashed=True))
        marks.append(ChartMark(begin_s=before, end_s=after, text="the step"))
    title = f"{each.figure} over {len(each.series)} measured commits"
    unit = "% from the level before" if share else each.unit
    return [
        Chart(
            title=title, x_label="commit, by its place in the history", y_label=unit, lines=lines,
            marks=marks,
        )
    ]  # fmt: skip


def _trade(moved: Sequence[MovedFigure]) -> Iterator[tuple[str, str, list[MovedFigure], int]]:
    """By group: what it is about, how many went which way, the first of them, how many more."""
    for group, those in groupby(moved, key=lambda each: each.group):
        listed = list(those)
        worse = sum(each.ratio > 1 for each in listed)
        better = len(listed) - worse
        said = " and ".join(
            f"{count} {word}" for count, word in ((worse, "worse"), (better, "better")) if count
        )
        yield group, said, listed[:MOST_MOVED], max(0, len(listed) - MOST_MOVED)


def as_markdown(each: Explanation) -> str:
    """For an issue or a comment: all but the picture."""
    commit = f"{each.commit[:8]} {each.subject}".strip()
    lines = [f"### {escaped(headline(each))}", ""]
    lines += [
        f"- **{each.state}**, {_value(each.before, each.unit)} → {_value(each.after, each.unit)}"
        f"{_interval(each)}",
        f"- commit: {escaped(commit or 'none')}, {escaped(each.where)}",
        f"- power: {each.power}",
    ]
    lines += [f"- {escaped(each.why)}"] if each.why else []
    lines += [f"- the same step: `{one}`" for one in each.same[:MOST_SAME]]
    if each.cause is not None:
        lines += ["", *as_marked(each.cause, escaped)]
    elif each.no_cause:
        lines += ["", f"Not traced: {escaped(each.no_cause)}"]
    if each.moved:
        lines += ["", "#### What else moved", "", "| about | figure | change | before → after |"]
        lines += ["| --- | --- | --- | --- |"]
    for group, _, moved, more in _trade(each.moved):
        for one in moved:
            values = f"{_value(one.before, one.unit)} → {_value(one.after, one.unit)}"
            lines.append(
                f"| {group} | `{one.figure}` | {_change(one.ratio)}, {one.sure} | {values} |"
            )
        if more:
            lines.append(f"| {group} | and {more} more | | |")
    lines += ["", "To repeat it:", "", "```sh", each.reproduce, "```"]
    if each.accept:
        lines += [
            "",
            "To accept it, with a reason in the place of WHY:",
            "",
            "```sh",
            each.accept,
            "```",
        ]
    return "\n".join(lines) + "\n"


def as_json(each: Explanation) -> str:
    """For programs; what is infinite or unknown is null."""
    return json.dumps({"version": 1, **_finite(asdict(each))}, indent=1, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


def _change(ratio: float) -> str:
    if math.isnan(ratio):
        return "changed"
    return "from 0" if math.isinf(ratio) else f"{(ratio - 1) * 100:+.3g} %"


def _value(value: float, unit: str = "") -> str:
    return "–" if math.isnan(value) else f"{value:.5g} {unit}".strip()


def _interval(each: Explanation) -> str:
    if not all(map(math.isfinite, (each.low, each.high))) or each.low == each.high:
        return ""
    return f" [{_change(each.low)}, {_change(each.high)}]"
