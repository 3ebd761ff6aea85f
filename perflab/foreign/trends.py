"""`perflab trends`: what each figure of a suite did over its commits.

The steps are those of the site and the alerts. What came after the last one is the present: its
slope over commits has an interval that allows for autocorrelation (`stats/slope.py`), and is told
where the whole interval lies on one side of zero.

Rule: reads and words; steps are found by the site's model.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from pathlib import Path

from perflab.foreign.rules import Rules
from perflab.results.asv_config import MeasureError
from perflab.results.checkout import require
from perflab.results.commits import read_commits
from perflab.results.history import Series, read_history
from perflab.results.judging import judging
from perflab.results.project import Project
from perflab.results.suite import SuiteError, read_entries, read_suite
from perflab.site.findings import change_row
from perflab.site.model import ChangeFound, SiteModel, build_model
from perflab.stats.slope import MIN_POINTS, slope

__all__ = ["model_of", "report"]

CONFIDENCE = 0.95
LEAST_DRIFT = 0.01  # of the level, over all points since the last step: less is not worth a word
NEAR = 1000  # points whose slope is asked for; of more it takes minutes and says the same


def model_of(project: Project, rules: Rules) -> SiteModel:
    """All that is known of a project, judged. Raises MeasureError or CheckoutError."""
    require(project.repository, whole=True)
    branch = project.branch
    problems: list[str] = []
    try:
        entries = rules.about(read_entries(project.results, problems))
    except SuiteError as error:
        raise MeasureError(f"{error}: `{project.to_measure}` lists the benchmarks") from error
    suite = read_suite(entries, project.benchmarks)
    commits = read_commits(project.repository, branch)
    history = read_history(project.results, suite, commits)
    with judging(len(history.series)) as progress:
        return build_model(
            project=project.name,
            generated_ms=round(time.time() * 1000),
            history=history,
            suite=suite,
            readings=rules.readings,
            policy=rules.policy,
            lacking=problems,
            ours=False,
            progress=progress,
        )


def report(
    model: SiteModel,
    *,
    only: str,
    machine: str | None,
    whole: bool,
    write: Callable[[str], None],
    results: Path,
) -> int:
    """Print the figures that did something, or all; 0, or 2 if there are none to look at."""
    places = [
        number
        for number, place in enumerate(model.history.places)
        if machine in (None, place.machine)
    ]
    shown = said = 0
    for place in places:
        series = list(model.history.of_place(place))
        write(_head(model, place, len(series)))
        for name, case, each in series:
            benchmark = model.known[name]
            if not each.at or only.lower() not in benchmark.title(case).lower():
                continue
            shown += 1
            found = [
                change
                for change in model.changes_by_benchmark.get(name, ())
                if (change.place, change.case) == (place, case)
            ]
            lines = list(_said(model, each, found))
            if lines or whole:
                said += 1
                write(_figure(model, name, case, each))
                for line in lines:
                    write(f"    {line}")
    if not shown:
        write(f"error: {_none(model, results, only, machine)}")
        return 2
    write(f"== {said} of {shown} figures told" + ("" if whole else "; --all tells the others too"))
    for line in [*model.lacking, *model.history.problems]:
        write(f"== note: {line}")
    return 0


def _head(model: SiteModel, place: int, count: int) -> str:
    where, commits = model.history.places[place], model.history.commits
    first, last = (commits[where.commits[at]].hash[:8] for at in (0, -1))
    return f"== {where.label}: {count} figures, {len(where.commits)} commits, {first} to {last}"


def _figure(model: SiteModel, name: str, case: int, series: Series) -> str:
    benchmark = model.known[name]
    reading = model.reading(benchmark)
    low, high = sorted((min(series.values), max(series.values)), key=reading.value)
    return (
        f"{benchmark.title(case)}: {reading.text(series.values[-1])} now, {reading.text(low)} to "
        f"{reading.text(high)}, commits: {len(series.at)} ({benchmark.kind}, {reading.better} is "
        "better)"
    )


def _said(model: SiteModel, series: Series, found: list[ChangeFound]) -> Iterator[str]:
    commits = model.history.commits
    for each in found:
        row = change_row(model, each)
        commit = commits[each.change.at]
        sure = f"{row.certainty}{', ' + row.interval if row.interval else ''}"
        among = f", in one of {row.since} commits" if row.since > 1 else ""
        yield (
            f"{row.percent} {row.word} at {commit.hash[:8]} {commit.subject}: {row.text} "
            f"({sure}{among})"
        )
    begin = bisect_left(series.at, found[-1].change.at) if found else 0
    yield from _drift(model, series.values[max(begin, len(series.at) - NEAR) :])


def _drift(model: SiteModel, values: list[float]) -> Iterator[str]:
    """What the present does from commit to commit, if that is sure and worth a word."""
    if len(values) < MIN_POINTS or min(values) == max(values) or min(values) <= 0:
        return
    line = slope(list(range(len(values))), values, CONFIDENCE)
    if line.low <= 0 <= line.high:
        return
    whole = line.estimate * (len(values) - 1) / (sum(values) / len(values))
    if abs(whole) >= LEAST_DRIFT:
        word = "worse" if line.estimate > 0 else "better"
        yield f"gets {word}: by {abs(whole) * 100:.1f} % over the last {len(values)} points"


def _none(model: SiteModel, results: Path, only: str, machine: str | None) -> str:
    machines = sorted({place.machine for place in model.history.places})
    if not machines:
        elsewhere = len(model.history.elsewhere)
        return (
            f"no commit of the branch has results in {results}; {elsewhere} measured commits are "
            "on no branch of it"
        )
    if machine is not None and machine not in machines:
        return f"no results of machine '{machine}'; there are those of {', '.join(machines)}"
    return f"no figure with a value has {only!r} in its name"
