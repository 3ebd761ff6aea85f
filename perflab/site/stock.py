"""asv's own files of a site, made from the results that our pages were read from.

`asv publish` reads each result file three times and computes each mean of one value; here the
history is read once, and everything that asv only derives is derived from it. What is written is
what asv 0.6.6 writes (its `commands/publish.py` and `graph.py`), and tests compare the two file by
file; its regressions and its list are still made by its own code.

Rule: whatever asv might read in another way than we do is an `Oddity`, and asv's to publish.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from perflab.results.history import History, Series
from perflab.site.step_search import Item, Steps

__all__ = [
    "Oddity",
    "Witness",
    "graph_set",
    "items",
    "narrow_feed",
    "save_graphs",
    "save_summaries",
    "set_steps",
]

COLUMNS = frozenset(
    (
        "result", "params", "version", "started_at", "duration", "samples", "profile",
        "stats_ci_99_a", "stats_ci_99_b", "stats_q_25", "stats_q_75", "stats_number",
        "stats_repeat",
    )
)  # fmt: skip
NEEDED = ("params", "requirements", "commit_hash", "date", "python", "env_name", "results")


class Oddity(Exception):
    """Something that only asv itself can be trusted to publish as it would; says what."""


class Witness:
    """Sees each file as the history's reader takes it, and notes what only asv's files need."""

    def __init__(self) -> None:
        self.dates: dict[str, int] = {}
        """By commit, those on no published branch too."""
        self.params: dict[str, set[str]] = {}
        self.rows: dict[tuple[int, str], list[int]] = {}
        """By place and benchmark: the numbers of the commits whose files tell of it."""
        self.files = 0
        """How many were read."""
        self._files: set[tuple[int, int]] = set()

    def file(self, path: Path, content: Mapping[str, Any]) -> None:
        """Any file that could be read."""
        self.files += 1
        missing = [name for name in NEEDED if name not in content]
        if missing or content["params"].get("machine") != path.parent.name:
            raise Oddity(f"{path.name} lacks {missing or 'its own machine'}")
        strange = set(content["result_columns"]) - COLUMNS
        if strange:
            raise Oddity(f"{path.name} has columns that asv does not know: {sorted(strange)}")
        commit, date = str(content["commit_hash"]), content["date"]
        if self.dates.setdefault(commit, date) != date:
            raise Oddity(f"two files tell different dates of {commit[:8]}")
        told = dict(content["params"])
        for name, value in (content.get("env_vars") or {}).items():
            told[f"env-{name}"] = value
            if value is None:
                raise Oddity(f"{path.name} has no value for {name}")
        for name, value in told.items():
            if not isinstance(value, str | None):
                raise Oddity(f"{path.name} has {name} = {value!r}")
            self.params.setdefault(name, set()).add(value or "")

    def placed(self, place: int, number: int) -> None:
        """The same file, of a commit of the branch."""
        if (place, number) in self._files:
            raise Oddity(f"two files are of commit {number} and one machine")
        self._files.add((place, number))

    def row(self, place: int, number: int, name: str, cells: Any) -> None:
        """One benchmark of the same file, whose version is the current one."""
        params, values = cells("params"), cells("result")
        low, high = cells("stats_ci_99_a"), cells("stats_ci_99_b")
        if not isinstance(params, list) or not isinstance(values, list | None):
            raise Oddity(f"{name} has no list of values or parameters")
        absent = values is None
        for value in values or ():
            if type(value) is float and -math.inf < value < math.inf:
                continue
            if value in (None, "NaN") or value != value:
                absent = True
            elif type(value) is not int:
                raise Oddity(f"{name} has a value {value!r}")
        for bounds in (low, high):
            if bounds is not None and (values is None or len(bounds) != len(values)):
                raise Oddity(f"{name} has intervals without values")
            for value, bound in zip(values or (), bounds or (), strict=False) if absent else ():
                if bound is not None and (value in (None, "NaN") or value != value):
                    raise Oddity(f"{name} has an interval without a value")
        self.rows.setdefault((place, name), []).append(number)


def graph_set(
    history: History,
    benchmarks: Mapping[str, Mapping[str, Any]],
    witness: Witness,
    revisions: Mapping[str, int],
    branch: str,
) -> Any:
    """asv's graphs, their data in place; each is one benchmark in one place."""
    from asv.graph import Graph, GraphSet

    graphs = GraphSet()
    numbers = [revisions.get(commit.hash, -1) for commit in history.commits]
    for (place, name), rows in witness.rows.items():
        unknown = [at for at in rows if numbers[at] < 0]
        if unknown:
            raise Oddity(f"git lists no commit {history.commits[unknown[0]].hash}")
        params: dict[str, str | None] = {**history.places[place].params, "branch": branch}
        params |= {key: None for key in witness.params if key not in params}
        graph = Graph(name, params)
        if graph.path in graphs._graphs:
            raise Oddity(f"two places share {graph.path}")
        graphs._graphs[graph.path] = graph
        graphs._groups.setdefault(name, []).append(graph)
        cases = math.prod(len(values) for values in benchmarks[name]["params"])
        graph.scalar_series, graph.n_series = not benchmarks[name]["params"], cases
        points = _points(history, place, name, cases, rows)
        data = sorted((numbers[at], values, weights) for at, values, weights in points)
        _hold(graph, _trimmed(data))
    return graphs


def _points(
    history: History, place: int, name: str, cases: int, rows: Sequence[int]
) -> Iterator[tuple[int, tuple[float | None, ...], tuple[float | None, ...]]]:
    """Of each commit the values and weights of all combinations."""
    values, weights = [], []
    for case in range(cases):
        series = history.series.get((place, name, case))
        known = [] if series is None else series.values
        # asv's mean of one value: of -0.0 that is 0.0.
        values.append(_spread(rows, series, [value + 0 for value in known]))
        bounds = [] if series is None else list(zip(series.low, series.high, strict=True))
        weights.append(
            _spread(
                rows,
                series,
                [
                    2 / abs(high - low)
                    if low is not None and high is not None and low != high
                    else None
                    for low, high in bounds
                ],
            )
        )
    # A row for each commit.
    return zip(rows, zip(*values, strict=True), zip(*weights, strict=True), strict=True)


def _spread(
    rows: Sequence[int], series: Series | None, known: Sequence[float | None]
) -> Sequence[float | None]:
    """What is known at a series' commits, at all that have a row."""
    if series is None:
        return [None] * len(rows)
    if series.at == rows:
        return known
    by_commit = dict(zip(series.at, known, strict=True))
    return [by_commit.get(at) for at in rows]


def _trimmed(data: list[Any]) -> list[Any]:
    """Without commits at the edges that have no value, as asv's `Graph.get_data` cuts them."""
    known = [at for at, (_, values, _) in enumerate(data) if any(v is not None for v in values)]
    if not known:
        return []
    first, last = known[0], known[-1]
    if first == last and first + 1 < len(data):
        last += 1  # asv keeps the one behind a single value
    return data[first : last + 1]


def _hold(graph: Any, data: list[Any]) -> None:
    if graph.scalar_series:
        data = [(revision, values[0], weights[0]) for revision, values, weights in data]
    graph.get_data = lambda: data


def items(graph: Any) -> list[Item]:
    """The series of a graph, for detecting steps in each."""
    data = graph.get_data()
    if graph.scalar_series or not data:
        return [data]
    revisions, values, weights = zip(*data, strict=True)
    return [
        list(zip(revisions, each, weight, strict=True))
        for each, weight in zip(zip(*values, strict=True), zip(*weights, strict=True), strict=True)
    ]


def set_steps(graph: Any, steps: Sequence[Steps]) -> None:
    """What was found in `items`."""
    graph._steps = list(steps) if graph.get_data() else [[]] * graph.n_series


def save_graphs(graphs: Any, site: Path) -> None:
    """One file each: [revision, value or values]."""
    for path, graph in graphs:
        _write(site / f"{path}.json", [point[:2] for point in graph.get_data()])


def save_summaries(graphs: Any, site: Path) -> None:
    """The small pictures of asv's grid: of each benchmark the geometric mean of all its series."""
    from asv import graph as stock

    for name, group in graphs._groups.items():
        revisions, columns = stock._combine_graph_data(group)
        whole = all(None not in column for column in columns)
        means = _means(columns) if whole else stock._compute_summary_data_series(*columns)
        summary = stock.Graph(name, {"summary": ""})
        for revision, value in stock.resample_data(list(zip(revisions, means, strict=True))):
            summary.add_data_point(revision, value)
        _write(site / f"{summary.path}.json", [point[:2] for point in summary.get_data()])


def _means(columns: Sequence[Sequence[float]]) -> list[float]:
    """asv's `geom_mean_na` down whole columns: the same products in the same order."""
    exponent = 1 / len(columns)
    products, sums = [1.0] * len(columns[0]), [0.0] * len(columns[0])
    for column in columns:
        products = [p * abs(v) ** exponent for p, v in zip(products, column, strict=True)]
        sums = [total + value for total, value in zip(sums, column, strict=True)]
    return [p if total >= 0 else -p for p, total in zip(products, sums, strict=True)]


def _write(path: Path, content: object) -> None:
    os.makedirs(path.parent, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


@contextmanager
def narrow_feed(graphs: Any, revisions: Mapping[str, int]) -> Iterator[None]:
    """For asv's feed of regressions only files of commits are read with which a step begins or
    ends: it asks for the dates of no others."""
    from asv.plugins import regressions

    asked = {
        revision
        for _, graph in graphs
        for steps in ([graph.get_steps()] if graph.scalar_series else graph.get_steps())
        if len(steps) > 1
        for begin, end, *_ in steps
        for revision in (begin, end - 1)
    }
    prefixes = {commit[:8] for commit, revision in revisions.items() if revision in asked}
    read, regressions.iter_results = regressions.iter_results, _Chosen(prefixes)
    try:
        yield
    finally:
        regressions.iter_results = read


class _Chosen:
    """asv's `iter_results`, for files of some commits."""

    def __init__(self, prefixes: set[str]) -> None:
        self._prefixes = prefixes

    def __call__(self, results: str) -> Iterator[Any]:
        from asv.results import Results, iter_results_paths

        for root, name, machine in iter_results_paths(results):
            if name[:8] in self._prefixes:
                yield Results.load(os.path.join(root, name), machine_name=machine)
