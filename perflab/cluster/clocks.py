"""How far the clock of another machine is from ours, by questions and answers.

The clock there is read between two looks at ours; of many such readings the one that took the
shortest counts (Cristian, "Probabilistic clock synchronization", 1989). What it says is wrong by
half its time at most.

Rule: asks and computes; sets no clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["ClockOffset", "measure_offset"]

ROUND_TRIPS = 15


@dataclass(frozen=True, kw_only=True)
class ClockOffset:
    """What to add to a reading of our performance counter to have theirs."""

    ns: int
    within_ns: int
    """The true offset differs by no more."""
    measured_ns: int
    """As it was measured; `ns` is 0 where the clock is known to be the same and this allows it."""


def measure_offset(theirs_ns: Callable[[], int], same: bool) -> ClockOffset:
    """Read a clock `ROUND_TRIPS` times. `same`: the machine says that it is ours."""
    best: tuple[int, int] | None = None
    for _ in range(ROUND_TRIPS):
        before_ns = time.perf_counter_ns()
        there_ns = theirs_ns()
        took_ns = time.perf_counter_ns() - before_ns
        if best is None or took_ns < best[0]:
            best = took_ns, there_ns - before_ns - took_ns // 2
    assert best is not None
    within_ns, measured_ns = -(-best[0] // 2), best[1]
    known = same and abs(measured_ns) <= within_ns
    return ClockOffset(
        ns=0 if known else measured_ns,
        within_ns=0 if known else within_ns,
        measured_ns=measured_ns,
    )
