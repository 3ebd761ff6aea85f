"""The steps that alerts told, and where the explanation of each lies.

`python -m perflab explain` writes the pages, beside the alerts; the site links them.

Rule: names and reading; judges and explains nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["EXPLAINED", "ToldStep", "page_name", "read_told"]

EXPLAINED = "explain"
"""The folder of the pages, beside `alerts.json`."""
MOST = 120  # characters that say what a page is of: file systems take 255 for a name
STEPS = ("slower", "faster")
VERSION = 1  # of alerts.json


@dataclass(frozen=True, kw_only=True, slots=True)
class ToldStep:
    """One step of a series."""

    machine: str
    environment: str
    series: str
    good: str
    """The newest measured commit before it."""
    last: str
    """It is one of those after that, up to this one."""
    page: Path | None
    """Its explanation, where one is filed."""


def page_name(series: str, machine: str, environment: str, commit: str) -> str:
    """What the page of a step at a commit is called, without its ending."""
    said = re.sub(r"[^A-Za-z0-9]+", "-", f"{series}-{machine}").strip("-")[:MOST]
    apart = hashlib.sha256(f"{series}\0{machine}\0{environment}".encode()).hexdigest()
    return f"{said}-{commit[:8]}-{apart[:6]}"


def read_told(alerts: Path) -> list[ToldStep]:
    """What the last alerts told, by the folder they are filed in; nothing without them, or where
    their file is damaged, which whoever shows alerts says."""
    try:
        content = json.loads((alerts / "alerts.json").read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            return []
        return [_told(each, alerts) for each in content["findings"] if each["what"] in STEPS]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def _told(entry: dict[str, Any], alerts: Path) -> ToldStep:
    names = ("series", "machine", "environment", "commit", "good", "last")
    series, machine, environment, commit, good, last = (str(entry[name]) for name in names)
    page = alerts / EXPLAINED / f"{page_name(series, machine, environment, commit)}.html"
    return ToldStep(
        machine=machine, environment=environment, series=series, good=good, last=last,
        page=page if page.is_file() else None,
    )  # fmt: skip
