"""What `bench --dense` measures: a history without gaps, at a price that can be paid.

What every change of the core may change, and costs half a minute, is measured for each commit that
changes it: counts and memory. The simulated suites, two minutes, for every fifth of these. Both
come out alike on a machine that is used by others. What takes the time of a clock is measured at
HEAD and at each tag, on a quiet machine, which has to be said (`--quiet-machine`).

Rule: plans, from git and the table of budgets; measuring is `command.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from perflab.bench.budget import BUILD_S, SUITES, WHOLE_S
from perflab.results.checkout import Commit, history, tagged
from perflab.results.git import run_git

__all__ = ["CORE", "EXACT", "SIMULATED", "BenchStage", "dense_stages", "suites"]

CORE = ("p2pcore", ":!p2pcore/sim")
"""What is measured; the simulator is a ruler."""
EXACT = ("counts", "memory")
SIMULATED = ("detection", "overload", "simulated", "tail")
ONE_IN = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchStage:
    """The same benchmarks for some commits."""

    title: str
    commits: Sequence[Commit]
    """Newest first."""
    pattern: str | None = None
    """asv's, of the benchmarks; None for all."""
    expected_s: float
    """For one commit, by the table of budgets."""
    timed: bool = True
    """Whether another user of the machine would show in the figures."""

    def names(self, name: str) -> bool:
        """Whether a benchmark is one of them."""
        return self.pattern is None or re.match(self.pattern, name) is not None


def suites(names: Sequence[str]) -> str:
    """asv's pattern for whole suites: it is matched against `SUITE.CLASS.FUNCTION`."""
    return rf"^({'|'.join(names)})\."


def dense_stages(root: Path, revisions: str, *, quiet_machine: bool) -> list[BenchStage]:
    """What to measure of the commits that a revision or a range names, cheapest first.

    The changes of the core are counted from the first one on HEAD's branch, so which of them is one
    of five depends on neither the range nor what comes later.
    """
    commits = history(root, revisions)
    changing = {*_changing(root, revisions)}
    counted = {*_changing(root, "HEAD")[::-1][::ONE_IN]}
    core = [each for each in commits if each.hash in changing]
    fifth = [each for each in core if each.hash in counted]
    stages = [
        BenchStage(
            title="counts and memory of each commit that changes the core",
            commits=core,
            pattern=suites(EXACT),
            timed=False,
            expected_s=BUILD_S + sum(SUITES[each].seconds for each in EXACT),
        ),
        BenchStage(
            title="simulated networks, of every fifth of these",
            commits=fifth,
            pattern=suites(SIMULATED),
            timed=False,
            expected_s=BUILD_S + sum(SUITES[each].seconds for each in SIMULATED),
        ),
    ]
    if quiet_machine:
        tags = tagged(root)
        ends = [each for number, each in enumerate(commits) if not number or each.hash in tags]
        stages.append(
            BenchStage(
                title="the whole suite, of the newest and each tag",
                commits=ends,
                expected_s=WHOLE_S,
            )
        )
    return stages


def _changing(root: Path, revisions: str) -> list[str]:
    """The commits that change the core, newest first."""
    told = run_git(root, "log", "--first-parent", "--format=%H", revisions, "--", *CORE)
    return told.decode().split()
