"""Pages of what other commands filed: sweeps, capacities, comparisons with other stores.

Sweeps lie in the folder "sweep" beside asv's results, comparisons in "peer-runs". A file that
cannot be read is told about and costs nothing else.

Rule: reads and words; judges nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from perflab.archive.kinds import KINDS
from perflab.report.form import CapacityReport, Chart, Line, ReadinessReport
from perflab.report.render import figure
from perflab.site.checks import CalibrationSummary
from perflab.site.load_page import search_row
from perflab.site.load_runs import LoadRuns
from perflab.site.readiness_runs import Runs
from perflab.site.rooms import RoomPage, RoomSection, RoomTable
from perflab.sweep.record import SweepFileError, SweepResult, read_sweep

__all__ = ["calibration_chart", "capacity_page", "peers_page", "sweeps_page"]

FEW_SEEDS, STEPS = 10, 12  # with fewer there is nothing to draw; bars of a picture
SHOWN = 20  # broken seeds of a sweep, and runs of peers
RATE = "rate"


def sweeps_page(folder: Path) -> RoomPage:
    """Every sweep below `folder`/sweep."""
    found: list[SweepResult] = []
    problems: list[str] = []
    for path in KINDS["sweeps"].paths(folder):
        try:
            found.append(read_sweep(path))
        except (SweepFileError, OSError) as error:
            problems.append(f"{path.relative_to(folder)}: {error}")
    found.sort(key=lambda each: each.plan.began, reverse=True)
    rows = [
        [
            each.plan.began[:16].replace("T", " ") or "–",
            f"{each.plan.kind}{_settings(each.plan.settings)}",
            f"{len(each.played):,} of {each.plan.seeds:,}",
            f"{len(each.broken):,}",
            "; ".join(f"{name.replace('_', ' ')} {figure(v)}" for name, v in each.figures.items()),
            each.plan.commit[:8] or f"code {each.plan.package[:8]}",
        ]
        for each in found
    ]
    head = ["When", "Question", "Seeds played", "Broken", "Sums over seeds", "Commit"]
    broken = [
        f"{each.plan.kind}, seed {seed}: {words}"
        for each in found
        for seed, words in sorted(each.broken.items())[:SHOWN]
    ]
    sections = [
        RoomSection(
            title="The same question for many seeds",
            about="A seed is a network with its faults, drawn by chance and played alike each "
            "time." if rows else "",
            table=RoomTable(head=head, rows=rows),
            command="python -m perflab sweep sim --seeds 200",
            fills="plays 200 simulated networks with faults and holds each against the promise",
        )
    ]  # fmt: skip
    if broken:
        sections.append(RoomSection(title="Broken seeds", lines=broken))
    for each in found:
        charts = [
            chart
            for name, values in each.values.items()
            if (chart := _by_seed(name.replace("_", " "), values))
        ]
        if charts:
            title = f"By seed: {each.plan.kind}{_settings(each.plan.settings)}"
            sections.append(RoomSection(title=title, charts=charts))
    return RoomPage(title="Simulator sweeps", sections=sections, problems=problems)


def _by_seed(name: str, values: Sequence[float]) -> Chart | None:
    """How many seeds have how much of a figure; None if all have the same."""
    low, high = min(values), max(values)
    if low == high or len(values) < FEW_SEEDS:
        return None
    whole = all(value == int(value) for value in values)
    width = (high - low + whole) / STEPS
    width = math.ceil(width) if whole else width
    counts = [0.0] * (math.floor((high - low) / width) + 1)
    for value in values:
        counts[int((value - low) / width)] += 1
    ends = [low + number * width for number in range(len(counts))]
    last = width - 1 if whole else width
    return Chart(
        title=f"{name[:1].upper()}{name[1:]} of a seed",
        x_label="seeds",
        y_label="",
        lines=[Line(label="seeds", x=[], y=[*counts])],
        bars=[
            figure(end) if whole and width == 1 else f"{figure(end)} to {figure(end + last)}"
            for end in ends
        ],
    )


def calibration_chart(found: CalibrationSummary) -> Chart:
    """How often a slowdown is found, by its size."""
    kinds = list(dict.fromkeys(each.kind for each in found.power))
    points = {
        kind: sorted((each.slowdown, each.found.share) for each in found.power if each.kind == kind)
        for kind in kinds
    }
    return Chart(
        title="Found, by how much slower one benchmark was made",
        x_label="slower by, %",
        y_label="gates that found it, %",
        lines=[
            Line(label=kind, x=[x * 100 for x, _ in own], y=[y * 100 for _, y in own])
            for kind, own in points.items()
        ],
        log_x=True,
    )


def _settings(settings: Mapping[str, Any]) -> str:
    told = [f"{name.replace('_', ' ')} {value}" for name, value in settings.items() if value]
    return f" ({', '.join(told)})" if told else ""


def capacity_page(runs: Runs, loads: LoadRuns) -> RoomPage:
    """The laws of the newest readiness run, and the capacities that were searched for."""
    newest = runs.newest.report if runs.newest else None
    laws = [_law(newest, law) for law in newest.capacity] if newest else []
    missing = RoomSection(
        title="By operations in flight and by nodes",
        command="make report",
        fills="measures a readiness run in ten minutes and fits the Universal Scalability Law",
    )
    rows = [search_row(each) for each in loads.searches]
    searched = RoomSection(
        title="The highest rate that keeps a service level",
        table=RoomTable(
            head=["When", "Scenario", "Kept", "Up to", "Missed at", "The search", "Commit"],
            rows=[
                [
                    each["began"][:16].replace("T", " "),
                    each["scenario"],
                    each["slo"],
                    figure(each["rate"], "/s") if each["rate"] is not None else "no rate",
                    figure(each["missed_rate"], "/s"),
                    f"{each['trials']} trials; {each['stopped']}"
                    + ("; the generator was the limit" if each["generator_bound"] else ""),
                    each["commit"][:8] or "–",
                ]
                for each in rows
            ],
        ),
        command="python -m perflab load sustained-100 --find-capacity --slo-p99-ms 50",
        fills="offers one rate after the other until the service level is missed",
    )
    return RoomPage(title="Capacity", sections=[*(laws or [missing]), searched])


def _law(report: ReadinessReport, law: CapacityReport) -> RoomSection:
    return RoomSection(
        title=law.what[:1].upper() + law.what[1:],
        about=f"Of the readiness run of {report.began[:16].replace('T', ' ')} at "
        f"{report.commit[:8] or 'no commit'}, {law.repeats} repeats.",
        lines=law.sentences,
        charts=[law.chart],
    )


def peers_page(folder: Path) -> RoomPage:
    """The newest comparisons below `folder`/peer-runs, each with its table and its charts."""
    found: list[tuple[str, str, RoomSection]] = []
    problems: list[str] = []
    for path in KINDS["peers"].paths(folder):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            found.append((str(content["began"]), path.name, _comparison(content)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            problems.append(f"{path.relative_to(folder)}: {type(error).__name__}: {error}")
    newest = [section for _, _, section in sorted(found, key=lambda each: each[:2], reverse=True)]
    missing = RoomSection(
        title="Beside its ceiling and other stores",
        command="python -m perflab peers",
        fills="measures the core in turn with the thinnest store that Python can be made to run, "
        "and with `--with` other stores",
    )
    sections = newest[:SHOWN] or [missing]
    return RoomPage(title="Beside other stores", sections=sections, problems=problems)


def _comparison(content: Mapping[str, Any]) -> RoomSection:
    """One run: a row for each side in a layout with so many in flight."""
    cells: dict[tuple[str, str, int, str], dict[str, tuple[float, str]]] = {}
    for each in content["measurements"]:
        in_flight = each["parameters"].get("in_flight")
        if in_flight is None or ": " not in each["name"]:
            continue
        layout = each["parameters"].get("beside_layout", each["layout"])
        question, _, what = each["name"].partition(": ")
        row = cells.setdefault((question, layout, int(in_flight), each["subject"]), {})
        row[what] = median(each["values"]), each["unit"]
    machine, commit = content["machine"], str(content["commit"])
    rows = [
        [question, layout, str(count), subject, *(_cell(row.get(w)) for w in (RATE, "p50", "p99"))]
        for (question, layout, count, subject), row in sorted(cells.items())
    ]
    return RoomSection(
        title=f"{str(content['began'])[:16].replace('T', ' ')} at {commit[:8] or 'no commit'}",
        about=f"{machine['processor']}, {machine['cores']} cores; medians of the repeats, taken in "
        "turn. Layout A: all nodes in one process; B: a process each.",
        charts=list(_rates(cells)),
        table=RoomTable(
            head=["Question", "Layout", "In flight", "Store", "Rate", "P50", "P99"],
            rows=rows,
            numbers=3,
        ),
    )


def _cell(found: tuple[float, str] | None) -> str:
    if found is None:
        return "–"
    value, unit = found
    return figure(value * 1000, "ms") if unit == "s" else figure(value, unit)


def _rates(
    cells: Mapping[tuple[str, str, int, str], Mapping[str, tuple[float, str]]],
) -> Iterator[Chart]:
    """Bars for each question and layout, with the most in flight."""
    for question, layout in dict.fromkeys(key[:2] for key in sorted(cells)):
        those = [key for key in cells if key[:2] == (question, layout) and RATE in cells[key]]
        most = max((key[2] for key in those), default=0)
        sides = [key for key in those if key[2] == most]
        if len(sides) < 2:  # a bar alone compares nothing
            continue
        yield Chart(
            title=f"{question}, layout {layout}, {most} in flight",
            x_label="per second",
            y_label="",
            lines=[Line(label=question, x=[], y=[cells[key][RATE][0] for key in sides])],
            bars=[key[3] for key in sides],
        )
