"""A month's samples, of a Prometheus or of windows that were filed before it forgot them.

Rule: asks and reads; what follows from the samples is `sla.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from perflab.production import table
from perflab.production.field_record import FIELD, FieldRecord, HeldObjective, read_field
from perflab.production.prometheus import Prometheus, PrometheusError
from perflab.production.sla import SlaStep, windows_of
from perflab.production.window import MONTH_STEP_S as STEP_S
from perflab.production.window import TimeWindow

__all__ = ["of_filed", "of_prometheus"]

MOST_WINDOWS = 10_000  # filed ones of a network: nine years of nights


def of_prometheus(
    prometheus: Prometheus, job: str, window: TimeWindow, objectives: Sequence[HeldObjective]
) -> list[SlaStep]:
    """A month in steps of five minutes, by a query for each objective and one for all operations.
    Raises PrometheusError."""
    asked = f'job="{job}",op!~"{"|".join(table.DELEGATED)}"'
    kept = f'{asked},result!~"{"|".join(table.excused())}"'
    ended = table.family(table.OPERATIONS).name
    took = table.family(table.DURATIONS).name

    def each(series: str) -> dict[int, float]:
        expr = f"sum(increase({series}[{STEP_S:.0f}s]))"
        first, last = window.begin_s + STEP_S, window.end_s + STEP_S / 2
        found = prometheus.over(expr, first, last, STEP_S) if last > first else []
        points = found[0].points if found else []
        return {round((at - window.begin_s) / STEP_S): value for at, value in points}

    operations = each(f"{ended}{{{kept}}}")
    bad: list[Mapping[int, float] | None] = []
    for objective in objectives:
        if objective.within_s is None:
            failed = "|".join(table.failed())
            found = each(f'{ended}{{{asked},result=~"{failed}"}}')
            bad.append(dict.fromkeys(operations, 0.0) | found)
            continue
        good = each(f'{took}_bucket{{{asked},le="{objective.within_s!r}"}}')
        timed = each(f"{took}_count{{{asked}}}")
        bad.append({n: max(0.0, timed[n] - good[n]) for n in timed if n in good} or None)
    return [
        SlaStep(
            begin_s=window.begin_s + (number - 1) * STEP_S,
            end_s=window.begin_s + number * STEP_S,
            operations=count,
            bad=tuple(None if one is None else one.get(number) for one in bad),
        )
        for number, count in sorted(operations.items())
    ]


def of_filed(
    folder: Path, window: TimeWindow, objectives: Sequence[HeldObjective]
) -> tuple[list[SlaStep], int]:
    """The steps of all windows filed in a folder that lie in the month, and of how many windows.
    Of windows that overlap, the one that began first counts. Raises FieldRecordError or OSError."""
    directories = sorted(path.parent for path in folder.glob(f"*/{FIELD}"))
    if len(directories) > MOST_WINDOWS:
        text = (
            f"{len(directories):,} windows are filed in {folder}, at most {MOST_WINDOWS:,} are read"
        )
        raise PrometheusError(text)
    steps: list[SlaStep] = []
    used = 0
    for directory in directories:
        record = read_field(directory)
        own = [
            each
            for each in _steps(record, objectives)
            if each.begin_s >= window.begin_s - 0.001 and each.end_s <= window.end_s + 0.001
        ]
        used += bool(own)
        steps += own
    return windows_of(steps), used


def _steps(record: FieldRecord, objectives: Sequence[HeldObjective]) -> list[SlaStep]:
    began_s = datetime.fromisoformat(record.began).timestamp()
    return [
        SlaStep(
            begin_s=began_s + each.end_s - record.step_s,
            end_s=began_s + each.end_s,
            operations=each.operations,
            bad=tuple(record.bad(one, each.buckets, each.failed) for one in objectives),
        )
        for each in record.steps
    ]
