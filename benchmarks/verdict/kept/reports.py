"""What is filed beside asv's results, and belongs to a history: the verdicts of readiness runs with
their pages, and how often the gate was wrong.

They are kept as they are, under the names they have below `.asv`. A run's files do not change once
they are filed, so that one that is there already is left alone.

Rule: files; a report is read for its age alone.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from benchmarks.verdict.kept.history import write_whole

__all__ = ["add_reports", "newest", "read_reports"]

RUNS = ("readiness/*/*/report.json", "readiness/*/*/report.html")
CALIBRATIONS = "gate/calibrations/*/calibration.json"


def read_reports(folder: Path) -> dict[str, bytes]:
    """By their names below `folder`, which is `.asv`, or a kept history."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for pattern in (*RUNS, CALIBRATIONS)
        for path in sorted(folder.glob(pattern))
    }


def add_reports(folder: Path, reports: Mapping[str, bytes]) -> int:
    """Write those that are not there, and say how many."""
    lacking = {name: data for name, data in reports.items() if not (folder / name).exists()}
    for name, data in lacking.items():
        write_whole(folder / name, data)
    return len(lacking)


def newest(reports: Mapping[str, bytes], runs: int) -> dict[str, bytes]:
    """Of each machine its newest whole readiness runs, and of calibrations the newest.

    A run whose report cannot be read is none.
    """
    whole: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, data in reports.items():
        path = PurePosixPath(name)
        if path.match(RUNS[0]):
            try:
                report = json.loads(data)
                if not report["quick"]:
                    whole[path.parts[1]].append((str(report["began"]), str(path.parent)))
            except (ValueError, KeyError, TypeError):
                continue
    chosen = {folder for found in whole.values() for _, folder in sorted(found)[-runs:]}
    calibrations = [name for name in reports if PurePosixPath(name).match(CALIBRATIONS)]
    last = max(calibrations, default=None)  # their names begin with the time
    return {
        name: data
        for name, data in reports.items()
        if name == last or str(PurePosixPath(name).parent) in chosen
    }
