"""Which commit changed which figure, by how much, and how sure that is.

Theory of operation. Steps are found by `perflab.stats.detector`, as alerts and trends find them. An
*exact* figure changed where it differs from the value told last, beyond its floor: certain. All
others have noise; a step of theirs is *confirmed*, and its size is the ratio of the medians of up
to NEAR points on either side, with an interval from how much points scatter: those around the step,
or, if that is more, all neighbours of the series.

Steps are found when some points of the new level are there, and people look at the tip. So up to
LAST last points that all lie farther from those before than FAR times their scatter are told as
*likely*: the next commits confirm it or make it go away. A level that has been there before is no
news: of NEAR points before, at most one may lie as far.

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
from perflab.stats.detector import PRINTED, changes, watch

__all__ = ["Certainty", "Change", "changes_of", "noise", "scatter"]

Certainty = Literal["certain", "confirmed", "likely"]

NEAR = 30  # points on either side of a step that say how large it is
FEW = 3  # differences that say nothing of a series' noise
FAR = 5.0  # in standard deviations: of some hundred series hardly one passes it by chance
LAST = 12  # points that may be told as likely: the detector knows of older ones
# Points that say what was usual; seeded figures differ for a reason, if only for another draw.
BEFORE = {"seeded": 4, "paired": 8, "observed": 8}
# Last points that may be told as likely. What sockets do can have two levels by itself, and one
# point on the upper one is no news.
LEAST = {"seeded": 1, "paired": 1, "observed": 2}
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


def changes_of(series: Series, kind: str, floor: float) -> list[Change]:
    """Every change of a series in order; `floor` is the least worth a word (0.02 is 2 %)."""
    floor = max(floor, PRINTED)
    if kind == "exact":
        return list(_exact(series, floor))
    places = [step.at for step in watch(series.values).steps]
    found = list(_stepwise(series, places, floor))
    tip = _tip(series, places[-1] if places else 0, BEFORE[kind], LEAST[kind], floor)
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
    old = series.values[0] if series.values else 0.0
    for step in changes(series.values, floor).steps:
        new = series.values[step.at]
        yield Change(
            before=series.at[step.at - 1],
            at=series.at[step.at],
            old=old,
            new=new,
            ratio=_ratio(old, new),
            low=_ratio(old, new),
            high=_ratio(old, new),
            certainty="certain",
        )
        old = new


def _stepwise(series: Series, places: Sequence[int], floor: float) -> Iterator[Change]:
    """The steps that are worth a word."""
    usual = noise(series.values) or 0.0
    for begin, place, end in zip([0, *places], places, [*places[1:], len(series.at)], strict=False):
        old = series.values[max(begin, place - NEAR) : place]
        new = series.values[place : min(end, place + NEAR)]
        change = _between(series, place, old, new, _error(old, new, usual))
        if abs(change.new - change.old) > floor * abs(change.old):
            yield replace(change, certainty="confirmed")


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
    ratio = _ratio(before, after)
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
    for count in range(min(LAST, len(values) - fewest), least - 1, -1):
        old, new = values[-count - NEAR : -count], values[-count:]
        level = median(old)
        bound = max(FAR * max(scatter(old), usual * abs(level)), floor * abs(level))
        up, down = min(new) - level, level - max(new)
        there = sum(each >= min(new) if up > 0 else each <= max(new) for each in old)
        if max(up, down) > bound and there * NEAR <= len(old):
            error = _error(old, new, usual)
            return _between(series, len(series.at) - count, old, new, error)
    return None


def _ratio(old: float, new: float) -> float:
    if old > 0:
        return new / old
    return math.inf if new != old else 1.0
