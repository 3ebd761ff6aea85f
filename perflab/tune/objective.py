"""What is made small, and what must not suffer for it, as data; and how a configuration scores.

Theory of operation. Each figure of a configuration is divided by that of the reference on the same
seed, so what the seeds have in common goes out. The score of a seed is the weighted mean of the
logarithms of these ratios: -0.1 is a tenth better than the reference, whatever the unit. A rail is
held to the means over seeds.

Rule: reads a file and reckons; plays nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated

from msgspec import Meta

from perflab.forms import shown, toml_table
from perflab.tables import Table, Text, known, near, table_of
from perflab.tune.record import TuneError
from perflab.tune.situations import FIGURES, Measured

__all__ = ["SHIPPED", "Rail", "TuneObjective", "read_objective", "score"]

SHIPPED = Path(__file__).with_name("objectives.toml")
LEAST = 1e-9  # a figure below it is nothing, and has no logarithm
SLACK = 1e-9  # of a rail, for figures that are reckoned twice


class Rail(Table, frozen=True, kw_only=True):
    """The most that a figure may be."""

    figure: Text
    most: float | None = None
    times: Annotated[float, Meta(gt=0)] | None = None
    """Of the reference's."""
    plus: float = 0.0

    def __post_init__(self) -> None:
        if (self.most is None) == (self.times is None):
            raise ValueError(f"the rail of {self.figure} needs either 'most' or 'times'")

    def limit(self, reference: float) -> float:
        return (self.most if self.times is None else self.times * reference) + self.plus  # type: ignore[operator]


class TuneObjective(Table, frozen=True, kw_only=True):
    """What a search is for."""

    about: Text
    settings: list[Text] = []  # noqa: RUF012 # msgspec copies it
    """Those that are searched, the others stay as they are; none: all that there are. What a
    setting may spoil has to be a weight or a rail."""
    weights: dict[str, Annotated[float, Meta(gt=0)]]
    rails: list[Rail] = []  # noqa: RUF012 # msgspec copies it

    @property
    def figures(self) -> list[str]:
        """All that have to be known, each once."""
        return list(dict.fromkeys([*self.weights, *(rail.figure for rail in self.rails)]))

    @property
    def situations(self) -> list[str]:
        """Those that have to be played."""
        return list(dict.fromkeys(figure.split(".")[0] for figure in self.figures))

    def broken(self, found: Sequence[Measured], reference: Sequence[Measured]) -> dict[str, float]:
        """Rails that a configuration breaks, with how far its mean is beyond each."""
        beyond = {}
        for rail in self.rails:
            mean, limit = _mean(found, rail.figure), rail.limit(_mean(reference, rail.figure))
            if mean > limit + SLACK * abs(limit):
                beyond[rail.figure] = mean - limit
        return beyond


def read_objective(name: str, path: Path = SHIPPED) -> TuneObjective:
    """The objective of that name. Raises TuneError, OSError."""
    written = toml_table(path, TuneError)
    known(name, written, f"objective in {path.name}", TuneError)
    found = table_of(written[name], TuneObjective, f"{path.name}: {name}", TuneError)
    if not found.weights:
        raise TuneError(f"{path.name}: {name}: weights need one figure at least")
    for figure in found.figures:
        if figure not in FIGURES:
            raise TuneError(
                f"{path.name}: {name}: there is no figure {shown(figure)}{near(figure, FIGURES)}"
            )
    on_sockets = {each == "sockets" for each in found.situations}
    if len(on_sockets) > 1:
        raise TuneError(f"{path.name}: {name}: figures of sockets and of the simulator do not mix")
    return found


def score(objective: TuneObjective, found: Measured, reference: Measured) -> float:
    """Of one seed: the weighted mean of the logarithms of the ratios; below 0 is better."""
    total = math.fsum(objective.weights.values())
    return (
        math.fsum(
            weight * math.log(max(found[figure], LEAST) / max(reference[figure], LEAST))
            for figure, weight in objective.weights.items()
        )
        / total
    )


def _mean(found: Sequence[Measured], figure: str) -> float:
    return fmean(each[figure] for each in found)
