"""What the front page says: the key figures, is it ready, what changed last, how fresh that is.

Rule: chooses and words; what changed and how sure that is was decided before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from perflab.readiness.report import KEPT
from perflab.readiness.targets import DURABILITIES, durability_of
from perflab.report.form import VERDICTS, TargetRow
from perflab.results.suite import Benchmark
from perflab.site.checks import Checks
from perflab.site.data import iso
from perflab.site.findings import benchmark_link, findings
from perflab.site.model import DAY_MS, SiteModel
from perflab.site.readiness_runs import ReadinessRun, Runs
from perflab.site.sparks import Spark, draw_spark
from perflab.site.standing import LevelChange, Then, against, points_in_time

__all__ = ["FigureCard", "overview"]

CARDS = 10  # two rows of five where there is room
UNMEASURED = 100  # commits since the newest one measured that are named
GIB = 1 << 30


@dataclass(frozen=True, kw_only=True)
class FigureCard:
    """One key figure."""

    title: str
    link: str
    value: str
    unit: str
    better: str
    spark: Spark
    standings: Sequence[tuple[str, LevelChange]]
    """Since when, and what became of it."""
    commit: str
    stale: bool
    """Its last point is older than the place's newest commit."""


@dataclass(frozen=True, kw_only=True)
class SetSum:
    """A set of targets, and how many are met."""

    name: str
    decides: bool
    met: int
    rows: Sequence[TargetRow]

    @property
    def state(self) -> str:
        if self.met == len(self.rows):
            return "met"
        return "not-met" if any(row.state == "not met" for row in self.rows) else "unmeasured"


def overview(model: SiteModel, runs: Runs, checks: Checks) -> dict[str, Any]:
    """The template's context."""
    place = model.default_place
    cards = [] if place is None else _cards(model, place)
    return {
        "readiness": _readiness(model, runs.newest),
        "gate": checks.gate,
        "partial": checks.partial,
        "alerts": checks.alerts,
        "calibration": checks.calibration,
        "known": {commit.hash for commit in model.history.commits},
        "cards": cards[:CARDS],
        "more_cards": cards[CARDS:],
        "released": any(commit.tags for commit in model.history.commits),
        "findings": findings(model),
        "fresh": None if place is None else _fresh(model, place),
        "places": [_place(model, number) for number in range(len(model.history.places))],
        "problems": [*model.lacking, *model.history.problems, *runs.problems, *checks.problems],
    }


def _readiness(model: SiteModel, run: ReadinessRun | None) -> dict[str, Any] | None:
    if run is None:
        return None
    report = run.report
    numbers = {commit.hash: number for number, commit in enumerate(model.history.commits)}
    at = numbers.get(report.commit)
    behind = None if at is None else len(model.history.commits) - 1 - at
    wanted = durability_of()
    began = datetime.fromisoformat(report.began)
    return {
        "verdict": VERDICTS[report.verdict],
        "state": report.verdict.replace(" ", "-"),
        "aged": behind != 0,
        "sets": _sets(report.targets, report.held),
        "durability": KEPT[report.durability],
        "wanted": KEPT[wanted],
        "weaker": DURABILITIES.index(report.durability) < DURABILITIES.index(wanted),
        "commit": report.commit,
        "subject": report.subject,
        "began": report.began[:16].replace("T", " "),
        "days": max(0, round((model.generated_ms / 1000 - began.timestamp()) * 1000 / DAY_MS)),
        "machine": run.machine,
        "quick": report.quick,
        "page": run.page,
        "behind": behind,
    }


def _sets(targets: Sequence[TargetRow], held: Sequence[str]) -> list[SetSum]:
    """Those that decide first."""
    names = sorted(dict.fromkeys(row.set for row in targets), key=lambda name: name not in held)
    return [
        SetSum(
            name=name,
            decides=name in held,
            met=sum(row.state == "met" for row in targets if row.set == name),
            rows=[row for row in targets if row.set == name],
        )
        for name in names
    ]


def _cards(model: SiteModel, place: int) -> list[FigureCard]:
    """The headline figures that have values, those that are to be seen first before the others."""
    then = points_in_time(model, place)
    listed = model.readings.headline_cases(model.suite)
    listed.sort(key=lambda each: not model.readings.card(each[0], each[1]))
    return [
        _card(model, place, benchmark, case, title, then)
        for benchmark, case, title in listed
        if (series := model.history.series.get((place, benchmark.name, case))) and series.at
    ]


def _card(
    model: SiteModel,
    place: int,
    benchmark: Benchmark,
    case: int,
    title: str,
    then: Sequence[Then],
) -> FigureCard:
    series = model.history.series[place, benchmark.name, case]
    reading = model.reading(benchmark)
    shown = model.changes_by_benchmark.get(benchmark.name, ())
    changed = {each.change.at for each in shown if (each.place, each.case) == (place, case)}
    value, _, unit = reading.text(series.values[-1]).partition(" ")
    last = series.at[-1]
    return FigureCard(
        title=title,
        link=benchmark_link(benchmark, case, place),
        value=value,
        unit=unit,
        better=reading.better,
        spark=draw_spark(series, reading, changed),
        standings=[
            (each.words, against(model, place, benchmark.name, case, each.number)) for each in then
        ],
        commit=model.history.commits[last].hash[:8],
        stale=last < model.history.places[place].commits[-1],
    )


def _fresh(model: SiteModel, place: int) -> dict[str, Any]:
    """What was measured last, and which commits came since."""
    commits = model.history.commits
    measured = {number for each in model.history.places for number in each.commits}
    newest = max(measured)
    since = [
        {"hash": each.hash, "subject": each.subject, "date": iso(each.date_ms)[:10]}
        for each in reversed(commits[newest + 1 :])
    ]
    moment_ms = max(max(each.measured_ms.values()) for each in model.history.places if each.commits)
    return {
        "newest": commits[newest],
        "measured": iso(moment_ms).replace("T", " "),
        "days": max(0, round((model.generated_ms - moment_ms) / DAY_MS)),
        "count": len(measured),
        "of": len(commits),
        "behind": len(since),
        "since": since[:UNMEASURED],
        "place": model.history.places[place].label,
    }


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
