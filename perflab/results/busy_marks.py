"""Points of asv's history that were measured on a busy machine: kept beside asv's results.

asv's own files have no room for it, and asv rewrites them. A line of `busy.jsonl` in the machine's
folder names a commit, who kept the machine busy, and when; the last line of a commit counts, and
one without words says that it was measured again on a quiet machine.

Rule: reads and writes that file; measures nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from perflab.forms import converted, decoded, lines

__all__ = ["BUSY", "BusyMarkError", "mark", "marked"]

BUSY = "busy.jsonl"


class BusyMarkError(ValueError):
    """A file of marks that cannot be read; names file and fault."""


@dataclass(frozen=True, kw_only=True)
class _Mark:
    commit: str
    crowd: str
    at: str
    """UTC, ISO 8601."""


def mark(machine: Path, commits: Iterable[str], crowd: str) -> None:
    """Note that these commits were measured beside that crowd; "" takes marks away."""
    machine.mkdir(parents=True, exist_ok=True)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    with (machine / BUSY).open("a", encoding="utf-8") as file:
        for commit in commits:
            file.write(json.dumps(asdict(_Mark(commit=commit, crowd=crowd, at=at))) + "\n")


def marked(machine: Path) -> dict[str, str]:
    """Who kept the machine busy, by commit, of those that were measured so; BusyError."""
    path = machine / BUSY
    if not path.is_file():
        return {}
    found = {}
    for line in lines(path):
        each = converted(decoded(line, object, BUSY, BusyMarkError), _Mark, BUSY, BusyMarkError)
        found[each.commit] = each.crowd
    return {commit: crowd for commit, crowd in found.items() if crowd}
