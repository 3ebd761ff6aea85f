"""What is filed beside asv's results, and belongs to a history: the verdicts of readiness runs with
their pages, and how often the gate was wrong.

They are kept as they are, under the names they have below `.asv`. A run's files do not change once
they are filed, so that what is there already is left alone.

Rule: files; a report is read for its age alone.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath

__all__ = ["newest", "of_machines", "read_reports"]

RUN, PAGE = "readiness/*/*/report.json", "readiness/*/*/report.html"
CALIBRATION = "gate/calibrations/*/calibration.json"


def read_reports(folder: Path) -> dict[str, bytes]:
    """By their names below `folder`, which is `.asv`, or a kept history.

    They are published as they are, so a symbolic link to anywhere else is none of them.
    """
    inside = folder.resolve()
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for pattern in (RUN, PAGE, CALIBRATION)
        for path in sorted(folder.glob(pattern))
        if path.is_file() and path.resolve().is_relative_to(inside)
    }


def of_machines(
    reports: Mapping[str, bytes], machines: Collection[str] | None, name: str | None
) -> dict[str, bytes]:
    """Those of the machines given (None: all), filed under another name if there is one.

    A calibration is no machine's."""
    chosen = {}
    for path, data in reports.items():
        parts = path.split("/")
        if parts[0] == "readiness":
            if machines is not None and parts[1] not in machines:
                continue
            parts[1] = name or parts[1]
        chosen["/".join(parts)] = data
    return chosen


def newest(reports: Mapping[str, bytes], runs: int) -> dict[str, bytes]:
    """Of each machine its newest whole readiness runs, and of calibrations the newest.

    A run whose report cannot be read is none, nor is one that was interrupted.
    """
    whole: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, data in reports.items():
        path = PurePosixPath(name)
        if path.match(RUN):
            try:
                report = json.loads(data)
                ended = all(step["seconds"] is not None for step in report["steps"])
                if ended and not report["quick"]:
                    whole[path.parts[1]].append((str(report["began"]), str(path.parent)))
            except (ValueError, KeyError, TypeError):
                continue
    chosen = {
        folder for found in whole.values() for _, folder in sorted(found, reverse=True)[:runs]
    }
    calibrations = [name for name in reports if PurePosixPath(name).match(CALIBRATION)]
    last = max(calibrations, default=None)  # their names begin with the time
    return {
        name: data
        for name, data in reports.items()
        if name == last or str(PurePosixPath(name).parent) in chosen
    }
