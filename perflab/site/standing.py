"""Where a figure stands: its level now beside that at an earlier commit, and sums over suites.

Theory of operation. Two levels are compared, each the median of up to five points, none of which
lies before the last change told there. A difference has a word only beyond three standard errors
and the floor. A suite's mean is the geometric mean of the ratios of all its figures that have both
levels: of what is stored, so that less is better whatever people read.

Rule: numbers and their words; which pages show them is for others to say.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field

from perflab.results.suite import Benchmark
from perflab.site.changes import noise
from perflab.site.model import DAY_MS, SiteModel, level

__all__ = ["LevelChange", "LevelSum", "Then", "against", "level_sum", "points_in_time"]

MONTH_DAYS = 30
SIGMAS = 3.0  # beyond which a difference of two levels is called one


@dataclass(frozen=True, kw_only=True)
class Then:
    """A commit that levels of today are held against."""

    label: str
    """ "v0.2", "30 days", or "6 days" where the history is no longer."""
    number: int
    tagged: bool = False

    @property
    def words(self) -> str:
        """ "since v0.2", "over 30 days"."""
        return f"{'since' if self.tagged else 'over'} {self.label}"


@dataclass(frozen=True, kw_only=True)
class LevelChange:
    """A difference of two levels."""

    text: str
    word: str = ""
    """worse, better, or "" where it is within the noise or there is nothing to compare with."""
    title: str = ""
    ratio: float | None = None
    """Now over then, of what is stored; None where there is none."""


@dataclass(kw_only=True)
class LevelSum:
    """Some figures against an earlier commit."""

    worse: int = 0
    better: int = 0
    unchanged: int = 0
    without: int = 0
    """Figures without a value then or now."""
    logs: list[float] = field(default_factory=list)

    @property
    def mean(self) -> float | None:
        """The geometric mean of the ratios, now over then; None where there is none."""
        return math.exp(math.fsum(self.logs) / len(self.logs)) if self.logs else None

    @property
    def state(self) -> str:
        """In a word: worse if anything is, none if nothing can be told."""
        if self.worse or self.better:
            return "worse" if self.worse else "better"
        return "unchanged" if self.unchanged else "none"

    def add(self, other: LevelSum) -> None:
        """Take in some more figures."""
        self.worse += other.worse
        self.better += other.better
        self.unchanged += other.unchanged
        self.without += other.without
        self.logs += other.logs


def points_in_time(model: SiteModel, place: int) -> list[Then]:
    """The last release, and 30 days ago, or as long as the history of a place is, where there are
    such."""
    commits, measured = model.history.commits, model.history.places[place].commits
    newest = measured[-1]
    tagged = [n for n in range(newest) if commits[n].tags]
    found = [Then(label=commits[n].tags[-1], number=n, tagged=True) for n in tagged[-1:]]
    month_ms = commits[newest].date_ms - MONTH_DAYS * DAY_MS
    if commits[measured[0]].date_ms <= month_ms:
        at = max(n for n in range(newest) if commits[n].date_ms <= month_ms)
        found.append(Then(label=f"{MONTH_DAYS} days", number=at))
    elif len(measured) > 1:
        hours = (commits[newest].date_ms - commits[measured[0]].date_ms) / DAY_MS * 24
        label = f"{hours / 24:.0f} days" if hours >= 36 else f"{max(1, round(hours))} hours"
        found.append(Then(label=label, number=measured[0]))
    return found


def against(model: SiteModel, place: int, name: str, case: int, then: int) -> LevelChange:
    """A figure's level at its newest point beside that at an earlier commit."""
    benchmark = model.known[name]
    reading = model.reading(benchmark)
    series = model.history.series.get((place, name, case))
    shown = model.changes_by_benchmark.get(name, ())
    changed = [each.change.at for each in shown if (each.place, each.case) == (place, case)]
    if series is None or not series.at:
        return LevelChange(text="–", title="no value")
    before, now = level(series, then, changed), level(series, series.at[-1], changed)
    if before is None or now is None:
        return LevelChange(text="–", title="not measured then")
    (old, count), (new, _) = before, now
    deviation = noise(series.values)
    if benchmark.kind == "exact":
        old, new, deviation = series.values[bisect_right(series.at, then) - 1], series.values[-1], 0
    if old <= 0:  # no share of it can be told
        same = new == old
        text = "0 %" if same else f"from {reading.text(old)}"
        return LevelChange(text=text, ratio=1.0 if same else None)
    # A median of few points strays 1.25 times as far as their mean.
    error = math.inf if deviation is None else deviation * 1.25 * math.sqrt(2 / count)
    beyond = abs(new - old) > max(SIGMAS * error, model.floors[name]) * abs(old)
    return LevelChange(
        text=reading.change(new / old),
        word=("worse" if new > old else "better") if beyond else "",
        title=f"level {reading.text(old)} then, {reading.text(new)} at the newest commit"
        + ("" if beyond else ": within the noise"),
        ratio=new / old,
    )


def level_sum(model: SiteModel, place: int, benchmark: Benchmark, then: int) -> LevelSum:
    """All combinations of one benchmark's parameters."""
    found = LevelSum()
    for case in range(len(benchmark.cases)):
        each = against(model, place, benchmark.name, case, then)
        if each.text == "–":
            found.without += 1
        elif each.word == "worse":
            found.worse += 1
        elif each.word == "better":
            found.better += 1
        else:
            found.unchanged += 1
        if each.ratio is not None and each.ratio > 0:
            found.logs.append(math.log(each.ratio))
    return found
