"""Explain a step of the published history: its series, its commit, and who does more there.

Rule: reads files, asks git, and traces two commits; words and pictures are `page.py`'s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from perflab.alerts.judge import Finding, State, What
from perflab.alerts.series import AlertSeries, read_history, suite_kinds
from perflab.culprit.measure import log_ratio, noise_of
from perflab.culprit.steps import stand_in
from perflab.explain.form import Explanation, MovedFigure, SeriesPoint, trade_group
from perflab.explain.lines import accepting, reproducing
from perflab.gate.builds import BuildError, build
from perflab.gate.cause.find import cause_of
from perflab.gate.cause.form import Cause
from perflab.gate.record import Kind
from perflab.gate.remeasure import gate_metric
from perflab.results.asv_config import results_dir
from perflab.results.checkout import Commit, commit_of
from perflab.results.culprits import StepCulprit, culprit_of
from perflab.results.git import CheckoutError
from perflab.stats.detector import START, watch

__all__ = ["HistoryToExplain", "explain_finding", "read_for_explaining"]

NEAR = 30  # points on either side that say how high a level is
BESIDE = 5  # of other figures: later ones may be another step's
LEAST_MOVED = 0.01  # of another figure that is told
SIGMAS = 2.0
LIKELY = 3.0  # standard errors, for a figure that moved beside the finding
NORMAL_MAD, NORMAL_MEDIAN = 1.4826, 1.2533


@dataclass(frozen=True)
class HistoryToExplain:
    """What is read once for all findings."""

    root: Path
    commits: Sequence[str]
    series: Mapping[tuple[str, str, str], AlertSeries]
    findings: Sequence[Finding]
    culprits: Sequence[StepCulprit]

    @property
    def places(self) -> dict[str, int]:
        return {commit: place for place, commit in enumerate(self.commits)}


def read_for_explaining(
    root: Path, commits: Sequence[str], findings: Sequence[Finding], culprits: Sequence[StepCulprit]
) -> HistoryToExplain:
    """The published series of commits (oldest first), beside what alerts and searches told."""
    read = read_history(results_dir(root), commits, suite_kinds(root / "benchmarks"))
    series = {(each.machine, each.environment, each.name): each for each in read.series}
    return HistoryToExplain(root, commits, series, findings, culprits)


def explain_finding(known: HistoryToExplain, finding: Finding, *, traced: bool) -> Explanation:
    """All that is known of it; `traced`: both sides do it once more, some seconds each."""
    places = known.places
    found = culprit_of(
        known.culprits, finding.machine, finding.environment, finding.series, finding.good,
        finding.commit, places,
    )  # fmt: skip
    series = known.series.get((finding.machine, finding.environment, finding.series))
    points = _points(series)
    base, commit, where = _where(
        known.root, finding, found, places.get(finding.last, 0) - places.get(finding.good, 0)
    )
    at = places.get(finding.commit, -1)
    old = [each.value for each in points if each.place < at]
    new = [each.value for each in points if each.place >= at]
    low, high = _interval(finding, old[-NEAR:], new[:NEAR])
    figure = gate_metric(finding.series) or ""
    pair = _pair(known.root, finding, found)
    cause, no_cause = (None, "left out") if not traced else _cause(known.root, finding, pair)
    subject = commit.subject if commit else ""
    return Explanation(
        figure=finding.series,
        unit=finding.unit,
        kind=finding.kind.value,
        state=f"{finding.state.value}, {finding.what.value}",
        before=finding.before,
        after=finding.after,
        ratio=finding.ratio,
        low=low,
        high=high,
        power=_power(finding, old, new),
        machine=finding.machine,
        base=base,
        commit=commit.hash if commit else "",
        subject=subject,
        where=where,
        series=tuple(points),
        step=_drawn_step(points, at),
        traced=(pair[0].hash, pair[1].hash) if pair else ("", ""),
        cause=cause,
        no_cause=no_cause,
        moved=tuple(_moved(known, finding, at)),
        same=tuple(_same(known, finding, found)),
        why=finding.why,
        reproduce=reproducing(
            figure, finding.series, base, commit.hash if commit else finding.last
        ),
        accept=accepting(finding.series, finding.ratio) if finding.what is What.SLOWER else "",
    )  # fmt: skip


def _points(series: AlertSeries | None) -> list[SeriesPoint]:
    if series is None:
        return []
    return [
        SeriesPoint(place=each.place, commit=each.commit, value=each.value)
        for each in series.points
        if each.value is not None and math.isfinite(each.value)
    ]


def _where(
    root: Path, finding: Finding, found: StepCulprit | None, between: int
) -> tuple[str, Commit | None, str]:
    """The commit before, the commit, and how sure that is, of so many that it can be."""
    if found is not None and found.probability:
        sure = f"{min(found.probability, 0.9994) * 100:.3g} %"
        searched = f"{sure}, by {found.builds} builds among {found.commits} commits"
        if not found.commit and found.certain:
            return finding.good, None, f"no commit made it ({searched}): ruler, machine or chance"
        if found.commit:
            ended = "" if found.certain else "; the search goes on"
            commit = _commit(root, found.commit)
            return f"{found.commit}^", commit, f"{searched}{ended}"
    commit = _commit(root, finding.commit)
    if between == 1:
        return finding.good, commit, "the only commit after the last one of the old level"
    if finding.first == finding.last:
        told = "the first measured one of the new level"
    else:
        told = f"the likeliest of those after {finding.good[:8]}, up to {finding.last[:8]}"
    return finding.good, commit, f"{told}; python -m perflab bisect --steps finds the one"


def _commit(root: Path, hash: str) -> Commit | None:
    try:
        return commit_of(root, hash)
    except CheckoutError:
        return None


def _pair(root: Path, finding: Finding, found: StepCulprit | None) -> tuple[Commit, Commit] | None:
    """What is traced: the culprit and the one before it; all of the range where it is not known."""
    try:
        if found is not None and found.commit:
            return commit_of(root, f"{found.commit}^"), commit_of(root, found.commit)
        return commit_of(root, finding.good), commit_of(root, finding.last)
    except CheckoutError:
        return None


def _cause(
    root: Path, finding: Finding, pair: tuple[Commit, Commit] | None
) -> tuple[Cause | None, str]:
    figure = gate_metric(finding.series) or stand_in(finding.series)
    if finding.what is not What.SLOWER:
        return None, "only what is slower is traced"
    if not figure:
        return None, "no trace stands for this figure"
    if pair is None:
        return None, "git knows its commits no longer"
    try:
        cores = [str(build(root, each, root / ".asv" / "gate" / "builds")) for each in pair]
        return cause_of(root, pair, cores, [figure]), ""
    except (BuildError, CheckoutError, OSError) as error:
        return None, str(error).splitlines()[0]


def _interval(finding: Finding, old: Sequence[float], new: Sequence[float]) -> tuple[float, float]:
    """Of about 95 %, from how much the points of either side scatter."""
    if finding.kind is Kind.EXACT or not old or not new or finding.before <= 0:
        return finding.ratio, finding.ratio
    sigma = max(_scatter(old), _scatter(new))
    error = NORMAL_MEDIAN * sigma * math.sqrt(1 / len(old) + 1 / len(new)) / finding.before
    return max(0.0, finding.ratio - SIGMAS * error), finding.ratio + SIGMAS * error


def _scatter(values: Sequence[float]) -> float:
    middle = median(values)
    return NORMAL_MAD * median(abs(each - middle) for each in values)


def _power(finding: Finding, old: Sequence[float], new: Sequence[float]) -> str:
    if finding.kind is Kind.EXACT:
        return "any change of it is one"
    values = [*old, *new[:5]]
    if len(values) < START:
        return f"{len(values)} points: too few to say more than a clear step"
    smallest = watch(values, higher_is_better=finding.higher_is_better).smallest
    return f"a step of {(smallest - 1) * 100:.2g} % would be told within ten commits, in 95 %"


def _drawn_step(points: Sequence[SeriesPoint], at: int) -> tuple[int, int] | None:
    before = [each.place for each in points if each.place < at]
    after = [each.place for each in points if each.place >= at]
    return (before[-1], after[0]) if before and after else None


def _moved(known: HistoryToExplain, finding: Finding, at: int) -> list[MovedFigure]:
    """Every other figure of the machine that has another level since: the trade."""
    found = []
    steps = {each.series: each for each in known.findings if _together(each, finding, known.places)}
    for (machine, environment, name), series in known.series.items():
        if (machine, environment) != (finding.machine, finding.environment):
            continue
        points = _points(series)
        old = [each.value for each in points if each.place < at][-BESIDE:]
        new = [each.value for each in points if each.place >= at][:BESIDE]
        if name == finding.series or not old or not new:
            continue
        noise = noise_of([each.value for each in points])
        sure = "exact" if series.kind is Kind.EXACT else "told" if name in steps else "likely"
        one = (old[-1:], new[:1]) if series.kind is Kind.EXACT else (old, new)
        before, after = map(median, one)
        width = _error(old, new, noise)
        apart = abs(log_ratio(before, after)) if series.kind is not Kind.EXACT else math.inf
        if before == after or (apart <= LIKELY * width and name not in steps):
            continue
        ratio = after / before if before > 0 else math.inf
        turned = 1 / ratio if series.higher_is_better and ratio else ratio
        if math.isinf(ratio) or abs(ratio - 1) >= LEAST_MOVED or name in steps:
            found.append(
                MovedFigure(
                    figure=name, group=trade_group(name), before=before, after=after,
                    unit=series.unit, ratio=turned, sure=sure,
                )
            )  # fmt: skip
    return sorted(found, key=lambda each: (each.group, -abs(math.log(each.ratio or 1e-9))))


def _error(old: Sequence[float], new: Sequence[float], noise: float | None) -> float:
    """Of the log ratio of the medians of both sides; infinite where the noise is not known."""
    if noise is None:
        return math.inf
    return NORMAL_MEDIAN * noise / math.sqrt(2) * math.sqrt(1 / len(old) + 1 / len(new))


def _together(one: Finding, other: Finding, places: Mapping[str, int]) -> bool:
    """Whether two findings can be one step: their ranges share a commit."""
    if (one.machine, one.environment) != (other.machine, other.environment):
        return False
    if any(each not in places for each in (one.good, one.last, other.good, other.last)):
        return False
    begin = max(places[one.good], places[other.good])
    return begin < min(places[one.last], places[other.last])


def _same(known: HistoryToExplain, finding: Finding, found: StepCulprit | None) -> list[str]:
    """Other findings of the same commit; where no commit is known, of a range in common."""
    told = []
    for each in known.findings:
        if each.same == finding.same or each.state is State.DISMISSED:
            continue
        other = culprit_of(
            known.culprits, each.machine, each.environment, each.series, each.good, each.commit,
            known.places,
        )  # fmt: skip
        if found is not None and found.commit and other is not None and other.commit:
            together = other.commit == found.commit
        else:
            together = _together(each, finding, known.places)
        if together:
            told.append(f"{each.series}  {_change(each)}")
    return told


def _change(each: Finding) -> str:
    if not math.isfinite(each.ratio):
        return "from 0" if each.what is What.SLOWER else each.what.value
    return f"{(each.ratio - 1) * 100:+.3g} %"
