"""The list of all benchmarks: the newest figure of each, and its last change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from perflab.results.suite import Benchmark
from perflab.site.findings import ChangeRow, benchmark_link, change_row
from perflab.site.model import SiteModel

__all__ = ["listing"]


@dataclass(frozen=True, kw_only=True)
class ListRow:
    """One benchmark."""

    name: str
    link: str
    case: str
    kind: str
    value: str
    change: ChangeRow | None
    commit: str
    """Of the change."""


def listing(model: SiteModel) -> dict[str, Any]:
    """The template's context."""
    place = model.default_place
    suites: dict[str, list[ListRow]] = {}
    for benchmark in model.suite:
        suites.setdefault(benchmark.suite, []).append(_row(model, benchmark, place))
    return {
        "place": None if place is None else model.history.places[place].label,
        "suites": list(suites.items()),
    }


def _row(model: SiteModel, benchmark: Benchmark, place: int | None) -> ListRow:
    series = None if place is None else model.history.series.get((place, benchmark.name, 0))
    value = "–"
    if series is not None and series.at:
        value = model.reading(benchmark).text(series.values[-1])
    elif series is not None and series.failed:
        value = "failed"
    found = [
        each
        for each in model.changes_by_benchmark.get(benchmark.name, ())
        if (each.place, each.case) == (place, 0)
    ]
    return ListRow(
        name=benchmark.name,
        link=benchmark_link(benchmark, 0, place or 0),
        case=benchmark.case(0),
        kind=benchmark.kind,
        value=value,
        change=change_row(model, found[-1]) if found else None,
        commit=model.history.commits[found[-1].change.at].hash[:8] if found else "",
    )
