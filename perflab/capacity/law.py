"""How many nodes a rate needs, and what is left: a law of the rates that keep a service level.

Theory of operation. At each size, bisection finds the highest offered rate at which a simulated
network keeps the service level, once for each seed. What that is for each node falls as networks
grow, for ids are drawn by chance, and the node with the largest share is full first. By which law
it falls is decided by prediction, as for the costs of an operation (`scaling/laws.py`): the law
that says the largest third of the sizes best from the others alone. Its interval holds all laws
that do so nearly as well, the bootstrap over seeds, and by how much it was off where that could be
checked; and what the worst and the best network kept, for yours is one network and no mean. What
a message may cost a node widens it, and so does what bisection leaves open.

Rule: arithmetic; a trial is a function of the rate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from perflab.scaling.laws import Predicted, grown

__all__ = ["CapacityLaw", "Needed", "highest"]

MOST_NODES = 100_000
LOW, HIGH = 0.05, 1.0  # of what the nodes can serve
STEPS = 5  # the bounds are then this far apart, as a part of what the nodes can serve:
RESOLUTION = 0.04


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
    """Nodes for a rate; None: no number of nodes up to 100,000 serves it."""

    nodes: int | None
    low: int | None
    high: int | None
    extrapolated: bool


class CapacityLaw:
    """The law of rates by nodes.

    Args:
        rates: operations per second within the SLO, by nodes, one for each seed.
        cost: what a message costs a node, relative to what was played: its interval around one.

    Raises:
        ScalingError: too few sizes.
    """

    def __init__(self, rates: Mapping[int, Sequence[float]], cost: tuple[float, float]) -> None:
        self.rates = dict(rates)
        self.growth = grown([(n, each / n) for n, found in rates.items() for each in found])
        self._cost = cost
        said = {n: n * self.growth.at(n).value for n in rates}
        ratios = [each / said[n] for n, found in rates.items() for each in found]
        self.networks = min(1.0, *ratios), max(1.0, *ratios)
        """What the worst and the best network kept, beside what the law says of its size."""

    def rate(self, nodes: int) -> Predicted:
        """What a network of so many nodes serves within the SLO, however its ids fall."""
        each = self.growth.at(nodes)
        (worst, best), (cheap, dear) = self.networks, self._cost
        return Predicted(
            value=nodes * each.value,
            low=nodes * min(each.low, worst * each.value) / dear,
            high=nodes * max(each.high, best * each.value) * (1 + RESOLUTION) / cheap,
        )

    def needed(self, rate: float) -> Needed:
        """How many nodes serve the rate: surely at the upper end, perhaps at the lower."""
        nodes = self._first(rate, lambda found: found.value)
        return Needed(
            nodes=nodes,
            low=self._first(rate, lambda found: found.high),
            high=self._first(rate, lambda found: found.low),
            extrapolated=nodes is None or nodes > max(self.rates),
        )

    def _first(self, rate: float, end: Callable[[Predicted], float]) -> int | None:
        """The smallest number of nodes that serves a rate: doubled until one does, then halved."""
        high = 1
        while end(self.rate(high)) < rate:
            high *= 2
            if high > MOST_NODES:
                return None
        low = high // 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if end(self.rate(middle)) >= rate else (middle, high)
        return high
