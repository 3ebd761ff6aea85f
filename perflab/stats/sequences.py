"""Bounds of a paired difference that hold at every moment, however often they are looked at.

Theory of operation. Two sides do the same piece of work one after the other; a coin says which goes
first. If one is `shift` worse than the other, their difference less the shift is as often above
zero as below, whatever the machine did meanwhile: nothing but the coin decided whose the worse
moment was. So an odd function of it, h, has a sign of chance, and for each number x, the product of
exp(x h - x² h² / 2) over all pairs so far is a fair game or worse (de la Peña, "A general class of
exponential inequalities for martingales and ratios", 1999; Howard, Ramdas, McAuliffe and Sekhon,
"Time-uniform Chernoff bounds via nonnegative supermartingales", 2020). Mixed over x with a
normal law (their "Time-uniform, nonparametric, nonasymptotic confidence sequences", 2021, section
3.2) it stays below 1 / error for ever with probability 1 - error (Ville). The shifts that are not
refuted are the bounds. Nothing is said about how noise is distributed, nor that pairs do not depend
on each other but for the coin: drift, spells of neighbours and single stalls are allowed.

h is the difference up to a clip, beyond which it counts as the clip (Huber's function): a stall of
a second weighs as much as one of a few milliseconds. The estimate is where the h add up to zero.

Rule: numbers in, numbers out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

__all__ = ["DifferenceBounds", "PairedDifferences"]

MIXTURE = 1.0  # of the clip squared: bounds are tightest after some ten pairs as wide as the clip
GRID = 129  # shifts that are tried, before BISECTIONS in the cell where a bound lies
BISECTIONS = 20
FAR = 50  # clips; what is further off counts as this, for infinite differences have no middle
LIKELY = 0.8  # of runs: what is meant by "could have been seen"


@dataclass(frozen=True, slots=True)
class DifferenceBounds:
    """How much more the second side takes than the first, and what it can be."""

    estimate: float
    low: float
    """-inf, as long as nothing is refuted."""
    high: float
    count: int
    """Pairs so far."""
    error: float
    """The standard error of the estimate, about."""

    def power(self, shift: float) -> float:
        """The probability with which so many pairs of this noise show that a difference of `shift`
        is above zero; rather too small than too large, for earlier looks are left out."""
        wide = self.estimate - self.low
        if math.isinf(wide):
            return 0.0
        if not self.error:
            return float(shift > wide)
        return NormalDist().cdf((shift - wide) / self.error)

    @property
    def could_see(self) -> float:
        """The difference that would have been told from zero in LIKELY of runs; inf if none."""
        return self.estimate - self.low + NormalDist().inv_cdf(LIKELY) * self.error


class PairedDifferences:
    """Differences of pairs as they come.

    Args:
        clip: beyond which a difference counts as this one; in the unit of the differences.
        error: the probability that the bounds ever miss, 0 to 1; both together.

    Raises:
        ValueError: one of them is out of its range, or a difference is no number.
    """

    def __init__(self, clip: float, error: float) -> None:
        if not (clip > 0 and math.isfinite(clip)):
            raise ValueError(f"a clip is above 0 and finite, not {clip}")
        if not 0 < error < 1:
            raise ValueError(f"an error is a probability between 0 and 1, not {error}")
        self._clip, self._error = clip, error
        self._values = np.empty(64)
        self.count = 0

    def add(self, difference: float) -> None:
        """The next pair; infinite is allowed (one side did not answer at all)."""
        if math.isnan(difference):
            raise ValueError("a difference is a number, not NaN")
        if self.count == len(self._values):
            self._values = np.concatenate([self._values, np.empty(self.count)])
        self._values[self.count] = max(-FAR, min(difference / self._clip, FAR)) * self._clip
        self.count += 1

    def above(self, shift: float) -> bool:
        """Whether the true difference is above this one, as far as is known so far."""
        total, bound = self._tested(shift)
        return total > bound

    def below(self, shift: float) -> bool:
        """Whether the true difference is below this one, as far as is known so far."""
        total, bound = self._tested(shift)
        return -total > bound

    def estimate(self) -> float:
        """The likeliest difference; 0 without a pair."""
        if not self.count:
            return 0.0
        low, high = self._ends()
        for _ in range(4 * BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._tested(middle)[0] > 0 else (low, middle)
        return (low + high) / 2

    def bounds(self) -> DifferenceBounds:
        """Estimate and bounds of all pairs so far."""
        if not self.count:
            return DifferenceBounds(0.0, -math.inf, math.inf, 0, math.inf)
        middle = self.estimate()
        low, high = -math.inf, math.inf
        first, last = self._ends()
        if self.above(first):
            low = self._outermost(first, middle)
        if self.below(last):
            high = self._outermost(last, middle)
        each = self._scaled(middle)
        squares = float(each @ each)
        error = (high - low) / 2 * math.sqrt(squares) / self._bound(squares) if squares else 0.0
        return DifferenceBounds(middle, low, high, self.count, error)

    def _ends(self) -> tuple[float, float]:
        """Shifts so far out that all pairs lie beyond the clip on one side."""
        found = self._values[: self.count]
        return float(found.min()) - self._clip, float(found.max()) + self._clip

    def _outermost(self, far: float, near: float) -> float:
        """Of the shifts between a refuted one and one that is not, the last that is not refuted."""
        grid = np.linspace(far, near, GRID)
        kept = next(place for place, each in enumerate(grid) if not self._refuted(float(each)))
        refuted, held = float(grid[kept - 1]), float(grid[kept])
        for _ in range(BISECTIONS):
            middle = (refuted + held) / 2
            refuted, held = (middle, held) if self._refuted(middle) else (refuted, middle)
        return refuted

    def _refuted(self, shift: float) -> bool:
        total, bound = self._tested(shift)
        return abs(total) > bound

    def _scaled(self, shift: float) -> NDArray[np.float64]:
        return np.clip((self._values[: self.count] - shift) / self._clip, -1.0, 1.0)

    def _tested(self, shift: float) -> tuple[float, float]:
        """The sum of h, and what it stays within for ever if `shift` is true."""
        each = self._scaled(shift)
        return float(each.sum()), self._bound(float(each @ each))

    def _bound(self, squares: float) -> float:
        """Within which the sum of h stays, by the sum of its squares."""
        whole = squares + MIXTURE
        return math.sqrt(whole * (math.log(whole / MIXTURE) - 2 * math.log(self._error)))
