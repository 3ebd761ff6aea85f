"""By which law a figure grows with the number of nodes, and what it says of larger networks.

Theory of operation. Four laws are fitted to all that was measured, by least squares of relative
residuals: a constant; a + b / N, which levels off; a + b log2 N; and c N^p. Which one is used is
decided by prediction, not by fit: each is fitted to the smaller sizes alone, and has to say the
largest third of them. The one that is off least is the law; those that are off by up to twice as
much (or by `NEARLY`) could be it as well. The interval beyond the measured sizes holds the
bootstrap of residuals under each of these, and by how much the law was off where it was checked.

Sources: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 9 (residuals).

Rule: arithmetic; reads nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perflab.scaling.record import ScalingError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["FEWEST_SIZES", "FittedGrowth", "Predicted", "grown", "reaches"]

FEWEST_SIZES = 4  # two parameters, one size to check them, and one to spare
DRAWS = 400
CONFIDENCE = 0.95
NEARLY = 0.02
MOST_NODES = 1_000_000
LEAST = 1e-9  # figures below it are none


@dataclass(frozen=True)
class _Law:
    """value = inverse(a + b * term(N)), with b = 0 for a constant."""

    name: str
    term: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None
    of_logarithm: bool = False


def _log2(nodes: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    return np.log2(nodes)


LAWS = (
    _Law("constant", None),
    _Law("a + b / N", lambda nodes: 1 / nodes),
    _Law("a + b log2 N", _log2),
    _Law("c N^p", _log2, of_logarithm=True),
)


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """A figure at a size, and the interval of `CONFIDENCE` about it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class FittedGrowth:
    """The law of a figure."""

    law: str
    off: float
    """How far, relative, it was off the largest third of the sizes, fitted to the others alone."""
    others: tuple[str, ...]
    """Laws that said these sizes nearly as well."""
    at: Callable[[float], Predicted]
    """The figure at so many nodes."""


def grown(points: Sequence[tuple[int, float]], seed: int = 1) -> FittedGrowth:
    """The law of (nodes, value), a point for each network. Raises ScalingError: too few sizes."""
    import numpy as np

    sizes = sorted({nodes for nodes, _ in points})
    if len(sizes) < FEWEST_SIZES:
        raise ScalingError(f"a law needs {FEWEST_SIZES} sizes, there are {len(sizes)}")
    nodes = np.array([each for each, _ in points], float)
    values = np.array([each for _, each in points], float)
    if not (np.isfinite(values) & (values >= 0)).all():
        raise ScalingError("a law needs figures that are numbers of 0 or above")
    known = nodes < sizes[-(len(sizes) // 3)]
    means = {n: float(values[nodes == n].mean()) for n in sizes if not (nodes[known] == n).any()}
    scored: list[tuple[float, _Law]] = []
    for law in LAWS:
        if law.of_logarithm and not (values > 0).all():
            continue
        parameters = _fit(law, nodes[known], values[known])
        said = _said(law, parameters, np.array(list(means), float))
        real = np.array(list(means.values()))
        scored.append((float(np.max(abs(said - real) / np.maximum(real, LEAST))), law))
    scored.sort(key=lambda each: each[0])
    off, best = scored[0]
    kept = [law for score, law in scored if score <= max(2 * off, NEARLY)]
    draws = {law.name: _draws(law, nodes, values, seed) for law in kept}

    def at(count: float) -> Predicted:
        value = float(_said(best, _fit(best, nodes, values), np.array([count]))[0])
        tail = (1 - CONFIDENCE) / 2
        ends = [(1 - off) * value, (1 + off) * value]
        for law in kept:
            said = [float(_said(law, each, np.array([count]))[0]) for each in draws[law.name]]
            ends += np.quantile(said, [tail, 1 - tail]).tolist()
        return Predicted(value=value, low=max(0.0, min(ends)), high=max(ends))

    return FittedGrowth(law=best.name, off=off, others=tuple(each.name for each in kept[1:]), at=at)


def reaches(growth: FittedGrowth, limit: float) -> tuple[float | None, float | None, float | None]:
    """At how many nodes the figure reaches a limit: as the law says, at the earliest, at the
    latest; None: not up to a million."""

    def first(figure: Callable[[Predicted], float]) -> float | None:
        low, high = 1.0, float(MOST_NODES)
        if figure(growth.at(high)) < limit:
            return None
        while high / low > 1.001:
            middle = (low * high) ** 0.5
            low, high = (low, middle) if figure(growth.at(middle)) >= limit else (middle, high)
        return high

    return first(lambda p: p.value), first(lambda p: p.high), first(lambda p: p.low)


def _fit(law: _Law, nodes: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The parameters; relative residuals, so that each size has the same weight."""
    import numpy as np

    y = np.log(values) if law.of_logarithm else values
    columns = [np.ones_like(nodes)] + ([law.term(nodes)] if law.term else [])
    weights = (
        np.ones_like(y)
        if law.of_logarithm
        else 1 / np.maximum(values, max(values.max() / 1e3, LEAST))
    )
    found, *_ = np.linalg.lstsq(np.stack(columns, 1) * weights[:, None], y * weights, rcond=None)
    return np.asarray(found, float)


def _said(
    law: _Law, parameters: NDArray[np.float64], nodes: NDArray[np.float64]
) -> NDArray[np.float64]:
    import numpy as np

    y = parameters[0] + (parameters[1] * law.term(nodes) if law.term else 0 * nodes)
    return np.exp(y) if law.of_logarithm else np.asarray(y, float)


def _draws(
    law: _Law, nodes: NDArray[np.float64], values: NDArray[np.float64], seed: int
) -> list[NDArray[np.float64]]:
    """Parameters of what might have been measured: the law, with residuals drawn anew."""
    import numpy as np

    said = np.maximum(_said(law, _fit(law, nodes, values), nodes), LEAST)
    ratios = values / said
    picks = np.random.default_rng(seed).integers(0, len(values), (DRAWS, len(values)))
    return [_fit(law, nodes, np.maximum(said * ratios[pick], LEAST)) for pick in picks]
