"""What `bench --dense` measures: a history without gaps, at a price that can be paid.

What every change of the core may change, and costs half a minute, is measured for each commit that
changes it: counts and memory. The simulated suites, two minutes, for every fifth of these. Both
come out alike on a machine that is used by others, as long as these leave a quarter of a processor:
until then it waits. What takes the time of a clock is measured at HEAD and at each tag, on a quiet
machine, which has to be said (`--quiet-machine`).

Rule: plans, from git and the table of budgets; measuring is `command.py`'s.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from perflab.bench.budget import BUILD_S, SUITES, WHOLE_S
from perflab.results.checkout import Commit, history, tagged
from perflab.results.git import run_git

__all__ = [
    "CORE",
    "EXACT",
    "SIMULATED",
    "BenchStage",
    "dense_stages",
    "measure_beside_others",
    "slowdown",
    "suites",
    "wait_for_room",
]

CORE = ("p2pcore", ":!p2pcore/sim")
"""What is measured; the simulator is a ruler."""
EXACT = ("counts", "memory")
SIMULATED = ("detection", "overload", "simulated", "tail")
ONE_IN = 5
SLOWEST = 4.0
"""How many times slower than alone what is measured still answers within its limits of time."""
PROBE_S = 0.05  # of processor time
PROBE_LIMIT_S = 2.0  # of waiting for it: forty times slower is slow enough to know
PATIENCE_S = 30.0  # between two looks


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


def slowdown(
    clock: Callable[[], float] = time.monotonic, cpu: Callable[[], float] = time.process_time
) -> float:
    """How many times longer a process of this priority takes than if it were alone."""
    begin, spent = clock(), cpu()
    while (used := cpu() - spent) < PROBE_S:
        if clock() - begin > PROBE_LIMIT_S:
            break
    return (clock() - begin) / max(used, 1e-6)


def wait_for_room(
    write: Callable[[str], None],
    look: Callable[[], float] = slowdown,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Return when a process is let run for enough of its time; says once that it waits."""
    waited = False
    while (now := look()) > SLOWEST:
        if not waited:
            write(f"== others need the processors ({now:.0f} times slower than alone): waiting")
        waited = True
        pause(PATIENCE_S)
    if waited:
        write("== there is room again")


def measure_beside_others(
    commit: str,
    first: Callable[[], int],
    second: Callable[[], int],
    failed: Callable[[], Sequence[str]],
    write: Callable[[str], None],
    wait: Callable[[Callable[[str], None]], None] = wait_for_room,
) -> int:
    """Measure a commit when there is room, and what failed once more; asv's exit code.

    A process that is hardly let run does not answer in time, and that would stand in the history as
    a failure of the commit. What fails twice is one.
    """
    wait(write)
    code = first()
    if again := failed():
        write(f"== {commit}: {len(again)} failed; tried once more")
        wait(write)
        code = second()
    return code
