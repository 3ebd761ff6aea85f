"""The report of a run: everything that its record says, judged, compared and explained.

Rule: puts together what the other modules found; the pages are made of its result alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from perflab.readiness.advice import advise
from perflab.readiness.findings import POWER_CUT, StageFindings, read_steps
from perflab.readiness.record import Durability, ReadinessManifest, RunRecord, RunStage
from perflab.readiness.targets import Asked, Target, TargetVerdict, judge, overall
from perflab.report.finding import Curve
from perflab.report.form import (
    FORMAT,
    VERDICTS,
    VERSION,
    CapacityReport,
    Chart,
    Estimate,
    Line,
    ReadinessReport,
    State,
    TargetRow,
)
from perflab.stats.usl import Allowed, CapacityError, Estimated, Fit, fit

__all__ = ["EXIT_CODES", "KEPT", "build", "write_json"]

EXIT_CODES: dict[State, int] = {"met": 0, "not met": 1, "unmeasured": 2}
CURVE_POINTS = 60
BOUND_S = 0.2  # of the mean latency: the production target's limit for the median
NO_PATH = (
    "Critical path: too few operations were followed through their stages (p2pcore may not be able "
    "to), or the generator was the bottleneck; where the time of one operation goes is not in this "
    "report."
)
INTERRUPTED = "Interrupted after {} of {} steps: no verdict on the whole, and no baseline."
DURABILITIES: tuple[Durability, ...] = get_args(Durability)
KEPT: dict[Durability, str] = {
    "memory": "records in memory",
    "buffered": "records handed to the system",
    "synced": "records synced to disk",
}
"""What nodes had done before they said that something was stored."""
WEAKER = "The targets are for {}, and this run had {}: that is not READY for them."
IN_MEMORY = "Disks: nodes had their records in memory, and a restart loses them."
NO_CUT = (
    "Power: processes were killed, and the system kept what they had written; no write that was "
    "not synced was taken from a disk."
)
NEVER_MEASURED = ("Networks: all processes ran on one machine and talked over loopback.",)


def build(
    record: RunRecord,
    targets: Sequence[Target],
    held: Sequence[str],
    wanted: Durability = "synced",
) -> ReadinessReport:
    """The report; `held` names the sets of targets whose verdict is that of the run, and `wanted`
    the durability without which it is no READY."""
    manifest = record.manifest
    found = read_steps(record)
    steps = [each.step for each in found]
    asked = [Asked(name=each.name, tags=each.tags, metrics=each.metrics) for each in steps]
    verdicts = judge(targets, asked, [seen for each in found for seen in each.observations])
    rows = [_row(each) for each in verdicts]
    deciding = [each for each in verdicts if each.target.set in held]
    verdict, ended, durability = overall(deciding), len(record.outcomes), _durability(manifest)
    weaker = DURABILITIES.index(durability) < DURABILITIES.index(wanted)
    if verdict == "met" and (weaker or ended < len(found)):
        verdict = "unmeasured"  # what was measured does not speak for what was not
    machine: dict[str, str | int | float | list[float]] = dict(asdict(manifest.machine))
    machine["load_average"] = manifest.load_average
    if manifest.crowd:
        machine["crowd"] = manifest.crowd
    capacity, unfitted = _capacities(found)
    return ReadinessReport(
        format=FORMAT,
        version=VERSION,
        run=record.directory.name,
        began=manifest.began,
        elapsed_s=record.elapsed_s,
        command=manifest.command,
        commit=manifest.commit,
        subject=manifest.subject,
        uncommitted=manifest.uncommitted,
        versions=manifest.versions,
        machine=machine,
        seed=manifest.seed,
        quick=manifest.quick,
        held=list(held),
        verdict=verdict,
        durability=durability,
        summary=[
            *([INTERRUPTED.format(ended, len(found))] if ended < len(found) else []),
            *_summary(verdict, durability, deciding, capacity),
            *([WEAKER.format(KEPT[wanted], KEPT[durability])] if weaker else []),
            *([f"Measured on a busy machine: {manifest.crowd}."] if manifest.crowd else []),
        ],
        targets=rows,
        steps=[each.report for each in found],
        capacity=capacity,
        comparisons=[],
        advice=advise([(_looked_at(each.step), each.report) for each in found], rows, machine),
        not_measured=[
            *(f"{each.report.name} {each.report.problem}" for each in found if each.report.problem),
            *unfitted,
            *([] if any(each.report.critical_path for each in found) else [NO_PATH]),
            *_without(found, durability),
            *NEVER_MEASURED,
        ],
    )


def _looked_at(step: RunStage) -> str:
    """The kind of a step for the rules: what a run has injected itself is no diagnosis."""
    return "faulted load" if step.kind == "load" and "faults" in step.tags else step.kind


def write_json(report: ReadinessReport, path: Path) -> None:
    """Write report.json, whole or not at all."""
    import msgspec

    unfinished = path.with_name(path.name + ".part")
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    unfinished.replace(path)


def _row(verdict: TargetVerdict) -> TargetRow:
    target = verdict.target
    return TargetRow(
        name=target.name,
        set=target.set,
        metric=target.metric,
        threshold=target.threshold.text,
        unit=target.unit,
        scope=target.scope,
        state=verdict.state,
        value=verdict.value,
        step=verdict.step,
        reason=verdict.reason,
        circumstances=verdict.circumstances,
        why=target.why,
    )


def _durability(manifest: ReadinessManifest) -> Durability:
    """The weakest of all steps: what the whole run speaks for."""
    kept = (step.durability for step in manifest.steps)
    return min(kept, key=DURABILITIES.index, default="memory")


def _without(found: Sequence[StageFindings], durability: Durability) -> list[str]:
    """What this run says nothing about, of disks."""
    if durability == "memory":
        return [IN_MEMORY]
    return [] if any(POWER_CUT in each.report.facts for each in found) else [NO_CUT]


def _summary(
    verdict: State,
    durability: Durability,
    verdicts: Sequence[TargetVerdict],
    capacity: Sequence[CapacityReport],
) -> list[str]:
    counts = {state: [each for each in verdicts if each.state == state] for state in VERDICTS}
    said = [
        f"{VERDICTS[verdict]}, {KEPT[durability]}: {len(counts['met'])} of {len(verdicts)} targets "
        f"met, {len(counts['not met'])} not met, {len(counts['unmeasured'])} could not be measured."
    ]
    told: tuple[tuple[State, str], ...] = (("not met", "Not met"), ("unmeasured", "Not measured"))
    for state, words in told:
        reasons: dict[str, list[str]] = {}
        for each in counts[state]:
            asked = f"{each.target.name} ({each.target.metric} {each.target.threshold.text})"
            reasons.setdefault(each.reason, []).append(asked)
        said += [f"{words}: {', '.join(names)}: {reason}." for reason, names in reasons.items()]
    for law in capacity:
        said += law.sentences[:1]
    return said


def _capacities(found: Sequence[StageFindings]) -> tuple[list[CapacityReport], list[str]]:
    """The law fitted to each curve, and a sentence for each curve that it cannot be fitted to."""
    fitted, missing = [], []
    for step in found:
        for curve in step.curves:
            try:
                fitted.append(_capacity(step.step.name, curve, fit(curve.rates)))
            except CapacityError as error:
                missing.append(f"Capacity of {curve.what}: {error}.")
    return fitted, missing


def _capacity(step: str, curve: Curve, law: Fit) -> CapacityReport:
    # Of nodes no latency follows: Little's law counts operations in flight.
    allowed = law.allowed(BOUND_S) if curve.unit == "in flight" else None
    return CapacityReport(
        step=step,
        what=curve.what,
        repeats=law.repeats,
        rate_per_s=_estimate(law.rate),
        contention=_estimate(law.contention),
        coherency=_estimate(law.coherency),
        levels=list(law.levels),
        measured_per_s=list(law.measured),
        residuals=list(law.residuals),
        fits=law.fits,
        peak_n=law.peak_n,
        peak_per_s=_estimate(law.peak_per_s) if law.peak_per_s else None,
        peak_extrapolated=law.peak_extrapolated,
        sentences=_capacity_sentences(curve, law, allowed),
        chart=_capacity_chart(curve, law),
    )


def _capacity_sentences(curve: Curve, law: Fit, allowed: Allowed | None) -> list[str]:
    best = max(zip(law.measured, law.levels, strict=True))
    said = [
        f"{curve.what.capitalize()}: at most {best[0]:,.0f}/s were measured, with {best[1]:g} "
        f"{curve.unit}."
    ]
    if not law.fits:
        worst = max(law.residuals, key=abs)
        within = [x for x, n in zip(law.measured, law.levels, strict=True) if n / x <= BOUND_S]
        said.append(
            f"The law does not fit (off by {worst:+.0%} at worst), so nothing is said beyond what "
            "was measured."
        )
        if curve.unit == "in flight" and within:
            said.append(
                f"Measured with a mean latency within {BOUND_S * 1e3:g} ms: {max(within):,.0f}/s."
            )
    if law.peak_n is not None and law.peak_n < law.levels[0]:
        said.append(f"By the law it falls from {law.levels[0]:g} {curve.unit} on.")
    elif law.peak_n is not None and law.peak_per_s is not None:
        peak = law.peak_per_s
        said.append(
            f"The law has its peak at {law.peak_n:,.0f} {curve.unit}: {peak.estimate:,.0f}/s "
            f"({peak.low:,.0f} to {peak.high:,.0f})"
            f"{', EXTRAPOLATED beyond what was measured' if law.peak_extrapolated else ''}."
        )
    if allowed is not None:
        rate = allowed.per_s
        said.append(
            f"A mean latency of {allowed.latency_s * 1e3:g} ms allows {rate.estimate:,.0f}/s "
            f"({rate.low:,.0f} to {rate.high:,.0f}) with {allowed.n:,.0f} {curve.unit}"
            f"{', EXTRAPOLATED' if allowed.extrapolated else ''}; the tail is not in this law."
        )
    return said


def _capacity_chart(curve: Curve, law: Fit) -> Chart:
    first, last = law.levels[0], law.levels[-1]
    lines = [Line(label="measured (median)", x=list(law.levels), y=list(law.measured))]
    inside = _between(first, last)
    lines.append(_law_line("law", law, inside, dashed=False))
    beyond = min(law.peak_n * 1.5, last * 4) if law.peak_n and law.peak_extrapolated else None
    if beyond:
        lines.append(_law_line("law, EXTRAPOLATED", law, _between(last, beyond), dashed=True))
    return Chart(
        title=curve.what.capitalize(),
        x_label=curve.unit,
        y_label="operations per second",
        lines=lines,
        log_x=curve.unit == "in flight",
    )


def _law_line(label: str, law: Fit, x: list[float], *, dashed: bool) -> Line:
    y: list[float | None] = [round(law.law.throughput(n), 2) for n in x]
    return Line(label=label, x=x, y=y, dashed=dashed)


def _between(first: float, last: float) -> list[float]:
    step = math.log(last / first) / (CURVE_POINTS - 1)
    return [round(first * math.exp(step * n), 4) for n in range(CURVE_POINTS)]


def _estimate(interval: Estimated) -> Estimate:
    return Estimate(estimate=interval.estimate, low=interval.low, high=interval.high)
