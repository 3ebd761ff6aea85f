"""What came of mutants, as it is filed: a line each.

Rule: a form and its reader; measures and judges nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from perflab.forms import document, shown

__all__ = [
    "FORMAT",
    "GUARDED",
    "PLAN",
    "RESULTS",
    "Guard",
    "MutantResult",
    "MutationPlan",
    "MutationRecordError",
    "read_plan",
]

FORMAT = "p2pcore mutation 1"
PLAN, RESULTS = "plan.json", "results.jsonl"


class MutationRecordError(ValueError):
    """A directory that holds another run, or a damaged one; one line."""


class Guard(StrEnum):
    """Who noticed."""

    FIGURE = "figure"
    TEST = "test"
    CHECKER = "checker"
    TIMEOUT = "timeout"
    """It went on and on: a test that hangs is noticed."""
    FAILURE = "failure"
    """A slowdown with which what is measured does not even run."""
    NOBODY = "nobody"
    UNREACHED = "unreached"
    """Nobody either, for nobody executes it."""


GUARDED = (Guard.FIGURE, Guard.TEST, Guard.CHECKER, Guard.TIMEOUT, Guard.FAILURE)


@dataclass(frozen=True, kw_only=True, slots=True)
class MutantResult:
    """What came of one."""

    file: str
    symbol: str
    kind: str
    operator: str
    line: int
    said: str
    guard: str
    by: list[str] = field(default_factory=list)
    """Those that noticed first; names of figures or of a test, or a checker with its seed."""
    reached: int = 0
    """So many questions of the gate, or tests and simulated networks, could have."""
    seconds: float = 0.0
    reason: str = ""
    """Why it changes nothing that anybody could notice, where somebody has reviewed it."""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.file, self.symbol, self.kind

    @property
    def guarded(self) -> bool:
        return self.guard in GUARDED

    @property
    def room(self) -> str:
        """`replication`, or the file's own name at the root."""
        return self.file.split("/")[0].removesuffix(".py")


@dataclass(frozen=True, kw_only=True, slots=True)
class MutationPlan:
    """What is asked: another answer to one of these is another run."""

    format: str = FORMAT
    commit: str
    """All its digits; with "+" if files of the core differ from it."""
    core: str
    """The digest of the core's sources."""
    seed: int
    began: str = ""
    """UTC, ISO 8601; older runs do not tell."""


def read_plan(directory: Path) -> MutationPlan:
    """What a directory's results are of. Raises MutationRecordError, OSError."""
    found = document(directory / PLAN, MutationPlan, MutationRecordError)
    if found.format != FORMAT:
        raise MutationRecordError(f"{PLAN}: {shown(found.format)}; only {FORMAT!r} is understood")
    return found
