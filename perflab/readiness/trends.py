"""Each figure over the filed runs: where it changed, where it goes, when it crosses its target.

Theory of operation. Runs are taken in the order of their time, of one machine and one length (quick
runs apart from whole ones). Changes are found as in the site's histories (`stats/detector.py`).
What comes after the last one is the present. Its slope over runs has an interval that allows for
autocorrelation (`trend`). A forecast is made only from a slope whose whole interval lies on one
side of zero, and says in how many runs the limit is crossed, from the steepest to the flattest
slope of the interval. Everything else is told as "no trend" or as too few runs.

Rule: reads reports; decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean, median

from perflab.readiness.baseline import figures_of, reports
from perflab.report.form import ReadinessReport
from perflab.stats.detector import watch
from perflab.stats.slope import MIN_POINTS, slope
from perflab.stats.thresholds import TargetError, parse_threshold

__all__ = [
    "FigureHistory",
    "Forecast",
    "Shift",
    "change_points",
    "describe",
    "forecast",
    "histories",
    "report",
]

CONFIDENCE = 0.95
HORIZON = 200.0  # runs; what lies beyond is not said


@dataclass(kw_only=True)
class FigureHistory:
    """One figure over the runs that have it."""

    name: str
    unit: str
    better: str
    """"lower" or "higher"."""
    limit: float | None = None
    """What a target asks of it, if one does."""
    values: list[float] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)

    @cached_property
    def shifts(self) -> list[Shift]:
        """Its change points, found once. Ask when all values are in."""
        return change_points(self.values)


@dataclass(frozen=True, kw_only=True)
class Shift:
    """A change point: the first run after it, and the medians on either side of it."""

    at: int
    before: float
    after: float


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Where a figure is going, if nothing changes."""

    reason: str
    """Why there is none, or what it says."""
    per_run: tuple[float, float, float] | None = None
    """The slope: estimate, low, high; None where there are too few runs."""
    runs: tuple[float, float] | None = None
    """From when to when, in runs from now, the limit is crossed; the later may be infinite."""


def histories(runs: Sequence[ReadinessReport]) -> list[FigureHistory]:
    """The targets' figures and all others, over reports of one machine in the order of time."""
    found: dict[str, FigureHistory] = {}
    for run in runs:
        listed = [
            (f"{row.set}: {row.name}", row.unit, row.value, *_limit(row.metric, row.threshold))
            for row in run.targets
            if row.value is not None
        ]
        listed += [
            (name, each.unit, each.value, None, each.better)
            for name, each in figures_of(run).items()
        ]
        for name, unit, value, limit, better in listed:
            if not math.isfinite(value):
                continue
            history = found.setdefault(name, FigureHistory(name=name, unit=unit, better=better))
            history.limit = limit  # that of the newest run
            history.values.append(value)
            history.commits.append(run.commit[:8])
    return list(found.values())


def change_points(values: Sequence[float]) -> list[Shift]:
    """Where a series changed its level, in order."""
    places = [step.at for step in watch(values).steps]
    edges = [0, *places, len(values)]
    return [
        Shift(
            at=place,
            before=median(values[edges[number] : place]),
            after=median(values[place : edges[number + 2]]),
        )
        for number, place in enumerate(places)
    ]


def forecast(history: FigureHistory) -> Forecast:
    """When the figure crosses its limit, if what came after the last change point goes on."""
    shifts = history.shifts
    values = history.values[shifts[-1].at if shifts else 0 :]
    if len(values) < MIN_POINTS:
        told = " since the last change" if shifts else ""
        reason = f"a forecast needs {MIN_POINTS} runs{told}, there are {len(values)}"
        return Forecast(reason=reason)
    if min(values) == max(values):  # rounding would find a slope with an interval as narrow
        return Forecast(reason="no trend: always the same")
    line = slope(list(range(len(values))), values, CONFIDENCE)
    per_run = (line.estimate, line.low, line.high)
    if line.low <= 0 <= line.high:
        return Forecast(reason="no trend", per_run=per_run)
    direction = "rises" if line.estimate > 0 else "falls"
    words = f"{direction} by {abs(line.estimate):.3g} {history.unit} per run"
    if history.limit is None:
        return Forecast(reason=words, per_run=per_run)
    now = fmean(values) + line.estimate * (len(values) - 1) / 2
    distance = history.limit - now
    if distance * line.estimate <= 0:
        return Forecast(reason=f"{words}, away from the limit or beyond it", per_run=per_run)
    soon, late = sorted(distance / each for each in (line.low, line.high))
    if soon > HORIZON:
        return Forecast(reason=f"{words}; not within {HORIZON:.0f} runs", per_run=per_run)
    until = f"{late:.0f}" if late <= HORIZON else f"more than {HORIZON:.0f}"
    reason = f"{words}; crosses {history.limit:g} in {soon:.0f} to {until} runs, if nothing changes"
    return Forecast(reason=reason, per_run=per_run, runs=(soon, late))


def describe(history: FigureHistory) -> list[str]:
    """What there is to say of a figure beside its values, in words."""
    said = [
        f"changed at {history.commits[each.at]}: {each.before:.4g} → {each.after:.4g} "
        f"{history.unit}"
        for each in history.shifts
    ]
    return [*said, forecast(history).reason]


def _limit(metric: str, threshold: str) -> tuple[float | None, str]:
    """A target's limit and direction; none if it is of a version that knew other metrics."""
    try:
        parsed = parse_threshold(threshold, metric)
    except (TargetError, KeyError):
        return None, "lower"
    return parsed.limit, "higher" if parsed.operator in (">", ">=") else "lower"


def report(machine: Path, *, quick: bool, only: str, write: Callable[[str], None]) -> int:
    """Print the histories of a machine's runs; 0, or 2 if there are none."""
    filed = list(reports(machine))
    found = [each for each in filed if each.quick == quick and not each.unfinished]
    listed = [each for each in histories(found) if only.lower() in each.name.lower()]
    if not listed:
        kind = "quick runs" if quick else "runs"
        where = f" with a figure like {only!r}" if only and found else ""
        how = f"python -m perflab readiness{' --quick' if quick else ''} files them"
        if filed and not found:
            where = f", but {len(filed)} {'whole' if quick else 'quick'}"
            how = f"trends {'without' if quick else 'with'} --quick shows what is there"
        write(f"error: no {kind}{where} in {machine}: {how}")
        return 2
    write(f"{len(found)} runs, {found[0].commit[:8]} to {found[-1].commit[:8]}, on {machine.name}")
    for history in listed:
        values = history.values
        limit = "" if history.limit is None else f", limit {history.limit:g}"
        write(
            f"{history.name}: {values[-1]:.4g} {history.unit} now, {min(values):.4g} to "
            f"{max(values):.4g}, runs: {len(values)} ({history.better} is better{limit})"
        )
        for line in describe(history):
            write(f"    {line}")
    return 0
