"""A window of production, sampled from a Prometheus by a fixed number of bounded queries.

Theory of operation. Totals are asked once over the whole window, for counters go on over a gap;
curves at steps of it. How often processes are scraped is the rule that most of them keep in most
steps. A process lives from its first step with a sample to its last: what lacks in between is a
gap, what lacks before and after is not. Steps that have no sample of anybody are gaps of all.

Rule: asks and counts; what follows from it is told by `field_summary.py`.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perflab.production import table
from perflab.production.field_record import (
    FORMAT,
    VERSION,
    FieldProcess,
    FieldRecord,
    FieldStep,
    HeldObjective,
    OperationCount,
)
from perflab.production.objectives import Objective
from perflab.production.prometheus import Prometheus, PrometheusError, QueriedSeries
from perflab.production.window import TimeWindow, iso

__all__ = ["FieldRequest", "NoSeriesError", "sample_field"]

STEPS = 120  # of a window at most: as many points as a chart can show
SCRAPES_IN_STEP = 4.0  # at least, as Grafana asks of a rate
INF = float("inf")


class NoSeriesError(PrometheusError):
    """A Prometheus that has nothing of the network in the window; the message says of what."""


@dataclass(frozen=True, kw_only=True)
class FieldRequest:
    """What is asked of whom."""

    window: TimeWindow
    job: str
    name: str
    objectives: Sequence[Objective]
    least_complete: float
    asked_s: float
    command: str


def sample_field(prometheus: Prometheus, request: FieldRequest) -> FieldRecord:
    """Ask it all. Raises PrometheusError; NoSeriesError where there is nothing to be sampled."""
    queries = _Queries(prometheus, request)
    step_s = queries.step_s()
    seen = queries.samples(step_s)
    totals = queries.counts()
    buckets = queries.buckets()
    bounds = sorted({le for row in buckets.values() for le in row} - {INF})
    window = request.window
    return FieldRecord(
        format=FORMAT,
        version=VERSION,
        url=prometheus.url,
        job=request.job,
        name=request.name,
        began=iso(window.begin_s),
        seconds=window.seconds,
        asked=iso(request.asked_s),
        command=request.command,
        commit="",
        versions=queries.versions(),
        step_s=step_s,
        bounds_s=bounds,
        objectives=[
            HeldObjective(target=each.target, budget=each.budget, within_s=each.within_s)
            for each in request.objectives
        ],
        counts=totals,
        buckets={op: _row(found, bounds) for op, found in sorted(buckets.items())},
        steps=queries.steps(step_s, bounds),
        processes=_processes(seen, queries.restarts(), step_s),
        gaps=_gaps(seen, step_s, window.seconds),
        least_complete=request.least_complete,
    )


class _Queries:
    """The queries of one window."""

    def __init__(self, prometheus: Prometheus, request: FieldRequest) -> None:
        self._prometheus, self._request = prometheus, request
        self._window = request.window
        self._whole = _span(self._window.seconds)
        self._asked = f'job="{request.job}",op!~"{"|".join(table.DELEGATED)}"'
        kept = f'{self._asked},result!~"{"|".join(table.excused())}"'
        self._ended = f"{table.family(table.OPERATIONS).name}{{{kept}}}"
        self._took = f"{table.family(table.DURATIONS).name}_bucket{{{self._asked}}}"

    def step_s(self) -> float:
        """As many steps as can be shown, with enough scrapes in each."""
        samples = f"max by (instance) (count_over_time({self._ended}[{self._whole}]))"
        most = max((each.value for each in self._at(samples)), default=0.0)
        if most < 2:
            raise NoSeriesError(self._nothing())
        scrape_s = self._window.seconds / most
        steps = max(1, min(STEPS, int(self._window.seconds / (SCRAPES_IN_STEP * scrape_s))))
        return self._window.seconds / steps

    def _nothing(self) -> str:
        """What is there instead."""
        jobs = f"count by (job) (count_over_time({table.OPERATIONS}[{self._whole}]))"
        found = sorted(each.labels.get("job", "") for each in self._at(jobs))
        there = f"its jobs with it: {', '.join(found)} (--job)" if found else "no job has it"
        return (
            f"{self._prometheus.url} has no {table.OPERATIONS} of job {self._request.job!r} from "
            f"{self._window}; {there}"
        )

    def samples(self, step_s: float) -> dict[str, dict[int, float]]:
        """By process and step, how often it was scraped."""
        asked = f"max by (instance) (count_over_time({self._ended}[{_span(step_s)}]))"
        found = {
            each.labels.get("instance", ""): {self._number(at, step_s): v for at, v in each.points}
            for each in self._over(asked, step_s)
        }
        return {name: steps for name, steps in found.items() if steps}

    def restarts(self) -> dict[str, int]:
        asked = f"max by (instance) (resets({self._ended}[{self._whole}]))"
        return {each.labels.get("instance", ""): round(each.value) for each in self._at(asked)}

    def counts(self) -> list[OperationCount]:
        asked = f"sum by (op, result) (increase({self._ended}[{self._whole}])) > 0"
        failed = table.failed()
        found = [
            OperationCount(
                op=each.labels.get("op", ""),
                result=each.labels.get("result", ""),
                failed=each.labels.get("result") in failed,
                count=each.value,
            )
            for each in self._at(asked)
        ]
        return sorted(found, key=lambda each: (each.op, each.result))

    def buckets(self) -> dict[str, dict[float, float]]:
        """By operation, the counts up to each bound."""
        asked = f"sum by (op, le) (increase({self._took}[{self._whole}]))"
        found: dict[str, dict[float, float]] = defaultdict(dict)
        for each in self._at(asked):
            found[each.labels.get("op", "")][_le(each)] = each.value
        return {op: row for op, row in found.items() if row.get(INF, 0) > 0}

    def steps(self, step_s: float, bounds: Sequence[float]) -> list[FieldStep]:
        span = _span(step_s)
        ended: dict[int, float] = defaultdict(float)
        failed: dict[int, float] = defaultdict(float)
        for each in self._over(f"sum by (result) (increase({self._ended}[{span}]))", step_s):
            for at, value in each.points:
                number = self._number(at, step_s)
                ended[number] += value
                if each.labels.get("result") in table.failed():
                    failed[number] += value
        rows: dict[int, dict[float, float]] = defaultdict(dict)
        for each in self._over(f"sum by (le) (increase({self._took}[{span}]))", step_s):
            for at, value in each.points:
                rows[self._number(at, step_s)][_le(each)] = value
        return [
            FieldStep(
                end_s=number * step_s,
                operations=ended[number],
                failed=failed[number],
                buckets=_row(rows[number], bounds),
            )
            for number in sorted(ended)
        ]

    def versions(self) -> dict[str, str]:
        """What ran, as far as it told; several versions with commas between."""
        info = table.family(table.BUILD).name
        told_by = f'{info}{{job="{self._request.job}"}}'
        asked = f"count by (version) (count_over_time({told_by}[{self._whole}]))"
        found = sorted(each.labels.get("version", "") for each in self._at(asked))
        told = {"p2pcore": ", ".join(found)} if found else {}
        return told | {"prometheus": self._prometheus.version}

    def _at(self, expr: str) -> list[QueriedSeries]:
        return self._prometheus.at(expr, self._window.end_s)

    def _over(self, expr: str, step_s: float) -> list[QueriedSeries]:
        begin_s = self._window.begin_s + step_s
        return self._prometheus.over(expr, begin_s, self._window.end_s + step_s / 2, step_s)

    def _number(self, at_s: float, step_s: float) -> int:
        """Of the step that ends then, counted from 1."""
        return round((at_s - self._window.begin_s) / step_s)


def _span(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


def _le(series: QueriedSeries) -> float:
    return float(series.labels.get("le", "nan"))


def _row(found: Mapping[float, float], bounds: Sequence[float]) -> list[float]:
    """Counts that never fall: each series was reckoned up to the ends of its span by itself."""
    row, most = [], 0.0
    for le in (*bounds, INF):
        most = max(most, found.get(le, 0.0))
        row.append(most)
    return row


def _processes(
    seen: Mapping[str, Mapping[int, float]], restarts: Mapping[str, int], step_s: float
) -> list[FieldProcess]:
    counts = [value for steps in seen.values() for value in steps.values()]
    usual = statistics.median(counts) if counts else 0.0
    found = []
    for instance, steps in sorted(seen.items()):
        first, last = min(steps), max(steps)
        # In its first step and its last it may not have been there all the time.
        whole = range(first + 1, last)
        ends = sum(min(steps[number], usual) for number in {first, last})
        found.append(
            FieldProcess(
                instance=instance,
                begin_s=(first - 1) * step_s,
                end_s=last * step_s,
                samples=ends + sum(min(steps.get(number, 0.0), usual) for number in whole),
                expected=ends + usual * len(whole),
                restarts=restarts.get(instance, 0),
            )
        )
    return found


def _gaps(
    seen: Mapping[str, Mapping[int, float]], step_s: float, seconds: float
) -> list[tuple[float, float]]:
    """Neighbouring steps without a sample, as one."""
    there = {number for steps in seen.values() for number in steps}
    found: list[tuple[float, float]] = []
    for number in range(1, round(seconds / step_s) + 1):
        if number in there:
            continue
        begin_s, end_s = (number - 1) * step_s, number * step_s
        if found and found[-1][1] == begin_s:
            begin_s = found.pop()[0]
        found.append((begin_s, end_s))
    return found
