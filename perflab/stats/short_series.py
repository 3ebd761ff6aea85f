"""The clearest step of a short series, of which too little is known for odds.

Theory of operation. Of a dozen points nobody knows how they scatter, so what is asked is hard to
pass by chance. A step splits the points in two. No point of one side reaches into the other, and
of all orders of these points at most one in ORDERS has such a step: whatever the law they follow,
two speeds of a machine included, chance passes that as rarely. A straight line fits worse: a drift
is no step. And the means differ by a Student's t of SURE, its error widened by the correlation of
neighbours, which is taken to be larger than it looks by its standard error.

Rule: arithmetic on lists; the caller says what the points are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

from perflab.stats.slope import student_quantile

__all__ = ["FEWEST", "HIGHEST_RHO", "SHORTEST", "SMALLEST_SD", "Found", "first_step"]

FEWEST = 4  # points of a level: three may be spikes
ORDERS = 200
SHORTEST = 11
"""Points before anything is said: of fewer, more than one order in ORDERS has a step."""
SURE = 1 - 2e-5  # two-sided confidence: the points are looked at anew with each that comes
HIGHEST_RHO = 0.95
SMALLEST_SD = 1e-4  # values that hardly ever differ: what does is a spike or a step

Found = tuple[int, int, int, float]
"""How many points come after a step: most likely, at most, at least; and the change."""


def first_step(points: Sequence[float]) -> Found | None:
    """The clearest step of a level's points, of which there are few"""
    count = len(points)
    best, found = 0.0, None
    for before in range(FEWEST, count - FEWEST + 1):
        old, new = points[:before], points[before:]
        apart = max(old) < min(new) or max(new) < min(old)
        if not apart or math.comb(count, before) < 2 * ORDERS:
            continue
        shift, rest = fmean(new) - fmean(old), squares(old) + squares(new)
        if rest >= squares_about_line(points):
            continue
        sd = max(math.sqrt(rest / (count - 2)), SMALLEST_SD) * _widened(old, new)
        score = abs(shift) / sd / math.sqrt(1 / before + 1 / (count - before))
        if score > max(best, student_quantile(SURE, count - 2)):
            after = count - before
            best, found = score, (after, after, after, shift)
    return found


def _widened(*sides: Sequence[float]) -> float:
    """By how much the correlation of neighbours widens the error of a mean."""
    centred = [[value - fmean(side) for value in side] for side in sides]
    count = sum(map(len, sides))
    square = math.fsum(each * each for side in centred for each in side)
    if square <= count * SMALLEST_SD**2:
        return 1.0
    rho = math.fsum(a * b for side in centred for a, b in pairwise(side)) / square
    rho = min(max((rho * count + 2) / (count - 4), 0.0), HIGHEST_RHO)
    rho = min(rho + math.sqrt((1 - rho**2) / count), HIGHEST_RHO)
    return math.sqrt((1 + rho) / (1 - rho))


def squares(values: Sequence[float]) -> float:
    """The sum of squares about the mean."""
    mean = fmean(values)
    return math.fsum((value - mean) ** 2 for value in values)


def squares_about_line(values: Sequence[float]) -> float:
    """The sum of squares about the best straight line."""
    middle, mean = (len(values) - 1) / 2, fmean(values)
    square = math.fsum((at - middle) ** 2 for at in range(len(values)))
    cross = math.fsum((at - middle) * (value - mean) for at, value in enumerate(values))
    return squares(values) - cross * cross / square
