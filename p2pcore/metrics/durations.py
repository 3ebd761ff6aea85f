"""How long things took, counted in buckets: all that a histogram tells, in constant memory.

Rule: counts what it is told; knows no clock. One thread tells, any may read.
"""

from bisect import bisect_left
from typing import NamedTuple

from p2pcore.metrics.table import BOUNDS_S

__all__ = ["Durations", "Example"]


class Example(NamedTuple):
    """One that was sampled, for the bucket that it is in.

    Attributes:
        trace_id: 32 hex digits, which its line in the log has, too.
        seconds: how long it took.
        wall_s: when it ended, in seconds since 1970.
    """

    trace_id: str
    seconds: float
    wall_s: float


class Durations:
    """Counts by the bounds of the table; the last count is of what took longer than all of them."""

    __slots__ = ("counts", "examples", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.examples: dict[int, Example] = {}  # the last one of a bucket
        self.sum_s = 0.0

    def add(self, seconds: float) -> int:
        """One more took so long. Returns its bucket."""
        bucket = bisect_left(BOUNDS_S, seconds)  # a bucket holds its upper end
        self.counts[bucket] += 1
        self.sum_s += seconds
        return bucket

    def copy(self) -> "Durations":
        """As it is now."""
        twin = Durations()
        twin.counts, twin.examples, twin.sum_s = self.counts[:], self.examples.copy(), self.sum_s
        return twin
