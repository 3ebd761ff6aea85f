"""Steps in a history, found close to its tip: a series of values in, steps out.

Theory of operation. The series is read as it grew: after each point the newest ones are asked
whether they lie on another level than those before, and what was told once stays told. So the
answer for a prefix never changes, and the false alarms of a year are those of its days.

The model: values lie about a level; logarithms of neighbours are correlated (AR(1)); now and then a
point is disturbed by any amount. For each place in the last REACH points where the level may have
changed, the likelihood of "a step there" is held against "none" (Willsky and Jones, "A generalized
likelihood ratio approach to the detection and estimation of jumps", 1976), with four additions:

1. A point is disturbed with a small probability whatever the hypothesis. So none can say more than
   MOST nats for a step: three spikes in a row do not make one, and points that lie on the old level
   speak against it.
2. Correlation is taken out first (x_t - rho x_t-1): a step then shows in full at its first point
   and only with the share 1 - rho in all others, which is why it is harder to see.
3. Level and noise are estimated: the ratio is made smaller for the uncertain mean of the old level,
   and the noise is taken to be wider, as Student's quantile is than the normal one.
4. Noise is estimated from what lies before the last REACH points, spikes clipped. If more than a
   tenth of the points would have to be spikes, nothing is clipped: a machine with two speeds is
   noisy, and a series that cannot answer must not pretend to.

After a step the level begins anew, and the noise of earlier levels is kept. `alerts --power` says
how often this is wrong and what it finds, beside the best that is possible.

The pages of the site tell changes in another way (`front.changes`): for readers, of a whole series,
with asv's steps, which may move as points come. Neither can stand for the other: a reader
wants to see all of the past, and an alarm has to be right as often as is promised, at the tip, for
good.

Rule: numbers in, numbers out. Exact figures need none of this: `changes` finds theirs.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from benchmarks.verdict.trend import student_quantile

__all__ = ["REACH", "START", "Step", "Watched", "changes", "watch"]

START = 20
"""Points before anything is said: of fewer, the noise is not known."""
REACH = 40
"""A step is found among so many newest points, or left to asv's own detection."""
FEWEST = 4  # points of the new level: three may be spikes
MEMORY = 800  # points that level and noise are estimated from
MOST = 3.4  # nats that one point can say: a point is disturbed with a probability of exp(-3.4)
SCORE = 3.85  # that tells a step; see docs/alerts.md for what follows from it
CLIP = 2.5  # standard deviations; of a normal distribution clipped there, CLIPPED_SD is left
CLIPPED_SD = 0.9776
SPIKES = 0.1  # a larger share of disturbed points is the noise itself
HIGHEST_RHO = 0.95
SMALLEST_SD = 1e-4  # values that hardly ever differ: what does is a spike or a step
NEAR = 2.0  # nats; places this close to the likeliest one may be the right one
SOON = 10  # points, for the smallest step that is found
POWER = 0.95

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
    """New level over old; where values below or at zero make a ratio meaningless, one plus the
    change in units of the typical magnitude."""


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

    def information(self, points: float) -> float:
        """Of so many points about their level, in those that would be independent."""
        return 1 + (points - 1) * (1 - self.rho) ** 2


def changes(values: Sequence[float]) -> Watched:
    """Every change of an exact figure is a step."""
    steps = [
        Step(at, at, at, at, _ratio(values[at - 1], values[at]))
        for at in range(1, len(values))
        if values[at] != values[at - 1]
    ]
    return Watched(tuple(steps), 1.0)


def _ratio(before: float, after: float) -> float:
    return after / before if before > 0 else 1 + (after - before) / max(abs(before), abs(after))


def watch(values: Sequence[float], look_from: int = START) -> Watched:
    """Read a noisy series, oldest first, finite values only.

    `look_from` leaves out the looks at fewer points than that: faster, where nothing happened.
    """
    import numpy as np

    series, positive = _scaled(np.asarray(values, dtype=float))
    steps: list[Step] = []
    begin, residuals, noise = 0, np.empty(0), None
    for end in range(max(look_from, START), len(series) + 1):
        segment = series[max(begin, end - MEMORY - REACH) : end]
        if len(segment) < 2 * FEWEST:
            continue
        noise, found = _look(segment, residuals)
        if found is None:
            continue
        after, first, last, shift = found
        at = end - after
        ratio = math.exp(shift) if positive else 1 + shift
        steps.append(Step(at, end - first, end - last, end - 1, ratio))
        level = series[begin:at]
        residuals = np.concatenate((residuals, level - np.median(level)))[-MEMORY:]
        begin = at
    return Watched(tuple(steps), _smallest(noise, len(series) - begin))


def _scaled(values: Array) -> tuple[Array, bool]:
    """Logarithms, in which a slowdown adds the same wherever it begins; and whether they are."""
    import numpy as np

    if len(values) and values.min() > 0:
        return np.log(values), True
    return values / (np.median(np.abs(values)) or 1.0) if len(values) else values, False


def _look(segment: Array, earlier: Array) -> tuple[_Noise, tuple[int, int, int, float] | None]:
    """The noise; and the step among the newest points, if there is one: how many points come after
    it, at most, at least, and the change."""
    import numpy as np

    tail = min(REACH, len(segment) // 2)
    old = segment[:-tail]
    level = np.median(old)
    noise = _noise(np.concatenate((earlier, old - level))[-MEMORY:])
    scaled = (segment - level) / noise.innovation
    after, shift, nats = _likelihoods(scaled, tail, noise)
    information = noise.information(after)
    before = noise.information(len(segment) - after)
    nats = nats * before / (before + information)
    best = int(np.argmax(nats))
    if nats[best] < SCORE**2 / 2:
        return noise, None
    near = after[nats > nats[best] - NEAR]
    change = float(shift[best]) * noise.innovation
    return noise, (int(after[best]), int(near.max()), int(near.min()), change)


def _likelihoods(scaled: Array, tail: int, noise: _Noise) -> tuple[Array, Array, Array]:
    """For each number of points after the step: that number, the step, and the nats for it."""
    import numpy as np

    count, rho = len(scaled), noise.rho
    after = np.arange(FEWEST, tail + 1)
    # Spikes are left out of the old level: clipped, they would still draw it to their side.
    kept = np.abs(scaled) <= CLIP * noise.sd / noise.innovation
    level = np.cumsum(scaled * kept)[count - after - 1]
    level = level / np.maximum(np.cumsum(kept)[count - after - 1], 1)
    newest = scaled[count - tail :]
    innovations = newest - rho * scaled[count - tail - 1 : count - 1]
    # Rows are places of the step, columns the newest points.
    column, start = np.arange(tail)[None, :], (tail - after)[:, None]
    shape = np.where(column == start, 1.0, 1 - rho) * (column >= start)
    without = innovations[None, :] - (1 - rho) * level[:, None]
    spike = 1 / math.expm1(MOST)
    shift = _running_median(newest[::-1])[FEWEST - 1 :] - level
    # The median is robust; one step of weighted least squares from there is as good as the mean.
    density = np.exp(-((without - shape * shift[:, None]) ** 2) / 2)
    weight = shape * density / (density + spike)
    shift = (weight * without).sum(1) / np.maximum((weight * shape).sum(1), 1e-9)
    density = np.exp(-((without - shape * shift[:, None]) ** 2) / 2)
    nats = np.log((density + spike) / (np.exp(-(without**2) / 2) + spike))
    return after, shift, (nats * (column >= start)).sum(1)


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
    kept = residuals
    disturbed = np.count_nonzero(np.abs(residuals) > 3 * sd)
    if sd > 0 and disturbed <= SPIKES * count + 2:
        for _ in range(3):
            kept = np.minimum(np.maximum(residuals, -CLIP * sd), CLIP * sd)
            sd = float(kept.std()) / CLIPPED_SD
    else:
        sd = float(residuals.std())
    if sd <= SMALLEST_SD:
        return _Noise(SMALLEST_SD, 0.0, count)
    kept = kept - kept.mean()
    rho = float(np.dot(kept[1:], kept[:-1]) / np.dot(kept, kept))
    rho = (rho * count + 1) / max(count - 3, 1)  # short series make it look smaller than it is
    return _Noise(sd, min(max(rho, 0.0), HIGHEST_RHO), count)


def _smallest(noise: _Noise | None, points: int) -> float:
    if noise is None:
        return math.nan
    before, soon = noise.information(points), noise.information(SOON)
    score = SCORE + NormalDist().inv_cdf(POWER)
    return math.exp(score * noise.innovation * math.sqrt(1 / before + 1 / soon))
