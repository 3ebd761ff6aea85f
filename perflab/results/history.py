"""Everything that was measured, as series over commits: one pass over asv's result files.

Theory of operation. A *place* is one machine in one environment, as asv tells them apart: figures
of two places are never drawn as one line. In a place, each benchmark has a *series* for each
combination of its parameters: points at commits, in the order of asv's revisions. A file that
cannot be read, or is of another form, costs its points and is told about; it never costs the site.
`verdict.published` says why alarms read the same files otherwise.

Where higher is better, a series has one over the value: in it, less is better always.

Rule: reads; decides nothing.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perflab.results.asv_results import (
    INFINITE,
    LARGEST,
    LATEST_MS,
    UNREADABLE,
    Row,
    columns_of,
    label,
    read_content,
    result_files,
    words,
)
from perflab.results.suite import MAX_CASES, Benchmark

__all__ = ["ELSEWHERE", "History", "Place", "PublishedCommit", "Series", "read_history"]

PER_MILLE = 1000  # what asv calls "number" is how slow the machine was beside a ruler, in these
MAX_MEASURED = 100_000  # combinations of one benchmark in a file: more take longer than people wait
ELSEWHERE = "{} measured commits are on no published branch, and left out"
Key = tuple[int, str, int]
"""The place's number, the benchmark's name, the number of the combination."""


@dataclass(frozen=True, kw_only=True)
class PublishedCommit:
    """One commit of the published branch."""

    hash: str
    subject: str
    author: str
    date_ms: int
    """When it was committed, in milliseconds since 1970."""
    tags: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Place:
    """A machine in one environment."""

    machine: str
    environment: str
    params: Mapping[str, str]
    """asv's names and values that tell this place from others: machine, python, requirements."""
    commits: list[int] = field(default_factory=list)
    """Numbers of the commits that were measured here, in order."""
    measured_ms: dict[int, int] = field(default_factory=dict)
    """By commit: when its last benchmark was started, in milliseconds since 1970."""
    apart: str = ""
    """What tells it from another place of the same machine and Python; "" where nothing has to."""

    @property
    def python(self) -> str:
        return self.params.get("python", "")

    @property
    def label(self) -> str:
        """What people call it: no two places have the same."""
        python = f"Python {self.python}" if self.python else ""
        return ", ".join(each for each in (self.machine, python, self.apart) if each)

    @property
    def id(self) -> str:
        """Its name among all places, whichever others there are: of a machine in an environment."""
        told = repr((self.environment, sorted(self.params.items())))
        digest = hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()
        return f"{self.machine}/{digest[:12]}"


@dataclass(kw_only=True)
class Series:
    """One figure over commits. The lists go together; `low` and `high` bound the value, or None."""

    at: list[int] = field(default_factory=list)
    """Numbers of commits."""
    values: list[float] = field(default_factory=list)
    low: list[float | None] = field(default_factory=list)
    high: list[float | None] = field(default_factory=list)
    slow: list[float | None] = field(default_factory=list)
    """How many times its reference the ruler took beside the value; None without a ruler."""
    failed: list[int] = field(default_factory=list)
    """Commits at which it should have had a value and had none."""

    def add(
        self,
        at: int,
        value: float,
        low: float | None,
        high: float | None,
        slow: float | None = None,
    ) -> None:
        """A point at a commit that is not older than the last; a second one there replaces it."""
        if self.at and self.at[-1] == at:
            for column in (self.at, self.values, self.low, self.high, self.slow):
                column.pop()
        self.at.append(at)
        self.values.append(value)
        self.low.append(low)
        self.high.append(high)
        self.slow.append(slow)


@dataclass(kw_only=True)
class History:
    """What is known."""

    commits: list[PublishedCommit]
    places: list[Place] = field(default_factory=list)
    series: dict[Key, Series] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    """What could not be used, in words for the reader."""
    elsewhere: set[str] = field(default_factory=set)
    """Measured commits that are none of these."""

    def of_place(self, place: int) -> Iterator[tuple[str, int, Series]]:
        """Benchmark, combination and series of one place."""
        for (where, name, case), series in self.series.items():
            if where == place:
                yield name, case, series


def read_history(
    results: Path, suite: Sequence[Benchmark], commits: Sequence[PublishedCommit]
) -> History:
    """All results of the commits given; those of other commits are counted as a problem."""
    history = History(commits=list(commits))
    reader = _Reader(history, {each.name: each for each in suite})
    # One at a time and in order, so that a thousand are never in memory together: asv begins a
    # file's name with eight digits of its commit.
    order = {commit.hash[:8]: number for number, commit in enumerate(commits)}
    paths = sorted(
        result_files(results), key=lambda path: (order.get(path.name[:8], -1), str(path))
    )
    for path in paths:
        try:
            content = read_content(path)
            number = reader.numbers.get(str(content["commit_hash"]))
            if number is None:
                history.elsewhere.add(str(content["commit_hash"]))
            elif order.get(path.name[:8]) != number:
                raise ValueError(f"it is not named after its commit, {content['commit_hash']}")
            else:
                reader.take(number, content, label(path))
        except UNREADABLE as error:
            history.problems.append(f"{label(path)}: {words(error)}")
    _tell_apart(history.places)
    if reader.infinite:
        history.problems.append(f"{reader.infinite} values are no finite numbers, and so failures")
    if reader.flat:
        history.problems.append(f"{reader.flat} values of 0 or less, where higher is better")
    history.problems += [
        f"benchmark {each.name!r}: the first {MAX_CASES:,} of {count:,} combinations of parameters"
        for each, count in ((each, math.prod(map(len, each.params))) for each in suite)
        if count > MAX_CASES
    ]
    if history.elsewhere:
        history.problems.append(ELSEWHERE.format(len(history.elsewhere)))
    return history


def _tell_apart(places: Sequence[Place]) -> None:
    """Give places that would be called the same what they differ in."""
    named = defaultdict(list)
    for place in places:
        named[place.label].append(place)
    for alike in named.values():
        names = sorted({name for place in alike for name in place.params})
        differ = [name for name in names if len({each.params.get(name) for each in alike}) > 1]
        for place in alike if len(alike) > 1 else ():
            told = [f"{name} {place.params[name]}" for name in differ if place.params.get(name)]
            place.apart = ", ".join(told)
        if len({place.apart for place in alike}) < len(alike):
            for place in alike:
                place.apart = ", ".join(filter(None, (place.apart, place.environment)))


class _Reader:
    """Takes files in the order of commits."""

    def __init__(self, history: History, suite: Mapping[str, Benchmark]) -> None:
        self.history = history
        self.suite = suite
        self.numbers = {commit.hash: number for number, commit in enumerate(history.commits)}
        self.infinite = 0
        """Values that are numbers and have no size."""
        self.flat = 0
        """Values of 0 or less where higher is better."""
        self._places: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}
        self._last: dict[str, tuple[Sequence[Sequence[str]], list[int | None]]] = {}

    def take(self, number: int, content: Mapping[str, Any], named: str) -> None:
        """A file of one commit, named so. A row of another form costs itself alone."""
        columns = columns_of(content)
        rows = content["results"].items()
        where = self._place(content)
        place = self.history.places[where]
        if not place.commits or place.commits[-1] != number:
            place.commits.append(number)
            date_ms = _moment(content.get("date"))
            place.measured_ms[number] = date_ms or self.history.commits[number].date_ms
        began = [0]
        for name, row in rows:
            benchmark = self.suite.get(name)
            try:
                cells = Row(row, columns)
                if benchmark is None or cells("version") not in (None, benchmark.version):
                    continue  # gone, or measured otherwise: asv drops it too
                self._take_row(where, number, benchmark, cells)
                began.append(_moment(cells("started_at")))
            except UNREADABLE as error:
                self.history.problems.append(f"{named}: {name}: {words(error)}")
        place.measured_ms[number] = max(began) or place.measured_ms[number]

    def _take_row(self, where: int, number: int, benchmark: Benchmark, cells: Row) -> None:
        values = cells.listed("result")
        low, high = cells.listed("stats_ci_99_a"), cells.listed("stats_ci_99_b")
        per_mille = cells.listed("stats_number") if benchmark.beside_ruler else []
        known = self.history.series
        for at, index in enumerate(self._indexes(benchmark, cells("params") or [])):
            if index is None:
                continue
            key = where, benchmark.name, index
            series = known.get(key)
            if series is None:
                series = known[key] = Series()
            value = _number(values[at]) if at < len(values) else None
            self.infinite += value is None and at < len(values) and _is_number(values[at])
            bounds = _bound(low, at), _bound(high, at)
            if benchmark.higher_is_better and value is not None:
                self.flat += value <= 0
                value, bounds = _turned(value), (_turned(bounds[1]), _turned(bounds[0]))
            if value is None:
                series.failed.append(number)
            elif value == value:  # NaN: it does not apply to this commit
                slow = _bound(per_mille, at)
                series.add(number, value, *bounds, slow and slow / PER_MILLE)

    def _indexes(
        self, benchmark: Benchmark, measured: Sequence[Sequence[str]]
    ) -> Sequence[int | None]:
        """The numbers of the combinations of parameters that a row has, in its order."""
        last = self._last.get(benchmark.name)
        if last is None or last[0] != measured:
            cases = {case: number for number, case in enumerate(benchmark.cases)}
            combinations = itertools.islice(itertools.product(*measured), MAX_MEASURED)
            last = measured, [cases.get(case) for case in combinations]
            self._last[benchmark.name] = last
        return last[1]

    def _place(self, content: Mapping[str, Any]) -> int:
        params = {str(name): str(value or "") for name, value in content["params"].items()}
        machine = params["machine"]
        params |= {
            f"env-{name}": str(value) for name, value in (content.get("env_vars") or {}).items()
        }
        environment = str(content.get("env_name") or "")
        key = environment, tuple(sorted(params.items()))
        if key not in self._places:
            self._places[key] = len(self.history.places)
            self.history.places.append(
                Place(
                    machine=machine,
                    environment=str(content.get("env_name") or ""),
                    params=params,
                )
            )
        return self._places[key]


def _moment(value: Any) -> int:
    """Milliseconds since 1970; 0 for what is no time before the year 9999."""
    known = type(value) in (int, float) and 0 <= value < LATEST_MS
    return int(value) if known else 0


def _number(value: Any) -> float | None:
    if type(value) is float and -LARGEST <= value <= LARGEST:
        return value
    if value == "NaN" or value != value:
        return math.nan
    if type(value) is not int or abs(value) > LARGEST:
        return None
    return float(value)


def _is_number(value: Any) -> bool:
    """Whether it is one, the infinite ones too."""
    return value in INFINITE or (isinstance(value, int | float) and not isinstance(value, bool))


def _turned(value: float | None) -> float | None:
    """One over it, so that less is better; None where nothing is left to turn."""
    return None if value is None or value <= 0 else 1 / value


def _bound(values: Sequence[Any], at: int) -> float | None:
    found = _number(values[at]) if at < len(values) else None
    return None if found is None or found != found else found
