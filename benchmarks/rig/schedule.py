"""When operations are due: arrivals as whole nanoseconds from the start of a run, never falling.

A schedule is an endless iterator; whoever runs it says where it ends (`itertools.islice` by number,
`itertools.takewhile` by time). It is made before anything is measured and knows nothing of answers:
that is what makes a loop open. Equal arguments give equal schedules, on every Python and machine.

Rule: arithmetic only; no clock, no waiting.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count

__all__ = ["constant", "poisson"]

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


def _checked(rate_per_s: float) -> float:
    if not (math.isfinite(rate_per_s) and 0 < rate_per_s <= FASTEST_PER_S):
        raise ValueError(
            f"a rate lies above 0 and up to {FASTEST_PER_S:,} per second, not at {rate_per_s}"
        )
    return rate_per_s
