"""Processor time of two commits, side by side, for as long as it takes to tell them apart.

A round is a fresh process for each side, alive at the same time, on the same core and with the same
hash seed. They run short blocks of each micro benchmark in turn, base and head, head and base; a
coin per micro benchmark and round decides who begins, which is all that the verdict's bounds stand
on (`perflab/stats/bounds.py`). Neighbours in time meet the same spell of the machine, so the value
of a round is the median ratio of neighbours.

`decide` spends the rounds: all micro benchmarks in a first stage, then the suspects alone in a
second one, at which the verdict looks after 16, 32, 64, 128 rounds.

Rule: measures and asks `judge.py` who is still suspect; no judgement of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from random import Random

from benchmarks.common.children import ChildError
from benchmarks.micro.catalogue import MICROS
from perflab.gate.block_lab import BlockLab
from perflab.gate.judge import suspects
from perflab.gate.policy import Policy
from perflab.gate.record import Kind
from perflab.gate.recorder import HasMeasured, Recorder

__all__ = [
    "FIRST_ROUNDS",
    "PREFIX",
    "UNIT",
    "Names",
    "PairedRounds",
    "decide",
    "most_rounds",
    "note_unmeasured",
]

PREFIX = "cpu."
UNIT = "seconds"
BLOCK_S = 0.001  # a thousand times the timer's resolution, and short against most spells
BLOCKS = 40  # per side and round; more find little, as processes differ by about 1 % as it is
FIRST_ROUNDS = 16
HASH_SEEDS = 2**32  # PYTHONHASHSEED is below

Sides = tuple[Recorder, Recorder]
Names = Sequence[str]


def decide(
    sheets: tuple[HasMeasured, HasMeasured],
    names: Names,
    policy: Policy,
    measure: Callable[[Names, int], None],
    time_left: Callable[[], bool],
) -> None:
    """Spend rounds until the verdict is clear, the looks are used up, or no time is left.

    Args:
        sheets: base's and head's, which `measure` fills.
        names: of all micro benchmarks, without PREFIX.
        measure: one round of these names in this stage.
        time_left: asked before each round.
    """
    for _ in range(FIRST_ROUNDS):
        if not time_left():
            return
        measure(names, 0)
    for rounds in policy.rounds_again():
        left = _suspects(sheets, policy)
        for _ in range(rounds):
            if not left or not time_left():
                return
            measure(left, 1)


def note_unmeasured(sheets: Sides, names: Names) -> None:
    """What there was no time for at all failed: no figure is missing without a word."""
    for sheet in sheets:
        found = sheet.measured().metrics
        for name in names:
            if PREFIX + name not in found:
                reason = "the gate's time was over"
                sheet.lacks(PREFIX + name, Kind.PAIRED, UNIT, "failed", reason)


def most_rounds(policy: Policy) -> int:
    """How many rounds `decide` takes at most."""
    return FIRST_ROUNDS + sum(policy.rounds_again())


def _suspects(sheets: tuple[HasMeasured, HasMeasured], policy: Policy) -> list[str]:
    base, head = sheets
    found = suspects(base.measured(), head.measured(), policy)
    return [name.removeprefix(PREFIX) for name in found if name.startswith(PREFIX)]


def _processors() -> list[int | None]:
    """Those that this process may use; [None] where the system does not tell."""
    return list(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [None]


class PairedRounds:
    """Measures rounds of real commits."""

    def __init__(self, sheets: Sides, cores: tuple[str, str], coin: Random) -> None:
        self._sheets = sheets
        self._cores = cores
        self._coin = coin
        self._loops: dict[str, int] = {}
        self._left_out: set[str] = set()

    def measure(self, names: Names, stage: int) -> None:
        """One round of each that both sides can do; what a side cannot is noted once."""
        wanted = [name for name in names if name not in self._left_out]
        if not wanted:
            return
        sides: list[BlockLab | None] = [None, None]
        seed, place = self._coin.randrange(HASH_SEEDS), self._coin.choice(_processors())
        with ExitStack() as stack:
            for side in self._coin.sample((0, 1), 2):
                try:
                    lab = BlockLab(self._cores[side], wanted, seed, place)
                    sides[side] = stack.enter_context(lab)
                except ChildError as error:
                    self._give_up(wanted, side, str(error))
                    return
            base, head = sides
            assert base is not None
            assert head is not None
            for name in self._coin.sample(wanted, len(wanted)):
                if self._possible(name, (base, head)):
                    self._round(name, (base, head), stage)

    def _round(self, name: str, labs: tuple[BlockLab, BlockLab], stage: int) -> None:
        order = self._coin.sample((0, 1), 2)
        blocks: tuple[list[float], list[float]] = [], []
        for side in (order + order[::-1]) * (BLOCKS // 2):
            try:
                blocks[side].append(self._block(name, labs[side]))
            except ChildError as error:
                self._give_up([name], side, str(error))
                return
        for sheet, values in zip(self._sheets, blocks, strict=True):
            sheet.add(PREFIX + name, Kind.PAIRED, UNIT, values, stage)

    def _block(self, name: str, lab: BlockLab) -> float:
        """Seconds per operation. How many runs a block has is measured once, for both sides."""
        if name not in self._loops:
            lab.seconds(name, 2)  # what Python specialises and caches
            seconds = lab.seconds(name, 3) / 3
            self._loops[name] = max(1, round(BLOCK_S / max(seconds, 1e-6)))
        loops = self._loops[name]
        return float(f"{lab.seconds(name, loops) / loops / MICROS[name].operations:.6g}")

    def _possible(self, name: str, labs: tuple[BlockLab, BlockLab]) -> bool:
        """Whether both sides can do it; else notes why not, and one value of the side that can."""
        if all(name not in lab.missing and name not in lab.wrong for lab in labs):
            return True
        self._left_out.add(name)
        for sheet, lab in zip(self._sheets, labs, strict=True):
            if name in lab.missing:
                lost, why = name in lab.unreached, lab.missing[name]
                sheet.lacks(PREFIX + name, Kind.PAIRED, UNIT, "skipped", why, unreached=lost)
            elif name in lab.wrong:
                sheet.lacks(PREFIX + name, Kind.PAIRED, UNIT, "failed", lab.wrong[name])
            else:
                sheet.add(PREFIX + name, Kind.PAIRED, UNIT, self._block(name, lab))
        return False

    def _give_up(self, names: Names, side: int, reason: str) -> None:
        self._left_out.update(names)
        for name in names:
            self._sheets[side].lacks(PREFIX + name, Kind.PAIRED, UNIT, "failed", reason)
