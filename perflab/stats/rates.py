"""A share of trials, with the interval of Clopper and Pearson.

Source: "The use of confidence or fiducial limits illustrated in the case of the binomial", 1934:
the rates that a count does not refute at 95 %.

Rule: numbers in, numbers and words out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

__all__ = ["CONFIDENCE", "Rate", "percent", "share_bounds"]

CONFIDENCE = 0.95
BISECTIONS = 60  # halve an interval of one so often, and what is left is a rounding error


@dataclass(frozen=True, slots=True)
class Rate:
    """So many of so many."""

    found: int
    of: int

    @property
    def share(self) -> float:
        return self.found / self.of if self.of else math.nan

    @property
    def low(self) -> float:
        """The least rate that is not refuted."""
        return share_bounds(self.found, self.of, (1 - CONFIDENCE) / 2)[0]

    @property
    def high(self) -> float:
        """The greatest rate that is not refuted."""
        return share_bounds(self.found, self.of, (1 - CONFIDENCE) / 2)[1]

    def __str__(self) -> str:
        return f"{percent(self.share)} ({percent(self.low)} to {percent(self.high)})"


@cache
def share_bounds(found: int, of: int, error: float) -> tuple[float, float]:
    """The rates that so many of so many do not refute; each of the two bounds misses the truth with
    probability `error` at most."""
    low, high = 0.0, 1.0
    if found:
        low = _where(lambda share: 1 - _at_most(found - 1, of, share), error)
    if found < of:
        high = 1 - _where(lambda share: 1 - _at_most(of - found - 1, of, share), error)
    return low, high


def _where(rising: Callable[[float], float], error: float) -> float:
    """Where a probability that rises with the rate reaches this one."""
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if rising(middle) < error:
            low = middle
        else:
            high = middle
    return low


def _at_most(found: int, of: int, share: float) -> float:
    """The probability of no more than so many, each of them with this probability."""
    if not 0 < share < 1:
        return 1.0 if share <= 0 or found >= of else 0.0
    if 2 * found >= of > found:  # the other tail has fewer terms
        return 1 - _at_most(of - found - 1, of, 1 - share)
    one, other = math.log(share), math.log1p(-share)
    whole = math.lgamma(of + 1)
    return math.fsum(
        math.exp(whole - math.lgamma(k + 1) - math.lgamma(of - k + 1) + k * one + (of - k) * other)
        for k in range(found + 1)
    )


def percent(share: float) -> str:
    """A share as people write it."""
    return f"{share * 100:.3g} %"
