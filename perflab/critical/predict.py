"""From the work of a core to how long operations take, and what they would take with less of it.

Theory of operation. The base's work gives each kind of message its time; networks are played with
these times under some seeds. Then a function's part is taken away, and the same seeds are played
again: the change is of pairs, and its interval is over seeds.

Rule: arithmetic and order; `play.py` plays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from perflab.critical.play import NODES, PlayPlan, WaitQuantiles, played
from perflab.critical.work import CoreWork, Kinds
from perflab.stats.slope import student_quantile

__all__ = ["FreedWaits", "SeededNetworks", "Spread"]

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A mean over seeds, and the half of its interval of 95 %."""

    mean: float
    half: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of one value, the interval is not known."""
        if len(values) < 2:
            return cls(mean=fmean(values), half=math.inf)
        error = stdev(values) / math.sqrt(len(values))
        return cls(mean=fmean(values), half=error * student_quantile(CONFIDENCE, len(values) - 1))


@dataclass(frozen=True, kw_only=True)
class FreedWaits:
    """What became of the waits with less work."""

    p50: Spread
    p99: Spread
    """Milliseconds."""
    p50_change: Spread
    p99_change: Spread
    """Of each seed: new over old, less 1."""


class SeededNetworks:
    """The base's networks, one for each seed."""

    def __init__(
        self, work: CoreWork, *, busy: float, message_us: float, latency_us: int, operations: int,
        seeds: int,
    ) -> None:  # fmt: skip
        kinds = work.kinds()
        self.unit_ns = 1000 * message_us / work.mean()
        rate = busy * NODES * 1e9 / (work.at_nodes(kinds) * self.unit_ns)
        self.plan = PlayPlan(rate_per_s=rate, operations=operations, latency_us=latency_us)
        self._seeds = range(1, seeds + 1)
        self._base = self._played(kinds)

    def waits(self) -> tuple[Spread, Spread]:
        """P50 and P99 of the base."""
        return _spread(self._base)

    def with_kinds(self, kinds: Kinds) -> FreedWaits:
        """The same networks with other work."""
        found = self._played(kinds)
        p50, p99 = _spread(found)
        pairs = list(zip(self._base, found, strict=True))
        return FreedWaits(
            p50=p50,
            p99=p99,
            p50_change=Spread.of([after.p50 / before.p50 - 1 for before, after in pairs]),
            p99_change=Spread.of([after.p99 / before.p99 - 1 for before, after in pairs]),
        )

    def _played(self, kinds: Kinds) -> list[WaitQuantiles]:
        kinds_ns = {
            kind: (round(read * self.unit_ns), round(send * self.unit_ns))
            for kind, (read, send) in kinds.items()
        }
        return [played(self.plan, kinds_ns, seed) for seed in self._seeds]


def _spread(waits: Sequence[WaitQuantiles]) -> tuple[Spread, Spread]:
    return Spread.of([each.p50 for each in waits]), Spread.of([each.p99 for each in waits])
