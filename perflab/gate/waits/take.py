"""How long clients of base and head wait at sockets: one life of both, more where it is unclear.

The first life clears what it can, as first rounds of processor time do. What it leaves open is
judged by fresh lives alone, after each of them, until it is clear or the stage's time is over.

Rule: measures and asks `judge.py` who is still suspect; no judgement of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from random import Random

from perflab.gate.judge import suspects
from perflab.gate.policy import Policy
from perflab.gate.record import SLOW_OPERATIONS, Kind
from perflab.gate.recorder import HasMeasured, Recorder
from perflab.gate.waits.figures import MEDIANS, WAIT_METRICS, calm, figures_of
from perflab.gate.waits.life import WaitError, live

__all__ = ["LIFE_S", "WAITS_S", "decide_waits", "seconds_of", "take_waits", "unit_of"]

FIRST_S = 12.0  # of blocks: some hundred pairs, with three thousand operations of each side
LIFE_S = (
    20.0  # what a life takes to begin and to end is some 4 s, three times that on a busy machine
)
LIVES = 3  # after the first one
WAITS_S = 120.0
"""No life begins that would end later than so long after the first one began."""

Sheets = tuple[Recorder, Recorder]
Names = Sequence[str]


def take_waits(
    sheets: Sheets,
    cores: Sequence[str],
    policy: Policy,
    coin: Random,
    time_left: Callable[[], bool],
    progress: Callable[[str], None],
) -> None:
    """Every one of WAIT_METRICS that is wanted, of the p2pcore in these two directories."""
    names = [name for name in WAIT_METRICS if sheets[0].wanted(name)]
    begin_s, longest_s = time.monotonic(), 0.0

    def measure(left: Names, stage: int) -> None:
        nonlocal longest_s
        life_s = time.monotonic()
        progress(f"waiting at sockets{f', again: {_named(left)}' if stage else ''}")
        found = figures_of(calm(live(cores, coin, seconds_of(stage))))
        for name in left:
            for values in found[name]:
                for sheet, value in zip(sheets, values, strict=True):
                    sheet.add(name, Kind.PAIRED, unit_of(name), value, stage)
        longest_s = max(longest_s, time.monotonic() - life_s)

    def more() -> bool:
        return time_left() and time.monotonic() - begin_s + longest_s <= WAITS_S

    try:
        decide_waits(sheets, names, policy, measure, more)
    except WaitError as error:
        for name in names:
            sheets[error.side].lacks(name, Kind.PAIRED, unit_of(name), "failed", str(error))


def decide_waits(
    sheets: tuple[HasMeasured, HasMeasured],
    names: Names,
    policy: Policy,
    measure: Callable[[Names, int], None],
    time_left: Callable[[], bool],
) -> None:
    """Spend lives until the verdict is clear, the looks are used up, or no time is left.

    Args:
        sheets: base's and head's, which `measure` fills.
        names: of WAIT_METRICS.
        measure: one life, for these figures in this stage.
        time_left: asked before each life but the first.
    """
    measure(names, 0)
    for _ in range(min(policy.looks, LIVES)):
        base, head = (sheet.measured() for sheet in sheets)
        left = [name for name in suspects(base, head, policy) if name in names]
        if not left or not time_left():
            return
        measure(left, 1)


def seconds_of(stage: int) -> float:
    """What a life of this stage has for its blocks."""
    return LIFE_S if stage else FIRST_S


def unit_of(name: str) -> str:
    """Of one of WAIT_METRICS."""
    return "seconds" if name in MEDIANS.values() else SLOW_OPERATIONS


def _named(names: Names) -> str:
    return ", ".join(names)
