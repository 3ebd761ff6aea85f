"""Recorded load, to be replayed: a text file of times and operations.

    # seconds  operation  record
    0.000      retrieve   17
    0.250      store      3

Rule: reads and checks; a file is read once.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import NamedTuple

from benchmarks.common.load.mix import KINDS, DrawnOperation

__all__ = ["ScenarioError", "Traced", "read_trace"]

MOST_RECORDS = 1_000_000


class ScenarioError(ValueError):
    """A scenario that cannot be meant; one line that names the place, the value and the limit."""


class Traced(NamedTuple):
    """One operation of a recorded load."""

    due_ns: int
    step: DrawnOperation


@cache
def read_trace(path: Path) -> tuple[Traced, ...]:
    """The operations of a file, one or more; ScenarioError with the number of a bad line.

    Times are seconds from the beginning and never fall. Blank lines and those that begin with #
    say nothing.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"the trace {path} cannot be read: {error}") from error
    found: list[Traced] = []
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            try:
                found.append(_traced(line, found[-1].due_ns if found else 0))
            except ValueError as error:
                raise ScenarioError(f"{path}, line {number}: {error}") from error
    if not found:
        raise ScenarioError(f"the trace {path} holds no operation")
    return tuple(found)


def _traced(line: str, before_ns: int) -> Traced:
    try:
        due, kind, record = line.split()
        due_s, number = float(due), int(record)
    except ValueError:
        raise ValueError(f"`seconds operation record`, not {line!r}") from None
    if kind not in KINDS:
        raise ValueError(f"an operation is one of {', '.join(KINDS)}, not {kind!r}")
    if not 0 <= number < MOST_RECORDS:
        raise ValueError(f"records are 0 to {MOST_RECORDS - 1:,}, not {number}")
    if not (math.isfinite(due_s) and due_s * 1e9 >= before_ns):
        raise ValueError(f"times never fall: {due} follows {before_ns / 1e9}")
    return Traced(round(due_s * 1e9), DrawnOperation(kind, number))
