"""The filed load and chaos runs, and windows of production: what each found, and its report, copied
into the site.

Where they lie is said by the table of `archive.kinds`. A search for a capacity is told by its
result; its trials, which lie within it, are not listed.

Rule: reads reports and copies them; decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from perflab.archive.kinds import KINDS
from perflab.load.record import Capacity, LoadManifest, read_capacity, read_manifest
from perflab.readiness.single_run_report import PAGE, REPORT, filed_run
from perflab.report.form import RunReport

__all__ = ["FiledLoadRun", "LoadRuns", "Search", "copy_load_reports", "read_load_runs"]

SHOWN, SEARCHES = ("load", "chaos", "field"), "searches"


@dataclass(frozen=True, kw_only=True)
class FiledLoadRun:
    """One filed run."""

    report: RunReport
    place: str
    """Its folder in the site, as below asv's: "load/lab/1a2b3c4d-spike-20261123T170000"."""
    html: str = field(repr=False)

    @property
    def machine(self) -> str:
        """As it is called in the history, which may have given it another name."""
        parts = self.place.split("/")
        return parts[1] if len(parts) > 2 else str(self.report.machine["name"])

    @property
    def page(self) -> str:
        """The address of its report."""
        return quote(f"{self.place}/{PAGE}")

    @property
    def data(self) -> str:
        """The address of the report's data."""
        return quote(f"{self.place}/{REPORT}")


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search for the capacity."""

    found: Capacity
    manifest: LoadManifest
    """Of its first trial."""


@dataclass(frozen=True, kw_only=True)
class LoadRuns:
    """All of them, newest first."""

    runs: list[FiledLoadRun] = field(default_factory=list)
    searches: list[Search] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_load_runs(folder: Path) -> LoadRuns:
    """Every run below `load`, `chaos` and `field`; one that cannot be read is told about."""
    runs, searches, problems = [], [], []
    for kind, directory in _directories(folder):
        place = directory.relative_to(folder).as_posix()
        try:
            if kind == SEARCHES:
                found = read_capacity(directory)
                manifest = read_manifest(directory / found.trials[0].directory)
                searches.append(Search(found=found, manifest=manifest))
            else:
                report, page = filed_run(directory)
                runs.append(FiledLoadRun(report=report, place=place, html=page))
        except (ValueError, KeyError, TypeError, IndexError, OSError) as error:
            words = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            problems.append(f"{place}: {words.partition(chr(10))[0]}")
    runs.sort(key=lambda each: each.report.began, reverse=True)
    searches.sort(key=lambda each: each.manifest.began, reverse=True)
    return LoadRuns(runs=runs, searches=searches, problems=problems)


def copy_load_reports(runs: LoadRuns, site: Path) -> None:
    """Write each run's page and its data."""
    import msgspec

    for run in runs.runs:
        target = site / run.place
        target.mkdir(parents=True, exist_ok=True)
        (target / PAGE).write_text(run.html, encoding="utf-8")
        (target / REPORT).write_bytes(msgspec.json.encode(run.report))


def _directories(folder: Path) -> Iterator[tuple[str, Path]]:
    for name in (*SHOWN, SEARCHES):
        yield from ((name, path) for path in KINDS[name].paths(folder))
