"""Which commit changed which figure, by how much, and how sure that is.

Theory of operation. Each kind of metric as it deserves (docs/benchmarking.md). An *exact* figure
changed where it differs from the one before, beyond its floor: certain. All others have noise, so
one point against the next says little. There the steps that asv's detection finds in the whole
series are taken; a step's size is the ratio of the medians of up to NEAR points on either side,
with an interval from how much these points scatter. A step is *confirmed* when its interval stays
clear of the kind's floor with at least ENOUGH points on either side, and else *likely*. asv's
detection is nearly blind at the tip, which is where people look. So the last points of a series
that all lie farther from the points before than FAR times their scatter are told as *likely* too:
the next commits confirm it or make it go away.

Rule: numbers in, changes out; lower is better, always. What people read is made elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Literal

from benchmarks.verdict.front.history import Series

__all__ = ["Certainty", "Change", "changes_of", "noise", "scatter"]

Certainty = Literal["certain", "confirmed", "likely"]

NEAR = 30  # points on either side of a step that say how large it is
ENOUGH = 4  # points on either side of a confirmed one: of fewer, chance makes a step easily
TIP = 4  # of so many last points, one alone up to all of them may be new
BEFORE_TIP = 8  # points that say what was usual before
FEW = 3  # differences that say nothing of a series' noise
FAR = 5.0  # in standard deviations: of some hundred series hardly one passes it by chance
SAME = 1e-9  # rounding
NORMAL_MAD = 1.4826  # standard deviations of a normal law per median absolute deviation
NORMAL_MEDIAN = 1.2533  # the median's standard error over that of the mean
SIGMAS = 2.0  # half the width of an interval, of about 95 %


@dataclass(frozen=True, kw_only=True)
class Change:
    """A figure's step from one commit to another."""

    before: int
    """The number of the last commit that has the old level."""
    at: int
    """The number of the first that has the new one."""
    old: float
    new: float
    ratio: float
    """New over old; infinite where the old level was 0."""
    low: float
    high: float
    """The ratio's interval, of about 95 %; the ratio itself for an exact figure."""
    certainty: Certainty

    @property
    def worse(self) -> bool:
        return self.new > self.old


def changes_of(series: Series, kind: str, floor: float, steps: Sequence[int]) -> list[Change]:
    """Every change of a series in order.

    `floor` is the least change worth a word (0.02 is 2 %); `steps` are the numbers of the commits
    with which asv's steps begin, and may hold the series' first.
    """
    if kind == "exact":
        return list(_exact(series, floor))
    places = [place for place, commit in enumerate(series.at) if place and commit in set(steps)]
    found = list(_stepwise(series, places, floor))
    tip = _tip(series, places[-1] if places else 0, floor)
    return found if tip is None else [*found, tip]


def scatter(values: Sequence[float]) -> float:
    """The standard deviation of points about their level, from the median of the deviations."""
    middle = median(values)
    return NORMAL_MAD * median(abs(value - middle) for value in values)


def noise(values: Sequence[float]) -> float | None:
    """The standard deviation of one point as a share of it; None: too few points to tell.

    From the differences of neighbours, so that steps and drifts do not count as noise.
    """
    ratios = [new / old - 1 for old, new in pairwise(values) if old > 0]
    if len(ratios) < FEW:
        return None
    return NORMAL_MAD * median(map(abs, ratios)) / math.sqrt(2)


def _exact(series: Series, floor: float) -> Iterator[Change]:
    for place in range(1, len(series.at)):
        old, new = series.values[place - 1 : place + 1]
        if abs(new - old) <= max(floor, SAME) * abs(old):
            continue
        ratio = _ratio(new, old)
        yield Change(
            before=series.at[place - 1],
            at=series.at[place],
            old=old,
            new=new,
            ratio=ratio,
            low=ratio,
            high=ratio,
            certainty="certain",
        )


def _stepwise(series: Series, places: Sequence[int], floor: float) -> Iterator[Change]:
    edges = [0, *places, len(series.at)]
    for number, place in enumerate(places):
        old = series.values[max(edges[number], place - NEAR) : place]
        new = series.values[place : min(edges[number + 2], place + NEAR)]
        change = _between(series, place, old, new)
        if abs(change.new - change.old) <= floor * abs(change.old):
            continue
        clear = change.low > 1 + floor or change.high < 1 - floor
        if clear and min(len(old), len(new)) >= ENOUGH:
            change = _as(change, "confirmed")
        yield change


def _between(series: Series, place: int, old: Sequence[float], new: Sequence[float]) -> Change:
    before, after = median(old), median(new)
    ratio = _ratio(after, before)
    # Of few points the scatter is hardly known: both sides share the larger one.
    sigma = max(_relative_scatter(old, before), _relative_scatter(new, after))
    error = NORMAL_MEDIAN * sigma * math.sqrt(1 / len(old) + 1 / len(new))
    return Change(
        before=series.at[place - 1],
        at=series.at[place],
        old=before,
        new=after,
        ratio=ratio,
        low=ratio * max(0.0, 1 - SIGMAS * error),
        high=ratio * (1 + SIGMAS * error),
        certainty="likely",
    )


def _tip(series: Series, begin: int, floor: float) -> Change | None:
    """A step that only the last points know of; the longest such run of points counts."""
    values = series.values[begin:]
    for count in range(min(TIP, len(values) - BEFORE_TIP), 0, -1):
        old, new = values[-count - NEAR : -count], values[-count:]
        level, sigma = median(old), scatter(old)
        bound = max(FAR * sigma, floor * abs(level))
        if all(value > level + bound for value in new) or all(
            value < level - bound for value in new
        ):
            return _between(series, len(series.at) - count, old, new)
    return None


def _relative_scatter(values: Sequence[float], level: float) -> float:
    return scatter(values) / abs(level) if level else 0.0


def _ratio(new: float, old: float) -> float:
    if old:
        return new / old
    return math.inf if new else 1.0


def _as(change: Change, certainty: Certainty) -> Change:
    from dataclasses import replace

    return replace(change, certainty=certainty)
