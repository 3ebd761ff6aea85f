"""The filed readiness runs: what each found, and its report, made for the site.

Runs lie where the table of `archive.kinds` says. Pages are made of the data each time, so a
run that was filed long ago looks as one of today.

Rule: reads reports and has them drawn; decides nothing.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from perflab.archive.kinds import KINDS
from perflab.readiness.baseline import REPORT, FiledError, read_report
from perflab.report.form import ReadinessReport
from perflab.report.render import html

__all__ = ["ReadinessRun", "Runs", "copy_reports", "read_runs"]

PAGE = "report.html"


@dataclass(frozen=True, kw_only=True)
class ReadinessRun:
    """One filed run."""

    machine: str
    report: ReadinessReport
    folder: Path

    @property
    def page(self) -> str:
        """Where its report lies in the site."""
        return f"runs/{self.machine}/{self.folder.name}/{PAGE}"

    @property
    def data(self) -> str:
        """Where the report's data lie in the site."""
        return f"runs/{self.machine}/{self.folder.name}/{REPORT}"


@dataclass(frozen=True, kw_only=True)
class Runs:
    """All of them, newest first."""

    runs: list[ReadinessRun] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def newest(self) -> ReadinessRun | None:
        """The last whole run, or the last quick one if there is no whole one; one that was
        interrupted is neither."""
        ended = [each for each in self.runs if not each.report.unfinished]
        whole = [each for each in ended if not each.report.quick]
        return next(iter(whole or ended), None)


def read_runs(folder: Path) -> Runs:
    """Every run in `folder`, which is `.asv`; one that cannot be read is told about."""
    found, problems = [], []
    for path in KINDS["readiness"].paths(folder):
        try:
            report = read_report(path)
        except FiledError as error:
            place = path.relative_to(folder / "readiness")
            problems.append(f"readiness run {place}: {str(error).replace(str(path), REPORT)}")
            continue
        found.append(ReadinessRun(machine=path.parts[-2], report=report, folder=path))
    found.sort(key=lambda each: each.report.began, reverse=True)
    return Runs(runs=found, problems=problems)


def copy_reports(runs: Runs, site: Path) -> None:
    """Make each run's page from its data, and copy these."""
    for run in runs.runs:
        target = site / "runs" / run.machine / run.folder.name
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run.folder / REPORT, target / REPORT)
        (target / PAGE).write_text(html(run.report), encoding="utf-8")
