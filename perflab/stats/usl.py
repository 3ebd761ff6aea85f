"""How throughput grows with concurrency or size, by the Universal Scalability Law; what it allows.

Theory of operation. The law (Gunther, "Guerrilla Capacity Planning", 2007, chapter 4) says of N
workers, operations in flight or nodes

    X(N) = rate * N / (1 + contention * (N - 1) + coherency * N * (N - 1))

Divided through, N / X is linear in its three coefficients, so the fit is least squares of the
relative residuals, every level with the same weight. `coherency` is held at 0 or above; contention
may be below 0, which means that work gets cheaper when there is more of it (joined writes), as long
as the law stays positive over what was measured.

Intervals are a bootstrap over the repeats: all levels were measured in turn within a repeat, so a
repeat is drawn for all of them together. What they do not hold is whether the law is right; the
residuals say that, and a fit that is off by more than `MOST_OFF` at any level is told as misfit and
extrapolates nothing.

Rule: arithmetic; reads nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Allowed", "CapacityError", "Estimated", "Fit", "Law", "fit"]

FEWEST_LEVELS = 5  # three coefficients, and something left to see whether they are right
DRAWS = 500  # the ends of the interval then lie on a dozen draws each
CONFIDENCE = 0.95
MOST_OFF = 0.15  # repeats on a shared machine differ by as much


class CapacityError(ValueError):
    """Too little to fit the law to; the message says what is missing."""


@dataclass(frozen=True)
class Law:
    """The three coefficients."""

    rate: float
    """Operations per second of one worker alone."""
    contention: float
    """The share of the work that waits for a common resource; below 0: work joins."""
    coherency: float
    """The share of the work that each pair of workers causes."""

    def throughput(self, n: float) -> float:
        return self.rate * n / (1 + self.contention * (n - 1) + self.coherency * n * (n - 1))

    @property
    def peak_at(self) -> float:
        """The N with the highest throughput; infinite if there is none."""
        if self.coherency <= 0 or self.contention >= 1:
            return math.inf if self.contention < 1 else 1.0
        return max(1.0, math.sqrt((1 - self.contention) / self.coherency))

    def most_within(self, latency_s: float) -> float:
        """The highest N whose mean latency, by Little's law N / X(N), is within the limit."""
        # contention * (n - 1) + coherency * n * (n - 1) <= rate * latency - 1
        a, b = self.coherency, self.contention - self.coherency
        c = 1 - self.contention - self.rate * latency_s
        if a <= 0:
            if b <= 0:
                return math.inf
            return -c / b
        root = b * b - 4 * a * c
        return (-b + math.sqrt(root)) / (2 * a) if root >= 0 else 0.0


@dataclass(frozen=True)
class Estimated:
    """A figure with the interval of `CONFIDENCE` about it."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """What rate a limit on the mean latency allows."""

    latency_s: float
    n: float
    per_s: Estimated
    extrapolated: bool
    """Beyond the levels that were measured: a guess of the law, not a finding."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The law with its intervals and what it leaves over."""

    law: Law
    rate: Estimated
    contention: Estimated
    coherency: Estimated
    levels: tuple[float, ...]
    measured: tuple[float, ...]
    """The median of the repeats at each level, per second."""
    residuals: tuple[float, ...]
    """Of the medians, relative: (measured - law) / law."""
    repeats: int
    peak_n: float | None
    """None: the law has no peak."""
    peak_per_s: Estimated | None
    peak_extrapolated: bool
    fits: bool
    """No level is off by more than `MOST_OFF`."""
    draws: tuple[Law, ...]

    def allowed(self, latency_s: float) -> Allowed | None:
        """The rate at which the mean latency reaches a limit; None if even one worker is over it.

        Beyond the peak more in flight gives less, so the peak is the most that is answered. Where
        the law does not fit there is no answer either; where it has no end, the highest level that
        was measured is as far as it goes.
        """
        if not self.fits:
            return None
        last = self.levels[-1]
        n = min(self.law.most_within(latency_s), self.law.peak_at)
        if not math.isfinite(n):
            n = last
        if n < 1:
            return None
        values = sorted(law.throughput(n) for law in self.draws)
        return Allowed(
            latency_s=latency_s,
            n=n,
            per_s=_interval(self.law.throughput(n), values),
            extrapolated=n > last,
        )


def fit(rates: Mapping[float, Sequence[float]], seed: int = 1) -> Fit:
    """Fit the law to the rates per second of each level, in the order of their repeats."""
    import numpy as np

    levels = np.array(sorted(rates), float)
    if len(levels) < FEWEST_LEVELS:
        raise CapacityError(f"the law needs {FEWEST_LEVELS} levels, there are {len(levels)}")
    counts = {len(rates[n]) for n in rates}
    if len(counts) != 1 or 0 in counts:
        raise CapacityError("every level needs the same repeats, one or more")
    table = np.array([rates[n] for n in sorted(rates)], float)
    if levels[0] <= 0 or not (np.isfinite(table) & (table > 0)).all():
        raise CapacityError("levels and rates are numbers above 0")
    medians = np.median(table, axis=1)
    law = _solve(levels, medians)
    repeats = table.shape[1]
    picks = np.random.default_rng(seed).integers(0, repeats, (DRAWS, repeats))
    draws = tuple(_solve(levels, np.median(table[:, pick], axis=1)) for pick in picks)
    predicted = np.array([law.throughput(n) for n in levels])
    residuals = (medians - predicted) / predicted
    good = bool((abs(residuals) <= MOST_OFF).all())
    peak = law.peak_at if math.isfinite(law.peak_at) and good else None

    def over(values: Sequence[float], estimate: float) -> Estimated:
        return _interval(estimate, sorted(values))

    return Fit(
        law=law,
        rate=over([each.rate for each in draws], law.rate),
        contention=over([each.contention for each in draws], law.contention),
        coherency=over([each.coherency for each in draws], law.coherency),
        levels=tuple(levels.tolist()),
        measured=tuple(medians.tolist()),
        residuals=tuple(residuals.tolist()),
        repeats=repeats,
        peak_n=peak,
        peak_per_s=over([each.throughput(peak) for each in draws], law.throughput(peak))
        if peak
        else None,
        peak_extrapolated=peak is not None and peak > float(levels[-1]),
        fits=good,
        draws=draws,
    )


def _solve(levels: NDArray[np.float64], rates: NDArray[np.float64]) -> Law:
    """Least squares of the relative residuals of N / X, the coefficients within their bounds."""
    import numpy as np

    inverse = levels / rates
    columns = np.stack([np.ones_like(levels), levels - 1, levels * (levels - 1)], axis=1)
    scaled = columns / inverse[:, None]
    one = np.ones_like(levels)
    best: tuple[float, NDArray[np.float64]] | None = None
    # Each bound is active or not: the best of the fits that keep to them. The first one is free of
    # all, so nothing is better if it keeps to them by itself.
    for free in ((0, 1, 2), (0, 1), (0, 2), (0,)):
        found, *_ = np.linalg.lstsq(scaled[:, free], one, rcond=None)
        coefficients = np.zeros(3)
        coefficients[list(free)] = found
        positive = columns @ coefficients > 0
        if coefficients[0] <= 0 or coefficients[2] < 0 or not positive.all():
            continue
        left = float(np.sum((scaled @ coefficients - 1) ** 2))
        if best is None or left < best[0]:
            best = left, coefficients
        if len(free) == len(coefficients):
            break
    assert best is not None  # a constant alone always keeps to them
    one_worker, waits, pairs = best[1].tolist()
    return Law(1 / one_worker, waits / one_worker, pairs / one_worker)


def _interval(estimate: float, ordered: Sequence[float]) -> Estimated:
    tail = (1 - CONFIDENCE) / 2
    low = ordered[int(tail * len(ordered))]
    high = ordered[min(int((1 - tail) * len(ordered)), len(ordered) - 1)]
    return Estimated(estimate, min(low, estimate), max(high, estimate))
