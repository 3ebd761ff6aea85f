"""How many nodes a rate needs, and what is left: the scalability law over rates within the SLO.

Theory of operation. At each size, bisection finds the highest offered rate at which a simulated
network keeps the service level, once for each seed. Through these rates goes the universal
scalability law (`stats/usl.py`), with nodes in the place of workers: what a node alone could
serve, what all wait for, what pairs of nodes cost each other. Its interval is a bootstrap over
seeds. The rates are in proportion to what a message costs a node, so the interval of that cost
widens them; so does what bisection leaves open. A law that does not fit says nothing, and one that
is asked beyond the largest network that was played says so.

Rule: arithmetic; a trial is a function of the rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from perflab.stats.usl import Estimated, Fit, Law, fit

__all__ = ["CapacityLaw", "Needed", "highest"]

MOST_NODES = 100_000
LOW, HIGH = 0.05, 1.0  # of what the nodes can serve
STEPS = 5  # the bounds are then this far apart, as a part of what the nodes can serve:
RESOLUTION = 0.04
TAIL = 0.025


def highest(keeps: Callable[[float], bool]) -> float:
    """The highest load that is kept, as a part of what the nodes can serve; 0: not even LOW."""
    low, high = 0.0, HIGH
    load = 0.6 * HIGH
    for _ in range(STEPS):
        low, high = (load, high) if keeps(load) else (low, load)
        load = (low + high) / 2
    return low if low or not keeps(LOW) else LOW


@dataclass(frozen=True, kw_only=True)
class Needed:
    """Nodes for a rate; None: no number of nodes within 100,000 serves it."""

    nodes: int | None
    low: int | None
    high: int | None
    extrapolated: bool


class CapacityLaw:
    """The law of rates by nodes.

    Args:
        rates: operations per second within the SLO, by nodes, one for each seed.
        cost: what a message costs a node, relative to what was played: its interval around one.
    """

    def __init__(self, rates: Mapping[int, Sequence[float]], cost: tuple[float, float]) -> None:
        self.rates = dict(rates)
        self.fit: Fit = fit({float(nodes): each for nodes, each in rates.items()})
        self._cost = cost

    def rate(self, nodes: float) -> Estimated:
        """What so many nodes serve within the SLO."""
        drawn = sorted(law.throughput(nodes) for law in self.fit.draws)
        low, high = drawn[int(TAIL * len(drawn))], drawn[int((1 - TAIL) * len(drawn))]
        value = self.fit.law.throughput(nodes)
        cheap, dear = self._cost
        return Estimated(value, min(low, value) / dear, max(high, value) * (1 + RESOLUTION) / cheap)

    def needed(self, rate: float) -> Needed:
        """How many nodes serve the rate: surely at the upper end, perhaps at the lower."""
        cheap, dear = self._cost
        drawn = [_first(law, rate, dear) for law in self.fit.draws]
        perhaps = [_first(law, rate, cheap) for law in self.fit.draws]
        nodes = _first(self.fit.law, rate, 1.0)
        return Needed(
            nodes=_whole(nodes),
            low=_whole(min(nodes, _quantile(perhaps, TAIL))),
            high=_whole(max(nodes, _quantile(drawn, 1 - TAIL))),
            extrapolated=nodes > max(self.rates),
        )


def _first(law: Law, rate: float, cost: float) -> float:
    """The smallest number of nodes that serves a rate; infinite if none does."""
    most = int(min(law.peak_at, MOST_NODES))
    if law.throughput(most) / cost < rate:
        return math.inf
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if law.throughput(middle) / cost >= rate else (middle, high)
    return float(high)


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _whole(nodes: float) -> int | None:
    return None if math.isinf(nodes) else int(nodes)
