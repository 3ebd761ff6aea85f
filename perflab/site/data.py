"""The pages' data as JSON files: site.json, one file a benchmark and one a commit.

docs/site.md describes every field; `VERSION` is raised when a reader of the old form would misread
the new one. Figures are as asv stored them, lower is better; a reading says what people see. JSON
has no infinity: null stands for it.

Rule: forms and files; decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from perflab.gate.policy import Policy
from perflab.results.asv_results import moment
from perflab.results.history import Key, Series
from perflab.results.suite import Benchmark
from perflab.site.changes import noise
from perflab.site.checks import Alerts
from perflab.site.culprits import culprit_words
from perflab.site.explained import explanation_of
from perflab.site.lines import accepted_changes, alarms_of, targets_of
from perflab.site.model import ChangeFound, SiteModel

__all__ = ["FORMAT", "VERSION", "iso", "series_list", "write_data"]

FORMAT = "p2pcore-site"
VERSION = 1


def write_data(model: SiteModel, policy: Policy, alerts: Alerts | None, folder: Path) -> None:
    """Write everything below `folder`, which may hold an older edition."""
    for part in ("benchmarks", "commits"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    order = series_list(model)
    _write(folder / "site.json", _site(model, order))
    for benchmark in model.suite:
        _write(folder / "benchmarks" / benchmark.file, _benchmark(model, policy, alerts, benchmark))
    for number, content in _commits(model, order).items():
        _write(folder / "commits" / f"{model.history.commits[number].hash}.json", content)


def iso(ms: int) -> str:
    """A time in milliseconds since 1970 as ISO 8601, in UTC, to the minute."""
    return moment(ms).strftime("%Y-%m-%dT%H:%MZ")


def series_list(model: SiteModel) -> list[tuple[str, int]]:
    """Every benchmark's combinations, in the suite's order: what commits' files count by."""
    return [(each.name, case) for each in model.suite for case in range(len(each.cases))]


def _site(model: SiteModel, order: Sequence[tuple[str, int]]) -> dict[str, Any]:
    numbers = {each.name: number for number, each in enumerate(model.suite)}
    history = model.history
    return {
        "format": FORMAT,
        "version": VERSION,
        "project": model.project,
        "ours": model.ours,
        "generated": iso(model.generated_ms),
        "default_place": model.default_place,
        "places": [
            {
                "label": place.label,
                "machine": place.machine,
                "environment": place.environment,
                "params": dict(place.params),
                "commits": place.commits,
                "noise": _noise(history.series, number, order),
            }
            for number, place in enumerate(history.places)
        ],
        "commits": [
            [each.hash, each.subject, each.author, each.date_ms, each.tags]
            for each in history.commits
        ],
        "benchmarks": [
            {
                "name": each.name,
                "file": each.file,
                "suite": each.suite,
                "unit": each.unit,
                "kind": each.kind,
                "layout": each.layout,
                "catches": each.catches,
                "cannot_see": each.cannot_see,
                "param_names": each.param_names,
                "params": each.params,
                "cases": [each.case(case) for case in range(len(each.cases))],
                "titles": [model.title(each, case) for case in range(len(each.cases))],
                "reads": {
                    "unit": model.reading(each).unit,
                    "inverted": model.reading(each).inverted,
                },
                "floor": model.floors[each.name],
            }
            for each in model.suite
        ],
        "series": [[numbers[name], case] for name, case in order],
        "problems": [*model.lacking, *history.problems],
    }


def _benchmark(
    model: SiteModel, policy: Policy, alerts: Alerts | None, benchmark: Benchmark
) -> dict[str, Any]:
    name = benchmark.name
    changes: dict[tuple[int, int], list[ChangeFound]] = {}
    for found in model.changes_by_benchmark.get(name, ()):
        changes.setdefault((found.place, found.case), []).append(found)
    listed = []
    for place in range(len(model.history.places)):
        for case in range(model.cases[name]):
            series = model.history.series.get((place, name, case))
            if series is not None:
                listed.append(
                    {
                        "place": place,
                        "case": case,
                        "at": series.at,
                        "values": series.values,
                        "low": series.low,
                        "high": series.high,
                        "slow": series.slow,
                        "failed": series.failed,
                        "changes": [
                            _change(model, each) for each in changes.get((place, case), ())
                        ],
                    }
                )
    return {
        "name": name,
        "code": benchmark.code,
        "targets": targets_of(model, benchmark),
        "alarms": alarms_of(model, alerts, benchmark),
        "accepted": accepted_changes(policy, benchmark),
        "series": listed,
    }


def _commits(model: SiteModel, order: Sequence[tuple[str, int]]) -> dict[int, dict[str, Any]]:
    history = model.history
    found: dict[int, dict[str, Any]] = {}
    for number, place in enumerate(history.places):
        for previous, commit in pairwise([None, *place.commits]):
            assert commit is not None
            content = found.setdefault(
                commit,
                {
                    "commit": history.commits[commit].hash,
                    "number": commit,
                    "places": [],
                    "changes": [
                        {
                            "place": each.place,
                            "benchmark": each.benchmark.name,
                            "case": each.case,
                            **_change(model, each),
                        }
                        for each in model.by_commit.get(commit, ())
                    ],
                },
            )
            content["places"].append(
                {
                    "place": number,
                    "previous": previous,
                    "measured": iso(place.measured_ms[commit]),
                    "values": [None] * len(order),
                    "failed": [],
                }
            )
    at = {each: number for number, each in enumerate(order)}
    by_place = {
        (commit, each["place"]): each for commit, entry in found.items() for each in entry["places"]
    }
    for (where, name, case), series in history.series.items():
        column = at[name, case]
        for commit, value in zip(series.at, series.values, strict=True):
            by_place[commit, where]["values"][column] = value
        for commit in series.failed:
            by_place[commit, where]["failed"].append(column)
    return found


def _change(model: SiteModel, found: ChangeFound) -> dict[str, Any]:
    change = found.change
    return {
        "before": change.before,
        "at": change.at,
        "old": change.old,
        "new": change.new,
        "ratio": _finite(change.ratio),
        "low": _finite(change.low),
        "high": _finite(change.high),
        "certainty": change.certainty,
        "culprit": culprit_words(model, found),
        "explained": explanation_of(model, found),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _noise(
    series: Mapping[Key, Series], place: int, order: Sequence[tuple[str, int]]
) -> list[float | None]:
    """Of each series; null where it is not known."""
    listed = (series.get((place, name, case)) for name, case in order)
    return [None if each is None else noise(each.values) for each in listed]


def _write(path: Path, content: object) -> None:
    import msgspec

    path.write_bytes(msgspec.json.encode(content))
