"""A quick readiness run as the tools left it on a crowded machine, made smaller.

The load step is a shorter one, and of the monitors' samples every second or third is kept.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perflab.readiness.record import read_record, step_file
from perflab.readiness.report import build
from perflab.readiness.targets import read_targets
from perflab.report.form import ReadinessReport, StageReport, TargetRow

RECORDED = Path(__file__).with_name("recorded_run")
CAUSES = Path(__file__).with_name("recorded_causes")
"""Load runs with one cause injected by the lab's relay from beginning to end: 5 nodes, 60 records,
100 operations per second; one node 60 ms away, or behind a link that loses 2 %. Of the monitor's
samples every second is kept, and one in ten operations was followed."""


def copied(to: Path, name: str = "run") -> Path:
    """The recorded run, to be changed."""
    directory = to / name
    shutil.copytree(RECORDED, directory)
    return directory


def change(path: Path, how: Callable[[Any], None]) -> None:
    """Change a JSON file in place."""
    content = json.loads(path.read_text())
    how(content)
    path.write_text(json.dumps(content))


def report_of(directory: Path) -> ReadinessReport:
    return build(read_record(directory), read_targets(), ["production"])


def diagnoses(to: Path, step: str, record: Path) -> dict[str, list[str]]:
    """The causes, with their evidence, that the report gives for a step of the recorded run when
    this is its record. `to` is an empty directory."""
    directory = copied(to)
    kinds = {each.name: each.kind for each in read_record(directory).manifest.steps}
    place = directory / step / step_file(kinds[step])
    if place.is_dir():
        shutil.rmtree(place)
        shutil.copytree(record, place)
    else:
        shutil.copyfile(record, place)
    return {
        advice.cause: said
        for advice in report_of(directory).advice
        if (said := [each for each in advice.evidence if each.startswith(f"{step}: ")])
    }


def step_of(report: ReadinessReport, name: str) -> StageReport:
    (found,) = [each for each in report.steps if each.name == name]
    return found


def row_of(report: ReadinessReport, name: str) -> TargetRow:
    (found,) = [each for each in report.targets if each.name == name]
    return found
