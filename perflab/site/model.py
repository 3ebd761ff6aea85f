"""All that the pages show, put together once: history, suite, words, and what changed where.

Rule: puts together what other modules read and decide; knows nothing of pages.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median

from perflab.gate.policy import Policy
from perflab.gate.record import Kind
from perflab.results.culprits import StepCulprit
from perflab.results.explained import ToldStep
from perflab.results.history import History, Series
from perflab.results.suite import Benchmark
from perflab.site.changes import Change, changes_of
from perflab.site.readings import FigureReading, Readings

__all__ = ["ChangeFound", "SiteModel", "build_model", "level", "worse_and_better"]

OBSERVED_FLOOR = 0.05  # what asv takes for a regression too; the gate's policy has none for these
LEVEL = 5  # points whose median stands for "now", or "then", where one is noise
DAY_MS = 86_400_000
# Where no folder has the project's name, all else is code.
NOT_CODE = ("tests/", "test/", "docs/", "doc/", "benchmarks/", "asv_bench/", ".")
TEXTS = (".md", ".rst", ".txt")


@dataclass(frozen=True, kw_only=True)
class ChangeFound:
    """A change, and whose it is."""

    place: int
    benchmark: Benchmark
    case: int
    change: Change

    @property
    def title(self) -> str:
        return self.benchmark.title(self.case)


@dataclass(frozen=True, kw_only=True)
class SiteModel:
    """What the pages are made of."""

    project: str
    generated_ms: int
    history: History
    suite: Sequence[Benchmark]
    readings: Readings
    changes: Sequence[ChangeFound]
    """In the order of commits, the worst of each commit first."""
    by_commit: Mapping[int, list[ChangeFound]]
    changes_by_benchmark: Mapping[str, list[ChangeFound]]
    cases: Mapping[str, int]
    """By benchmark: how many combinations of parameters it has."""
    floors: Mapping[str, float]
    """By benchmark: the least change that is worth a word."""
    culprits: Sequence[StepCulprit] = ()
    """What searches among unmeasured commits have found."""
    told: Sequence[ToldStep] = ()
    """The steps that alerts told last."""
    lacking: list[str] = field(default_factory=list)
    """What the whole site lacks, in words for the reader."""
    ours: bool = True
    """Whether it is this repository's, which has readiness, loads and a gate."""
    touched: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By commit: the files that it changed; empty where git could not tell."""

    @cached_property
    def known(self) -> Mapping[str, Benchmark]:
        """Benchmarks by name."""
        return {each.name: each for each in self.suite}

    @cached_property
    def authors(self) -> int:
        """How many people wrote the published commits: one is not named at each."""
        return len({each.author for each in self.history.commits})

    @cached_property
    def code(self) -> str:
        """The folder of what is measured, with a slash; "" if none has the project's name."""
        names = [name for files in self.touched.values() for name in files]
        package = self.project.replace("-", "_").lower()
        for folder in (f"{package}/", f"src/{package}/"):
            if any(name.startswith(folder) for name in names):
                return folder
        return ""

    def is_code(self, name: str) -> bool:
        """Whether a file can make what is measured slower."""
        if self.code:
            return name.startswith(self.code)
        return not name.startswith(NOT_CODE) and not name.endswith(TEXTS)

    def reading(self, benchmark: Benchmark) -> FigureReading:
        return self.readings.of(benchmark)

    def title(self, benchmark: Benchmark, case: int) -> str:
        """What people call a figure."""
        return self.readings.title(benchmark, case)

    @property
    def default_place(self) -> int | None:
        """The place with the newest commit, of several the one with most commits."""
        places = self.history.places
        used = [number for number, place in enumerate(places) if place.commits]
        if not used:
            return None
        return max(used, key=lambda n: (places[n].commits[-1], len(places[n].commits), -n))


def build_model(
    *,
    project: str,
    generated_ms: int,
    history: History,
    suite: Sequence[Benchmark],
    readings: Readings,
    policy: Policy,
    lacking: Sequence[str] = (),
    touched: Mapping[str, Sequence[str]] | None = None,
    ours: bool = True,
    culprits: Sequence[StepCulprit] = (),
    told: Sequence[ToldStep] = (),
    progress: Callable[[int], None] = lambda done: None,
) -> SiteModel:
    """Judge every series once; `progress` is told how many have been."""
    known = {each.name: each for each in suite}
    floors = {each.name: _floor(each, policy) for each in suite}
    found = []
    for done, ((place, name, case), series) in enumerate(history.series.items()):
        progress(done)
        found += [
            ChangeFound(place=place, benchmark=known[name], case=case, change=change)
            for change in changes_of(series, known[name].kind, floors[name])
        ]
    found.sort(key=_weight)
    by_commit: dict[int, list[ChangeFound]] = {}
    by_benchmark: dict[str, list[ChangeFound]] = {}
    for each in found:
        by_commit.setdefault(each.change.at, []).append(each)
        by_benchmark.setdefault(each.benchmark.name, []).append(each)
    return SiteModel(
        project=project,
        generated_ms=generated_ms,
        history=history,
        suite=suite,
        readings=readings,
        changes=found,
        by_commit=by_commit,
        changes_by_benchmark=by_benchmark,
        cases={each.name: len(each.cases) for each in suite},
        floors=floors,
        culprits=culprits,
        told=told,
        lacking=list(lacking),
        touched=touched or {},
        ours=ours,
    )


def level(series: Series, until: int, changed: Sequence[int] = ()) -> tuple[float, int] | None:
    """The level at a commit, and of how many points: the median of the last ones up to it.

    `until` is a commit's number; None if there is no point up to it. `changed` are the commits at
    which the figure changed: what lies before the last of them is another level.
    """
    end = bisect_right(series.at, until)
    begin = bisect_left(series.at, max((each for each in changed if each <= until), default=0))
    values = series.values[max(begin, end - LEVEL) : end]
    return (median(values), len(values)) if values else None


def _floor(benchmark: Benchmark, policy: Policy) -> float:
    if benchmark.kind == "observed":
        return OBSERVED_FLOOR
    return policy.limits(benchmark.name, Kind(benchmark.kind)).floor


def _weight(found: ChangeFound) -> tuple[int, bool, int, float]:
    """Order of commits; then worse before better, surer before less sure, larger before smaller."""
    change = found.change
    sure = ("certain", "confirmed", "likely").index(change.certainty)
    size = abs(change.ratio - 1)
    return change.at, not change.worse, sure, -size


def worse_and_better(found: Iterable[ChangeFound]) -> tuple[int, int]:
    """How many of the changes are worse, and how many better."""
    listed = [each.change.worse for each in found]
    return sum(listed), len(listed) - sum(listed)
