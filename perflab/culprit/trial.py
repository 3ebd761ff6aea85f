"""`bisect --trial`: how often is the right commit found, with how many builds?

Made-up histories of the last 64 commits: in each, some of them make steps in some figures, and the
search is to find which. A step is put where its figure can have one: mostly into commits that touch
what the figure reaches, some into others of which something runs. What a measurement would say is
drawn: an exact figure's level, or a noisy one's with the noise of a series of the recorded history,
as the ratios of its neighbours have it. Then some steps are made for real: the last 64 commits once
more, with an edit in all of them from one on, are built and counted.

Rule: makes commits in its own clone only; the search is `search.py`'s.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random

from perflab.alerts.series import read_history, suite_kinds
from perflab.archive.shipped import unpack
from perflab.culprit.measure import by_gate, log_ratio, noise_of
from perflab.culprit.prior import RUNS, weights
from perflab.culprit.search import Answer, OpenStep, search_steps
from perflab.gate.builds import build
from perflab.gate.end_to_end import clone_of
from perflab.gate.policy import Policy
from perflab.gate.reach import reach_of, shares_of
from perflab.gate.record import Kind
from perflab.gate.symbol_edits import EditError, SymbolEdit, begin
from perflab.results.asv_config import results_dir
from perflab.results.checkout import Commit, commit_of, history
from perflab.results.culprits import StepCulprit
from perflab.results.git import line_of, run_git
from perflab.stats.culprit_search import builds_allowed

__all__ = ["HISTORIES", "main", "recorded_noises"]

HISTORIES = 100
COMMITS = 64
STEPS = 3  # of one history
REACHED = 0.85  # of the steps are where the trace says that they can be
FIGURES = (
    "counts.c_calls.store.8",
    "counts.c_calls.retrieve.8",
    "counts.c_calls.first_retrieve.8",
    "counts.c_calls.edge_store.asyncio",
    "counts.c_calls.edge_connect.asyncio",
    "instructions.node_store",
    "instructions.client_retrieve",
)
LEAST_STEP, MOST_STEP = 0.05, 0.5  # log ratios
TOLD = 2.0  # standard deviations of a point: smaller steps are not told in time (docs/alerts.md)
POINTS = 10  # of a series, whose noise is known then
RIGHT = 0.95  # what is promised
LOOP = "for _ in range(50):\n    len(b'')"
BUILT = (
    ("counts.c_calls.store.8", begin("storage/memory.py", "MemoryStore.put", LOOP)),
    ("counts.c_calls.retrieve.8", begin("storage/memory.py", "MemoryStore.get", LOOP)),
    ("instructions.encode_store", begin("wire/codec.py", "encode_frame", LOOP)),
)
"""Figures, and edits that weigh more than all that these commits did to them: of two steps in one
range, the search finds the one that takes the figure past half of the way."""
Noises = Sequence[Sequence[float]]


@dataclass
class Tally:
    """What came of the steps of one kind."""

    right: int = 0
    wrong: int = 0
    undecided: int = 0
    builds: list[int] = field(default_factory=list)
    beyond: int = 0
    """Searches that built more than is allowed."""
    times: list[int] = field(default_factory=list)
    """Measurements of a search."""

    def add(self, step: OpenStep, culprit: Commit) -> None:
        found = step.culprit.commit == culprit.hash
        self.right += found and step.search.found
        self.wrong += not found and step.search.found
        self.undecided += not step.search.found
        self.builds.append(step.search.builds)
        self.beyond += step.search.builds > builds_allowed(len(step.commits))
        self.times.append(sum(len(each.ratios) for each in step.culprit.answers))

    def row(self, said: str) -> str:
        count = self.right + self.wrong + self.undecided
        mean = sum(self.builds) / count
        cells = (
            said, str(count), f"{self.right / count:.1%}", f"{self.wrong / count:.1%}",
            f"{self.undecided / count:.1%}", f"{mean:.1f} ({max(self.builds)} at most)",
            str(self.beyond), f"{sum(self.times) / count:.1f}",
        )  # fmt: skip
        return f"| {' | '.join(cells)} |"


def main(root: Path, histories: int, policy: Policy) -> int:
    """Play, build, print; 0 if as many are right as is promised, and no search built too much."""
    unpack(root, results_dir(root), print)
    commits = history(root, "HEAD")[COMMITS::-1]
    good, commits = commits[0], commits[1:]
    core = build(root, commits[-1], root / ".asv" / "gate" / "builds")
    reach = reach_of(root, commits[-1], str(core), FIGURES)
    priors = {figure: weights(root, commits, shares_of(reach, figure) or {}) for figure in FIGURES}
    noises = recorded_noises(root)
    print(f"== {len(commits)} commits, the noise of {len(noises)} recorded series", flush=True)
    tallies = {Kind.EXACT: Tally(), Kind.PAIRED: Tally()}
    shared = alone = 0
    for seed in range(histories):
        built, each = _play(Random(f"trial/{seed}"), good, commits, priors, noises, tallies)
        shared, alone = shared + built, alone + each
    print(f"| steps of {histories} histories | steps | right | wrong | undecided | builds | "
          "beyond log2(n) + 2 | measurements |")  # fmt: skip
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    print(tallies[Kind.EXACT].row("exact"))
    print(tallies[Kind.PAIRED].row("noisy"))
    print(f"\nbuilt: {shared} commits for what would be {alone} if nothing was shared", flush=True)
    made = Tally()
    for figure, edit in BUILT:
        _made(root, good, commits, figure, edit, policy, made)
    print(made.row("made for real"))
    whole = [*tallies.values(), made]
    right, count = sum(each.right for each in whole), sum(len(each.builds) for each in whole)
    print(f"\nin all: {right} of {count} ({right / count:.1%}) assigned to their commit")
    return 0 if right >= RIGHT * count and not any(each.beyond for each in whole) else 1


def recorded_noises(root: Path) -> list[list[float]]:
    """The log ratios of neighbours of each noisy series of the recorded history, about 0."""
    commits = [each.hash for each in history(root, "HEAD")[::-1]]
    found = []
    kinds = suite_kinds(root / "benchmarks")
    for series in read_history(results_dir(root), commits, kinds).series:
        values = [each.value for each in series.points if each.value and each.value > 0]
        if series.kind is not Kind.EXACT and len(values) >= POINTS:
            ratios = [log_ratio(old, new) for old, new in pairwise(values)]
            if noise_of(values):
                found.append(ratios)
    return found


def _play(
    chance: Random, good: Commit, commits: Sequence[Commit],
    priors: Mapping[str, Sequence[float]], noises: Noises, tallies: Mapping[Kind, Tally],
) -> tuple[int, int]:  # fmt: skip
    """One history; the commits that were built, and the sum of what each search used."""
    steps, culprits, draws = [], [], []
    for number in range(STEPS):
        figure = chance.choice(FIGURES)
        weight = priors[figure]
        reached = chance.random() < REACHED
        able = [at for at, each in enumerate(weight) if (each > RUNS if reached else each == RUNS)]
        culprit = chance.choice(able or [at for at, each in enumerate(weight) if each >= RUNS])
        noisy = number > 0
        ratios = chance.choice(noises) if noisy else [0.0]
        noise = noise_of([math.exp(sum(ratios[:end])) for end in range(len(ratios) + 1)]) or 0.0
        least = max(LEAST_STEP, TOLD * noise)
        step = chance.uniform(least, max(MOST_STEP, 2 * least))
        kind = Kind.PAIRED if noisy else Kind.EXACT
        steps.append(
            OpenStep(
                kind=kind, good=good, commits=commits, prior=weight, step=step, noise=noise,
                culprit=_record(f"{figure} {number}", good, commits),
            )
        )  # fmt: skip
        culprits.append(culprit)
        draws.append(ratios)
    places = {each.hash: place for place, each in enumerate(commits)}

    def measure(group: Sequence[OpenStep], commit: Commit) -> dict[int, Answer]:
        found: dict[int, Answer] = {}
        for at, each in enumerate(group):
            number = next(place for place, one in enumerate(steps) if one is each)
            level = each.step if places[commit.hash] >= culprits[number] else 0.0
            found[at] = [level + chance.choice((1, -1)) * chance.choice(draws[number])]
        return found

    for _ in search_steps(steps, measure, lambda: True, lambda *_: None):
        pass
    asked = [{answer.commit for answer in each.culprit.answers} for each in steps]
    for place, each in enumerate(steps):
        tallies[each.kind].add(each, commits[culprits[place]])
    return len(set().union(*asked)) + 1, sum(len(each) + 1 for each in asked)


def _record(series: str, good: Commit, commits: Sequence[Commit]) -> StepCulprit:
    return StepCulprit(
        machine="", environment="", series=series, good=good.hash, last=commits[-1].hash,
        commits=len(commits),
    )  # fmt: skip


def _made(
    root: Path, good: Commit, commits: Sequence[Commit], figure: str, edit: SymbolEdit,
    policy: Policy, tally: Tally,
) -> None:  # fmt: skip
    """A step that is there: commits with an edit, built and measured."""
    chance = Random(f"made/{figure}")
    with tempfile.TemporaryDirectory(prefix="culprit-trial-") as scratch:
        clone = clone_of(root, Path(scratch))
        culprit = chance.randrange(len(commits))
        edited = _edited(clone, good, commits, edit, culprit)
        reach = reach_of(clone, good, str(build(clone, good, clone / "builds")), [figure])
        end = by_gate(clone, (good, edited[-1]), [figure], policy, 600)[figure]
        if isinstance(end, str):
            raise EditError(f"{figure}: {end}")
        step = OpenStep(
            kind=Kind.EXACT, good=good, commits=edited, step=end[0], noise=0.0, figure=figure,
            prior=weights(clone, edited, shares_of(reach, figure)),
            culprit=_record(figure, good, edited),
        )  # fmt: skip
        step.take(edited[-1], end)

        def measure(_group: Sequence[OpenStep], commit: Commit) -> dict[int, Answer]:
            return {0: by_gate(clone, (good, commit), [figure], policy, 600)[figure]}

        for _ in search_steps([step], measure, lambda: True, lambda *_: None):
            print(f"   {figure}: {step.told()}", flush=True)
        tally.add(step, edited[culprit])


def _edited(
    clone: Path, good: Commit, commits: Sequence[Commit], edit: SymbolEdit, culprit: int
) -> list[Commit]:
    """The same commits again, with an edit in those from one on."""
    parent, found = good.hash, []
    run_git(clone, "checkout", "--quiet", "--detach", good.hash)
    for place, commit in enumerate(commits):
        run_git(clone, "read-tree", "--reset", "-u", commit.hash)
        if place >= culprit:
            file = clone / "p2pcore" / edit.file
            file.write_text(edit.apply(file.read_text(encoding="utf-8")), encoding="utf-8")
            run_git(clone, "add", "--", f"p2pcore/{edit.file}")
        tree = line_of(clone, "write-tree")
        who = ("-c", "user.name=trial", "-c", "user.email=trial@example.org")
        asked = ("commit-tree", tree, "-p", parent, "-m", commit.subject)
        parent = line_of(clone, *who, *asked)
        found.append(commit_of(clone, parent))
    return found
