"""How often the alerts are wrong, and what they find: on histories whose truth is known.

Each row is a model of noise: independent, autocorrelated, with spikes. Many histories are drawn,
the real detection reads them, and its false series per 100 commits and its 5 % steps found within
10 and 30 commits stand beside the best that is possible: the Shiryaev-Roberts statistic, told the
noise's parameters, the old level and the size of the step, with a threshold that gives false alarms
in 2 % of series (Pollak, "Optimal detection of a change in distribution", 1985).

Rule: draws from fixed seeds, so that the table is the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from perflab.stats.detector import watch

__all__ = ["HEAD", "MODELS", "NoiseModel", "PowerRow", "drawn", "measured"]

HISTORY = 300
"""Points before the commits that are watched."""
COMMITS = 100
FALSE_SERIES = 0.02
STEP = 0.05
SOON, LATER = 10, 30
SPIKE_SHARE, SPIKE_MOST = 0.05, 0.20
BOUND_SERIES = 10_000
WARM_UP = 200  # looks that the bound's statistic has had before a step, as ours has

HEAD = (
    f"| noise | false series per {COMMITS} commits | found within {SOON} | at best "
    f"| within {LATER} | at best |\n| --- | --- | --- | --- | --- | --- |"
)

Array = Any  # a numpy array; numpy is imported where it is needed
Random = Any  # a numpy.random.Generator


@dataclass(frozen=True, slots=True)
class NoiseModel:
    """Noise about a level of one."""

    sd: float
    rho: float = 0.0
    """Correlation of neighbours."""
    spikes: bool = False
    """One point in twenty is up to 20 % higher."""

    def __str__(self) -> str:
        kind = f"AR(1) {self.rho:g}" if self.rho else "independent"
        return f"{self.sd * 100:.2g} % {kind}{', spikes' if self.spikes else ''}"


MODELS = (
    NoiseModel(0.01),
    NoiseModel(0.02),
    NoiseModel(0.027),
    NoiseModel(0.012, 0.5),
    NoiseModel(0.027, 0.5),
    NoiseModel(0.01, spikes=True),
    NoiseModel(0.02, spikes=True),
    NoiseModel(0.012, 0.5, spikes=True),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PowerRow:
    """What came of one model; shares of series."""

    model: NoiseModel
    series: int
    false: float
    """Told a step, up or down, in COMMITS commits without one."""
    found_soon: float
    found_later: float
    best_soon: float
    """What the best detection finds; NaN where it is not known."""
    best_later: float

    def __str__(self) -> str:
        """As Markdown, below HEAD."""
        shares = (self.false, self.found_soon, self.best_soon, self.found_later, self.best_later)
        cells = ["" if math.isnan(share) else f"{share * 100:.1f} %" for share in shares]
        return f"| {self.model} | {' | '.join(cells)} |"


def drawn(model: NoiseModel, random: Random, series: int, points: int) -> Array:
    """Histories: an array of series and points, about one."""
    import numpy as np

    noise = random.standard_normal((series, points))
    for place in range(1, points):
        before = noise[:, place - 1]
        noise[:, place] = model.rho * before + math.sqrt(1 - model.rho**2) * noise[:, place]
    values = 1 + model.sd * noise
    if model.spikes:
        hit = random.random((series, points)) < SPIKE_SHARE
        values = values + np.where(hit, random.random((series, points)) * SPIKE_MOST, 0.0)
    return values


def measured(model: NoiseModel, series: int, history: int = HISTORY, seed: int = 1) -> PowerRow:
    """Draw, watch, count."""
    import numpy as np

    random = np.random.default_rng(seed)
    quiet = drawn(model, random, series, history + COMMITS)
    wrong = sum(_told(values, history) is not None for values in quiet)
    stepped = drawn(model, random, series, history + LATER)
    stepped[:, history:] *= 1 + STEP
    delays = [_told(values, history) for values in stepped]
    best = _best(model, random) if not (model.rho and model.spikes) else (math.nan, math.nan)
    return PowerRow(
        model=model,
        series=series,
        false=wrong / series,
        found_soon=sum(each is not None and each <= SOON for each in delays) / series,
        found_later=sum(each is not None for each in delays) / series,
        best_soon=best[0],
        best_later=best[1],
    )


def _told(values: Array, history: int) -> int | None:
    """How many points after the history a step was told first; None if none was."""
    steps = watch(values, look_from=history + 1).steps
    return steps[0].told - history + 1 if steps else None


def _best(model: NoiseModel, random: Random) -> tuple[float, float]:
    """Shares of steps that the best detection finds SOON and LATER."""
    import numpy as np

    quiet = drawn(model, random, BOUND_SERIES, WARM_UP + COMMITS)
    highest = np.max(list(_roberts(model, quiet))[WARM_UP:], axis=0)
    threshold = np.quantile(highest, 1 - FALSE_SERIES)
    stepped = drawn(model, random, BOUND_SERIES, WARM_UP + LATER)
    stepped[:, WARM_UP:] *= 1 + STEP
    statistics = np.array(list(_roberts(model, stepped))[WARM_UP:])
    told = np.maximum.accumulate(statistics, axis=0) > threshold
    return float(told[SOON - 1].mean()), float(told[LATER - 1].mean())


def _roberts(model: NoiseModel, values: Array) -> Iterator[Array]:
    """The Shiryaev-Roberts statistic of each series, point by point."""
    import numpy as np

    density, statistic = _density(model), np.zeros(len(values))
    before = np.ones(len(values))
    for value in values.T:
        innovation = value - 1 - model.rho * (before - 1)
        quiet = density(innovation)
        begins = density(innovation - STEP) / quiet
        goes_on = density(innovation - (1 - model.rho) * STEP) / quiet
        statistic = statistic * goes_on + begins
        before = value
        yield statistic


def _density(model: NoiseModel) -> Callable[[Array], Array]:
    """Of an innovation, up to a factor."""
    import numpy as np

    sd = model.sd * math.sqrt(1 - model.rho**2)

    def normal(x: Array) -> Array:
        return np.exp(-((x / sd) ** 2) / 2)

    if not model.spikes:
        return normal
    # A spike is normal noise plus a uniform amount: summed over narrow slices.
    amounts = (np.arange(40) + 0.5) / 40 * SPIKE_MOST

    def mixture(x: Array) -> Array:
        spiked = np.mean([normal(x - amount) for amount in amounts], axis=0)
        return (1 - SPIKE_SHARE) * normal(x) + SPIKE_SHARE * spiked + 1e-300

    return mixture
