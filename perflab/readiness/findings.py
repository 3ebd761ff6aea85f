"""What each step of a run found: observations for the targets, figures and curves for the report.

Theory of operation. A step's record is read by the reader of its kind. Whatever keeps it from being
read, or from being believed, becomes the step's `problem` and the reason of its observations: a
step that failed is told, and its targets are unmeasured.

Rule: reads records and draws figures from them; what they mean is for `targets` and `advice`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from perflab.load.summary import read_load_step
from perflab.monitor.leaks import find_leaks
from perflab.monitor.record import read_recording
from perflab.monitor.resources import busy, resources
from perflab.readiness.record import (
    MeasuredFigure,
    RunRecord,
    RunStage,
    read_chaos,
    read_figures,
    step_file,
)
from perflab.report.finding import Curve, Observation, StageEvidence, spread
from perflab.report.form import Chart, Figure, Line, StageReport

__all__ = ["POWER_CUT", "StageFindings", "circumstances", "read_chaos_step", "read_steps"]

FOUND = ("lost", "leaks")
POWER_CUT = "power cut"
"""The fact of a step in which writes that were not synced were taken away."""
UNTIL_READY = ("ready_max_s", "all_ready_s")  # chaos tells so how long it took
DONE = (0, 1)  # exit codes of a step that measured: 1 says that what it found is not as it must be


@dataclass(frozen=True, kw_only=True)
class StageFindings:
    """One step, read."""

    step: RunStage
    report: StageReport
    observations: list[Observation] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)


def read_steps(record: RunRecord) -> list[StageFindings]:
    """Every step of a run, those that failed included."""
    return [_read(record, step) for step in record.manifest.steps]


def _read(record: RunRecord, step: RunStage) -> StageFindings:
    outcome = record.outcomes.get(step.name)
    problem, found = "", StageEvidence()
    if outcome is None:
        problem = "was not run to its end: the run ended before"
    elif outcome.exit_code is None:
        problem = f"was ended after {outcome.seconds:.0f} s: {outcome.message}"
    elif outcome.exit_code not in DONE:
        problem = f"ended with exit code {outcome.exit_code}: {outcome.message or 'no word'}"
    directory = record.directory / step.name
    try:
        found = READERS[step.kind](directory / step_file(step.kind))
    except Exception as error:  # whatever it is, the other steps are to be told
        problem = problem or f"its record cannot be read: {_words(error)}"
    if outcome is not None and outcome.exit_code is not None:
        problem = found.problem or problem  # the record knows more than the last lines printed
    problem = problem or found.problem
    observations = [replace(each, step=step.name) for each in found.observations]
    if problem:
        # What was found to be lost or leaking was found, whatever else the run is worth.
        bad = {
            each.metric: each for each in observations if each.metric in FOUND and any(each.values)
        }
        observations = [
            bad.get(metric, Observation(step=step.name, metric=metric, unusable=problem))
            for metric in step.metrics
        ]
    report = found.report(
        name=step.name,
        title=step.title,
        about=step.about,
        command=" ".join(["python", *step.command]),
        seconds=outcome.seconds if outcome else None,
        exit_code=outcome.exit_code if outcome else None,
        problem=problem,
    )
    curves = [] if problem else found.curves
    return StageFindings(step=step, report=report, observations=observations, curves=curves)


def _words(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return str(error).partition("\n")[0] or type(error).__name__


def circumstances(layout: str, nodes: int, processes: int, more: str = "") -> str:
    """What every figure has to say of itself."""
    return f"layout {layout}, {nodes} nodes, {processes} processes{more}"


def _saturation(path: Path) -> StageEvidence:
    """Throughput by level: the best level of each kind, and the slower of both kinds."""
    run = read_figures(path)
    by_level = _series(run.measurements, "by level", "in_flight")
    sizes = _series(run.measurements, "by size", "nodes")
    first = next(each for each in run.measurements if each.parameters["series"] == "by level")
    where = circumstances(first.layout, first.nodes, first.processes)
    best: dict[str, tuple[float, MeasuredFigure]] = {}
    for kind in ("store", "retrieve"):
        levels = by_level[f"{kind}: rate"]
        level = max(levels, key=lambda n: statistics.median(levels[n].values))
        best[kind] = (level, levels[level])
    observations, figures, facts, evidence = [], {}, {}, {}
    for kind, metric in (("store", "stores"), ("retrieve", "retrieves")):
        level, measured = best[kind]
        rate = statistics.median(measured.values)
        told = f"{where}, {level:g} in flight"
        observations.append(_rate(metric, rate, told))
        figures[f"{metric} per second"] = Figure(
            value=rate, unit="1/s", better="higher", noise=spread(measured.values)
        )
        figures[f"{kind} P50, 1 in flight"] = _of(by_level[f"{kind}: p50"][1], 1e3, "ms", "lower")
        facts[f"{metric} per second, at best"] = f"{rate:,.0f} with {level:g} in flight"
        evidence[f"{kind}_client_cpu_cores"] = statistics.median(
            by_level[f"{kind}: cpu"][level].values
        )
    slower = min(best, key=lambda kind: statistics.median(best[kind][1].values))
    level, measured = best[slower]
    told = f"{where}, {level:g} in flight; {slower}s, the slower kind"
    observations.append(_rate("requests", statistics.median(measured.values), told))
    evidence["repeats_spread"] = max(spread(each.values) or 0.0 for _, each in best.values())
    return StageEvidence(
        observations=observations,
        figures=figures,
        facts=facts,
        circumstances=where,
        evidence=evidence,
        curves=[*_curves(by_level, "in flight"), *_curves(sizes, "nodes")],
        charts=[_level_chart(by_level)],
    )


def _rate(metric: str, per_s: float, told: str) -> Observation:
    return Observation(step="", metric=metric, values=[per_s], seconds=1.0, circumstances=told)


def _of(measured: MeasuredFigure, factor: float, unit: str, better: Any) -> Figure:
    value = statistics.median(measured.values) * factor
    return Figure(value=value, unit=unit, better=better, noise=spread(measured.values))


def _series(
    measurements: Sequence[MeasuredFigure], series: str, by: str
) -> dict[str, dict[float, MeasuredFigure]]:
    """By name, and by the level or the number of nodes."""
    found: dict[str, dict[float, MeasuredFigure]] = {}
    for each in measurements:
        if each.parameters["series"] == series:
            key = each.nodes if by == "nodes" else float(each.parameters[by])
            found.setdefault(each.name, {})[key] = each
    return found


def _curves(series: Mapping[str, Mapping[float, MeasuredFigure]], unit: str) -> list[Curve]:
    return [
        Curve(
            what=f"{kind}s by {'operations in flight' if unit == 'in flight' else 'nodes'}",
            unit=unit,
            rates={n: each.values for n, each in series[f"{kind}: rate"].items()},
        )
        for kind in ("store", "retrieve")
        if f"{kind}: rate" in series
    ]


def _level_chart(series: Mapping[str, Mapping[float, MeasuredFigure]]) -> Chart:
    lines = []
    for name, per_level in series.items():
        kind, _, what = name.partition(": ")
        if what in ("p50", "p99"):
            levels = sorted(per_level)
            y: list[float | None] = [statistics.median(per_level[n].values) * 1e3 for n in levels]
            label = f"{kind} {what.upper()}"
            lines.append(Line(label=label, x=levels, y=y, dashed=what == "p99"))
    return Chart(
        title="Latency by operations in flight",
        x_label="in flight",
        y_label="ms",
        lines=lines,
        log_x=True,
        log_y=True,
    )


def _soak(path: Path) -> StageEvidence:
    """Leaks by process; a process that cannot be judged makes the whole unmeasured."""
    recording = read_recording(path)
    growths = find_leaks(recording)
    leaks = [each for each in growths if each.state == "leak"]
    unsure = [f"{each.process}: {each.reason}" for each in growths if each.state == "undecided"]
    problem = ""
    if not recording.complete:
        problem = "its monitor was killed"
    elif not growths:
        problem = "no process was watched"
    elif unsure and not leaks:
        problem = f"undecided: {'; '.join(unsure)}"
    figures, evidence = {}, {}
    for each in growths:
        if each.bytes_per_operation is not None:
            slope = each.bytes_per_operation
            figures[f"growth of {each.process}"] = Figure(
                value=slope.estimate,
                unit="B/operation",
                better="lower",
                # Beside a growth of about nothing, a relative noise would say nothing.
                noise=None,
            )
            evidence[f"{each.process}_growth_low_bytes"] = slope.low
    events = [
        f"{each.process}: {site.place} grew by {per_operation:.0f} B per operation"
        for each in leaks
        for site, per_operation in each.sites[:5]
    ]
    nodes = sum(each.name.startswith("nodes") for each in recording.processes)
    where = circumstances("B", nodes, len(recording.processes))
    evidence["leaks"] = len(leaks)
    leaky = Observation(step="", metric="leaks", values=[float(len(leaks))], circumstances=where)
    return StageEvidence(
        observations=[leaky],
        problem=problem,
        circumstances=where,
        figures=figures,
        facts={each.process: f"{each.state}: {each.reason}" for each in growths},
        evidence=evidence | busy(recording),
        events=events,
        charts=resources(recording),
    )


def read_chaos_step(directory: Path) -> StageEvidence:
    """Whether the promise was kept while nodes came, went and were cut off."""
    run, outcome = read_figures(directory / "run.json"), read_chaos(directory)
    values, counts = outcome.figures, outcome.counts
    findings = counts.get("findings", {})
    excused = counts.get("findings_while_the_premises_did_not_hold", {})
    first = run.measurements[0]
    where = circumstances(first.layout, first.nodes, first.processes)
    lost = findings.get("lost", 0) + excused.get("lost", 0)
    waits = {name: value for name, value in values.items() if name.endswith(UNTIL_READY)}
    observations = [
        Observation(step="", metric="lost", values=[float(lost)], circumstances=where),
        Observation(step="", metric="recovery", values=list(waits.values()), circumstances=where),
    ]
    figures = {
        name.removesuffix("_s").replace("_", " "): Figure(value=value, unit="s", better="lower")
        for name, value in waits.items()
    }
    facts = {"promise": "kept" if outcome.kept else "BROKEN"}
    if "writes_taken_back" in values:
        facts[POWER_CUT] = f"{values['writes_taken_back']:,.0f} unsynced writes taken from disks"
    evidence: dict[str, float] = {"lost": lost, "breaches": len(outcome.breaches)}
    if "operations" in values:  # not of those that only begin, or only connect
        done, failed = values["operations"], values["operations_failed"]
        facts["operations"] = f"{done:,.0f}, of which {failed:,.0f} failed"
        facts["writes acknowledged"] = f"{values['writes_acknowledged']:,.0f}"
        evidence["failed_share"] = failed / done if done else 1.0
    return StageEvidence(
        observations=observations,
        circumstances=where,
        figures=figures,
        facts=facts,
        errors=counts.get("errors", {}),
        evidence=evidence,
        events=[f"{at:.1f} s: {text}" for at, text in outcome.events]
        + [f"breach: {each}".partition("\n")[0] for each in outcome.breaches]
        + [f"goal missed: {each}" for each in outcome.missed],
    )


READERS: Mapping[str, Callable[[Path], StageEvidence]] = {
    "saturation": _saturation,
    "soak": _soak,
    "chaos": read_chaos_step,
    "load": read_load_step,
}
