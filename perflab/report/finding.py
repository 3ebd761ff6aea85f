"""What the reader of a step hands on, whatever kind it is; and two reductions they share.

Rule: a form and arithmetic.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from perflab.report.form import Chart, CriticalPath, Figure, Percentile, StageReport

__all__ = ["Curve", "Observation", "StageEvidence", "spread", "thinned"]

POINTS = 240  # of a curve: as many as a page can show


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Rates per second by operations in flight, or by nodes: what capacity is fitted to."""

    what: str
    unit: str
    rates: Mapping[float, Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What one step says of one metric."""

    step: str
    metric: str
    values: Sequence[float] = ()
    """A trend's values, in the unit of the metric; else the one figure (a share of 0 to 1)."""
    seconds: float | None = None
    """For a counter: in what time; None if there is no rate to speak of."""
    missing: int = 0
    """Values of a trend that never came, and count as longer than all that did: operations that did
    not succeed, faults that nobody recovered from."""
    unusable: str = ""
    """Why there is no figure, though there may be values."""
    circumstances: str = ""
    """Nodes, layout, processes: what the figure holds for."""


@dataclass(frozen=True, kw_only=True)
class StageEvidence:
    """What a record says."""

    problem: str = ""
    """Why no verdict may rest on it."""
    observations: list[Observation] = field(default_factory=list)
    circumstances: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    spectrum: list[Percentile] = field(default_factory=list)
    samples: int = 0
    incomplete: str = ""
    """What of it is missing, so that figures are of a part."""
    events: list[str] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    evidence: dict[str, float] = field(default_factory=dict)
    critical_path: CriticalPath | None = None
    curves: list[Curve] = field(default_factory=list)

    def report(
        self,
        *,
        name: str,
        title: str,
        about: str,
        command: str,
        seconds: float | None,
        exit_code: int | None,
        problem: str,
    ) -> StageReport:
        """What is told of it, under this name; with a problem its figures are compared no more."""
        return StageReport(
            name=name,
            title=title,
            about=about,
            command=command,
            seconds=seconds,
            exit_code=exit_code,
            usable=not problem,
            problem=problem,
            circumstances=self.circumstances,
            facts=self.facts,
            figures={} if problem else self.figures,
            errors=self.errors,
            spectrum=self.spectrum,
            samples=self.samples,
            incomplete=self.incomplete,
            events=self.events,
            charts=self.charts,
            critical_path=self.critical_path,
            evidence=self.evidence,
        )


def spread(values: Sequence[float]) -> float | None:
    """Half the distance of the quartiles over the median; None for fewer than three values."""
    middle = statistics.median(values)
    if len(values) < 3 or not middle:
        return None
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return abs((high - low) / 2 / middle)


def thinned(
    at: Sequence[float], values: Sequence[float], end: float
) -> tuple[list[float], list[float | None]]:
    """Means over at most `POINTS` equal spans of the time; spans without a value are left out."""
    width = max(end, at[-1]) / POINTS
    spans: dict[int, list[float]] = {}
    for instant, value in zip(at, values, strict=True):
        spans.setdefault(min(int(instant / width), POINTS - 1), []).append(value)
    x = [round((span + 0.5) * width, 3) for span in sorted(spans)]
    return x, [round(statistics.fmean(spans[span]), 4) for span in sorted(spans)]
