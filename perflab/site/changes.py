"""Which commit changed which figure, by how much, and how sure that is.

Theory of operation. Each kind of metric as it deserves (docs/benchmarking.md). An *exact* figure
changed where it differs from the one before, beyond its floor: certain. All others have noise, so
one point against the next says little. There the steps that asv's detection finds in the whole
series are taken; a step's size is the ratio of the medians of up to NEAR points on either side,
with an interval from how much points scatter: those around the step, or, if that is more, all
neighbours of the series. asv's detection is generous in short noisy series, so a step counts as
*confirmed* only if it has at least BEFORE points before it and AFTER from it on, and stays clear of
the kind's floor by FIRM standard errors; others are not told. And it is nearly blind at the tip,
which is where people look. So fewer than AFTER last points that all lie farther from those before
than FAR times their scatter are told as *likely*: the next commits confirm it or make it go away.

What alarms are raised for is found by `verdict.change_point`, with error rates that are measured.

Rule: numbers in, changes out; lower is better, always. What people read is made elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Literal

from perflab.results.history import Series

__all__ = ["Certainty", "Change", "changes_of", "noise", "scatter"]

Certainty = Literal["certain", "confirmed", "likely"]

NEAR = 30  # points on either side of a step that say how large it is
AFTER = 4  # points of the new level that confirm it
FEW = 3  # differences that say nothing of a series' noise
FAR = 5.0  # in standard deviations: of some hundred series hardly one passes it by chance
FIRM = 3.0  # in standard errors: detection has already chosen the place where it looks largest
# Points that say what was usual: of 4 and 4, one order in 35 is a step, of 8 and 4 one in 250.
# Seeded figures differ for a reason, if only for another draw.
BEFORE = {"seeded": 4, "paired": 8, "observed": 8}
# Last points that may be told as likely. What sockets do can have two levels by itself, and one
# point on the upper one is no news.
LAST = {"seeded": 1, "paired": 1, "observed": 2}
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
    """New over old; infinite where the old level was 0 or below."""
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
    begins = set(steps)
    places = [place for place, commit in enumerate(series.at) if place and commit in begins]
    found = list(_stepwise(series, places, BEFORE[kind], floor))
    begin = series.at.index(found[-1].at) if found else 0
    tip = _tip(series, begin, BEFORE[kind], LAST[kind], floor)
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


def _stepwise(series: Series, places: Sequence[int], fewest: int, floor: float) -> Iterator[Change]:
    """The steps that count; between two of them is one level, whatever asv found there."""
    usual = noise(series.values) or 0.0
    begin = 0
    for number, place in enumerate(places):
        after = places[number + 1] if number + 1 < len(places) else len(series.at)
        end = max(after, place + AFTER)  # the next place may be one that does not count
        old = series.values[max(begin, place - NEAR) : place]
        new = series.values[place : min(end, place + NEAR)]
        if len(old) < fewest or len(new) < AFTER:
            continue
        error = _error(old, new, usual)
        change = _between(series, place, old, new, error)
        if abs(change.new - change.old) > floor * abs(change.old) + FIRM * error:
            yield replace(change, certainty="confirmed")
            begin = place


def _error(old: Sequence[float], new: Sequence[float], usual: float) -> float:
    """Of the difference of the medians of two sides.

    Of few points the scatter is hardly known: both sides share the largest there is. `usual` is the
    whole series' noise, as a share.
    """
    level = max(abs(median(old)), abs(median(new)))
    sigma = max(scatter(old), scatter(new), usual * level)
    return NORMAL_MEDIAN * sigma * math.sqrt(1 / len(old) + 1 / len(new))


def _between(
    series: Series, place: int, old: Sequence[float], new: Sequence[float], error: float
) -> Change:
    before, after = median(old), median(new)
    ratio = _ratio(after, before)
    width = SIGMAS * error / before if before > 0 else 0.0
    return Change(
        before=series.at[place - 1],
        at=series.at[place],
        old=before,
        new=after,
        ratio=ratio,
        low=max(0.0, ratio - width),
        high=ratio + width,
        certainty="likely",
    )


def _tip(series: Series, begin: int, fewest: int, least: int, floor: float) -> Change | None:
    """A step that only the last points know of, `least` or more; the longest such run counts."""
    values = series.values[begin:]
    usual = noise(values) or 0.0
    for count in range(min(AFTER - 1, len(values) - fewest), least - 1, -1):
        old, new = values[-count - NEAR : -count], values[-count:]
        level = median(old)
        bound = max(FAR * max(scatter(old), usual * abs(level)), floor * abs(level))
        if all(value > level + bound for value in new) or all(
            value < level - bound for value in new
        ):
            error = _error(old, new, usual)
            return _between(series, len(series.at) - count, old, new, error)
    return None


def _ratio(new: float, old: float) -> float:
    if old > 0:
        return new / old
    return math.inf if new != old else 1.0
