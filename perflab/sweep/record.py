"""What a sweep leaves behind: what was asked (`manifest.json`), and a line for each seed that was
played (`results.jsonl`).

Rule: reads files and counts what they say.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perflab.forms import decoded, document, lines

__all__ = [
    "MANIFEST",
    "RESULTS",
    "SweepFileError",
    "SweepPlan",
    "SweepResult",
    "read_sweep",
]

MANIFEST, RESULTS = "manifest.json", "results.jsonl"
MOST_SEEDS = 10_000_000
DRAWN = 10_000  # seeds whose figures are kept one by one, for a picture


class SweepFileError(ValueError):
    """A directory that holds another sweep, or a damaged one; one line."""


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """What is asked."""

    kind: str
    settings: dict[str, Any]
    package: str
    """SHA-256 of the code that plays."""
    first: int
    seeds: int
    commit: str = ""
    """Of the checkout, all its digits; with "+" if files of the core differ from it. Older sweeps
    tell neither this nor the next."""
    began: str = ""
    """UTC, ISO 8601."""

    def __post_init__(self) -> None:
        if not 1 <= self.seeds <= MOST_SEEDS:
            raise SweepFileError(f"--seeds takes 1 to {MOST_SEEDS:,}, not {self.seeds}")


@dataclass(frozen=True, kw_only=True)
class _Line:
    seed: int
    broken: str
    figures: dict[str, float]


@dataclass(kw_only=True)
class SweepResult:
    """What there is so far."""

    plan: SweepPlan
    played: set[int] = field(default_factory=set)
    broken: dict[int, str] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    """Why seeds could not be played, by the first of their task."""
    figures: Counter[str] = field(default_factory=Counter)
    values: dict[str, list[float]] = field(default_factory=dict)
    """Figures of the first DRAWN seeds, by name."""

    @property
    def left(self) -> int:
        return self.plan.seeds - len(self.played)

    def take(self, data: bytes) -> bytes:
        """Count some lines; those of them that are new."""
        fresh = []
        for text in data.splitlines(keepends=True):
            line = decoded(text, _Line, RESULTS, SweepFileError)
            wanted = self.plan.first <= line.seed < self.plan.first + self.plan.seeds
            if line.seed in self.played or not wanted:
                continue
            self.played.add(line.seed)
            self.figures.update(line.figures)
            if len(self.played) <= DRAWN:
                for name, value in line.figures.items():
                    self.values.setdefault(name, []).append(value)
            if line.broken:
                self.broken[line.seed] = line.broken
            fresh.append(text)
        return b"".join(fresh)


def read_sweep(directory: Path) -> SweepResult:
    """What is there so far. Raises SweepFileError, OSError."""
    result = SweepResult(plan=document(directory / MANIFEST, SweepPlan, SweepFileError))
    path = directory / RESULTS
    for line in lines(path) if path.exists() else ():
        result.take(line)
    return result
