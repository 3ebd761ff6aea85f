"""Which targets are looked at in which figures of the history, and what becomes of each.

Rule: reads asv's results and the targets; decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from perflab.capacity.forecast import Outlook, outlook
from perflab.readiness.targets import Target, read_targets
from perflab.results.commits import read_commits
from perflab.results.history import History, read_history
from perflab.results.suite import Benchmark, read_entries, read_suite

__all__ = ["TargetOutlook", "said", "soonest", "target_outlooks", "unseen"]

DAY_MS = 86_400_000


@dataclass(frozen=True)
class _Shown:
    """A benchmark whose figure shows a target's."""

    metric: str
    aggregate: str
    rank: float | None
    benchmark: str
    cases: tuple[str, ...] = ()
    """Those that count, as people write them; (): all."""
    scale: float = 1.0
    """Of the target's limit, to the benchmark's unit."""
    inverted: bool = False
    """The target is a rate, the benchmark seconds: the limit is turned over."""


SHOWN = (
    _Shown("latency", "p", 50, "latency.Percentiles.track_p50", scale=1e-3),
    _Shown("latency", "p", 99, "latency.Percentiles.track_p99", scale=1e-3),
    _Shown("latency", "p", 99.9, "latency.Percentiles.track_p999", scale=1e-3),
    _Shown("requests", "rate", None, "concurrency.Throughput.track_seconds_per_operation",
           ("store, 16", "retrieve, 16"), inverted=True),
    _Shown("recovery", "max", None, "chaos.Recovery.track_recovery"),
)  # fmt: skip
"""Each figure is lower when it is better, as the suite stores it."""


@dataclass(frozen=True, kw_only=True)
class TargetOutlook:
    """A target in one series of the history."""

    target: str
    set: str
    threshold: str
    figure: str
    place: str
    unit: str
    limit: float
    """In this unit, better below."""
    newest: str
    """The commit of the last point."""
    outlook: Outlook

    def as_plain(self) -> dict[str, Any]:
        return asdict(self)


def target_outlooks(
    results: Path, benchmarks: Path, repository: Path, branch: str, targets: Path
) -> list[TargetOutlook]:
    """Of all machines. Raises SuiteError, CheckoutError, TargetError, OSError."""
    suite = read_suite(read_entries(results), benchmarks)
    history = read_history(results, suite, read_commits(repository, branch))
    known = {each.name: each for each in suite}
    found: list[TargetOutlook] = []
    for target in read_targets(targets):
        for shown in SHOWN:
            threshold = target.threshold
            asked = (target.metric, threshold.aggregate, threshold.rank)
            if asked == (shown.metric, shown.aggregate, shown.rank) and shown.benchmark in known:
                found += _of_series(target, shown, known[shown.benchmark], history)
    return found


def _of_series(
    target: Target, shown: _Shown, benchmark: Benchmark, history: History
) -> Iterator[TargetOutlook]:
    limit = target.threshold.limit * shown.scale
    limit = 1 / limit if shown.inverted else limit
    for place, each in enumerate(history.places):
        for name, case, series in history.of_place(place):
            words = benchmark.case(case) if name == shown.benchmark else None
            if words is None or (shown.cases and words not in shown.cases) or not series.at:
                continue
            days = [history.commits[at].date_ms / DAY_MS for at in series.at]
            yield TargetOutlook(
                target=target.name,
                set=target.set,
                threshold=target.threshold.text,
                figure=benchmark.title(case),
                place=each.label,
                unit=benchmark.unit,
                limit=limit,
                newest=history.commits[series.at[-1]].hash[:8],
                outlook=outlook(days, series.values, limit),
            )


def said(found: TargetOutlook) -> str:
    """What is to be expected, in words."""
    ahead = found.outlook
    if ahead.level is None or ahead.per_day is None:
        return f"too few points since the last change ({ahead.points})"
    slope = "{:+.3g} ({:+.3g} to {:+.3g}) a day".format(*(100 * each / found.limit
                                                        for each in ahead.per_day))  # fmt: skip
    now = f"{100 * ahead.level / found.limit:.3g} % of the limit"
    if ahead.state == "crosses":
        assert ahead.days is not None
        return f"{now}, {slope}: crosses it in {ahead.days[0]:.0f} to {ahead.days[1]:.0f} days"
    words = {"no trend": "no trend", "away": "going away from it", "beyond": "beyond it already"}
    return f"{now}, {slope}: {words[ahead.state]}"


def unseen(found: Sequence[TargetOutlook], targets: Path) -> list[str]:
    """Targets of which the history has no figure."""
    there = {(each.set, each.target) for each in found}
    every = read_targets(targets)
    return [f"{each.set}: {each.name}" for each in every if (each.set, each.name) not in there]


def soonest(found: Sequence[TargetOutlook], within_days: float) -> list[TargetOutlook]:
    """Those that are crossed within so many days at the earliest, the nearest first."""
    near = [(each.outlook.days[0], each) for each in found if each.outlook.days is not None]
    return [each for days, each in sorted(near, key=lambda pair: pair[0]) if days <= within_days]
