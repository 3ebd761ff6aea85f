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
from perflab.forms import shown, text

__all__ = ["MOST_SECONDS", "ScenarioError", "Traced", "read_trace"]

MOST_RECORDS = 1_000_000
MOST_SECONDS = 7 * 86400  # of a run
MOST_TRACE_BYTES = 256 << 20  # some ten million operations


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
    lines = text(path, ScenarioError, MOST_TRACE_BYTES).split("\n")
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
        raise ValueError(f"`seconds operation record`, not {shown(line)}") from None
    if kind not in KINDS:
        raise ValueError(f"an operation is one of {', '.join(KINDS)}, not {shown(kind)}")
    if not 0 <= number < MOST_RECORDS:
        raise ValueError(f"records are 0 to {MOST_RECORDS - 1:,}, not {shown(number)}")
    if not (math.isfinite(due_s) and due_s * 1e9 >= before_ns):
        raise ValueError(f"times never fall: {shown(due)} follows {before_ns / 1e9}")
    if due_s > MOST_SECONDS:
        raise ValueError(f"a time is up to a week, not {shown(due)} s")
    return Traced(round(due_s * 1e9), DrawnOperation(kind, number))
