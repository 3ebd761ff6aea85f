"""One mutant meets those who could notice it.

Theory of operation. The core with the change lies in a directory of its own: hard links to base's
files and to what Python has compiled of them, but for the one file that differs. A slowdown meets
exact figures. A weakening meets the tests that execute its line, and then simulated networks with
faults, whose checkers hold the core to its promises. A test on real sockets that fails has to fail
once more, alone: a busy machine fails one now and then.

Rule: starts processes, two at most at a time; draws and files nothing.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import entry
from benchmarks.common.children import ChildError, child_environment
from perflab.forms import one_line
from perflab.mutate.cover import CoveredTest, CoverMap, executing
from perflab.mutate.draw import Mutant, MutantKind
from perflab.mutate.figures import FigureError, FigureJudge
from perflab.mutate.record import Guard, MutantResult

__all__ = ["EDGES", "SEEDS", "TIMED_OUT", "MutantTrial", "TrialError", "linked"]

SEEDS = tuple(range(1, 13))
"""Of the simulated networks that a weakening meets; which scenario each is, the seed says."""
ON_SOCKETS = ("tests/aio/", "tests/blocking/", "tests/metrics/")
EDGES = ("aio/", "blocking/", "metrics/")  # rooms that no simulated network executes
START_S = 30.0  # of processor time, until pytest has loaded what it needs: ten times what it takes
SLOWER = 4.0  # than under coverage; a mutant may do more than the core does, and end
SEED_S = 40.0  # twenty times what a scenario takes
WALL_S = 900.0  # for one that waits and does nothing
TIMED_OUT = "the clock: it went on and on"


class TrialError(RuntimeError):
    """Something else went wrong than what a mutant does; the message says what."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MutantTrial:
    """Everything that a mutant can meet."""

    root: Path
    base: Path
    """The directory with base's p2pcore."""
    figures: FigureJudge
    cover: CoverMap
    seeds: Sequence[int] = SEEDS

    def of(self, mutant: Mutant, place: Path) -> MutantResult:
        """Who noticed a mutant; `place` is where its core may lie meanwhile. Raises TrialError."""
        if mutant.kind is MutantKind.SLOWDOWN:
            reached = self.figures.reached(mutant.function)
            if not reached:
                return _result(mutant, Guard.UNREACHED, [], 0)
        else:
            tests = executing(self.cover, mutant)
            reached = len(tests)
        linked(self.base, place)
        try:
            file = place / "p2pcore" / mutant.file
            file.unlink()
            file.write_text(mutant.text, encoding="utf-8")
            if mutant.kind is MutantKind.SLOWDOWN:
                return self._slowdown(mutant, place, reached)
            return self._weakening(mutant, place, tests)
        finally:
            shutil.rmtree(place)

    def _slowdown(self, mutant: Mutant, core: Path, reached: int) -> MutantResult:
        try:
            seen = self.figures.seen_by(mutant, str(core))
        except FigureError as error:
            raise TrialError(one_line(error)) from error
        except ChildError as error:
            return _result(mutant, Guard.FAILURE, [str(error).splitlines()[0]], reached)
        return _result(mutant, Guard.FIGURE if seen else Guard.NOBODY, seen, reached)

    def _weakening(self, mutant: Mutant, core: Path, tests: list[CoveredTest]) -> MutantResult:
        simulated = not mutant.file.startswith(EDGES)
        reached = len(tests) + len(self.seeds) * simulated
        if tests:
            cpu_s = START_S + SLOWER * sum(each.seconds for each in tests)
            noticed = self._noticed(core, ["tests", *(each.name for each in tests)], cpu_s)
            if noticed.startswith(ON_SOCKETS) and not noticed.endswith(")"):
                noticed = self._noticed(core, ["tests", noticed], cpu_s)
            if noticed:
                guard = Guard.TIMEOUT if noticed == TIMED_OUT else Guard.TEST
                return _result(mutant, guard, [noticed], reached)
        if simulated and self.seeds:
            cpu_s = START_S + SEED_S * len(self.seeds)
            noticed = self._noticed(core, ["seeds", *self.seeds], cpu_s)
            if noticed:
                guard = Guard.TIMEOUT if noticed == TIMED_OUT else Guard.CHECKER
                return _result(mutant, guard, [noticed], reached)
        return _result(mutant, Guard.NOBODY if reached else Guard.UNREACHED, [], reached)

    def _noticed(self, core: Path, order: Sequence[str | int], cpu_s: float) -> str:
        """Who noticed, of tests or seeds; "" if nobody did. What is measured is processor time: a
        busy machine makes no mutant hang."""
        command = [sys.executable, "-s", "-P", entry.__file__, "perflab.mutate.notice_child"]
        try:
            done = subprocess.run(
                [*command, str(core), json.dumps([math.ceil(cpu_s), *order])], cwd=self.root,
                text=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=WALL_S,
                check=False, env=child_environment() | {"PYTHONHASHSEED": "0"},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return TIMED_OUT
        if done.returncode == -signal.SIGXCPU:
            return TIMED_OUT
        if done.returncode < 0 or "MemoryError" in done.stderr[-500:]:
            return f"the process: it ended with {done.returncode}"
        try:
            return str(json.loads(done.stdout.rsplit("\n", 2)[-2])["noticed"])
        except (ValueError, IndexError, KeyError, TypeError):
            words = (done.stderr or done.stdout).strip()[-400:]
            raise TrialError(f"{order[0]} ended with {done.returncode}: {words}") from None


def linked(base: Path, place: Path) -> None:
    """A copy of base's core, of links."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(base / "p2pcore", place / "p2pcore", copy_function=os.link)


def _result(mutant: Mutant, guard: Guard, by: list[str], reached: int) -> MutantResult:
    return MutantResult(
        file=mutant.file, symbol=mutant.symbol, kind=mutant.kind.value, operator=mutant.operator,
        line=mutant.line, said=mutant.said, guard=guard.value, by=by, reached=reached,
    )  # fmt: skip
