"""The report of one load or chaos run that was made by itself, or of a window of production, from
its record and beside it.

`report.json` and `report.html` lie in the run's directory and are made when they are first asked
for: drawing takes seconds, which a run that nobody looks at need not cost. They are made again when
the record is newer, or their form older. Where there is no record, as in a history that is
shipped, the report is all there is, and its page is made of it.

Rule: puts together what the readers of records found; words for people.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from perflab.forms import check_form, document
from perflab.load.record import MANIFEST, LoadRecord, read_load
from perflab.load.summary import load_step
from perflab.production.field_record import FIELD, FieldRecord, read_field
from perflab.production.field_summary import breached, field_step
from perflab.readiness.advice import advise
from perflab.readiness.findings import read_chaos_step
from perflab.readiness.record import CHAOS as OUTCOME
from perflab.readiness.record import read_chaos, read_figures
from perflab.report.form import RUN_FORMAT, RUN_VERSION, RunReport
from perflab.report.render import figure, run_html

__all__ = ["OUTCOME", "PAGE", "REPORT", "build_run", "filed_run", "is_run", "write_run_report"]

REPORT, PAGE = "report.json", "report.html"
UNIT = re.compile("_(s|ms|bytes)$")


def is_run(directory: Path) -> bool:
    """Whether it is the directory of one load or chaos run, or of a window of production. The
    manifest of a readiness run has steps and no scenario."""
    manifest = directory / MANIFEST
    if manifest.is_file():
        return b'"scenario"' in manifest.read_bytes()
    return any((directory / name).is_file() for name in (OUTCOME, FIELD))


def build_run(directory: Path) -> RunReport:
    """The report, made of the record: ValueError, KeyError or OSError if that cannot be read."""
    if (directory / MANIFEST).is_file():
        return _load(read_load(directory))
    if (directory / FIELD).is_file():
        return _field(read_field(directory), directory.name)
    return _chaos(directory)


def filed_run(directory: Path) -> tuple[RunReport, str]:
    """The report that lies beside the record, or a new one, and its page; errors as above."""
    if _fresh(directory):
        with suppress(ValueError):  # it is made again
            found = document(directory / REPORT, RunReport, ValueError)
            if (found.format, found.version) == (RUN_FORMAT, RUN_VERSION):
                return found, run_html(found)  # which looks as pages do today
    if not any((directory / name).exists() for name in (MANIFEST, OUTCOME, FIELD)):
        found = document(directory / REPORT, RunReport, ValueError)
        check_form(found, (RUN_FORMAT, RUN_VERSION), REPORT, ValueError)
        return found, run_html(found)
    report = build_run(directory)
    page = run_html(report)
    with suppress(OSError):  # a history may be read-only: it is made each time then
        write_run_report(report, page, directory)
    return report, page


def write_run_report(report: RunReport, page: str, directory: Path) -> None:
    """Write both files, each whole or not at all."""
    import msgspec

    data = msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"
    for name, content in ((REPORT, data), (PAGE, page.encode())):
        unfinished = directory / f"{name}.part"
        unfinished.write_bytes(content)
        unfinished.replace(directory / name)


def _fresh(directory: Path) -> bool:
    made = [directory / REPORT, directory / PAGE]
    if not all(path.is_file() for path in made):
        return False
    oldest = min(path.stat().st_mtime_ns for path in made)
    others = (path for path in directory.iterdir() if path not in made)
    return all(path.stat().st_mtime_ns <= oldest for path in others)


def _load(record: LoadRecord) -> RunReport:
    manifest, result = record.manifest, record.result
    scenario: dict[str, Any] = manifest.scenario
    found = load_step(record)
    last_s = record.intervals[-1].at_ns / 1e9 if record.intervals else 0.0
    step = found.report(
        name=str(scenario["name"]),
        title=str(scenario["name"]),
        about=str(scenario.get("about", "")),
        command=manifest.command,
        seconds=result.elapsed_s if result else last_s,
        exit_code=None,
        problem=found.problem,
    )
    missed = [
        f"{each.kind} at {each.at_s:.1f} s: service did not come back"
        for each in (result.not_recovered if result and not result.generator_bound else ())
    ]
    if result and result.records_lost:
        missed.append(f"{result.records_lost:,} acknowledged records lost")
    met = "complete, and recovered from its faults" if result and result.faults else "complete"
    kind = "faulted load" if scenario.get("fault") else "load"
    return RunReport(
        format=RUN_FORMAT,
        version=RUN_VERSION,
        kind="load",
        run=record.directory.name,
        scenario=str(scenario["name"]),
        began=manifest.began,
        command=manifest.command,
        commit=manifest.commit,
        uncommitted=manifest.uncommitted,
        versions=manifest.versions,
        machine={"name": "", "processor": "?", "cores": "?"} | manifest.machine,
        seed=manifest.seed,
        state="not met" if missed else "unmeasured" if found.problem else "met",
        said="; ".join(missed) or found.problem or met,
        steps=[step],
        advice=advise([(kind, step)], [], manifest.machine),
    )


def _field(record: FieldRecord, run: str) -> RunReport:
    found, missed = field_step(record), breached(record)
    step = found.report(
        name=record.name,
        title=record.name,
        about="What production was asked, and how it served it.",
        command=record.command,
        seconds=record.seconds,
        exit_code=None,
        problem=found.problem,
    )
    return RunReport(
        format=RUN_FORMAT,
        version=RUN_VERSION,
        kind="field",
        run=run,
        scenario=record.name,
        began=record.began,
        command=record.command,
        commit=record.commit,
        uncommitted=[],
        versions=record.versions,
        machine={"name": record.name},
        seed=0,
        state="unmeasured" if found.problem else "not met" if missed else "met",
        said=found.problem or "; ".join(missed) or "objectives kept",
        steps=[step],
        advice=[],
    )


def _chaos(directory: Path) -> RunReport:
    import msgspec

    figures, outcome = read_figures(directory / "run.json"), read_chaos(directory)
    found = read_chaos_step(directory)
    told = {
        UNIT.sub("", each.name).replace("_", " "): figure(
            each.values[0], "" if each.unit == "1" else each.unit
        )
        for each in figures.measurements
    }
    found.facts.update({name: text for name, text in told.items() if name not in found.facts})
    scenario, breaches, missed = outcome.scenario, len(outcome.breaches), len(outcome.missed)
    promise = "kept" if outcome.kept else f"broken, breaches: {breaches}"
    all_met = outcome.kept and not missed
    command = outcome.command
    step = found.report(
        name=scenario,
        title=scenario,
        about="Is the promise kept?",
        command=command,
        seconds=outcome.events[-1][0] if outcome.events else None,
        exit_code=0 if all_met else 1,
        problem="",
    )
    machine: dict[str, Any] = msgspec.to_builtins(figures.machine)
    return RunReport(
        format=RUN_FORMAT,
        version=RUN_VERSION,
        kind="chaos",
        run=directory.name,
        scenario=scenario,
        began=figures.began,
        command=command,
        commit=figures.commit,
        uncommitted=outcome.uncommitted,
        versions=figures.versions,
        machine=machine,
        seed=outcome.seed,
        state="met" if all_met else "not met",
        said=promise + (f"; goals missed: {missed}" if missed else ""),
        steps=[step],
        advice=advise([("chaos", step)], [], machine),
    )
