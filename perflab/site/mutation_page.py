"""The page of mutants: which functions of the core are guarded, and by what.

The newest run is shown whole, older ones in a row each. Names of tests are told by their files and
those of simulated networks by the checker: a page of a thousand functions stays readable.

Rule: counts and words; who noticed what is the record's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from perflab.archive.kinds import KINDS
from perflab.mutate.record import (
    RESULTS,
    Guard,
    MutantResult,
    MutationPlan,
    MutationRecordError,
    read_plan,
)
from perflab.mutate.report import Scores
from perflab.mutate.reviewed import filed
from perflab.report.form import Chart, Line
from perflab.site.rooms import RoomPage, RoomSection, RoomTable

__all__ = ["mutation_page"]

COMMAND = "python -m perflab mutate --budget 3h"
FILLS = (
    "changes one thing in each function of the core and asks the figures, the tests and the "
    "simulator who notices; it goes on where it stopped"
)
WORDS = {
    Guard.FIGURE: "a figure",
    Guard.TEST: "a test",
    Guard.CHECKER: "a checker",
    Guard.TIMEOUT: "the clock",
    Guard.FAILURE: "it does not run",
    Guard.NOBODY: "nobody",
    Guard.UNREACHED: "nobody executes it",
}
MOST_GUARDS = 20


@dataclass(frozen=True, kw_only=True)
class _Run:
    plan: MutationPlan
    results: list[MutantResult]

    @property
    def scores(self) -> Scores:
        return Scores(self.results)

    @property
    def about(self) -> str:
        changed = ", changed since" if self.plan.commit.endswith("+") else ""
        when = f", begun {self.plan.began[:16].replace('T', ' ')}" if self.plan.began else ""
        return (
            f"Core of commit {self.plan.commit[:8] or 'unknown'}{changed}{when}, seed "
            f"{self.plan.seed}."
        )


def mutation_page(folder: Path) -> RoomPage:
    """Every run below `folder`, the newest first."""
    runs: list[_Run] = []
    problems: list[str] = []
    for path in KINDS["mutation"].paths(folder):
        try:
            found = _Run(plan=read_plan(path), results=filed(path / RESULTS))
            runs += [found] if found.results else []
        except (MutationRecordError, OSError) as error:
            problems.append(f"{path.relative_to(folder)}: {error}")
    runs.sort(key=lambda run: (run.plan.began, len(run.results)), reverse=True)
    missing = RoomSection(title="Would it be noticed?", command=COMMAND, fills=FILLS)
    sections = [*_of_run(runs[0]), *_older(runs[1:])] if runs else [missing]
    return RoomPage(
        title="Mutation score",
        about="One thing is changed in a function of the core, and whoever executes it is asked.",
        sections=sections,
        problems=problems,
    )


def _of_run(run: _Run) -> Iterator[RoomSection]:
    scores = run.scores
    told = (
        ("slowdowns of functions that a figure executes", scores.hot_slowdowns()),
        ("weakenings of replication, overlay and session", scores.promised_weakenings()),
        ("weakenings in all", scores.of("weakening")),
    )
    yield RoomSection(
        title="Would it be noticed?",
        about=f"{run.about} {len(run.results):,} mutants were tried.",
        lines=[
            f"Of {rate.of:,} {what} {rate.found:,} were noticed: {rate}"
            for what, rate in told
            if rate.of
        ],
        charts=[
            chart
            for kind, title in (("slowdown", "Slowdowns"), ("weakening", "Weakenings"))
            if (chart := _by_room(scores, kind, title))
        ],
    )
    yield _guards(scores)
    yield from _missed(scores)
    yield _functions(scores)


def _by_room(scores: Scores, kind: str, title: str) -> Chart | None:
    """Bars of rooms, stacked by who noticed first."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for each in scores.results:
        if each.kind == kind:
            counts[each.room][each.guard] += 1
    rooms = sorted(counts)
    lines = [
        Line(
            label=words,
            x=[],
            y=[float(counts[room][guard]) for room in rooms],
            dashed=guard in (Guard.UNREACHED, Guard.NOBODY),
        )
        for guard, words in WORDS.items()
        if any(counts[room][guard] for room in rooms)
    ]
    if not rooms:
        return None
    return Chart(
        title=f"{title} by room, and who noticed first",
        x_label="mutants",
        y_label="",
        lines=lines,
        bars=rooms,
    )


def _guards(scores: Scores) -> RoomSection:
    """Who noticed most, of figures, files of tests and checkers."""
    noticed = Counter(name for each in scores.results for name in _by(each))
    most = noticed.most_common(MOST_GUARDS)
    rest = len(noticed) - len(most)
    chart = Chart(
        title="Mutants that each noticed first",
        x_label="mutants",
        y_label="",
        lines=[Line(label="noticed", x=[], y=[float(count) for _, count in most])],
        bars=[name for name, _ in most],
    )
    return RoomSection(
        title="By whom?",
        about=f"The {MOST_GUARDS} that noticed most; {rest} more noticed some." if rest else "",
        charts=[chart] if most else [],
        lines=[] if most else ["Nobody noticed any of these mutants."],
    )


def _by(result: MutantResult) -> list[str]:
    """Who noticed, without which test of a file and which seed of a checker it was."""
    if not result.guarded:
        return []
    names = [each.partition("::")[0].partition(", seed")[0] for each in result.by]
    return list(dict.fromkeys(names)) or [WORDS[Guard(result.guard)]]


def _missed(scores: Scores) -> Iterator[RoomSection]:
    for kind, title in (
        ("slowdown", "Slowdowns that no figure saw"),
        ("weakening", "Weakenings that nobody noticed"),
    ):
        missed = scores.missed(kind)
        if missed:
            yield RoomSection(
                title=f"{title} ({len(missed):,})",
                table=RoomTable(
                    head=["Function", "Line", "Change", "Could have noticed"],
                    rows=[
                        [
                            f"{each.file}: {each.symbol}",
                            str(each.line),
                            f"{each.operator}: {each.said}",
                            f"{each.reached:,}" if each.reached else "nobody executes it",
                        ]
                        for each in missed
                    ],
                ),
                folded=True,
            )


def _functions(scores: Scores) -> RoomSection:
    """A row for each file and what guards functions of it."""
    rows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in scores.results:
        for name in _by(each) or [WORDS[Guard(each.guard)]]:
            rows[each.file, name].append(each.symbol)
    return RoomSection(
        title="Which functions are guarded by what",
        table=RoomTable(
            head=["File", "Noticed by", "Functions"],
            rows=[
                [file, name, ", ".join(dict.fromkeys(symbols))]
                for (file, name), symbols in sorted(rows.items())
            ],
        ),
        folded=True,
    )


def _older(runs: Sequence[_Run]) -> Iterator[RoomSection]:
    if runs:
        yield RoomSection(
            title="Runs before",
            table=RoomTable(
                head=["Core of commit", "Begun", "Seed", "Mutants", "Noticed"],
                rows=[
                    [
                        run.plan.commit[:8] or "unknown",
                        run.plan.began[:16].replace("T", " ") or "–",
                        str(run.plan.seed),
                        f"{len(run.results):,}",
                        f"{sum(each.guarded for each in run.results):,}",
                    ]
                    for run in runs
                ],
                numbers=2,
            ),
        )
