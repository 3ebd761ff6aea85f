"""When a figure crosses its limit, if the trend since its last change goes on.

Theory of operation. Histories have change points (`stats/detector.py`): what is before the last one
says nothing of now. From there on the slope is the median of the slopes of all pairs of points
(Theil and Sen), which a third of bad values does not move, with Sen's interval from the ranks of
these slopes. If the interval holds zero there is no trend. Else the crossing lies between what
both ends of the interval say.

Sources: Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63, 1968.

Rule: arithmetic; figures are better when they are lower.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist, median
from typing import Literal

from perflab.stats.detector import watch

__all__ = ["FEWEST", "Outlook", "Trend", "outlook", "trend"]

CONFIDENCE = 0.95
FEWEST = 8  # points; with fewer the interval of the ranks holds nearly all slopes
MOST = 400  # points, the latest: 80,000 pairs
State = Literal["too few", "no trend", "away", "beyond", "crosses"]


@dataclass(frozen=True, kw_only=True)
class Trend:
    """A slope per day, its interval, and the level at the last point."""

    per_day: float
    low: float
    high: float
    level: float


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What is to be expected of a figure."""

    state: State
    points: int
    """Since the last change."""
    level: float | None = None
    per_day: tuple[float, float, float] | None = None
    """The slope, its lower and its upper end."""
    days: tuple[float, float] | None = None
    """From when to when the limit is crossed, from the last point on."""


def trend(days: Sequence[float], values: Sequence[float]) -> Trend:
    """The robust slope. Raises ValueError: fewer than `FEWEST` points, or all of one day."""
    days, values = days[-MOST:], values[-MOST:]
    slopes = sorted(
        (later - earlier) / (end - begin)
        for (begin, earlier), (end, later) in combinations(zip(days, values, strict=True), 2)
        if end > begin
    )
    count = len(values)
    if count < FEWEST or not slopes:
        raise ValueError(f"a trend needs {FEWEST} points of different times, there are {count}")
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    reach = z * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = max(0, math.floor((len(slopes) - reach) / 2))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + reach) / 2))
    slope = median(slopes)
    level = median(
        value - slope * (day - days[-1]) for day, value in zip(days, values, strict=True)
    )
    return Trend(per_day=slope, low=slopes[low], high=slopes[high], level=level)


def outlook(days: Sequence[float], values: Sequence[float], limit: float) -> Outlook:
    """When it gets above the limit, from what came after its last change."""
    steps = watch(values).steps
    begin = steps[-1].at if steps else 0
    days, values = days[begin:], values[begin:]
    count = len(values)
    if count < FEWEST or days[0] == days[-1]:
        return Outlook(state="too few", points=count)
    found = trend(days, values)
    told = (found.per_day, found.low, found.high)

    def said(state: State, ahead: tuple[float, float] | None = None) -> Outlook:
        return Outlook(state=state, points=count, level=found.level, per_day=told, days=ahead)

    if found.level > limit:
        return said("beyond")
    if found.low <= 0 <= found.high:
        return said("no trend")
    if found.high < 0:
        return said("away")
    distance = limit - found.level
    return said("crosses", (distance / found.high, distance / found.low))
