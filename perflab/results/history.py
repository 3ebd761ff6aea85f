"""Everything that was measured, as series over commits: one pass over asv's result files.

Theory of operation. A *place* is one machine in one environment, as asv tells them apart: figures
of two places are never drawn as one line. In a place, each benchmark has a *series* for each
combination of its parameters: points at commits, in the order of asv's revisions. A file that
cannot be read, or is of another form, costs its points and is told about; it never costs the site.
`verdict.published` says why alarms read the same files otherwise.

Rule: reads; decides nothing.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perflab.results.suite import Benchmark

if TYPE_CHECKING:
    from perflab.site.stock import Witness

__all__ = ["History", "Place", "PublishedCommit", "Series", "read_history"]

RESULTS_VERSION = 2  # of asv's result files
NOT_RESULTS = {"machine.json", "benchmarks.json"}
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

    @property
    def python(self) -> str:
        return self.params.get("python", "")

    @property
    def label(self) -> str:
        return f"{self.machine}, Python {self.python}" if self.python else self.machine


@dataclass(kw_only=True)
class Series:
    """One figure over commits. The lists go together; `low` and `high` bound the value, or None."""

    at: list[int] = field(default_factory=list)
    """Numbers of commits."""
    values: list[float] = field(default_factory=list)
    low: list[float | None] = field(default_factory=list)
    high: list[float | None] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    """Commits at which it should have had a value and had none."""


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
    results: Path,
    suite: Sequence[Benchmark],
    commits: Sequence[PublishedCommit],
    witness: Witness | None = None,
) -> History:
    """All results of the commits given; those of other commits are counted as a problem.

    `witness` is shown everything that is read, and may object.
    """
    history = History(commits=list(commits))
    reader = _Reader(history, {each.name: each for each in suite}, witness)
    # One at a time and in order, so that a thousand are never in memory together: asv begins a
    # file's name with eight digits of its commit.
    order = {commit.hash[:8]: number for number, commit in enumerate(commits)}
    paths = sorted(_files(results), key=lambda path: (order.get(path.name[:8], -1), str(path)))
    for path in paths:
        try:
            content = _content(path)
            if witness:
                witness.file(path, content)
            number = reader.numbers.get(str(content["commit_hash"]))
            if number is None:
                history.elsewhere.add(str(content["commit_hash"]))
            elif order.get(path.name[:8]) != number:
                raise ValueError(f"it is not named after its commit, {content['commit_hash']}")
            else:
                reader.take(number, content)
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            history.problems.append(f"{path.parent.name}/{path.name}: {_words(error)}")
    if history.elsewhere:
        history.problems.append(
            f"{len(history.elsewhere)} measured commits are on no published branch, and left out"
        )
    return history


def _files(results: Path) -> Iterator[Path]:
    for folder in sorted(path for path in results.glob("*") if path.is_dir()):
        if (folder / "machine.json").is_file():
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries)
            yield from (
                folder / name
                for name in names
                if name.endswith(".json") and name not in NOT_RESULTS
            )


def _content(path: Path) -> dict[str, Any]:
    content = _decoded(path.read_bytes())
    if not isinstance(content, dict) or content.get("version") != RESULTS_VERSION:
        version = content.get("version") if isinstance(content, dict) else None
        raise ValueError(
            f"format {version}, only {RESULTS_VERSION} is understood: `asv update` brings it there"
        )
    return content


def _decoded(data: bytes) -> Any:
    """JSON as Python writes it, which has NaN."""
    import msgspec

    try:
        return msgspec.json.decode(data.replace(b"NaN", b'"NaN"'))
    except msgspec.DecodeError:  # NaN within a text, or no JSON at all
        return json.loads(data)


def _words(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)


class _Reader:
    """Takes files in the order of commits."""

    def __init__(
        self, history: History, suite: Mapping[str, Benchmark], witness: Witness | None
    ) -> None:
        self.history = history
        self.suite = suite
        self.witness = witness
        self.numbers = {commit.hash: number for number, commit in enumerate(history.commits)}
        self._places: dict[tuple[tuple[str, str], ...], int] = {}
        self._last: dict[str, tuple[Sequence[Sequence[str]], list[int | None]]] = {}

    def take(self, number: int, content: Mapping[str, Any]) -> None:
        columns = {name: place for place, name in enumerate(content["result_columns"])}
        rows = content["results"]
        where = self._place(content)
        place = self.history.places[where]
        if not place.commits or place.commits[-1] != number:
            place.commits.append(number)
        if self.witness:
            self.witness.placed(where, number)
        for name, row in rows.items():
            benchmark = self.suite.get(name)
            cells = _Row(row, columns)
            if benchmark is None or cells("version") not in (None, benchmark.version):
                continue  # gone, or measured otherwise: asv drops it too
            if self.witness:
                self.witness.row(where, number, name, cells)
            self._take_row(where, number, benchmark, cells)
            started = cells("started_at")
            if isinstance(started, int | float):
                place.measured_ms[number] = max(place.measured_ms.get(number, 0), int(started))
        place.measured_ms.setdefault(number, int(content["date"]))

    def _take_row(self, where: int, number: int, benchmark: Benchmark, cells: _Row) -> None:
        values = cells.listed("result")
        low, high = cells.listed("stats_ci_99_a"), cells.listed("stats_ci_99_b")
        known = self.history.series
        for at, index in enumerate(self._indexes(benchmark, cells("params") or [])):
            if index is None:
                continue
            key = where, benchmark.name, index
            series = known.get(key)
            if series is None:
                series = known[key] = Series()
            value = _number(values[at]) if at < len(values) else None
            if value is None:
                series.failed.append(number)
            elif value == value:  # NaN: it does not apply to this commit
                series.at.append(number)
                series.values.append(value)
                series.low.append(_bound(low, at))
                series.high.append(_bound(high, at))

    def _indexes(
        self, benchmark: Benchmark, measured: Sequence[Sequence[str]]
    ) -> Sequence[int | None]:
        """The numbers of the combinations of parameters that a row has, in its order."""
        last = self._last.get(benchmark.name)
        if last is None or last[0] != measured:
            cases = {case: number for number, case in enumerate(benchmark.cases)}
            last = measured, [cases.get(case) for case in itertools.product(*measured)]
            self._last[benchmark.name] = last
        return last[1]

    def _place(self, content: Mapping[str, Any]) -> int:
        params = {str(name): str(value or "") for name, value in content["params"].items()}
        params |= {
            f"env-{name}": str(value) for name, value in (content.get("env_vars") or {}).items()
        }
        key = tuple(sorted(params.items()))
        if key not in self._places:
            self._places[key] = len(self.history.places)
            self.history.places.append(
                Place(
                    machine=params["machine"],
                    environment=str(content.get("env_name") or ""),
                    params=params,
                )
            )
        return self._places[key]


class _Row:
    """A row of a result file, whose trailing empty cells are cut off."""

    def __init__(self, cells: Sequence[Any], columns: Mapping[str, int]) -> None:
        self._cells, self._columns = cells, columns

    def __call__(self, name: str) -> Any:
        place = self._columns.get(name, len(self._cells))
        return self._cells[place] if place < len(self._cells) else None

    def listed(self, name: str) -> list[Any]:
        found = self(name)
        return found if isinstance(found, list) else []


def _number(value: Any) -> float | None:
    if type(value) is float and -math.inf < value < math.inf:
        return value
    if value == "NaN":
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isinf(value):
        return None
    return float(value)


def _bound(values: Sequence[Any], at: int) -> float | None:
    found = _number(values[at]) if at < len(values) else None
    return None if found is None or found != found else found
