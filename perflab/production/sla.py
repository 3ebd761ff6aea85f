"""What a month's samples say of its objectives: how much of each budget is spent, and when it was.

Theory of operation. A budget is a share of the operations of the month, so what is bad counts the
same whenever it was. A breach is a stretch of steps, each with more bad operations than the budget
has for as many; two with a step between them are two. What has no samples counts for nothing, and
below `least_complete` of the time no budget is said to be kept.

Rule: arithmetic; where the samples come from is `sla_samples.py`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from perflab.production.field_record import HeldObjective
from perflab.production.window import TimeWindow, iso
from perflab.report.form import Chart, ChartMark, Line, State
from perflab.report.sla_form import (
    SLA_FORMAT,
    SLA_VERSION,
    SlaBreach,
    SlaObjective,
    SlaReport,
)

__all__ = ["Month", "SlaStep", "judge_month", "windows_of"]

POINTS = 240  # of a chart
DAY_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class SlaStep:
    """A stretch that has samples."""

    begin_s: float
    end_s: float
    operations: float
    bad: tuple[float | None, ...]
    """By objective; None: its figure is not there."""


@dataclass(frozen=True, kw_only=True)
class Month:
    """What is reported of whom."""

    month: str
    name: str
    source: str
    window: TimeWindow
    over: bool
    asked_s: float
    command: str
    objectives: Sequence[HeldObjective]
    left_out: Sequence[tuple[str, str]]
    least_rate: float
    least_complete: float


def judge_month(month: Month, steps: Sequence[SlaStep]) -> SlaReport:
    """The report; `steps` are in the order of time and lie in the month."""
    measured = sum(each.end_s - each.begin_s for each in steps) / month.window.seconds
    found = [_objective(month, number, steps, measured) for number in range(len(month.objectives))]
    states = {each.state for each in found}
    state: State = "unmeasured" if "unmeasured" in states else "met"
    return SlaReport(
        format=SLA_FORMAT,
        version=SLA_VERSION,
        month=month.month,
        name=month.name,
        source=month.source,
        began=iso(month.window.begin_s),
        ended=iso(month.window.end_s),
        over=month.over,
        made=iso(month.asked_s),
        command=month.command,
        state="not met" if "not met" in states else state,
        measured=min(1.0, measured),
        unmeasured=[(iso(begin), iso(end)) for begin, end in _unmeasured(month.window, steps)],
        least_rate=month.least_rate,
        objectives=found,
        left_out=list(month.left_out),
        charts=[_left(month, steps), _burn(month, found, steps)] if steps else [],
    )


def windows_of(steps: Sequence[SlaStep]) -> list[SlaStep]:
    """Of steps that overlap, the ones that begin first."""
    kept: list[SlaStep] = []
    for each in sorted(steps, key=lambda each: (each.begin_s, each.end_s)):
        if not kept or each.begin_s >= kept[-1].end_s - 0.001:
            kept.append(each)
    return kept


def _objective(
    month: Month, number: int, steps: Sequence[SlaStep], measured: float
) -> SlaObjective:
    kept = month.objectives[number]
    own = [(each, bad) for each in steps if (bad := each.bad[number]) is not None]
    operations = sum(each.operations for each, _ in own)
    bad = sum(count for _, count in own)
    allowed = kept.budget * operations
    reason = ""
    if not operations:
        reason = "no operation was measured"
    elif measured < month.least_complete:
        reason = f"{measured:.1%} of the time is measured, {month.least_complete:.1%} are needed"
    over = bad > allowed
    spent_up, total = "", 0.0
    for each, count in own:
        total += count
        if total > allowed and not spent_up:
            spent_up = iso(each.end_s)
    return SlaObjective(
        target=kept.target,
        asked=f"at most {100 * kept.budget:.4g} % "
        + ("fail" if kept.within_s is None else f"take longer than {kept.within_s * 1e3:g} ms"),
        budget=kept.budget,
        within_s=kept.within_s,
        state="unmeasured" if reason else "not met" if over else "met",
        reason=reason,
        operations=operations,
        bad=bad,
        spent=bad / allowed if allowed else None,
        spent_up=spent_up,
        breaches=_breaches(kept.budget, month.least_rate, own),
    )


def _breaches(
    budget: float, least_rate: float, own: Sequence[tuple[SlaStep, float]]
) -> list[SlaBreach]:
    stretches: list[list[tuple[SlaStep, float]]] = []
    for step, bad in own:
        rate = step.operations / (step.end_s - step.begin_s)
        if not (rate >= least_rate and bad > budget * step.operations):
            continue
        if stretches and step.begin_s - stretches[-1][-1][0].end_s < 0.001:
            stretches[-1].append((step, bad))
        else:
            stretches.append([(step, bad)])
    return [
        SlaBreach(
            began=iso(each[0][0].begin_s),
            ended=iso(each[-1][0].end_s),
            seconds=each[-1][0].end_s - each[0][0].begin_s,
            operations=sum(step.operations for step, _ in each),
            bad=sum(bad for _, bad in each),
            worst=max(bad / step.operations for step, bad in each),
        )
        for each in stretches
    ]


def _unmeasured(window: TimeWindow, steps: Sequence[SlaStep]) -> list[tuple[float, float]]:
    """What lies between steps, of a second or more."""
    ends = [window.begin_s, *(each.end_s for each in steps)]
    begins = [*(each.begin_s for each in steps), window.end_s]
    return [(end, begin) for end, begin in zip(ends, begins, strict=True) if begin - end >= 1]


# Charts


def _left(month: Month, steps: Sequence[SlaStep]) -> Chart:
    """How much of each budget is left, by day."""
    lines = []
    for number, kept in enumerate(month.objectives):
        allowed = kept.budget * sum(
            each.operations for each in steps if each.bad[number] is not None
        )
        if not allowed:
            continue
        x, y, total = [], [], 0.0
        every = max(1, len(steps) // POINTS)
        for place, each in enumerate(steps):
            total += each.bad[number] or 0.0
            if place % every == 0 or place == len(steps) - 1:
                x.append(_day(month, each.end_s))
                y.append(round(100 * (1 - total / allowed), 3))
        lines.append(Line(label=kept.target, x=x, y=list(y)))
    return Chart(title="Budget left", x_label="day", y_label="% of the budget", lines=lines)


def _burn(month: Month, found: Sequence[SlaObjective], steps: Sequence[SlaStep]) -> Chart:
    """How many times too fast each budget burned, over equal parts of the month."""
    width = month.window.seconds / POINTS
    lines = []
    for number, kept in enumerate(month.objectives):
        operations, bad = [0.0] * POINTS, [0.0] * POINTS
        for each in steps:
            place = min(POINTS - 1, int((each.begin_s - month.window.begin_s) / width))
            if each.bad[number] is not None:
                operations[place] += each.operations
                bad[place] += each.bad[number] or 0.0
        y = [
            round(some / (kept.budget * all_), 4) if all_ else None
            for some, all_ in zip(bad, operations, strict=True)
        ]
        x = [round((place + 0.5) * width / DAY_S + 1, 4) for place in range(POINTS)]
        lines.append(Line(label=kept.target, x=x, y=list(y)))
    return Chart(
        title="How many times too fast the budgets burned",
        x_label="day",
        y_label="times",
        lines=lines,
        marks=[
            ChartMark(begin_s=_moment(month, each.began), end_s=_moment(month, each.ended), text="")
            for objective in found
            for each in sorted(objective.breaches, key=lambda one: -one.seconds)[:20]
        ],
    )


def _moment(month: Month, text: str) -> float:
    return _day(month, datetime.fromisoformat(text).timestamp())


def _day(month: Month, at_s: float) -> float:
    """Of the month, from 1 on."""
    return round((at_s - month.window.begin_s) / DAY_S + 1, 4)
