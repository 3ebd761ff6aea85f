"""The published history as series: one benchmark with one choice of parameters on one machine.

Values come from asv's result files, in the order of the branch's commits. A commit that was not
measured is a gap, as is a result of another version of the benchmark. A failure (null) and "does
not apply" (NaN) are kept apart from gaps: it is a finding if one of them is the newest of a series
that had values.

The site's pages have a reader of their own (`results.history`), because they ask for something
else: intervals and gaps to draw, of a thousand files in a second or two, environments told apart by
all of their parameters, and records without a version, which asv takes for the current one. An
alarm asks of each point whether it failed or does not apply, takes no record that does not say its
version, and keeps what it has told by asv's names of machine and environment.

Rule: reads files, and decides nothing about better or worse.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perflab.gate.record import Kind
from perflab.results.asv_results import (
    UNREADABLE,
    RecordedResult,
    ResultsError,
    StoredResults,
    finite,
    stored,
    suite,
)
from perflab.results.suite import MAX_CASES, classes

__all__ = ["AlertHistory", "AlertSeries", "Entries", "Point", "read_history", "suite_kinds"]

Entries = Mapping[str, Mapping[str, Any]]
"""asv's list of benchmarks, by name."""


@dataclass(frozen=True, slots=True)
class Point:
    """One commit's value."""

    place: int
    """Of the commit in the history, the oldest being 0."""
    commit: str
    value: float | None
    """None: measuring it failed; NaN: it does not apply."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertSeries:
    """One line of the published site."""

    machine: str
    environment: str
    benchmark: str
    params: tuple[str, ...]
    """Their values, as Python writes them."""
    unit: str
    kind: Kind
    higher_is_better: bool
    points: tuple[Point, ...]

    @property
    def name(self) -> str:
        """As asv writes and matches it: "baseline.Cpu.track_cpu_seconds('store', 64)"."""
        return f"{self.benchmark}({', '.join(self.params)})" if self.params else self.benchmark


@dataclass(frozen=True, slots=True)
class AlertHistory:
    """All of it."""

    series: tuple[AlertSeries, ...]
    problems: tuple[str, ...]
    """What could not be read, a sentence each."""


def read_history(
    results: Path,
    commits: Sequence[str],
    kinds: Mapping[str, Kind],
    machine: str | None = None,
    about: Callable[[Entries], Entries] = lambda entries: entries,
) -> AlertHistory:
    """Read all machines' results, or one's, of these commits (all 40 digits, oldest first).

    `kinds` says which kind a suite's class has ("baseline.Cpu"); asv's own file, as `about` makes
    it, goes before it.
    """
    places = {commit: place for place, commit in enumerate(commits)}
    found: dict[tuple[str, str], list[tuple[int, StoredResults]]] = {}
    problems = []
    for path in sorted(results.glob(f"{machine or '*'}/*.json")):
        if path.name == "machine.json":
            continue
        try:
            file = stored(path)
        except UNREADABLE as error:
            where = path.relative_to(results)
            problems.append(f"{where} cannot be read: {type(error).__name__}: {error}")
            continue
        if file.commit in places:
            key = path.parent.name, file.environment
            found.setdefault(key, []).append((places[file.commit], file))
    try:
        benchmarks = about(suite(results))
    except ResultsError as error:
        benchmarks = {}
        problems.append(str(error))
    problems += [_cut(name, entry) for name, entry in benchmarks.items() if _cut(name, entry)]
    series = [
        each
        for (machine_name, environment), files in found.items()
        for name, entry in benchmarks.items()
        for each in _series(machine_name, environment, name, entry, files, kinds)
    ]
    return AlertHistory(tuple(series), tuple(problems))


def _series(
    machine: str,
    environment: str,
    name: str,
    entry: Mapping[str, Any],
    files: Sequence[tuple[int, StoredResults]],
    kinds: Mapping[str, Kind],
) -> Iterator[AlertSeries]:
    """Those of one benchmark that have a point."""
    declared = entry.get("kind") or kinds.get(name.rpartition(".")[0])
    found = [
        (place, file.commit, _values(file.records[name]))
        for place, file in sorted(files, key=lambda each: each[0])
        if name in file.records and file.records[name].version == (entry.get("version") or "")
    ]
    for params in _choices(entry.get("params") or []):
        # A failed record has no values at all; parameters that one lacks are a gap.
        points = [
            Point(place, commit, values.get(params))
            for place, commit, values in found
            if not values or params in values
        ]
        if points:
            yield AlertSeries(
                machine=machine,
                environment=environment,
                benchmark=name,
                params=params,
                unit=str(entry.get("unit", "")),
                kind=Kind(declared) if declared in set(Kind) else Kind.OBSERVED,
                higher_is_better=entry.get("better") == "higher",
                points=tuple(points),
            )


def _choices(params: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    return list(itertools.islice(itertools.product(*params), MAX_CASES))


def _cut(name: str, entry: Mapping[str, Any]) -> str:
    whole = math.prod(len(values) for values in entry.get("params") or [])
    told = f"{name}: of {whole:,} combinations of parameters the first {MAX_CASES:,} are read"
    return told if whole > MAX_CASES else ""


def _values(record: RecordedResult) -> dict[tuple[str, ...], float | None]:
    """By the choice of parameters; an infinite value is a failure as null is."""
    choices = itertools.product(*record.params)
    return {choice: finite(value) for choice, value in zip(choices, record.values, strict=False)}


def suite_kinds(folder: Path) -> dict[str, Kind]:
    """The kind that each class of the suites declares: {"baseline.Cpu": Kind.PAIRED}.

    Read from the source, for asv does not keep it and importing a suite is for asv.
    """
    return {
        f"{path.stem}.{name}": Kind(about["kind"])
        for path in sorted(folder.glob("*.py"))
        for name, about in classes(path).items()
        if about.get("kind") in set(Kind)
    }
