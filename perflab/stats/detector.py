"""Steps in a history, found close to its tip: a series of values in, steps out.

Theory of operation. The series is read point by point, and what was told once stays told. So the
answer for a prefix never changes, and the false alarms of a year are those of its days.

The model: values lie about a level; logarithms of neighbours are correlated (AR(1)); now and then a
point is disturbed by any amount. At each point, the odds that the level has changed are added up
over the last REACH places and over the sizes that a step may have (the statistic of Shiryaev and
Roberts, averaged over sizes: Pollak, "Average run lengths of an optimal method of detecting a
change in distribution", 1987). A step is told when they are ODDS times those of "none". In detail:

1. A point is disturbed with a small probability whatever the hypothesis, so it can say no more than
   MOST nats for a step. Three spikes in a row do not make one, and points that lie on the old level
   speak against it. What a disturbed point hides is predicted from those before it (the additive
   outlier of Fox, "Outliers in time series", 1972): without that, each spike would count twice, for
   the next point is far from what it promised.
2. Correlation is taken out first (x_t - rho x_t-1): a step then shows in full at its first point
   and only with the share 1 - rho in all others, which is why it is harder to see.
3. Level, noise and correlation are estimated from what lies before the last REACH points, disturbed
   ones left out, and none is taken to be known: the odds are made smaller for the uncertain level,
   the noise wider, as Student's quantile is than the normal one, and the correlation larger by its
   standard error, for too small a one makes steps of drift.
4. If more than a tenth of the points would have to be disturbed, none is left out: a machine with
   two speeds is noisy, and a series that cannot answer must not pretend to.
5. Only what is worse raises an alarm, so steps for the worse are taken to be four times as likely.

After a step the level begins anew, and the noise of earlier levels is kept. `alerts --power` says
how often this is wrong and what it finds, beside the best that is possible.

Two more rules know what the odds do not:

6. The first points tell too little of the noise for odds. Among the first FIRST_POINTS a step is
   also told where `short_series` finds a clear one.
7. A machine with two speeds has been at the other one before. If a tenth of the old level's points
   already lay about the new level, with nothing between the two, a step there is no news.

The site, the alerts and the trends of readiness runs all tell these steps, so that no page knows of
one that another denies. asv's own pages keep asv's.

Rule: numbers in, numbers out. Exact figures need none of this: `changes` finds theirs.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median
from typing import Any

from perflab.stats.short_series import FEWEST, HIGHEST_RHO, SHORTEST, SMALLEST_SD, Found, first_step
from perflab.stats.slope import student_quantile

__all__ = [
    "PRINTED",
    "REACH",
    "SHORTEST",
    "START",
    "Step",
    "Watched",
    "changes",
    "watch",
]

PRINTED = 5.1e-4
"""A smaller change than this share would be printed as "0 %"."""
START = 20
"""Points before the odds are asked: of fewer, the noise is not known."""
REACH = 40
"""A step is found among so many newest points, or left to asv's own detection."""
FIRST = 2 * FEWEST  # points of a level before it can change again
MEMORY = 800  # points that level and noise are estimated from
EVERY = 5  # points between estimates: they hardly change
MOST = 3.4  # nats that one point can say: a point is disturbed with a probability of exp(-3.4)
SPIKE = math.exp(-MOST)
ODDS = math.exp(7.2)  # that tell a step; see docs/alerts.md for what follows from it
SCORE = math.sqrt(2 * math.log(ODDS))  # in standard deviations, if there was one place and size
SIZES = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0)  # of steps, in what is new in a point
ANY_SIZE = 0.2  # of the odds beforehand are for another one, which the points so far have told
WORSE = 0.8  # of the others are for steps for the worse
CLIP = 3.0  # standard deviations; a normal distribution without what lies beyond has CLIPPED_SD
CLIPPED_SD = 0.9866
SPIKES = 0.1  # a larger share of disturbed points is the noise itself
NEAR = 2.0  # nats; places this close to the likeliest one may be the right one
FIRST_POINTS = 30  # see 6; from then on the odds know the noise well enough
VISITS = 4  # points of the old level that have been at the new one: fewer may be spikes
SHARE = 0.1  # of the old level, at least, and so many points of it are looked at:
LOOKED_AT = 60
SOON = 10  # points, for the smallest step that is found
POWER = 0.95
UNKNOWN = 0.4  # standard deviations that not knowing place and size costs, found by trying

Array = Any  # a numpy array; numpy is imported where it is needed


@dataclass(frozen=True, slots=True)
class Step:
    """A change of level. Places are indices of points."""

    at: int
    """The first point of the new level, most likely."""
    first: int
    last: int
    """It may be anywhere from first to last."""
    told: int
    """The point with which it was found."""
    ratio: float
    """New level over old; from zero or below there is none: infinite if it rose, 0 if it fell."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What a series says."""

    steps: tuple[Step, ...]
    smallest: float
    """The smallest ratio above one that would now be found within SOON points with 95 %; NaN if the
    series is too short to say anything."""


@dataclass(frozen=True, slots=True)
class _Noise:
    sd: float
    rho: float
    points: int

    @property
    def innovation(self) -> float:
        """What is new in each point; more of it where few points have told how much there is."""
        error = 2 * (1 - NormalDist().cdf(SCORE))
        wider = student_quantile(1 - error, max(self.points - 3, 4)) / SCORE
        return self.sd * math.sqrt(1 - self.rho**2) * wider

    def information(self, points: Any) -> Any:
        """Of so many points about their level, in those that would be independent."""
        return 1 + (points - 1) * (1 - self.rho) ** 2


def changes(values: Sequence[float], least: float = PRINTED) -> Watched:
    """Every change of an exact figure is a step, if it is beyond `least`, as a share of it."""
    steps = []
    told = 0  # the point whose value was told last: small changes add up
    for at in range(1, len(values)):
        if abs(values[at] - values[told]) > least * abs(values[told]):
            steps.append(Step(at, at, at, at, _ratio(values[told], values[at])))
            told = at
    return Watched(tuple(steps), 1.0)


def _ratio(before: float, after: float) -> float:
    """New over old. From zero or below there is none: infinite if it rose, 0 if it fell."""
    if before > 0 or before == after:
        return after / before if before else 1.0
    return math.inf if after > before else 0.0


def watch(
    values: Sequence[float], look_from: int = SHORTEST, *, higher_is_better: bool = False
) -> Watched:
    """Read a noisy series, oldest first, finite values only.

    `look_from` leaves out the looks at fewer points than that: faster, where nothing happened.
    """
    import numpy as np

    series, positive = _scaled(np.asarray(values, dtype=float))
    steps: list[Step] = []
    level, noise = _Level(series, 0, np.empty(0), higher_is_better), None
    for end in range(max(look_from, SHORTEST), len(series) + 1):
        found = None
        if end >= START:
            level.read(end)
            found = level.end()
            noise = level.noise or noise  # a new level has none for some points
        if found is None and end < FIRST_POINTS:
            found = first_step(series[level.begin : end].tolist())
        if found is None or _has_been_there(series[level.begin : end], found):
            continue
        after, first, last, shift = found
        ratio = math.exp(shift) if positive else _ratio(*_levels(values, level.begin, end, after))
        steps.append(Step(end - after, end - first, end - last, end - 1, ratio))
        level = _Level(series, end - after, level.residuals(end - after), higher_is_better)
    return Watched(tuple(steps), _smallest(noise, len(series) - level.begin))


def _levels(values: Sequence[float], begin: int, end: int, after: int) -> tuple[float, float]:
    """The medians on both sides of a step."""
    return median(values[begin : end - after]), median(values[end - after : end])


def _has_been_there(level: Array, found: Found) -> bool:
    """Whether the old level has been at the new one before; see 7."""
    import numpy as np

    after, first, last, shift = found
    old, new = level[: len(level) - max(after, first)][-LOOKED_AT:], level[len(level) - last :]
    if len(old) < VISITS:
        return False
    usual = float(np.median(old))
    change = float(np.median(new)) - usual
    if abs(change) < abs(shift) / 3:
        return True  # half of the old points lay there
    way = (old - usual) / change
    there = np.count_nonzero(np.abs(way - 1) < 1 / 3)
    between = np.any(np.abs(way - 0.5) <= 1 / 6)
    return bool(there >= max(VISITS, SHARE * len(old)) and not between)


def _scaled(values: Array) -> tuple[Array, bool]:
    """Logarithms, in which a slowdown adds the same wherever it begins; and whether they are."""
    import numpy as np

    if len(values) and values.min() > 0:
        return np.log(values), True
    return values / (np.median(np.abs(values)) or 1.0) if len(values) else values, False


class _Level:
    """The points since a level began, read one by one, and whether it has ended."""

    def __init__(self, series: Array, begin: int, earlier: Array, higher_is_better: bool) -> None:
        self.begin = begin
        self.noise: _Noise | None = None
        self._series = series
        self._earlier = earlier  # how far points lay from earlier levels
        self._read = begin
        self._odds = _Odds(higher_is_better)

    def residuals(self, end: int) -> Array:
        """How far the points before this one lie from their levels; noise is learnt from that."""
        import numpy as np

        level = self._series[self.begin : end]
        return np.concatenate((self._earlier, level - np.median(level)))[-MEMORY:]

    def read(self, end: int) -> None:
        """Take the points before this one. Of those long before, only level and noise matter."""
        for place in range(max(self._read, self.begin + FIRST - 1, end - 2 * REACH), end):
            count = place + 1 - self.begin
            if self.noise is None or count % EVERY == 0:
                self._estimate(place + 1 - _tail(count))
            assert self.noise is not None
            newest = self._series[max(self.begin, place - REACH) : place + 1]
            self._odds.take((newest - self._middle) / self.noise.innovation, self.noise.rho)
        self._read = end

    def _estimate(self, end: int) -> None:
        import numpy as np

        old = self._series[max(self.begin, end - MEMORY) : end]
        middle = float(np.median(old))
        self.noise = _noise(np.concatenate((self._earlier, old - middle))[-MEMORY:])
        kept = old[np.abs(old - middle) <= CLIP * self.noise.sd]
        self._middle = float(kept.mean()) if len(kept) else middle

    def end(self) -> tuple[int, int, int, float] | None:
        """The step, if there is one: how many points come after it, at most, at least, and the
        change."""
        if self.noise is None:
            return None
        count = self._read - self.begin
        found = self._odds.step(self.noise, count - _tail(count), _tail(count))
        return found and (*found[:3], found[3] * self.noise.innovation)


def _tail(count: int) -> int:
    """How many of a level's points may be another one's."""
    return min(REACH, count // 2)


class _Odds:
    """Of a step at each of the newest places (rows, the newest one first) and of each size
    (columns; the last one is any other size). One row more has no step."""

    def __init__(self, higher_is_better: bool) -> None:
        import numpy as np

        worse = 1 - WORSE if higher_is_better else WORSE
        each = (1 - ANY_SIZE) / len(SIZES)
        sizes = [*SIZES, *(-size for size in SIZES), 0.0]
        odds = [worse * each] * len(SIZES) + [(1 - worse) * each] * len(SIZES) + [ANY_SIZE]
        self._prior = np.log(odds)
        self._sizes = np.tile(sizes, (REACH + 1, 1))
        self._sizes[REACH] = 0.0
        self._nats = np.zeros((REACH, len(sizes)))
        # Whether the point before was disturbed, what it then hides, and how surely.
        self._disturbed = np.zeros((REACH + 1, len(sizes)))
        self._hidden = np.zeros((REACH + 1, len(sizes)))
        self._variance = np.zeros((REACH + 1, len(sizes)))

    def take(self, points: Array, rho: float) -> None:
        """One point more: the last of these, told as distances from the level in units of what is
        new in each."""
        import numpy as np

        for rows in (self._disturbed, self._hidden, self._variance):
            rows[1:REACH] = rows[: REACH - 1].copy()
            rows[0] = rows[REACH]
        self._nats[1:] = self._nats[:-1].copy()
        self._nats[0] = 0.0
        earlier = points[-2:-REACH:-1]
        self._sizes[1 : len(earlier) + 1, -1] = _running_median(earlier)
        before = points[-2] - self._sizes
        before[0] = points[-2]  # it still belongs to the old level
        guess, other_guess = rho * before, rho * self._hidden
        other_variance = 1 + rho * rho * self._variance
        value = points[-1] - self._sizes
        likely = np.exp(-((value - guess) ** 2) / 2)
        other = np.exp(-((value - other_guess) ** 2) / 2 / other_variance) / np.sqrt(other_variance)
        disturbed = self._disturbed
        total = (1 - disturbed) * likely + disturbed * other + SPIKE
        nats = np.log(total)
        nats[0, -1] = nats[REACH, -1]  # of any other size, the first point tells the size
        self._nats += nats[:REACH] - nats[REACH]
        # If this point is disturbed, it says nothing about what it hides.
        self._variance = (
            1
            + disturbed * (other_variance - 1)
            + disturbed * (1 - disturbed) * (guess - other_guess) ** 2
        )
        self._hidden = guess + disturbed * (other_guess - guess)
        self._disturbed = SPIKE / total

    def step(self, noise: _Noise, before: int, tail: int) -> tuple[int, int, int, float] | None:
        """The step among so many newest points: how many come after it, at most, at least, and its
        size; None if "none" is as likely. So many points `before` have told the level."""
        import numpy as np

        after = np.arange(FEWEST, tail + 1)
        known = noise.information(before)
        sure = known / (known + noise.information(after))
        nats = self._nats[FEWEST - 1 : tail] * sure[:, None] + self._prior
        odds = np.exp(nats - nats.max())
        if nats.max() + math.log(odds.sum()) < math.log(ODDS):
            return None
        places = odds.sum(axis=1)
        best = int(np.argmax(places))
        near = after[places > places[best] * math.exp(-NEAR)]
        size = float(odds[best] @ self._sizes[FEWEST - 1 + best]) / places[best]
        return int(after[best]), int(near.max()), int(near.min()), size


def _running_median(values: Array) -> Array:
    """Of the first, the first two, the first three … values."""
    import numpy as np

    ordered: list[float] = []
    found = np.empty(len(values))
    for place, value in enumerate(values.tolist()):
        insort(ordered, value)
        found[place] = (ordered[place // 2] + ordered[(place + 1) // 2]) / 2
    return found


def _noise(residuals: Array) -> _Noise:
    import numpy as np

    count = len(residuals)
    sd = 1.4826 * float(np.median(np.abs(residuals)))
    kept = np.ones(count, dtype=bool)
    if sd > 0 and np.count_nonzero(np.abs(residuals) > CLIP * sd) <= SPIKES * count + 2:
        for _ in range(3):
            kept = np.abs(residuals) <= CLIP * sd
            sd = float(residuals[kept].std()) / CLIPPED_SD
    else:
        sd = float(residuals.std())
    if sd <= SMALLEST_SD:
        return _Noise(SMALLEST_SD, 0.0, count)
    about = np.where(kept, residuals - residuals[kept].mean(), 0.0)
    pairs = kept[1:] & kept[:-1]
    one, other = about[1:][pairs], about[:-1][pairs]
    rho = float(one @ other / math.sqrt((one @ one) * (other @ other) or 1.0))
    rho = (rho * count + 1) / max(count - 3, 1)  # short series make it look smaller than it is
    rho = min(max(rho, 0.0), HIGHEST_RHO)
    rho += math.sqrt((1 - rho**2) / count)  # see 3 above
    return _Noise(sd, min(rho, HIGHEST_RHO), count)


def _smallest(noise: _Noise | None, points: int) -> float:
    if noise is None:
        return math.nan
    before, soon = noise.information(points), noise.information(SOON)
    score = SCORE + UNKNOWN + NormalDist().inv_cdf(POWER)
    return math.exp(score * noise.innovation * math.sqrt(1 / before + 1 / soon))
