"""What a window of production says: figures, charts and facts, as those of a load run.

Charts have the names that a load run's have, so that the site draws both over each other; what
differs is said beside them. Latencies count from the call, not from a due time; operations that
failed count with the time that they took; and a percentile is known to its bucket only.

Rule: reads a record; asks nobody.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from perflab.production.buckets import quantile_s, within
from perflab.production.field_record import FieldRecord, FieldStep
from perflab.report.finding import StageEvidence, spread
from perflab.report.form import Chart, Figure, Line, Percentile

__all__ = ["breached", "field_step"]

RANKS = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99)
FIGURES = (50.0, 95.0, 99.0, 99.9)
SLICES = 5
SHOWN = 8  # processes, those with gaps first
READS, WRITES = ("retrieve", "retrieve_many", "scan"), ("store", "store_many", "delete")
COUNTED = (
    "from the call to the end, as clients' histograms have it: failed operations with the time "
    "that they took, percentiles even within a bucket"
)


def field_step(record: FieldRecord) -> StageEvidence:
    """Everything that one window has to say."""
    buckets = record.timed()
    return StageEvidence(
        problem=_problem(record),
        circumstances=f"field, job {record.job}, {_counted(len(record.processes))}, latency "
        f"{COUNTED}",
        facts=_facts(record),
        figures=_figures(record),
        errors={
            f"{each.op}: {each.result}": round(each.count) for each in record.counts if each.failed
        },
        spectrum=list(_spectrum(record.bounds_s, buckets)),
        samples=round(buckets[-1]),
        events=[
            f"{begin:.0f} to {end:.0f} s: no sample of any process" for begin, end in record.gaps
        ],
        charts=[_rates(record), _over_time(record), _outcomes(record)],
        evidence=_evidence(record),
    )


def breached(record: FieldRecord) -> list[str]:
    """The objectives that the window did not keep, with how far off it was."""
    found = []
    for each in record.objectives:
        of = record.operations if each.within_s is None else record.timed()[-1]
        bad = record.bad(each, record.timed(), record.failed)
        if bad is not None and of and bad / of > each.budget:
            found.append(f"{each.target}: {bad / of:.3%} of the operations were bad, "
                         f"{each.budget:.3%} may be")  # fmt: skip
    return found


def _problem(record: FieldRecord) -> str:
    if not record.operations:
        return "no operation ended in the window"
    if record.complete < record.least_complete:
        return (
            f"only {record.complete:.1%} of its samples are there, {record.least_complete:.1%} are "
            "needed"
        )
    unknown = [each.target for each in record.objectives
               if record.bad(each, record.timed(), 0.0) is None]  # fmt: skip
    if unknown:
        return f"its histograms have no bucket that ends where these ask: {', '.join(unknown)}"
    return ""


def _facts(record: FieldRecord) -> dict[str, str]:
    usual_s = _scraped_every_s(record)
    facts = {
        "sampled": f"{record.url}, {record.began}, {record.seconds:,.0f} s in {len(record.steps)} "
        f"steps of {record.step_s:g} s, scraped each {usual_s:.3g} s",
        "complete": f"{record.complete:.2%} of the samples; {_restarts(record)}",
        "operations": ", ".join(
            f"{op} {sum(each.count for each in record.counts if each.op == op):,.0f}"
            for op in dict.fromkeys(each.op for each in record.counts)
        ),
    }
    gappy = sorted(record.processes, key=lambda each: each.samples / (each.expected or 1))
    for each in gappy[:SHOWN]:
        facts[each.instance or "a process"] = (
            f"from {each.begin_s:.0f} to {each.end_s:.0f} s, {each.samples:,.0f} of "
            f"{each.expected:,.0f} samples"
            + (f", restarts: {each.restarts}" if each.restarts else "")
        )
    if len(gappy) > SHOWN:
        facts["others"] = f"{_counted(len(gappy) - SHOWN)}, no less complete than these"
    for rank in FIGURES:
        number = within(record.bounds_s, record.timed(), rank)
        if number is not None:
            low, high = (0.0, *record.bounds_s)[number], [*record.bounds_s, math.inf][number]
            facts[f"P{rank:g}"] = f"between {low * 1e3:g} and {high * 1e3:g} ms"
    for kept in record.objectives:
        bad = record.bad(kept, record.timed(), record.failed)
        facts[f"'{kept.target}'"] = (
            "not told" if bad is None or not record.operations
            else f"{bad / record.operations:.4%} of the operations bad, {kept.budget:.4%} may be"
        )  # fmt: skip
    return facts


def _counted(processes: int) -> str:
    return "1 process" if processes == 1 else f"{processes} processes"


def _scraped_every_s(record: FieldRecord) -> float:
    rates = [each.expected / (each.end_s - each.begin_s) for each in record.processes
             if each.end_s > each.begin_s]  # fmt: skip
    most = max(rates, default=0.0)
    return 1 / most if most else math.nan


def _restarts(record: FieldRecord) -> str:
    restarts = sum(each.restarts for each in record.processes)
    if not restarts:
        return "no process began anew"
    return f"counters began anew {restarts} times: what came up since the scrape before is lost"


def _figures(record: FieldRecord) -> dict[str, Figure]:
    """Their noise is how much they differ between `SLICES` parts of the window."""
    parts = [part for part in _slices(record.steps) if part]
    listed = {}
    for rank in FIGURES:
        value = quantile_s(record.bounds_s, record.timed(), rank)
        if value is None or not math.isfinite(value):
            continue
        each = [quantile_s(record.bounds_s, _together(part), rank) for part in parts]
        known = [ms for ms in each if ms is not None and math.isfinite(ms)]
        noise = spread(known) if len(known) == SLICES else None
        listed[f"latency P{rank:g}"] = Figure(
            value=value * 1e3, unit="ms", better="lower", noise=noise
        )
    if record.operations:
        share = record.failed / record.operations
        listed["not succeeded"] = Figure(value=1e6 * share, unit="ppm", better="lower")
    reached = (record.operations - record.failed) / record.seconds
    listed["rate reached"] = Figure(value=reached, unit="1/s", better="higher")
    return listed


def _slices(steps: Sequence[FieldStep]) -> list[list[FieldStep]]:
    count = len(steps)
    edges = [count * number // SLICES for number in range(SLICES + 1)]
    return [list(steps[a:b]) for a, b in pairwise(edges)]


def _together(steps: Iterable[FieldStep]) -> list[float]:
    return [sum(column) for column in zip(*(each.buckets for each in steps), strict=True)]


def _evidence(record: FieldRecord) -> dict[str, float]:
    asked = record.operations / record.seconds
    evidence = {
        "asked_per_s": asked,
        "reached_per_s": asked - record.failed / record.seconds,
        "complete_share": record.complete,
    }
    if record.operations:
        evidence["success_share"] = 1 - record.failed / record.operations
    for rank in FIGURES[:3]:
        value = quantile_s(record.bounds_s, record.timed(), rank)
        if value is not None and math.isfinite(value):
            evidence[f"latency_p{rank:g}_ms"] = value * 1e3
    return evidence


def _spectrum(bounds_s: Sequence[float], buckets: Sequence[float]) -> Iterable[Percentile]:
    total = round(buckets[-1])
    for rank in RANKS:
        value = quantile_s(bounds_s, buckets, rank)
        if value is not None:
            ms = value * 1e3 if math.isfinite(value) else None
            yield Percentile(rank=rank, ms=ms, beyond=int(total * (100 - rank) / 100))


def _outcomes(record: FieldRecord) -> Chart:
    """The spectrum as a curve, by kind of operation: a point at each end of a bucket."""
    lines = []
    for label, ops in (("all", ()), ("reads", READS), ("writes", WRITES)):
        buckets = record.timed(ops) if not ops or set(ops) & set(record.buckets) else [0.0]
        total = buckets[-1]
        if total < 10:
            continue
        points = [
            (-math.log10(1 - count / total), bound * 1e3)
            for bound, count in zip(record.bounds_s, buckets, strict=False)
            if 0 < count < total
        ]
        lines.append(Line(label=label, x=[round(x, 4) for x, _ in points],
                          y=[round(y, 4) for _, y in points]))  # fmt: skip
    return Chart(
        title=f"Latency spectrum of {record.timed()[-1]:,.0f} operations",
        x_label="percentile",
        y_label="ms from the call",
        lines=lines,
        log_y=True,
        ranks=True,
    )


def _rates(record: FieldRecord) -> Chart:
    x = _centres(record)

    def line(label: str, counts: Iterable[float], dashed: bool = False) -> Line:
        y: list[float | None] = [round(count / record.step_s, 2) for count in counts]
        return Line(label=label, x=x, y=y, dashed=dashed)

    steps = record.steps
    return Chart(
        title="Throughput and errors over time",
        x_label="s",
        y_label="operations per second",
        lines=[
            line("ended", (each.operations for each in steps), dashed=True),
            line("succeeded", (each.operations - each.failed for each in steps)),
            line("did not succeed", (each.failed for each in steps)),
        ],
    )


def _over_time(record: FieldRecord) -> Chart:
    lines = []
    for label, rank in (("P50", 50.0), ("P99", 99.0)):
        found = [quantile_s(record.bounds_s, each.buckets, rank) for each in record.steps]
        y = [None if v is None or not math.isfinite(v) else round(v * 1e3, 4) for v in found]
        lines.append(Line(label=label, x=_centres(record), y=y))
    return Chart(
        title="Latency over time", x_label="s", y_label="ms from the call", lines=lines, log_y=True
    )


def _centres(record: FieldRecord) -> list[float]:
    return [round(each.end_s - record.step_s / 2, 3) for each in record.steps]
