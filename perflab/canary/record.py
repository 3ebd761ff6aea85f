"""What a canary leaves: a row for each pair of slots, and what was ruled.

Two files: `pairs.jsonl`, which grows as the run goes, and `canary.json`, which is there whole or
not at all and holds the ruling with all that it follows from.

Rule: forms, read and written; judges nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from perflab import forms

__all__ = [
    "FORMAT",
    "PAIRS",
    "RESULT",
    "SIDES",
    "VERSION",
    "CanaryRecordError",
    "CanaryResult",
    "FigureStanding",
    "PairOfSlots",
    "Ruling",
    "Side",
    "SlotFigures",
    "Verdict",
    "read_canary",
    "read_pairs",
    "write_canary",
    "write_pair",
]

FORMAT, VERSION = "p2pcore-canary", 1
PAIRS, RESULT = "pairs.jsonl", "canary.json"

Side = Literal["baseline", "candidate"]
SIDES: tuple[Side, Side] = ("baseline", "candidate")
Verdict = Literal["promote", "hold", "roll back"]


class CanaryRecordError(ValueError):
    """A file that is not what a canary writes; the message says where and why."""


@dataclass(frozen=True, kw_only=True)
class SlotFigures:
    """What one side did with one slot of the schedule."""

    begin_s: float
    """From the beginning of the run."""
    seconds: float
    """Until its last operation had ended."""
    operations: int
    failed: int
    """Those that ended in an error; what was lost or stale is not among them."""
    p50_s: float | None
    """From the due time; null if every other operation failed."""
    beyond: int
    """Operations slower than the P99 of both sides so far, those that failed included."""
    cpu_s: float | None
    """Processor time of the nodes; null where their processes cannot be seen."""
    client_cpu_s: float
    errors: dict[str, int] = field(default_factory=dict)
    """By the names of their exceptions."""
    broken: list[str] = field(default_factory=list)
    """Acknowledged records that were read as lost, stale or damaged, each in words."""

    def __post_init__(self) -> None:
        times = (self.begin_s, self.seconds, self.p50_s, self.cpu_s, self.client_cpu_s)
        if not all(each is None or (math.isfinite(each) and each >= 0) for each in times):
            raise CanaryRecordError(f"a slot's times are 0 or more, not {times}")
        if not (0 <= self.failed <= self.operations and 0 <= self.beyond <= self.operations):
            raise CanaryRecordError(
                f"of {self.operations} operations {self.failed} failed, {self.beyond} were slow"
            )
        if not self.operations:
            raise CanaryRecordError("a slot without operations says nothing")


@dataclass(frozen=True, kw_only=True)
class PairOfSlots:
    """The same slot of the schedule, once for each side."""

    number: int
    first: Side
    """Whom the coin has let begin."""
    warm_up: bool
    """Its times do not count; its errors and broken records do."""
    baseline: SlotFigures
    candidate: SlotFigures


@dataclass(frozen=True, kw_only=True)
class FigureStanding:
    """What is known of one figure: candidate beside baseline, in percent or in percentage points;
    above 0 is worse."""

    name: str
    unit: Literal["%", "points"]
    margin: float
    """So much worse is borne."""
    pairs: int
    estimate: float
    low: float | None
    """null: too few pairs for a bound."""
    high: float | None
    target: float
    """What has to be found: twice the margin."""
    power: float
    """The probability with which so many pairs would have shown the target."""
    could_see: float | None
    """What four of five such runs would have shown."""
    state: Literal["within", "worse", "open"]
    """Within: surely less than the margin. Worse: surely more than luck, and most likely more than
    the margin."""


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """The answer, and what it rests on."""

    verdict: Verdict
    decided_by: str
    """The figure or guard rail; "" if none did: all figures are within, or time was over."""
    why: str
    pairs: int
    seconds: float
    """From the first slot to the ruling."""


@dataclass(frozen=True, kw_only=True)
class CanaryResult:
    """Everything about a run but its pairs."""

    format: str
    version: int
    began: str
    command: str
    commit: str
    """Of the checkout that measured."""
    question: str
    """"candidate X beside baseline Y"."""
    baseline: str
    candidate: str
    seed: int
    settings: dict[str, Any]
    machine: dict[str, Any]
    versions: dict[str, str]
    interrupted: bool
    ruling: Ruling
    figures: list[FigureStanding]
    operations: int
    """Of each side; they and the pairs are those until the ruling."""
    uncommitted: list[str] = field(default_factory=list)


def write_pair(pair: PairOfSlots, file: Any) -> None:
    """Append a row to an unbuffered file."""
    import msgspec

    file.write(msgspec.json.encode(pair) + b"\n")


def read_pairs(directory: Path) -> Iterator[PairOfSlots]:
    """The whole rows of a run, also of one that was cut off.

    Raises:
        CanaryRecordError: a row is none.
        OSError: there is no such file.
    """
    for number, line in enumerate(forms.lines(directory / PAIRS), 1):
        yield forms.decoded(line, PairOfSlots, f"{PAIRS} line {number}", CanaryRecordError)


def write_canary(result: CanaryResult, directory: Path) -> None:
    """The result's file, whole or not at all."""
    import msgspec

    unfinished = directory / f"{RESULT}.part"
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
    unfinished.replace(directory / RESULT)


def read_canary(directory: Path) -> CanaryResult:
    """The result of a run.

    Raises:
        CanaryRecordError: the file is not one of this form.
        OSError: there is none.
    """
    found = forms.document(directory / RESULT, CanaryResult, CanaryRecordError)
    forms.check_form(found, (FORMAT, VERSION), RESULT, CanaryRecordError)
    return found
