"""What a load run says to the verdict and the report: outcomes, spectrum, curves over time, faults.

Latency counts from when an operation was due. Operations that did not succeed count in every
percentile as longer than all that did, so that a network cannot get quicker by failing.

Rule: reads through `record.py`; draws figures only.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from perflab.load.critical_path import path_of
from perflab.load.figures import LoadFigures, figures, judged
from perflab.load.record import KINDS, MONITOR, LoadRecord, read_load
from perflab.load.starvation import starved
from perflab.monitor.record import SeriesError, read_recording
from perflab.monitor.resources import busy, resources
from perflab.report.finding import Observation, StageEvidence, spread
from perflab.report.form import Chart, ChartMark, Figure, Line, Percentile
from perflab.stats.thresholds import percentile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["RANKS", "load_step", "read_load_step"]

RANKS = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99)
SLICES = 5
SLOW_MS = 150.0  # about what TCP waits before it sends again, and no healthy operation takes
DELAYED_MS, DELAYED_TIMES = 20.0, 10.0  # beyond both, and times the P10
FEWEST_OF_RECORD = 5
SPANS = 120  # of a run over time: as many points as a chart can show
SHORTEST_SPAN_S = 0.25
READS, WRITES = ("retrieve", "scan"), ("store", "insert")


def read_load_step(directory: Path) -> StageEvidence:
    """Everything that one load run has to say."""
    return load_step(read_load(directory))


def load_step(record: LoadRecord) -> StageEvidence:
    """The same of a record that was read."""
    manifest = record.manifest
    rows = judged(record)
    where = (
        f"layout {manifest.layout}, {manifest.nodes or '?'} nodes, {manifest.clients} client "
        f"processes, target {manifest.target}"
    )
    if not len(rows):
        return StageEvidence(problem="no operation was due in it", circumstances=where)
    seconds = _judged_seconds(record)
    found = figures(rows, record.errors, seconds)
    events = [f"{each.at_ns / 1e9:.1f} s: {each.kind} {each.text}" for each in record.events]
    charts = [_rates(rows), _over_time(rows), _outcomes(rows, found)]
    marks = _marks(record)
    evidence = _evidence(record, rows, found)
    path = path_of(record)
    for node, share in path.waited_for.items() if path else ():
        evidence[f"{node}_waited_for_share"] = share
    try:
        recording = read_recording(record.directory / MONITOR)
    except (SeriesError, OSError) as error:
        events.append(f"no resources: {error}")
    else:
        # The monitor began before the schedule did; the time of day ties the two clocks.
        charts += resources(recording, (recording.wall_ns - manifest.zero_wall_ns) / 1e9)
        evidence |= busy(recording)
    return StageEvidence(
        problem=_problem(record),
        observations=[*_observations(rows, found, where), *_of_faults(record, where)],
        circumstances=where,
        facts=_facts(record, found),
        figures=_figures(rows, found),
        errors=found.errors,
        spectrum=_spectrum(rows),
        samples=len(rows),
        incomplete="; ".join(map(str, record.result.missing)) if record.result else "",
        events=events,
        charts=[
            Chart(**(vars(chart) | {"marks": marks})) if chart.x_label == "s" else chart
            for chart in charts
        ],
        critical_path=path,
        evidence=evidence,
    )


def _problem(record: LoadRecord) -> str:
    result = record.result
    if result is None:
        return "it was killed before its end"
    if result.end != "complete":
        return f"it is {result.end}: {result.message or 'before its end'}"
    if result.generator_bound:
        return f"its generator was the bottleneck: {'; '.join(result.generator_reasons)}"
    unsure = [each for each in result.faults if not each.judged]
    if unsure and not result.not_recovered:
        return "not judged: " + "; ".join(
            f"{each.kind} at {each.at_s:.1f} s: {each.reason}" for each in unsure
        )
    return ""


def _judged_seconds(record: LoadRecord) -> float:
    """How long the phases are that are no warm-up."""
    phases = zip(record.manifest.scenario["phase"], record.manifest.phases, strict=True)
    return sum(end - begin for phase, (_, begin, end) in phases if not phase.get("warm_up"))


def _ms(rows: NDArray[np.void], kinds: tuple[str, ...] = ()) -> tuple[NDArray[np.float64], int]:
    """Latencies of those that succeeded, and how many others there are."""
    import numpy as np

    if kinds:
        rows = rows[np.isin(rows["kind"], [KINDS.index(kind) for kind in kinds])]
    good = rows[rows["outcome"] == 0]
    return (good["ended_ns"] - good["due_ns"]) / 1e6, len(rows) - len(good)


def _observations(rows: NDArray[np.void], found: LoadFigures, where: str) -> list[Observation]:
    told = f"{where}, {found.rate_asked:,.0f} operations/s asked"

    def seen(metric: str, value: float) -> Observation:
        return Observation(step="", metric=metric, values=[value], circumstances=told)

    bad = found.timed_out + found.refused + found.failed + found.wrong
    listed = [
        seen("success", found.success),
        seen("errors", bad / found.scheduled),
        seen("dropped", found.dropped / found.scheduled),
        Observation(
            step="",
            metric="requests",
            values=[float(found.ok)],
            seconds=found.seconds,
            circumstances=told,
        ),
    ]
    for metric, kinds in (
        ("latency", ()),
        ("store_latency", WRITES),
        ("retrieve_latency", READS),
    ):
        values, missing = _ms(rows, kinds)
        listed.append(
            Observation(
                step="",
                metric=metric,
                values=values.tolist(),
                missing=missing,
                circumstances=told,
            )
        )
    return listed


def _of_faults(record: LoadRecord, where: str) -> list[Observation]:
    result = record.result
    if result is None:
        return []
    found = []
    if result.records_lost is not None:
        lost = [float(result.records_lost)]
        found.append(Observation(step="", metric="lost", values=lost, circumstances=where))
    if result.faults:
        # A fault that is never healed, a kill, is over at once.
        took = [
            each.recovered_s if each.healed_s is None else each.recovered_after_heal_s
            for each in result.faults
        ]
        back = [seconds for seconds in took if seconds is not None]
        found.append(
            Observation(
                step="",
                metric="recovery",
                values=back,
                missing=len(took) - len(back),
                circumstances=where,
            )
        )
    return found


def _facts(record: LoadRecord, found: LoadFigures) -> dict[str, str]:
    facts = {
        "rate": f"{found.rate_asked:,.1f}/s asked, {found.rate_reached:,.1f}/s reached",
        "operations": f"{found.ok:,} of {found.scheduled:,} succeeded ({found.success:.4%})",
        "others": f"{found.dropped:,} dropped, {found.timed_out:,} timed out, {found.refused:,} "
        f"refused, {found.failed:,} failed, {found.wrong:,} wrong",
        "generator": f"{found.late:,} starts more than 2 ms late, lag P99 "
        f"{found.lag_p99_s * 1e3:.2f} ms, at most {found.lag_max_s * 1e3:.1f} ms",
    }
    result = record.result
    for fault in result.faults if result and not result.generator_bound else ():
        after = fault.recovered_s if fault.healed_s is None else fault.recovered_after_heal_s
        back = f"recovered {after or 0.0:.1f} s after it"
        if not fault.recovered:
            back = "NOT RECOVERED" if fault.judged else "NOT JUDGED"
        facts[f"fault {fault.fault + 1}, {fault.kind} at {fault.at_s:.1f} s"] = (
            f"{back}; {fault.operations_lost} operations lost; {fault.reason}"
        )
    return facts


def _figures(rows: NDArray[np.void], found: LoadFigures) -> dict[str, Figure]:
    """Their noise is how much they differ between `SLICES` parts of the run."""
    import numpy as np

    values, missing = _ms(rows)
    slices = np.array_split(values, SLICES)
    listed = {}
    for rank in (50.0, 95.0, 99.0, 99.9):
        try:
            ms = percentile(values.tolist(), rank, missing)
        except ValueError:
            continue  # the run is too short for it
        try:
            noise = spread([percentile(part.tolist(), rank) for part in slices])
        except ValueError:
            noise = None
        if math.isfinite(ms):
            listed[f"latency P{rank:g}"] = Figure(value=ms, unit="ms", better="lower", noise=noise)
    listed["not succeeded"] = Figure(value=1e6 * (1 - found.success), unit="ppm", better="lower")
    listed["rate reached"] = Figure(value=found.rate_reached, unit="1/s", better="higher")
    return listed


def _evidence(record: LoadRecord, rows: NDArray[np.void], found: LoadFigures) -> dict[str, float]:
    evidence = {
        "asked_per_s": found.rate_asked,
        "reached_per_s": found.rate_reached,
        "success_share": found.success,
        "dropped_share": found.dropped / found.scheduled,
        "lag_p99_ms": found.lag_p99_s * 1e3,
        "generator_bound": float(bool(record.result and record.result.generator_bound)),
        "faults_not_recovered": float(len(record.result.not_recovered) if record.result else 0),
    }
    values, _ = _ms(rows)
    evidence["generator_kept_share"] = max((e.share for e in starved(record, rows)), default=0.0)
    evidence |= _delayed(rows)
    evidence["slow_share"] = float((values >= SLOW_MS).sum()) / found.scheduled
    for name, value in found.latency_s.items():
        if value is not None:
            evidence[f"latency_{name}_ms"] = value * 1e3
    return evidence


def _delayed(rows: NDArray[np.void]) -> dict[str, float]:
    """The share of operations that took far longer than the quick ones, and how much of that
    is the records' doing: 1 if a record's operations are all delayed or none, 0 if it is chance.

    It is the intraclass correlation of "delayed" over records with `FEWEST_OF_RECORD` operations or
    more. A node that answers late delays the records it holds; a link that loses, any operation.
    """
    import numpy as np

    good = rows[rows["outcome"] == 0]
    if not len(good):
        return {}
    ms = (good["ended_ns"] - good["due_ns"]) / 1e6
    delayed = ms >= max(DELAYED_MS, DELAYED_TIMES * float(np.percentile(ms, 10)))
    share = float(delayed.mean())
    _, which = np.unique(good["record"], return_inverse=True)
    count = np.bincount(which)
    hit = np.bincount(which, weights=delayed)
    often = count >= FEWEST_OF_RECORD
    evidence = {"delayed_share": share}
    operations = float(count[often].sum())
    if operations:
        p = hit[often] / count[often]
        overall = float(hit[often].sum()) / operations
        # Each record's own variance, unbiased, weighted by its operations.
        inside = p * (1 - p) * count[often] / (count[often] - 1)
        whole = overall * (1 - overall)
        if whole > 0:
            evidence["delayed_by_record"] = 1 - float((inside * count[often]).sum()) / (
                operations * whole
            )
    return evidence


def _spectrum(rows: NDArray[np.void]) -> list[Percentile]:
    import numpy as np

    values, missing = _ms(rows)
    ordered, total = np.sort(values), len(values) + missing
    found = []
    for rank in RANKS:
        place = int(-(-total * round(rank * 100) // 10_000)) - 1
        ms = float(ordered[place]) if place < len(ordered) else None
        found.append(Percentile(rank=rank, ms=ms, beyond=total - place - 1))
    return found


def _outcomes(rows: NDArray[np.void], found: LoadFigures) -> Chart:
    """The spectrum as a curve, by kind of operation."""
    import numpy as np

    lines = []
    for label, kinds in (("all", ()), ("reads", READS), ("writes", WRITES)):
        values, missing = _ms(rows, kinds)
        ordered, total = np.sort(values), len(values) + missing
        if total < 10:
            continue
        # Up to the rank that still has a value beyond it.
        nines = np.linspace(0.05, np.log10(total), 80)
        places = np.ceil(total * (1 - 10.0**-nines)).astype(int) - 1
        inside = [int(place) for place in places if 0 <= place < len(ordered)]
        x = [float(nine) for nine, place in zip(nines, places, strict=True) if place < len(ordered)]
        y: list[float | None] = [round(float(ordered[place]), 4) for place in inside]
        lines.append(Line(label=label, x=x[: len(y)], y=y))
    return Chart(
        title=f"Latency spectrum of {found.scheduled:,} operations",
        x_label="percentile",
        y_label="ms from the due time",
        lines=lines,
        log_y=True,
        ranks=True,
    )


def _spans(rows: NDArray[np.void]) -> tuple[NDArray[np.int64], float, list[float]]:
    """The span of the time in which each row was due, the width of a span, and their centres."""

    import numpy as np

    end_s = float(rows["due_ns"].max()) / 1e9
    begin_s = float(rows["due_ns"].min()) / 1e9
    spans = min(SPANS, max(1, int((end_s - begin_s) / SHORTEST_SPAN_S)))
    width = max((end_s - begin_s) / spans, 1e-9)
    at = np.minimum(((rows["due_ns"] / 1e9 - begin_s) / width).astype(np.int64), spans - 1)
    centres = [round(begin_s + (span + 0.5) * width, 3) for span in range(spans)]
    return at, width, centres


def _rates(rows: NDArray[np.void]) -> Chart:
    """Operations that were due, succeeded and did not, per second over time."""
    import numpy as np

    at, width, x = _spans(rows)
    good = rows["outcome"] == 0

    def line(label: str, chosen: NDArray[np.bool_], dashed: bool = False) -> Line:
        counts = np.bincount(at[chosen], minlength=len(x)) / width
        return Line(label=label, x=x, y=[round(float(v), 2) for v in counts], dashed=dashed)

    whole = np.ones(len(rows), bool)
    return Chart(
        title="Throughput and errors over time",
        x_label="s",
        y_label="operations per second",
        lines=[
            line("due", whole, dashed=True),
            line("succeeded", good),
            line("did not succeed", ~good),
        ],
    )


def _over_time(rows: NDArray[np.void]) -> Chart:
    import numpy as np

    at, _, x = _spans(rows)
    good = rows["outcome"] == 0
    ms = (rows["ended_ns"] - rows["due_ns"]) / 1e6
    curves: dict[str, list[float | None]] = {"P50": [], "P99": [], "max": []}
    for span in range(len(x)):
        values = np.sort(ms[good & (at == span)])
        for label, rank in (("P50", 0.5), ("P99", 0.99), ("max", 1.0)):
            place = int(np.ceil(len(values) * rank)) - 1
            curves[label].append(round(float(values[place]), 4) if len(values) else None)
    return Chart(
        title="Latency over time",
        x_label="s",
        y_label="ms from the due time",
        lines=[Line(label=label, x=x, y=y, dashed=label == "max") for label, y in curves.items()],
        log_y=True,
    )


def _marks(record: LoadRecord) -> list[ChartMark]:
    """Faults from their beginning to their end, and phases by their beginning."""
    marks = [
        ChartMark(begin_s=begin_s, end_s=None, text=name)
        for name, begin_s, _ in record.manifest.phases
        if name and begin_s > 0
    ]
    healed = {each.fault: each.at_ns / 1e9 for each in record.events if each.kind == "heal"}
    for each in record.events:
        if each.kind == "fault":
            end_s = healed.get(each.fault) if each.fault is not None else None
            marks.append(ChartMark(begin_s=each.at_ns / 1e9, end_s=end_s, text=each.text))
    return marks
