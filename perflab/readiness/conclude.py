"""The end of a run: its report in all forms, the table in the terminal, the exit code.

Rule: writes the report beside the record it is made of, and nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from perflab.readiness.baseline import FiledError, baseline, compare, name_baseline, previous
from perflab.readiness.record import Durability, ReadinessRecordError, read_record
from perflab.readiness.report import EXIT_CODES, KEPT, build, write_json
from perflab.readiness.targets import Target
from perflab.report.form import VERDICTS, Comparison, ReadinessReport
from perflab.report.render import figure, html, markdown

__all__ = ["conclude"]


def conclude(
    directory: Path,
    targets: Sequence[Target],
    held: Sequence[str],
    *,
    wanted: Durability = "synced",
    beside: str | None = None,
    call_it: str | None = None,
) -> int:
    """Write report.json, .md and .html into a run's directory, print the verdict; 0, 1 or 2.

    `held` names the sets of targets that decide, `wanted` the durability that they mean, `beside`
    a baseline to compare with, `call_it` the name under which this run shall be a baseline.
    """
    try:
        report = build(read_record(directory), targets, held, wanted)
        report = replace(report, comparisons=_comparisons(directory.parent, report, beside))
    except (ReadinessRecordError, FiledError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    write_json(report, directory / "report.json")
    (directory / "report.md").write_text(markdown(report), encoding="utf-8")
    (directory / "report.html").write_text(html(report), encoding="utf-8")
    _print(report, directory)
    try:
        if call_it:
            name_baseline(directory.parent, call_it, directory.name)
    except (FiledError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return EXIT_CODES[report.verdict]


def _comparisons(machine: Path, report: ReadinessReport, beside: str | None) -> list[Comparison]:
    found = []
    before = previous(machine, report)
    if before is not None:
        found.append(compare(report, before, "the previous run"))
    if beside:
        found.append(compare(report, baseline(machine, beside), f"the baseline {beside!r}"))
    return found


def _print(report: ReadinessReport, directory: Path) -> None:
    """The table of targets and the verdict, at the end as the exit code is."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    table = Table()
    for column in ("set", "target", "asked", "found", "verdict"):
        table.add_column(column)
    for row in report.targets:
        asked = f"{row.metric} {row.threshold}"
        table.add_row(row.set, row.name, asked, figure(row.value, row.unit), row.state)
    console.print(table)
    for advice in report.advice:
        console.print(f"{advice.cause}: {advice.text}", markup=False)
    console.print(f"report: {directory / 'report.html'} (.md, .json)", markup=False, soft_wrap=True)
    for line in report.summary:
        console.print(line, markup=False)
    console.print(f"{VERDICTS[report.verdict]}, {KEPT[report.durability]}", style="bold")
