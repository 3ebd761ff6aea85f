"""When operations are due: arrivals as whole nanoseconds from the start of a run, never falling.

A schedule is an endless iterator; whoever runs it says where it ends (`itertools.islice` by number,
`itertools.takewhile` by time). It is made before anything is measured and knows nothing of answers:
that is what makes a loop open. Equal arguments give equal schedules, on every Python and machine.

Rule: arithmetic only; no clock, no waiting.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

__all__ = ["FASTEST_PER_S", "Piece", "after", "arrivals", "bursts", "constant", "poisson"]

SECOND_NS = 1_000_000_000
FASTEST_PER_S = 1_000_000  # beyond it a microsecond between arrivals is rounded away, in Python too


def constant(rate_per_s: float) -> Iterator[int]:
    """An operation every 1/rate seconds, the first at once; no rounding adds up."""
    rate = _checked(rate_per_s)
    return (round(number * SECOND_NS / rate) for number in count())


def poisson(rate_per_s: float, seed: int) -> Iterator[int]:
    """Independent arrivals, as of many users: the gaps are exponential with a mean of 1/rate."""
    import random

    rate, stream = _checked(rate_per_s), random.Random(seed)

    def arrivals() -> Iterator[int]:
        due_s = 0.0
        while True:
            due_s += stream.expovariate(rate)
            yield round(due_s * SECOND_NS)

    return arrivals()


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A time in which the rate goes evenly from one value to another, both per second."""

    begin_per_s: float
    end_per_s: float
    seconds: float

    def __post_init__(self) -> None:
        for rate in (self.begin_per_s, self.end_per_s):
            if not (math.isfinite(rate) and 0 <= rate <= FASTEST_PER_S):
                raise ValueError(
                    f"a rate lies between 0 and {FASTEST_PER_S:,} per second, not at {rate}"
                )
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise ValueError(f"a time is longer than 0 s and finite, not {self.seconds}")

    @property
    def operations(self) -> float:
        """How many fall into it: the integral of the rate."""
        return (self.begin_per_s + self.end_per_s) / 2 * self.seconds

    def when(self, count: float) -> float:
        """Seconds until so many of them have come: the inverse of the integral."""
        if self.begin_per_s == self.end_per_s > 0:
            return count / self.begin_per_s
        begin, change = self.begin_per_s, (self.end_per_s - self.begin_per_s) / self.seconds
        # The root of begin*t + change*t^2/2 = count in the form that does not cancel out.
        root = math.sqrt(max(0.0, begin * begin + 2 * change * count))
        return 2 * count / (begin + root) if count else 0.0


def arrivals(pieces: Sequence[Piece], seed: int | None = None) -> Iterator[int]:
    """One piece after the other, evenly spaced, or with a seed as a Poisson process of that rate.

    Evenly spaced, operation n comes when the integral of the rate reaches n. A Poisson process of
    a changing rate is one of rate 1 seen through the same integral (Cinlar, "Introduction to
    Stochastic Processes", 1975, chapter 4).
    """
    import random

    stream = None if seed is None else random.Random(seed)
    reached = 0.0 if stream is None else stream.expovariate(1.0)
    number, before, begin_s = 0, 0.0, 0.0
    for piece in pieces:
        end = before + piece.operations
        while reached < end:
            yield round((begin_s + piece.when(reached - before)) * SECOND_NS)
            number += 1
            reached = float(number) if stream is None else reached + stream.expovariate(1.0)
        before = end
        begin_s += piece.seconds


def bursts(size: int, every_s: float, seconds: float) -> Iterator[int]:
    """So many operations at one instant, again and again, the first at once."""
    if size < 1:
        raise ValueError(f"a burst has 1 operation or more, not {size}")
    Piece(begin_per_s=0, end_per_s=0, seconds=seconds)
    if not (math.isfinite(every_s) and every_s > 0):
        raise ValueError(f"a time is longer than 0 s and finite, not {every_s}")
    for number in count():
        due_s = number * every_s
        if due_s >= seconds:
            return
        yield from [round(due_s * SECOND_NS)] * size


def after(schedule: Iterable[int], begin_s: float) -> Iterator[int]:
    """The same schedule, so much later."""
    begin_ns = round(begin_s * SECOND_NS)
    return (begin_ns + due_ns for due_ns in schedule)


def _checked(rate_per_s: float) -> float:
    if not (math.isfinite(rate_per_s) and 0 < rate_per_s <= FASTEST_PER_S):
        raise ValueError(
            f"a rate lies above 0 and up to {FASTEST_PER_S:,} per second, not at {rate_per_s}"
        )
    return rate_per_s
