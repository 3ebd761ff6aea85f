"""What is kept of a window of production: one file, `field.json`, and its reader.

Counts are what Prometheus says came up in the window, or in a step of it: `increase`, which goes on
over a restart and reckons up to the ends of the window, so they are no whole numbers. Buckets are
cumulative, in the order of `bounds_s`; the last one has everything.

Rule: a form and arithmetic on it; asks nobody.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from perflab.forms import check_form, document

__all__ = [
    "FIELD",
    "FORMAT",
    "VERSION",
    "FieldProcess",
    "FieldRecord",
    "FieldRecordError",
    "FieldStep",
    "HeldObjective",
    "OperationCount",
    "read_field",
    "write_field",
]

FIELD = "field.json"
FORMAT = "p2pcore-field"
VERSION = 1  # raised when a reader of the old form would misread the new one


class FieldRecordError(ValueError):
    """A file that holds no window of production; the message says where and why."""


@dataclass(frozen=True, kw_only=True)
class HeldObjective:
    """A share of operations that may be bad, as the targets had it."""

    target: str
    budget: float
    within_s: float | None
    """The latency beyond which an operation is bad; null: it is bad if it failed."""


@dataclass(frozen=True, kw_only=True)
class OperationCount:
    """How often an operation ended so."""

    op: str
    result: str
    failed: bool
    """Whether this result counts against an objective."""
    count: float


@dataclass(frozen=True, kw_only=True)
class FieldStep:
    """A part of the window that has samples."""

    end_s: float
    """From the window's begin."""
    operations: float
    """That ended, without those that were excused."""
    failed: float
    buckets: list[float]


@dataclass(frozen=True, kw_only=True)
class FieldProcess:
    """One process that was scraped."""

    instance: str
    begin_s: float
    """From the window's begin: its first step with a sample, and its last."""
    end_s: float
    samples: float
    expected: float
    """In that time, by how often it is scraped as a rule."""
    restarts: int
    """How often its counters began anew. Each costs what came up since the scrape before."""


@dataclass(frozen=True, kw_only=True)
class FieldRecord:
    """One window."""

    format: str
    version: int
    url: str
    job: str
    name: str
    """What the network is called."""
    began: str
    """UTC, ISO 8601; the window's begin."""
    seconds: float
    asked: str
    """When it was asked."""
    command: str
    commit: str
    """Of the code that ran there, if that is known."""
    versions: dict[str, str]
    step_s: float
    bounds_s: list[float]
    objectives: list[HeldObjective]
    counts: list[OperationCount]
    """Excused ones are left out."""
    buckets: dict[str, list[float]]
    """By operation."""
    steps: list[FieldStep]
    processes: list[FieldProcess]
    gaps: list[tuple[float, float]] = field(default_factory=list)
    """Stretches without a sample of any process, from the window's begin."""
    least_complete: float = 0.95
    """Below it no verdict rests on the window."""

    def __post_init__(self) -> None:
        width = len(self.bounds_s) + 1
        rows = [*self.buckets.values(), *(each.buckets for each in self.steps)]
        if self.bounds_s != sorted(set(self.bounds_s)) or any(len(row) != width for row in rows):
            raise ValueError("buckets that do not fit their bounds")
        if not (self.seconds > 0 and self.step_s > 0):
            raise ValueError(f"a window of {self.seconds} s in steps of {self.step_s} s")

    @property
    def operations(self) -> float:
        """How many ended, without those that were excused."""
        return sum(each.count for each in self.counts)

    @property
    def failed(self) -> float:
        """How many of them failed."""
        return sum(each.count for each in self.counts if each.failed)

    @property
    def complete(self) -> float:
        """The share of what should have been sampled: there lacks what a process was not scraped
        while it lived, a process where none lived, and a sample for each restart, which ended what
        was not told yet."""
        wanted = sum(each.expected for each in self.processes)
        had = sum(min(each.samples, each.expected) - each.restarts for each in self.processes)
        empty_s = sum(
            end - begin
            for begin, end in self.gaps
            if not any(each.begin_s <= begin and end <= each.end_s for each in self.processes)
        )
        wanted += (
            empty_s / self.seconds * max((each.expected for each in self.processes), default=1)
        )
        return max(0.0, had / wanted) if wanted else 0.0

    def timed(self, ops: Sequence[str] = ()) -> list[float]:
        """The buckets of these operations together; of all without any."""
        rows = [row for op, row in self.buckets.items() if op in ops or not ops]
        return [sum(column) for column in zip(*rows, strict=True)] or [0.0] * (
            len(self.bounds_s) + 1
        )

    def bad(
        self, objective: HeldObjective, buckets: Sequence[float], failed: float
    ) -> float | None:
        """How many of some operations an objective calls bad; None: no bucket ends where it
        does."""
        if objective.within_s is None:
            return failed
        if objective.within_s not in self.bounds_s:
            return None
        return max(0.0, buckets[-1] - buckets[self.bounds_s.index(objective.within_s)])


def read_field(directory: Path) -> FieldRecord:
    """Read what was filed in a directory; FieldRecordError or OSError."""
    found = document(directory / FIELD, FieldRecord, FieldRecordError)
    check_form(found, (FORMAT, VERSION), FIELD, FieldRecordError)
    return found


def write_field(record: FieldRecord, directory: Path) -> None:
    """File it, in a directory that is made; the file is there whole or not at all."""
    directory.mkdir(parents=True)
    unfinished = directory / f"{FIELD}.part"
    unfinished.write_text(json.dumps(asdict(record), allow_nan=False) + "\n", encoding="utf-8")
    unfinished.replace(directory / FIELD)
