"""Where readiness runs are filed, and how this run compares with an earlier one.

Runs lie in `.asv/readiness/MACHINE/COMMIT-TIME`, beside asv's results, so that what is known of a
commit on a machine is in one place. A baseline is a name for a run, in `baselines.json` beside the
machine's runs.

Rule: reads reports, and writes the table of baselines; compares numbers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from perflab.forms import document
from perflab.report.form import FORMAT, READABLE, Comparison, Figure, FigureChange, ReadinessReport

__all__ = [
    "REPORT",
    "FiledError",
    "baseline",
    "compare",
    "figures_of",
    "name_baseline",
    "previous",
    "read_report",
    "reports",
]

REPORT, BASELINES = "report.json", "baselines.json"
SIGMAS = 3.0  # of both runs' noise together, which is half an interquartile range: about 2 sigma
LEAST = 0.03  # less is not worth a word, whatever the noise


class FiledError(ValueError):
    """A report or a baseline that cannot be had; the message says which and why."""


def read_report(path: Path) -> ReadinessReport:
    """Read a report.json, or that of a run's directory; FiledError if it is none."""
    file = path / REPORT if path.is_dir() else path
    try:
        found = document(file, ReadinessReport, FiledError)
    except OSError as error:
        raise FiledError(f"{file}: cannot be read: {error.strerror}") from error
    except FiledError as error:
        raise FiledError(f"{file.parent}: {error}") from error
    if found.format != FORMAT or found.version not in READABLE:
        raise FiledError(f"{file}: {found.format!r} version {found.version} is not understood here")
    return found


def reports(machine: Path) -> Iterator[ReadinessReport]:
    """The reports of a machine's directory, oldest first; a run without one is passed over."""
    found = [read_report(path) for path in machine.glob(f"*/{REPORT}")]
    yield from sorted(found, key=lambda each: each.began)


def previous(machine: Path, now: ReadinessReport) -> ReadinessReport | None:
    """The newest run of the same length that began before this one, and was not interrupted; None
    if there is none."""
    before = [
        each
        for each in reports(machine)
        if each.began < now.began and each.quick == now.quick and not each.unfinished
    ]
    return before[-1] if before else None


def baseline(machine: Path, name: str) -> ReadinessReport:
    """The run that a name stands for; FiledError if the name or the run is unknown."""
    names = _baselines(machine)
    if name not in names:
        known = ", ".join(sorted(names)) or "none"
        raise FiledError(f"no baseline is called {name!r} on {machine.name}; there are: {known}")
    return read_report(machine / names[name])


def name_baseline(machine: Path, name: str, run: str) -> None:
    """Let a name stand for a run from now on. FiledError for one that was interrupted."""
    cut_off = read_report(machine / run).unfinished
    if cut_off:
        raise FiledError(f"{run} was interrupted {cut_off}: it is no baseline {name!r}")
    table = _baselines(machine) | {name: run}
    path = machine / BASELINES
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(path)


def _baselines(machine: Path) -> dict[str, str]:
    path = machine / BASELINES
    if not path.is_file():
        return {}
    try:
        return document(path, dict[str, str], FiledError)
    except FiledError as error:
        raise FiledError(f"{path.parent}: {error}; a table of names is expected") from error


def figures_of(report: ReadinessReport) -> dict[str, Figure]:
    """Every figure of a report, by step and name."""
    return {
        f"{step.name}: {name}": figure
        for step in report.steps
        for name, figure in step.figures.items()
    }


def compare(now: ReadinessReport, then: ReadinessReport, name: str) -> Comparison:
    """Each figure that both runs have, with what is known of their noise."""
    mine, theirs = figures_of(now), figures_of(then)
    caveats = []
    if now.machine.get("name") != then.machine.get("name"):
        caveats.append(f"another machine: {then.machine.get('name')}")
    if then.unfinished:
        caveats.append(f"that run was interrupted {then.unfinished}")
    if now.quick != then.quick:
        caveats.append("one of the two is a quick run")
    caveats += [
        f"{what}: {then.versions[what]} then, {version} now"
        for what, version in now.versions.items()
        if then.versions.get(what, version) != version
    ]
    only = sorted(theirs.keys() - mine.keys())
    if only:
        caveats.append(f"not measured now: {', '.join(only)}")
    return Comparison(
        with_=name,
        run=then.run,
        commit=then.commit,
        began=then.began,
        caveats=caveats,
        changes=[
            _change(key, theirs[key], figure)
            for key, figure in mine.items()
            if key in theirs and theirs[key].unit == figure.unit
        ],
    )


def _change(name: str, before: Figure, now: Figure) -> FigureChange:
    ratio = now.value / before.value if before.value > 0 and now.value >= 0 else None
    verdict: Literal["better", "worse", "within noise", "unknown"] = "unknown"
    if now.value == before.value:
        verdict = "within noise"
    elif ratio is not None and before.noise is not None and now.noise is not None:
        margin = max(SIGMAS * math.hypot(before.noise, now.noise), LEAST)
        if abs(ratio - 1) <= margin:
            verdict = "within noise"
        else:
            verdict = "better" if (ratio > 1) == (now.better == "higher") else "worse"
    return FigureChange(
        name=name,
        unit=now.unit,
        before=before.value,
        now=now.value,
        ratio=ratio,
        verdict=verdict,
    )
