"""What the front page says: is it ready, what changed lately, where the figures stand, how fresh.

Rule: chooses and words; what changed and how sure that is was decided before.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from perflab.report.form import VERDICTS
from perflab.results.history import Series
from perflab.results.suite import Benchmark
from perflab.site.changes import noise
from perflab.site.checks import Checks
from perflab.site.data import iso
from perflab.site.model import DAY_MS, ChangeFound, SiteModel, level, worse_and_better
from perflab.site.readiness_runs import ReadinessRun, Runs
from perflab.site.readings import FigureReading

__all__ = ["ChangeRow", "CommitRow", "MatrixCell", "benchmark_link", "change_row", "overview"]

RECENT = 12  # commits, or runs of them that were not measured
SHOWN = 4  # changes of one commit
MONTH_DAYS = 30
GIB = 1 << 30
SPARK_POINTS = 60
SPARK_WIDTH, SPARK_HEIGHT, SPARK_EDGE = 120.0, 28.0, 3.0
SIGMAS = 3.0  # beyond which a difference of two levels is called one


@dataclass(frozen=True, kw_only=True)
class ChangeRow:
    """One change in words."""

    title: str
    link: str
    text: str
    """ "12 messages → 13 messages"."""
    percent: str
    interval: str
    """Of the change; "" where it is exact."""
    word: str
    """worse or better."""
    certainty: str
    place: str
    benchmark: str
    since: int
    """How many commits it may be in: 1, or more where some between were not measured."""


@dataclass(frozen=True, kw_only=True)
class CommitRow:
    """One commit with what it changed."""

    hash: str
    subject: str
    author: str
    date: str
    tags: Sequence[str]
    measured: bool
    worse: int
    better: int
    changes: Sequence[ChangeRow]
    more: int


@dataclass(frozen=True, kw_only=True)
class MatrixCell:
    """A difference in the table of figures."""

    text: str
    word: str = ""
    """worse, better, or "" where it is within the noise or there is nothing to compare with."""
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class FigureRow:
    """One headline figure."""

    title: str
    link: str
    value: str
    better: str
    kind: str
    spark: str
    month: MatrixCell
    release: MatrixCell
    commit: str
    stale: bool
    """Its last point is older than the place's newest commit."""


@dataclass(kw_only=True)
class SuiteRows:
    """The headline figures of one suite."""

    name: str
    rows: list[FigureRow] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    """Figures that were never measured here."""


def overview(model: SiteModel, runs: Runs, checks: Checks) -> dict[str, Any]:
    """The template's context."""
    place = model.default_place
    return {
        "readiness": _readiness(model, runs.newest),
        "gate": checks.gate,
        "partial": checks.partial,
        "alerts": checks.alerts,
        "calibration": checks.calibration,
        "known": {commit.hash for commit in model.history.commits},
        "commits": _recent(model),
        "suites": [] if place is None else _figures(model, place),
        "place": None if place is None else model.history.places[place].label,
        "release": _release(model, place),
        "places": [_place(model, number) for number in range(len(model.history.places))],
        "problems": [*model.lacking, *model.history.problems, *runs.problems, *checks.problems],
    }


def change_row(model: SiteModel, found: ChangeFound) -> ChangeRow:
    """A change as people read it."""
    change, reading = found.change, model.reading(found.benchmark)
    exact = change.low == change.high or not math.isfinite(change.ratio)
    interval = "" if exact else f"{reading.change(change.low)} to {reading.change(change.high)}"
    return ChangeRow(
        title=found.title,
        link=benchmark_link(found.benchmark, found.case, found.place),
        text=f"{reading.text(change.old)} → {reading.text(change.new)}",
        percent=reading.change(change.ratio),
        interval=interval,
        word="worse" if change.worse else "better",
        certainty=change.certainty,
        place=model.history.places[found.place].label if len(model.history.places) > 1 else "",
        benchmark=found.benchmark.name,
        since=change.at - change.before,
    )


def benchmark_link(benchmark: Benchmark, case: int, place: int) -> str:
    """The address of a series' page."""
    return f"benchmark.html?{urlencode({'name': benchmark.name, 'case': case, 'place': place})}"


def _readiness(model: SiteModel, run: ReadinessRun | None) -> dict[str, Any] | None:
    if run is None:
        return None
    report = run.report
    numbers = {commit.hash: number for number, commit in enumerate(model.history.commits)}
    at = numbers.get(report.commit)
    held = [row for row in report.targets if row.set in report.held]
    return {
        "verdict": VERDICTS[report.verdict],
        "state": report.verdict.replace(" ", "-"),
        "summary": report.summary,
        "targets": held,
        "commit": report.commit,
        "subject": report.subject,
        "began": report.began[:16].replace("T", " "),
        "machine": run.machine,
        "quick": report.quick,
        "page": run.page,
        "behind": None if at is None else len(model.history.commits) - 1 - at,
    }


def _recent(model: SiteModel) -> list[list[CommitRow]]:
    """The newest commits; those in a row that were not measured are told as one."""
    history = model.history
    measured = {number for place in history.places for number in place.commits}
    rows: list[list[CommitRow]] = []
    for number in range(len(history.commits) - 1, -1, -1):
        folds = number not in measured and rows and not rows[-1][0].measured
        if not folds and len(rows) == RECENT:
            break
        row = _commit_row(model, number, measured=number in measured)
        if folds:
            rows[-1].append(row)
        else:
            rows.append([row])
    return rows


def _commit_row(model: SiteModel, number: int, *, measured: bool) -> CommitRow:
    commit = model.history.commits[number]
    found = model.by_commit.get(number, [])
    worse, better = worse_and_better(found)
    return CommitRow(
        hash=commit.hash,
        subject=commit.subject,
        author=commit.author,
        date=iso(commit.date_ms)[:10],
        tags=commit.tags,
        measured=measured,
        worse=worse,
        better=better,
        changes=[change_row(model, each) for each in found[:SHOWN]],
        more=max(0, len(found) - SHOWN),
    )


def _release(model: SiteModel, place: int | None) -> str:
    """The newest tag before the newest commit measured; "" if there is none."""
    at = _release_at(model, place)
    return "" if at is None else model.history.commits[at].tags[-1]


def _release_at(model: SiteModel, place: int | None) -> int | None:
    if place is None:
        return None
    newest = model.history.places[place].commits[-1]
    tagged = [n for n, each in enumerate(model.history.commits[:newest]) if each.tags]
    return tagged[-1] if tagged else None


def _figures(model: SiteModel, place: int) -> list[SuiteRows]:
    suites: dict[str, SuiteRows] = {}
    for benchmark, case, title in model.readings.headline_cases(model.suite):
        rows = suites.setdefault(benchmark.suite, SuiteRows(name=benchmark.suite))
        series = model.history.series.get((place, benchmark.name, case))
        if series is None or not series.at:
            failed = series is not None and bool(series.failed)
            rows.without.append(f"{title}: {'failed' if failed else 'no value'}")
            continue
        rows.rows.append(_figure(model, place, benchmark, case, title))
    return list(suites.values())


def _figure(model: SiteModel, place: int, benchmark: Benchmark, case: int, title: str) -> FigureRow:
    series = model.history.series[place, benchmark.name, case]
    commits = model.history.commits
    reading = model.reading(benchmark)
    last = series.at[-1]
    then = commits[last].date_ms - MONTH_DAYS * DAY_MS
    month = max((n for n, each in enumerate(commits) if each.date_ms <= then), default=-1)
    release = _release_at(model, place)
    floor = model.floors[benchmark.name]
    shown = model.changes_by_benchmark.get(benchmark.name, ())
    at = [each.change.at for each in shown if (each.place, each.case) == (place, case)]
    return FigureRow(
        title=title,
        link=benchmark_link(benchmark, case, place),
        value=reading.text(series.values[-1]),
        better=reading.better,
        kind=benchmark.kind,
        spark=_spark(series, reading, at),
        month=_against(series, reading, month, at, floor, benchmark.kind),
        release=_against(
            series, reading, -1 if release is None else release, at, floor, benchmark.kind
        ),
        commit=commits[last].hash[:8],
        stale=last < model.history.places[place].commits[-1],
    )


def _against(
    series: Series,
    reading: FigureReading,
    then: int,
    changed: Sequence[int],
    floor: float,
    kind: str,
) -> MatrixCell:
    """The level at the newest commit beside that at an earlier one."""
    before, now = level(series, then, changed), level(series, series.at[-1], changed)
    if before is None or now is None:
        return MatrixCell(text="–", title="not measured then")
    (old, count), (new, _) = before, now
    deviation = noise(series.values)
    if kind == "exact":
        old, new, deviation = series.values[bisect_right(series.at, then) - 1], series.values[-1], 0
    if old <= 0:  # no share of it can be told
        return MatrixCell(text="0 %" if new == old else f"from {reading.text(old)}")
    # A median of few points strays 1.25 times as far as their mean.
    error = math.inf if deviation is None else deviation * 1.25 * math.sqrt(2 / count)
    beyond = abs(new - old) > max(SIGMAS * error, floor) * abs(old)
    return MatrixCell(
        text=reading.change(new / old),
        word=("worse" if new > old else "better") if beyond else "",
        title=f"level {reading.text(old)} then, {reading.text(new)} at the newest commit"
        + ("" if beyond else ": within the noise"),
    )


def _spark(series: Series, reading: FigureReading, changes: Sequence[int]) -> str:
    """The path and the marks of a small picture, as SVG elements."""
    values = [reading.value(each) for each in series.values[-SPARK_POINTS:]]
    at = series.at[-SPARK_POINTS:]
    finite = [each for each in values if math.isfinite(each)]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    room = SPARK_HEIGHT - 2 * SPARK_EDGE
    step = (SPARK_WIDTH - 2 * SPARK_EDGE) / max(1, len(values) - 1)

    def point(place: int) -> tuple[float, float]:
        share = (values[place] - low) / (high - low) if high > low else 0.5
        return round(SPARK_EDGE + place * step, 1), round(SPARK_EDGE + (1 - share) * room, 1)

    points = [point(place) for place in range(len(values)) if math.isfinite(values[place])]
    path = "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
    marks = "".join(
        f'<path class="mark" d="M{point(place)[0]:g} 0V{SPARK_HEIGHT:g}"/>'
        for place, commit in enumerate(at)
        if commit in changes
    )
    x, y = points[-1]
    return f'{marks}<path d="{path}"/><circle cx="{x:g}" cy="{y:g}" r="2.5"/>'


def _hardware(params: Mapping[str, str]) -> list[str]:
    """What asv knows of a machine; memory is bytes, or what somebody wrote."""
    cores, memory = params.get("num_cpu", ""), params.get("ram", "")
    if memory.isdigit() and int(memory) > GIB:
        memory = f"{int(memory) / GIB:.0f} GiB"
    said = (params.get("cpu", ""), cores and f"{cores} processors", memory, params.get("os", ""))
    return [each for each in said if each]


def _place(model: SiteModel, number: int) -> dict[str, Any]:
    place = model.history.places[number]
    newest = place.commits[-1]
    commits = model.history.commits
    return {
        "label": place.label,
        "environment": place.environment,
        "hardware": _hardware(place.params),
        "commits": len(place.commits),
        "newest": commits[newest].hash,
        "behind": len(commits) - 1 - newest,
        "measured": iso(max(place.measured_ms.values())).replace("T", " "),
        "failed": sum(newest in series.failed for _, _, series in model.history.of_place(number)),
    }
