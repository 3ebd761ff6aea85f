"""The page of readiness runs: each run, and what its figures do from run to run.

Rule: chooses and words; the trends are those of `verdict.trends`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perflab.readiness.trends import describe, forecast, histories
from perflab.report.form import VERDICTS
from perflab.site.readiness_runs import ReadinessRun, Runs

__all__ = ["runs_page", "write_runs"]

MOST = 50  # runs of which trends are told: finding changes takes time, and older ones are history


@dataclass(frozen=True, kw_only=True)
class TrendRow:
    """A figure over the runs of one machine."""

    name: str
    unit: str
    now: float
    low: float
    high: float
    limit: float | None
    better: str
    said: list[str]
    crossing: bool
    """A forecast says that it crosses its limit."""
    changed: bool


def runs_page(runs: Runs) -> dict[str, Any]:
    """The template's context."""
    return {
        "runs": [_row(each) for each in runs.runs],
        "trends": list(_trends(runs)),
        "problems": runs.problems,
    }


def write_runs(runs: Runs, folder: Path) -> None:
    """data/runs.json: where each run's report lies, for the page's charts and for others."""
    import msgspec

    (folder / "runs.json").write_bytes(msgspec.json.encode([_row(each) for each in runs.runs]))


def _row(run: ReadinessRun) -> dict[str, Any]:
    report = run.report
    held = [row for row in report.targets if row.set in report.held]
    return {
        "machine": run.machine,
        "run": run.folder.name,
        "commit": report.commit,
        "subject": report.subject,
        "began": report.began,
        "quick": report.quick,
        "unfinished": report.unfinished,
        "verdict": VERDICTS[report.verdict],
        "state": report.verdict.replace(" ", "-"),
        "met": sum(row.state == "met" for row in held),
        "targets": len(held),
        "page": run.page,
        "data": run.data,
    }


def _trends(runs: Runs) -> Iterable[tuple[str, int, list[TrendRow]]]:
    """By machine and length: how many runs, and every figure, what is about to happen first."""
    for machine in sorted({each.machine for each in runs.runs}):
        for quick in (False, True):
            reports = [
                each.report
                for each in reversed(runs.runs)
                if (each.machine, each.report.quick) == (machine, quick)
                and not each.report.unfinished
            ][-MOST:]
            if len(reports) < 2:
                continue
            rows = [
                TrendRow(
                    name=each.name,
                    unit=each.unit,
                    now=each.values[-1],
                    low=min(each.values),
                    high=max(each.values),
                    limit=each.limit,
                    better=each.better,
                    said=describe(each),
                    crossing=forecast(each).runs is not None,
                    changed=bool(each.shifts),
                )
                for each in histories(reports)
            ]
            rows.sort(key=lambda row: (not row.crossing, not row.changed))
            yield f"{machine}{', quick runs' if quick else ''}", len(reports), rows
