"""How much slower one side is than the other, with bounds that hold whatever the noise is like.

Theory of operation. Base and head are measured together in rounds, and a coin decides which of the
two comes first; or both under one seed. Either way a round gives a ratio, head over base. If they
are the same program, nothing but the coin decided which of the two values is called head's: their
ratio is above one as often as below, whatever came before. So the number of rounds above one is
that of heads in so many throws, which is the sign test; and the ratios that it does not refute are
an interval for the median of all, whose ends are two of the ratios in order (Conover, "Practical
Nonparametric Statistics", 3.2 and 3.4). Nothing is said about how noise is distributed, nor that
rounds are independent of each other but for the coin; spells that last for minutes are allowed.

Rare things are counted, and most rounds have none on either side: no ratio. Of the rounds in which
the two counts differ, the sign test again says how often head's can be the greater one, and the
odds of that are bounds of how much more there is: where each round has few, the odds are the ratio
of the two rates.

Rule: numbers in, numbers out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median

from perflab.stats.rates import share_bounds

__all__ = ["RatioBounds", "of_counts", "of_ratios", "rounds_needed"]


@dataclass(frozen=True, slots=True)
class RatioBounds:
    """A ratio of head to base, and what it can be."""

    ratio: float
    low: float
    high: float
    smallest: float
    """The least ratio above one that these rounds could have told from one: their noise."""


def rounds_needed(error: float) -> int:
    """How many rounds give a bound that misses the truth with at most this probability."""
    return math.ceil(-math.log2(error))


def of_ratios(ratios: Sequence[float], error: float) -> RatioBounds:
    """Bounds of the median of ratios, one per round, all positive; each of the two misses with
    probability `error` at most. Without enough rounds they are 0 and infinity."""
    ordered, middle = sorted(ratios), median(ratios)
    place = _left_out(len(ordered), error)
    if place is None:
        return RatioBounds(middle, 0.0, math.inf, math.inf)
    low, high = ordered[place], ordered[-1 - place]
    return RatioBounds(middle, low, high, max(middle / low, high / middle))


def of_counts(pairs: Sequence[tuple[float, float]], error: float) -> RatioBounds:
    """Bounds of the odds that head's count of a round is the greater one, where the two differ, of
    pairs of base's and head's; each of the two misses with probability `error` at most."""
    more = sum(after > before for before, after in pairs)
    fewer = sum(after < before for before, after in pairs)
    low, high = map(_odds, share_bounds(more, more + fewer, error))
    middle = (more + 0.5) / (fewer + 0.5)  # of none, and of none but one side's, there is one too
    return RatioBounds(middle, low, high, max(middle / low if low else math.inf, high / middle))


def _odds(share: float) -> float:
    return share / (1 - share) if share < 1 else math.inf


@cache
def _left_out(count: int, error: float) -> int | None:
    """How many of so many ordered values may be left out at either end; None if even the outermost
    ones are no bound."""
    left_out, probability = None, 0.0
    for place in range(count):
        probability += math.comb(count, place) / 2**count
        if probability > error:
            break
        left_out = place
    return left_out
