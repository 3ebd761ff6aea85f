"""What changed, as findings: a figure in people's words, how much, how sure, which commit, why.

Theory of operation. A commit often moves several combinations of one benchmark: the largest change
stands for them. What a change can come from is asked of git: of the commits between the two points
only those count that touch the code, which is the folder with the project's name, or everything but
tests, documentation and the suite. Where a time changed, counts that changed with it are named.

Rule: chooses and words; what changed and how sure that is was decided before.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from perflab.results.suite import Benchmark
from perflab.site.culprits import culprit_words
from perflab.site.data import iso
from perflab.site.explained import explanation_of
from perflab.site.model import ChangeFound, SiteModel

__all__ = ["ChangeRow", "FindingRow", "benchmark_link", "change_row", "code_commits", "findings"]

MOST = 60  # findings on the front page: older ones stand at their commits
FILES = 2  # or folders, named of a cause


@dataclass(frozen=True, kw_only=True)
class ChangeRow:
    """One change in words."""

    title: str
    link: str
    text: str
    """ "12 messages → 13 messages"."""
    percent: str
    interval: str
    """Of the change; "" where it is exact."""
    word: str
    """worse or better."""
    certainty: str
    place: str
    benchmark: str
    since: int
    """How many commits it may be in: 1, or more where some between were not measured."""


@dataclass(frozen=True, kw_only=True)
class FindingRow:
    """A benchmark that a commit made worse or better."""

    change: ChangeRow
    """The largest."""
    more: int
    """Other combinations of its parameters that the commit moved the same way."""
    commit: str
    subject: str
    date: str
    tags: Sequence[str]
    cause: str
    culprit: str
    """The one commit that it can be, where there is but one and it is not `commit`; else ""."""
    explained: dict[str, str] | None
    """Its explanation's page, or the command that writes it; None where alerts have not told it."""


def change_row(model: SiteModel, found: ChangeFound) -> ChangeRow:
    """A change as people read it."""
    change, reading = found.change, model.reading(found.benchmark)
    exact = change.low == change.high or not math.isfinite(change.ratio)
    interval = "" if exact else f"{reading.change(change.low)} to {reading.change(change.high)}"
    return ChangeRow(
        title=model.title(found.benchmark, found.case),
        link=benchmark_link(found.benchmark, found.case, found.place),
        text=f"{reading.text(change.old)} → {reading.text(change.new)}",
        percent=reading.change(change.ratio),
        interval=interval,
        word="worse" if change.worse else "better",
        certainty=change.certainty,
        place=model.history.places[found.place].label if len(model.history.places) > 1 else "",
        benchmark=found.benchmark.name,
        since=change.at - change.before,
    )


def benchmark_link(benchmark: Benchmark, case: int, place: int) -> str:
    """The address of a series' page."""
    return f"benchmark.html?{urlencode({'name': benchmark.name, 'case': case, 'place': place})}"


def findings(model: SiteModel) -> list[FindingRow]:
    """The newest commits' first; of a commit, worse before better, surer before less sure."""
    groups: dict[tuple[int, int, str, bool], list[ChangeFound]] = {}
    for number in sorted(model.by_commit, reverse=True):
        for each in model.by_commit[number]:
            key = (number, each.place, each.benchmark.name, each.change.worse)
            groups.setdefault(key, []).append(each)
        if len(groups) >= MOST:
            break
    return [_finding(model, group) for group in list(groups.values())[:MOST]]


def _finding(model: SiteModel, group: Sequence[ChangeFound]) -> FindingRow:
    first = group[0]
    commit = model.history.commits[first.change.at]
    culprit, cause = _culprit(model, first)
    named = culprit is not None and culprit != first.change.at
    other = model.history.commits[culprit].hash if culprit is not None and named else ""
    return FindingRow(
        change=change_row(model, first),
        more=len(group) - 1,
        commit=commit.hash,
        subject=commit.subject,
        date=iso(commit.date_ms)[:10],
        tags=commit.tags,
        cause=cause,
        culprit=other,
        explained=explanation_of(model, first),
    )


def _culprit(model: SiteModel, found: ChangeFound) -> tuple[int | None, str]:
    """The one commit that it can be, where there is one, and what it can come from: what a search
    has found, or what git says."""
    searched = culprit_words(model, found)
    if searched is not None:
        among = f"{searched['sure']}, of {searched['of']} commits searched"
        if searched["at"] is None:
            return None, f"no commit made it ({among})"
        return searched["at"], f"made by it ({among})"
    suspects = code_commits(model, found.change.before, found.change.at)
    only = suspects[0] if suspects and len(suspects) == 1 else None
    return only, _cause(model, found, suspects)


def code_commits(model: SiteModel, before: int, at: int) -> list[int] | None:
    """Which commits after one up to another changed the code; None where git could not tell."""
    numbers = range(before + 1, at + 1)
    commits = model.history.commits
    if any(commits[number].hash not in model.touched for number in numbers):
        return None
    return [n for n in numbers if any(map(model.is_code, model.touched[commits[n].hash]))]


def _cause(model: SiteModel, found: ChangeFound, suspects: list[int] | None) -> str:
    between = found.change.at - found.change.before
    code = model.code or "code"
    if suspects is None:
        return f"one of {between} commits" if between > 1 else ""
    if not suspects:
        return f"nothing in {code} changed: the machine, the suite or chance"
    files = dict.fromkeys(
        name.removeprefix(model.code)
        for number in suspects
        for name in model.touched[model.history.commits[number].hash]
        if model.is_code(name)
    )
    named = _where(list(files))
    if len(suspects) > 1:
        named = f"one of {len(suspects)} commits: {named}"
    return "; ".join(each for each in (*_beside(model, found), named) if each)


def _where(files: Sequence[str]) -> str:
    """A few files by name, many by the folders that most of them lie in."""
    if len(files) <= FILES:
        return ", ".join(files)
    folders = Counter(name.rpartition("/")[0] or "." for name in files)
    named = [f"{name}/" if name != "." else "its top" for name, _ in folders.most_common(FILES)]
    more = f" and {len(folders) - FILES} more" if len(folders) > FILES else ""
    return f"{len(files)} files in {', '.join(named)}{more}"


def _beside(model: SiteModel, found: ChangeFound) -> list[str]:
    """A count that moved the same way at the same commit, where the figure itself is none."""
    if found.benchmark.kind == "exact":
        return []
    for each in model.by_commit[found.change.at]:
        exact = each.benchmark.kind == "exact" and each.place == found.place
        if exact and each.change.worse == found.change.worse:
            row = change_row(model, each)
            return [f"with {row.title}: {row.percent}"]
    return []
