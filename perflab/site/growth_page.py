"""What an operation costs as nodes grow: of the suite's newest figures, and of `scaling`'s records.

Every benchmark with a number of nodes among its parameters is drawn by it, one line for each
combination of the others.

Rule: chooses and draws; figures are asv's and the record's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from perflab.archive.kinds import KINDS
from perflab.report.form import Chart, Line
from perflab.report.render import figure
from perflab.results.suite import Benchmark
from perflab.scaling.record import ScalingError, ScalingHead, ScalingRow, read_scaling
from perflab.site.model import SiteModel
from perflab.site.readings import FigureReading
from perflab.site.rooms import RoomPage, RoomSection, RoomTable

__all__ = ["growth_page"]

NODES = ("nodes", "nodes_warm")
MOST_LINES = 8  # of a chart: as many as there are colours
WORDS = {
    "sockets": "On sockets: processor time and messages",
    "members": "Simulated: members of a network at rest, and joins",
    "settled": "Simulated: operations in a settled network",
    "operations": "Simulated: lookups",
}

TIMES = {
    "nodes_cpu_s": ("processor time of the nodes", "µs", 1e6),
    "client_cpu_s": ("processor time of the client", "µs", 1e6),
    "cpu_s": ("processor time", "µs", 1e6),
    "s_p50": ("P50", "ms", 1e3),
    "s_p99": ("P99", "ms", 1e3),
}
"""What ends of a figure's name mean: words, unit, and how many of it are one second."""


def growth_page(model: SiteModel, folder: Path) -> RoomPage:
    """Of the suite at the place that pages show first, and of records below `folder`/scaling."""
    problems: list[str] = []
    charts = list(_of_suite(model)) if model.default_place is not None else []
    about = "The newest figure of each benchmark that has a number of nodes among its parameters."
    sections = [
        RoomSection(
            title="In the suite",
            about=about if charts else "",
            charts=charts,
            command="make bench FULL=1",
            fills="measures the whole suite at the newest commits",
        )
    ]
    for head, rows in _records(folder, problems):
        sections += _of_record(head, rows)
    if len(sections) == 1:
        sections.append(
            RoomSection(
                title="From eight nodes to thousands",
                command="python -m perflab scaling --out .asv/scaling",
                fills="measures networks of up to eight nodes, simulates up to 4,096, in an hour, "
                "and goes on where it stopped",
            )
        )
    return RoomPage(title="Cost as nodes grow", sections=sections, problems=problems)


def _records(folder: Path, problems: list[str]) -> Iterator[tuple[ScalingHead, list[ScalingRow]]]:
    """The newest first; of one that lies there twice, what went on further."""
    found: dict[tuple[str, str], tuple[ScalingHead, list[ScalingRow]]] = {}
    for path in KINDS["scaling"].paths(folder):
        try:
            head, rows = read_scaling(path)
        except (ScalingError, OSError) as error:
            problems.append(f"{path.relative_to(folder)}: {error}")
            continue
        known = found.get((head.began, head.commit))
        if known is None or len(known[1]) < len(rows):
            found[head.began, head.commit] = head, rows
    yield from (found[key] for key in sorted(found, reverse=True))


def _of_suite(model: SiteModel) -> Iterator[Chart]:
    for benchmark in model.suite:
        axis = next((n for n, name in enumerate(benchmark.param_names) if name in NODES), None)
        if axis is None:
            continue
        reading = model.reading(benchmark)
        lines = _lines(model, benchmark, axis, reading)
        if lines:
            yield Chart(
                title=f"{benchmark.name.rpartition('.')[0]}: {reading.unit} by nodes",
                x_label="nodes",
                y_label=f"{reading.unit} ({reading.better} is better)",
                lines=lines[:MOST_LINES],
                log_x=True,
            )


def _lines(model: SiteModel, benchmark: Benchmark, axis: int, reading: FigureReading) -> list[Line]:
    """Those with at least two sizes."""
    found: dict[tuple[str, ...], list[tuple[float, float]]] = defaultdict(list)
    for case, values in enumerate(benchmark.cases):
        series = model.history.series.get((model.default_place or 0, benchmark.name, case))
        if series is None or not series.at or not values[axis].isdigit():
            continue
        others = tuple(value for n, value in enumerate(values) if n != axis)
        found[others].append((float(values[axis]), reading.value(series.values[-1])))
    return [
        Line(
            label=" ".join(each.strip("'\"").replace("_", " ") for each in others) or "all",
            x=[x for x, _ in sorted(points)],
            y=[y for _, y in sorted(points)],
        )
        for others, points in found.items()
        if len(points) > 1
    ]


def _of_record(head: ScalingHead, rows: Sequence[ScalingRow]) -> Iterator[RoomSection]:
    commit = f"Of commit {head.commit[:8] or 'unknown'}, begun {head.began[:16]}; medians of seeds."
    for play in dict.fromkeys(row.play for row in rows):
        found: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for row in rows:
            if row.play == play:
                for name, value in row.figures.items():
                    found[row.nodes][name].append(value)
        names = list(dict.fromkeys(name for each in found.values() for name in each))
        middles = {n: {name: median(v) for name, v in each.items()} for n, each in found.items()}
        figures = [_figure_of(name) for name in names]
        shown = [each for each in figures if any(row.get(each.name) for row in middles.values())]
        none = [each.title for each in figures if each not in shown]
        groups: dict[str, list[_Figure]] = defaultdict(list)
        for each in shown:
            groups[each.words].append(each)
        yield RoomSection(
            title=WORDS.get(play, play),
            about=commit,
            lines=[f"0 at every size: {', '.join(none)}."] if none else (),
            charts=[_by_nodes(each, middles) for each in groups.values()],
            table=RoomTable(
                head=["nodes", *(f"{each.title}{each.in_unit}" for each in shown)],
                rows=[
                    [f"{nodes:,}", *(each.of(middles[nodes]) for each in shown)]
                    for nodes in sorted(found)
                ],
                numbers=len(shown),
            ),
            folded=True,
        )


@dataclass(frozen=True, kw_only=True)
class _Figure:
    """A figure of a record, as people read it."""

    name: str
    subject: str
    """Of which operation; "" if of none."""
    words: str
    unit: str = ""
    times: float = 1.0
    """The unit is so small a part of the record's."""

    @property
    def title(self) -> str:
        return f"{self.subject} {self.words}".strip()

    @property
    def in_unit(self) -> str:
        return f", {self.unit}" if self.unit else ""

    def of(self, row: Mapping[str, float]) -> str:
        return figure(row[self.name] * self.times) if self.name in row else "–"


def _figure_of(name: str) -> _Figure:
    for suffix, (words, unit, times) in TIMES.items():
        if name.endswith(f"_{suffix}"):
            subject = name.removesuffix(f"_{suffix}").replace("_", " ")
            return _Figure(name=name, subject=subject, words=words, unit=unit, times=times)
    subject, _, rest = name.partition("_")
    words = (rest or subject).replace("_", " ")
    return _Figure(name=name, subject=subject if rest else "", words=words)


def _by_nodes(figures: Sequence[_Figure], middles: Mapping[int, Mapping[str, float]]) -> Chart:
    """One chart of what is counted alike: a line for each operation."""
    lines = []
    for each in figures:
        points = [
            (float(nodes), row[each.name] * each.times)
            for nodes, row in sorted(middles.items())
            if each.name in row
        ]
        lines.append(
            Line(label=each.subject or "all", x=[x for x, _ in points], y=[y for _, y in points])
        )
    first = figures[0]
    title = first.words if len(figures) > 1 else first.title
    return Chart(
        title=f"{title[:1].upper()}{title[1:]}{first.in_unit}",
        x_label="nodes",
        y_label=first.unit or first.words,
        lines=lines,
        log_x=True,
    )
