"""What both sides of a canary are asked, slot by slot: equal numbers make equal slots.

A slot is short: some hundred operations at times of chance, of which those that write each have a
record of their own. The records have two halves, which are written in turn; what a slot reads lies
in the other half, and first of all it reads what the slot before has written. So every acknowledged
write is read within a slot, no read meets a write of the same record, and what it has to return is
known.

Rule: arithmetic only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

__all__ = ["CanaryPlan", "CanaryPlanError", "SlotOperation", "operations"]

FASTEST_PER_S = 20_000  # what one generating process can start on a shared core
MOST_SECONDS = 24 * 3600
MOST_RECORDS = 1_000_000
LEAST_VALUE, MOST_VALUE = 16, 1 << 20  # bytes; the stamp of a value, and the core's own limit
RANGES: dict[str, tuple[float, float]] = {
    "rate": (10, FASTEST_PER_S),
    "slot_s": (0.02, 0.5),  # a pair has to lie within one second: spells begin and end
    "seconds": (1, MOST_SECONDS),
    "warm_up_s": (0, 600),
    "reads": (0.5, 0.98),  # as many as writes at least, for each of these is read again
    "records": (20, MOST_RECORDS),
    "value_bytes": (LEAST_VALUE, MOST_VALUE),
    "timeout_s": (0.05, 30),
}
FEWEST = 10  # operations of a slot, or its median is chance


class CanaryPlanError(ValueError):
    """A setting that cannot be; the message has its value and its range."""


class SlotOperation(NamedTuple):
    """One operation of a slot."""

    due_ns: int
    """From the beginning of the slot."""
    write: bool
    record: int


@dataclass(frozen=True, kw_only=True)
class CanaryPlan:
    """The settings of a run.

    Raises:
        CanaryPlanError: one of them is out of its range.
    """

    rate: float = 1000.0
    """Operations per second, while it is a side's turn."""
    slot_s: float = 0.1
    seconds: float = 60.0
    """The most that a run takes, the warm-up included."""
    warm_up_s: float = 5.0
    """Times do not count before: connections, tables and the interpreter's caches fill."""
    reads: float = 0.5
    """The share of operations that read."""
    records: int = 1000
    value_bytes: int = 1024
    timeout_s: float = 2.0
    """The deadline of an operation."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (least, most) in RANGES.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and least <= value <= most):
                raise CanaryPlanError(f"{name} is {least:g} to {most:g}, not {value:g}")
        if self.warm_up_s >= self.seconds:
            raise CanaryPlanError(
                f"warm_up_s is less than seconds, which is {self.seconds:g}, not {self.warm_up_s:g}"
            )
        if self.count < FEWEST:
            raise CanaryPlanError(
                f"rate times slot_s is {FEWEST} operations or more, not "
                f"{self.rate:g} * {self.slot_s:g}"
            )
        if 2 * self.writes > self.records:
            raise CanaryPlanError(
                f"records is {2 * self.writes} or more at this rate, not {self.records}: each "
                "write of a slot and of the one before has its own"
            )

    @property
    def count(self) -> int:
        """Operations of a slot."""
        return round(self.rate * self.slot_s)

    @property
    def writes(self) -> int:
        """Those of them that write."""
        return max(1, math.floor(self.count * (1 - self.reads)))


def operations(plan: CanaryPlan, number: int) -> list[SlotOperation]:
    """Those of a slot, in the order in which they are due."""
    before, chance = _written(plan, number - 1), Random(f"{plan.seed} slot {number}")
    written = _written(plan, number)
    others = plan.count - len(written) - len(before)
    read = before + [_record(plan, number - 1, chance) for _ in range(others)]
    wanted = [(True, record) for record in written] + [(False, record) for record in read]
    chance.shuffle(wanted)
    due = sorted(chance.randrange(round(plan.slot_s * 1e9)) for _ in wanted)
    return [SlotOperation(at, *each) for at, each in zip(due, wanted, strict=True)]


def _written(plan: CanaryPlan, number: int) -> list[int]:
    """The records that a slot writes: different ones, of its half."""
    half = range(number % 2, plan.records, 2)
    return Random(f"{plan.seed} writes {number}").sample(half, plan.writes)


def _record(plan: CanaryPlan, number: int, chance: Random) -> int:
    """Any of that half."""
    half = range(number % 2, plan.records, 2)
    return half[chance.randrange(len(half))]
