"""The list of all benchmarks, and the suites' sums: better, worse, unchanged, their mean.

Rule: chooses and words; what differs beyond the noise was decided before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from perflab.results.suite import Benchmark
from perflab.site.findings import ChangeRow, benchmark_link, change_row
from perflab.site.model import SiteModel
from perflab.site.standing import LevelChange, LevelSum, Then, against, level_sum, points_in_time

__all__ = ["listing"]


@dataclass(frozen=True, kw_only=True)
class ListRow:
    """One benchmark."""

    name: str
    title: str
    text: str
    """What a search looks through."""
    suite: str
    link: str
    cases: int
    kind: str
    value: str
    stored: float | None
    """What rows are sorted by."""
    against: LevelChange
    sums: LevelSum
    """Of all its combinations of parameters."""
    change: ChangeRow | None
    commit: str
    """Of the change."""
    at: int
    """The change's commit by its number, -1 without one: what rows are sorted by."""


def listing(model: SiteModel) -> dict[str, Any]:
    """The template's context."""
    place = model.default_place
    then = next(iter(points_in_time(model, place)), None) if place is not None else None
    sums: dict[str, LevelSum] = {}
    rows = []
    for benchmark in model.suite:
        row = _row(model, benchmark, place, then)
        rows.append(row)
        sums.setdefault(benchmark.suite, LevelSum()).add(row.sums)
    return {
        "place": None if place is None else model.history.places[place].label,
        "since": then.words if then else "",
        "then": model.history.commits[then.number] if then else None,
        "sums": list(sums.items()),
        "rows": sorted(rows, key=lambda row: row.stored is None),
        "kinds": list(dict.fromkeys(each.kind for each in model.suite)),
    }


def _row(model: SiteModel, benchmark: Benchmark, place: int | None, then: Then | None) -> ListRow:
    measured = model.history.series
    # The first combination that was measured stands for all.
    cases = range(len(benchmark.cases))
    those = ((each, measured.get((place or 0, benchmark.name, each))) for each in cases)
    case = next((each for each, one in those if one is not None and one.at), 0)
    series = None if place is None else measured.get((place, benchmark.name, case))
    value, stored = "–", None
    if series is not None and series.at:
        stored = series.values[-1]
        value = model.reading(benchmark).text(stored)
    elif series is not None and series.failed:
        value = "failed"
    found = [
        each
        for each in model.changes_by_benchmark.get(benchmark.name, ())
        if (each.place, each.case) == (place, case)
    ]
    last = found[-1] if found else None
    beside, sums = LevelChange(text="–"), LevelSum(without=len(benchmark.cases))
    if place is not None and then is not None:
        beside = against(model, place, benchmark.name, case, then.number)
        sums = level_sum(model, place, benchmark, then.number)
    return ListRow(
        name=benchmark.name,
        title=model.title(benchmark, case),
        text=" ".join([benchmark.name, *(model.title(benchmark, n) for n in cases)]).lower(),
        suite=benchmark.suite,
        link=benchmark_link(benchmark, case, place or 0),
        cases=len(benchmark.cases),
        kind=benchmark.kind,
        value=value,
        stored=stored,
        against=beside,
        sums=sums,
        change=change_row(model, last) if last else None,
        commit=model.history.commits[last.change.at].hash[:8] if last else "",
        at=last.change.at if last else -1,
    )
