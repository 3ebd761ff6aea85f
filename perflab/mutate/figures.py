"""Which exact figure sees a slowdown: those that reach its function are asked, the cheapest first.

Theory of operation. Base does every question of the gate once under a trace
(`perflab/gate/reach.py`), so it is known which figures execute a function. A mutant meets the
stages of those alone, judged by the gate's policy, until a figure is called a regression.

What a change is says where it can show at all: a loop calls and allocates nothing, so only counted
instructions can see it.

A seeded figure has to be worse by more than its floor under each of FIRST_SEEDS; the gate would
play it under more of them before it says so.

Rule: measures by the gate's stages; what a difference means is `perflab/gate/judge.py`'s matter.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial

from benchmarks.micro.catalogue import MICROS
from benchmarks.micro.edge import EDGE
from benchmarks.micro.sizes import SIZES
from perflab.gate.cause.find import red_figures
from perflab.gate.cause.questions import QuestionKind
from perflab.gate.counts import (
    OPERATION_METRICS,
    OPERATIONS,
    Sheets,
    note,
    note_instructions,
    take_operations,
)
from perflab.gate.edge import EDGE_METRICS, take_edge
from perflab.gate.instructions import SEEDS, InstructionCount, count_instructions, unavailable
from perflab.gate.judge import judge
from perflab.gate.lives import LIFE_METRICS, take_lives
from perflab.gate.policy import Policy
from perflab.gate.populations import POPULATION_METRICS, take_populations
from perflab.gate.reach import Reach, traced_for
from perflab.gate.record import Kind
from perflab.gate.recorder import Recorder
from perflab.gate.seeds import EVENT_METRICS, FIRST_SEEDS, PLAYS, Play
from perflab.mutate.draw import CALL, COPY, LOOP, MESSAGE, Mutant
from perflab.results.checkout import Commit

__all__ = ["FigureError", "FigureJudge"]

COUNTED_FIRST = ("messages", "bytes", "python_calls", "c_calls")  # one process takes them all
SWARM = ".8"
WORK = (CALL, COPY, LOOP)
MOST_MICROS = 3
"""Micro benchmarks of which instructions are counted: those that the function is most of."""
NOBODY = Commit("0" * 40, "a mutant")
GROWTHS = ("instructions.links_", "instructions.contacts_", "instructions.records_", "counts.")
LATE = (
    # Dear to prepare. What is kept of lives is not asked: none of WORK keeps anything.
    (tuple(name for name in LIFE_METRICS if name.startswith("instructions.")), take_lives),
    *(
        (tuple(name for name in POPULATION_METRICS if name.startswith(begin)), take_populations)
        for begin in GROWTHS
    ),
)


@dataclass(frozen=True, slots=True)
class FigureStage:
    """Figures that are measured together."""

    metrics: tuple[str, ...]
    take: Callable[[Sheets, tuple[str, str]], None]
    sees: tuple[str, ...]
    """The kinds of change that can show in them."""


class FigureError(RuntimeError):
    """Base could not be measured, which says nothing of a mutant; the message says why."""


class FigureJudge:
    """The figures of one base, and which function each of them reaches."""

    def __init__(
        self, base: str, reach: Reach, policy: Policy, time_left: Callable[[], bool] = lambda: True
    ) -> None:
        """`base` is the directory of its p2pcore; once no `time_left`, nothing more is begun."""
        self._base, self._reach, self._policy = base, reach, policy
        self._time_left = time_left

    def reached(self, function: str) -> int:
        """How many of the gate's questions execute a function, named as in traces."""
        return sum(function in shares for shares in self._reach.values())

    def seen_by(self, mutant: Mutant, head: str) -> list[str]:
        """The figures that call a mutant a regression, the reddest first, of the first stage that
        has any; `head` is the directory of the p2pcore with it.

        Raises:
            FigureError: base could not be measured; and what the stages raise.
        """
        for stage in self._stages(mutant.function):
            if mutant.operator not in stage.sees:
                continue
            if not self._time_left():
                return []
            wanted = frozenset(stage.metrics).__contains__
            sides = Recorder(NOBODY, None, wanted), Recorder(NOBODY, None, wanted)
            stage.take(sides, (self._base, head))
            base, after = (side.measured() for side in sides)
            broken = next((each.failed for each in base.metrics.values() if each.failed), "")
            if broken:
                raise FigureError(f"base could not be measured: {broken}")
            outcome = judge(base, after, self._policy, datetime.date.min)
            found = red_figures(outcome)
            found += sorted(name for name, metric in after.metrics.items() if metric.failed)
            if found:
                return found
        return []

    def _stages(self, function: str) -> Iterator[FigureStage]:
        for stage in (
            *self._operations(),
            FigureStage(EDGE_METRICS, self._timed(take_edge), (CALL, MESSAGE)),
            *(
                FigureStage(
                    play.metrics,
                    partial(self._take_play, play),
                    (CALL, MESSAGE) if set(play.metrics) <= set(EVENT_METRICS) else (MESSAGE,),
                )
                for play in PLAYS
            ),
        ):
            if self._is_reached(function, stage.metrics):
                yield stage
        if unavailable():
            return
        names = self._micros(function)
        for name in names:  # one after the other: base's count of each serves many mutants
            yield FigureStage((f"instructions.{name}",), partial(_take_instructions, name), WORK)
        if names:
            return  # in all that follows it is a smaller part of the work
        for metrics, take in LATE:
            if self._is_reached(function, metrics):
                yield FigureStage(metrics, self._timed(take), WORK)

    def _operations(self) -> Iterator[FigureStage]:
        """One after the other: of most functions, the first that executes it says enough."""
        for operation in OPERATIONS:
            names = [name for name in OPERATION_METRICS if name.endswith(f".{operation}{SWARM}")]
            calls = tuple(name for name in names if name.split(".")[1] in COUNTED_FIRST)
            others = tuple(name for name in names if name not in calls)
            yield FigureStage(calls, self._timed(take_operations), (CALL, MESSAGE))
            yield FigureStage(others, self._timed(take_operations), (COPY,))

    def _timed(
        self, take: Callable[[Sheets, tuple[str, str], Callable[[], bool]], None]
    ) -> Callable[[Sheets, tuple[str, str]], None]:
        return lambda sheets, cores: take(sheets, cores, self._time_left)

    def _is_reached(self, function: str, metrics: Iterable[str]) -> bool:
        questions = {traced_for(name) for name in metrics} - {None}
        return any(function in self._reach.get(each, {}) for each in questions if each)

    def _micros(self, function: str) -> tuple[str, ...]:
        shares = {
            each.what: found[function]
            for each, found in self._reach.items()
            if each.kind is QuestionKind.MICRO
            and each.what in MICROS | EDGE | SIZES
            and function in found
        }
        order = sorted(shares, key=lambda name: (-shares[name], name))
        return tuple(order[:MOST_MICROS])

    def _take_play(self, play: Play, sheets: Sheets, cores: tuple[str, str]) -> None:
        """Base, and head where it is worse under every seed; else base again. No more seeds are
        played once each figure was not worse under one."""
        pairs: dict[str, tuple[float, float]] = {}  # under the first seed that has the figure
        same: set[str] = set()
        for seed in FIRST_SEEDS:
            base, head = (play.find(core, seed) for core in cores)
            for name in set(play.metrics) & base.keys() & head.keys():
                pairs.setdefault(name, (base[name], head[name]))
                floor = 1 + self._policy.limits(name, Kind.SEEDED).floor
                if head[name] <= floor * base[name]:
                    same.add(name)
            if same == set(play.metrics):
                break
        for name, (before, after) in pairs.items():
            found = {name: before}, {name: before if name in same else after}
            for sheet, figures in zip(sheets, found, strict=True):
                note(sheet, name, Kind.EXACT, name.split(".")[1], figures)


def _take_instructions(name: str, sheets: Sheets, cores: tuple[str, str]) -> None:
    for sheet, core in zip(sheets, cores, strict=True):
        note_instructions(sheet, name, [_instructions(core, name)], "")


@cache
def _instructions(core: str, name: str) -> InstructionCount:
    """Prepared before callgrind looks: here are many cores, and preparing is most of the time."""
    return count_instructions(core, [name], SEEDS[0], late=True)
