"""How much slower one side is than the other, with bounds that hold whatever the noise is like.

Theory of operation. Base and head are measured together in rounds, and in each round a coin decides
which of the two comes first. If they are the same program, the coin alone decided which value is
called base's: that is the whole model. Nothing is said about how noise is distributed, nor that
rounds are independent; spells that last for minutes are allowed.

*Paired*: noise only ever adds time, so the least value of a side is the best estimate of what its
program takes, and the bound on their ratio comes from the least values too. Let the k least of all
values be base's. They lie in k rounds, and in each the coin could have fallen otherwise: for equal
programs this has a probability of 2^-k. So "the least of head lies above the k-th least of base" is
a test of head being slower (the precedence test of life testing: Balakrishnan and Ng, "Precedence-
Type Tests and Applications", 2006), and the ratios that it does not refute are an interval:

    least of head / k-th least of base  ≤  ratio  ≤  k-th least of head / least of base

*Seeded*: base and head under the same seed differ by their programs alone. The bounds of the
median of the differences are order statistics, by the sign test.

Rule: numbers in, numbers out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["Bounds", "of_minima", "of_pairs", "rounds_needed"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """A ratio of head to base, and what it can be."""

    ratio: float
    low: float
    high: float
    smallest: float
    """The least ratio above one that these rounds could have told from one: their noise."""


def rounds_needed(error: float) -> int:
    """How many rounds give a bound that misses the truth with at most this probability."""
    return math.ceil(-math.log2(error))


def of_minima(base: Sequence[float], head: Sequence[float], error: float) -> Bounds:
    """Bounds from the least value of each round, all positive; each of the two misses with
    probability `error` at most. Without enough rounds they are 0 and infinity."""
    lower, upper = sorted(base), sorted(head)
    ratio, k = upper[0] / lower[0], rounds_needed(error)
    if len(lower) < k:
        return Bounds(ratio, 0.0, math.inf, math.inf)
    base_k, head_k = lower[k - 1], upper[k - 1]
    spread = max(base_k / lower[0], head_k / upper[0])
    return Bounds(ratio, upper[0] / base_k, head_k / lower[0], spread)


def of_pairs(base: Sequence[float], head: Sequence[float], error: float) -> Bounds:
    """Bounds of the median ratio of pairs, all positive; each misses with `error` at most."""
    ratios = sorted(after / before for before, after in zip(base, head, strict=True))
    place = _sign_rank(len(ratios), error)
    middle = median(ratios)
    if place is None:
        return Bounds(middle, 0.0, math.inf, math.inf)
    low, high = ratios[place], ratios[-1 - place]
    return Bounds(middle, low, high, max(middle / low, high / middle))


def _sign_rank(count: int, error: float) -> int | None:
    """How many of so many ordered values may be left out at either end; None if even the outermost
    ones are no bound."""
    left_out, probability = None, 0.0
    for place in range(count):
        probability += math.comb(count, place) / 2**count
        if probability > error:
            break
        left_out = place
    return left_out
