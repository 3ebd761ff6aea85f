"""The patterns of a load, a class each: what a phase of that pattern needs, and when it asks.

To add one, write its class here and its row in docs/load.md: files and options of
`python -m perflab load` have it then. A test holds the rows against the classes.

Rule: reads and computes; starts nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Union

import msgspec
from msgspec import Meta

from benchmarks.common.load.mix import DrawnOperation
from benchmarks.common.load.schedule import FASTEST_PER_S, Piece, arrivals, bursts
from perflab.forms import shown
from perflab.load.replay import MOST_SECONDS, ScenarioError, read_trace
from perflab.tables import Table, Text, tag_of, tagged

__all__ = ["OWN_FIELDS", "PATTERNS", "AnyPattern", "ConstantPattern", "Due", "LoadPattern"]

MOST_AT_ONCE, SHORTEST_S = 1_000_000, 0.001  # operations of a burst; from one to the next
MOST_STEPS = 1000

Due = tuple[int, DrawnOperation | None]
"""When an operation is due, in ns; and what it is, where the pattern says so."""

Rate = Annotated[float, Meta(ge=0, le=FASTEST_PER_S)]
Time = Annotated[float, Meta(gt=0, le=MOST_SECONDS)]
PerSecond = Annotated[Rate, Meta(description="operations per second")]
Seconds = Annotated[Time, Meta(description="how long; of steps, each of them")]


def _called(name: str) -> str:
    return name.removesuffix("Pattern").lower()


class LoadPattern(Table, frozen=True, kw_only=True, tag_field="pattern", tag=_called):
    """A time with one pattern of arrivals; its name is what files call it. Rates are per second,
    a rate at a time is what is asked for, or for bursts the mean."""

    name: str = ""
    warm_up: bool = False
    """Figures of the run leave out what is due in it."""

    @property
    def title(self) -> str:
        return self.name or tag_of(type(self))

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        raise NotImplementedError

    def due(self, seed: int) -> Iterator[Due]:
        """What is due when, from the beginning of the phase."""
        raise NotImplementedError

    def rate_at(self, at_s: float) -> float:
        """Operations per second asked for at that time of the phase; 0 where nothing says it."""
        return 0.0

    @property
    def deletes(self) -> bool:
        """Whether it says itself that records are deleted."""
        return False


class _Paced(LoadPattern, frozen=True, kw_only=True):
    """Arrivals whose rate is known at every moment."""

    random: Annotated[bool, Meta(description="at random moments, not evenly spaced")] = False

    def __post_init__(self) -> None:
        pieces = self.pieces()  # raises for a piece without a length
        if sum(piece.operations for piece in pieces) < 1:
            rates = [(piece.begin_per_s, piece.end_per_s) for piece in pieces]
            _refuse("rate", rates[0][0], "high enough for an operation in the phase")
        if self.duration_s > MOST_SECONDS:
            _refuse("seconds", self.duration_s, "up to a week in all")

    def pieces(self) -> list[Piece]:
        """The times in which the rate goes evenly from one value to another."""
        raise NotImplementedError

    @property
    def duration_s(self) -> float:
        return math.fsum(piece.seconds for piece in self.pieces())

    def due(self, seed: int) -> Iterator[Due]:
        return ((due_ns, None) for due_ns in arrivals(self.pieces(), seed if self.random else None))

    def rate_at(self, at_s: float) -> float:
        for piece in self.pieces():
            if at_s < piece.seconds:
                change = (piece.end_per_s - piece.begin_per_s) / piece.seconds
                return piece.begin_per_s + at_s * change
            at_s -= piece.seconds
        return 0.0


class ConstantPattern(_Paced, frozen=True, kw_only=True):
    """Evenly spaced."""

    rate: PerSecond
    seconds: Seconds

    def pieces(self) -> list[Piece]:
        return [_flat(self.rate, self.seconds)]


class SoakPattern(ConstantPattern, frozen=True, kw_only=True):
    """As constant: a name for hours of it."""


class PoissonPattern(ConstantPattern, frozen=True, kw_only=True):
    """Independently, as of many users."""

    def due(self, seed: int) -> Iterator[Due]:
        return ((due_ns, None) for due_ns in arrivals(self.pieces(), seed))


class RampPattern(_Paced, frozen=True, kw_only=True):
    """At a rate that changes evenly."""

    rate: PerSecond
    to_rate: Annotated[Rate, Meta(description="at the end of a ramp")]
    seconds: Seconds

    def pieces(self) -> list[Piece]:
        return [Piece(begin_per_s=self.rate, end_per_s=self.to_rate, seconds=self.seconds)]


class StepsPattern(_Paced, frozen=True, kw_only=True):
    """At one rate after the other, each for `seconds`."""

    rates: Annotated[list[Rate], Meta(min_length=1, max_length=MOST_STEPS, description="of steps")]
    seconds: Seconds

    def pieces(self) -> list[Piece]:
        return [_flat(rate, self.seconds) for rate in self.rates]


class SpikePattern(_Paced, frozen=True, kw_only=True):
    """At a base rate and, for a while, another."""

    rate: PerSecond
    spike_rate: Annotated[Rate, Meta(description="during a spike")]
    spike_at_s: Annotated[Time, Meta(description="when the spike begins")]
    spike_s: Annotated[Time, Meta(description="how long it lasts")]
    seconds: Seconds

    def pieces(self) -> list[Piece]:
        rest_s = self.seconds - self.spike_at_s - self.spike_s
        if rest_s <= 0:
            _refuse("spike_at_s", self.spike_at_s, "early enough for the spike to end before it")
        return [
            _flat(self.rate, self.spike_at_s),
            _flat(self.spike_rate, self.spike_s),
            _flat(self.rate, rest_s),
        ]


class BurstPattern(LoadPattern, frozen=True, kw_only=True):
    """Many at one instant, again and again, the first at once."""

    size: Annotated[int, Meta(ge=1, le=MOST_AT_ONCE, description="operations of a burst")]
    every_s: Annotated[
        float, Meta(ge=SHORTEST_S, le=MOST_SECONDS, description="from burst to burst")
    ]
    seconds: Seconds

    def __post_init__(self) -> None:
        if self.every_s > self.seconds:
            _refuse("every_s", self.every_s, f"up to the {self.seconds:g} s of the phase")

    @property
    def duration_s(self) -> float:
        return self.seconds

    def due(self, seed: int) -> Iterator[Due]:
        return ((due_ns, None) for due_ns in bursts(self.size, self.every_s, self.seconds))

    def rate_at(self, at_s: float) -> float:
        return self.size / self.every_s


class TracePattern(LoadPattern, frozen=True, kw_only=True):
    """As recorded (`replay.read_trace`), for as long as the file says."""

    file: Annotated[Text, Meta(description="a trace: lines `seconds operation record`")]

    def __post_init__(self) -> None:
        read_trace(Path(self.file))

    @property
    def duration_s(self) -> float:
        return read_trace(Path(self.file))[-1].due_ns / 1e9

    def due(self, seed: int) -> Iterator[Due]:
        return iter(read_trace(Path(self.file)))

    @property
    def deletes(self) -> bool:
        return any(each.step.kind == "delete" for each in read_trace(Path(self.file)))


def _flat(rate: float, seconds: float) -> Piece:
    return Piece(begin_per_s=rate, end_per_s=rate, seconds=seconds)


def _refuse(name: str, value: object, limit: str) -> None:
    raise ScenarioError(f"{name} is {limit}, not {shown(value)}")


PATTERNS: dict[str, type[LoadPattern]] = tagged(LoadPattern)
"""By the names that files call them."""

OWN_FIELDS: dict[str, Any] = {
    field.name: field.type
    for kind in PATTERNS.values()
    for field in msgspec.structs.fields(kind)
    if field.name not in LoadPattern.__struct_fields__
}
"""What some pattern needs beyond what all have, and its type with its description."""

if TYPE_CHECKING:
    AnyPattern = LoadPattern
else:
    AnyPattern = Union[tuple(PATTERNS.values())]  # noqa: UP007 -- a tagged union, made of the classes
