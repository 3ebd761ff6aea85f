"""What the gate holds a change to: floors, tolerances and accepted changes, from a TOML file.

Rule: reads the file and refuses what it does not know, for a misspelt name would loosen the gate
without a word. Which date it is, the caller says.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from msgspec import Meta, field

from perflab.gate.record import Kind
from perflab.tables import Table, Text, read_table

__all__ = ["POLICY", "Accepted", "Limits", "Policy", "PolicyError", "Special", "load_policy"]

POLICY = Path(__file__).with_name("policy.toml")
FIRST_LOOK = 16  # rounds that suffice for a bound that 26 suspects and four looks share

Chance = Annotated[float, Meta(ge=1e-6, le=0.5)]
Share = Annotated[float, Meta(ge=0, le=10)]


class PolicyError(ValueError):
    """The policy cannot be read; the message names the file, the entry and what it may be."""


class Limits(Table, frozen=True):
    """What a change of one benchmark is held against; 0.02 is 2 %."""

    floor: Share
    tolerance: Share


class _OfKind(Limits, frozen=True):
    def __post_init__(self) -> None:
        if self.tolerance < self.floor:
            raise PolicyError(f"tolerance {self.tolerance} is below floor {self.floor}")


class Special(Table, frozen=True):
    """Benchmarks to which other numbers apply; None is the kind's."""

    match: Text
    floor: Share | None = None
    tolerance: Share | None = None


class Accepted(Table, frozen=True):
    """A change that was agreed to."""

    match: Text
    up_to: Annotated[float, Meta(ge=0, le=1000)]
    """Head over base."""
    reason: Text
    until: datetime.date
    """The last day."""


class _Gate(Table, frozen=True):
    false_alarms: Chance
    looks: Annotated[int, Meta(ge=1, le=20)]
    screening: Chance
    undecided: Annotated[int, Meta(ge=0, le=10_000)]


class _Kinds(Table, frozen=True):
    exact: _OfKind
    seeded: _OfKind
    paired: _OfKind


class _File(Table, frozen=True):
    gate: _Gate
    kind: _Kinds
    benchmark: list[Special] = field(default_factory=list)
    accept: list[Accepted] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """The whole file."""

    false_alarms: float
    looks: int
    screening: float
    undecided: int
    kinds: Mapping[Kind, Limits]
    benchmarks: tuple[Special, ...] = ()
    accepted: tuple[Accepted, ...] = ()

    def rounds_again(self) -> list[int]:
        """How many rounds, or seeds, are added before each look at a suspect: 16, 16, 32, 64 …"""
        return [FIRST_LOOK << max(look - 1, 0) for look in range(self.looks)]

    def limits(self, name: str, kind: Kind) -> Limits:
        """What counts for a benchmark: the last line that matches, else its kind's."""
        usual = self.kinds[kind]
        for line in reversed(self.benchmarks):
            if fnmatchcase(name, line.match):
                floor = usual.floor if line.floor is None else line.floor
                tolerance = usual.tolerance if line.tolerance is None else line.tolerance
                return Limits(floor, tolerance)
        return usual

    def acceptance(self, name: str, ratio: float, today: datetime.date) -> Accepted | None:
        """The line that accepts this change today, if one does."""
        for line in self.accepted:
            if fnmatchcase(name, line.match) and today <= line.until and ratio <= line.up_to:
                return line
        return None

    def expired(self, today: datetime.date) -> list[Accepted]:
        """Lines that no longer count and should be removed."""
        return [line for line in self.accepted if today > line.until]


def load_policy(path: Path = POLICY) -> Policy:
    """Read a policy. Raises PolicyError."""
    file = read_table(path, _File, PolicyError)
    kinds = {kind: getattr(file.kind, kind.value) for kind in JUDGED}
    return Policy(
        false_alarms=file.gate.false_alarms,
        looks=file.gate.looks,
        screening=file.gate.screening,
        undecided=file.gate.undecided,
        kinds={kind: Limits(each.floor, each.tolerance) for kind, each in kinds.items()},
        benchmarks=tuple(file.benchmark),
        accepted=tuple(file.accept),
    )


JUDGED = (Kind.EXACT, Kind.SEEDED, Kind.PAIRED)
