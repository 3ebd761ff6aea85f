"""What lives of records and clients cost, and what is kept when they are over; all exact.

Rule: counts and notes; what a difference means is `judge.py`'s matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

from benchmarks.common.counting.life_lab import LIVES_KEPT, LifeLab
from benchmarks.micro.lives import LIVES
from perflab.gate.counts import Job, Sheets, note, note_instructions, side_by_side
from perflab.gate.instructions import SEEDS, InstructionCount, count_instructions, unavailable
from perflab.gate.record import Kind

__all__ = ["LEAST_KEPT", "LIFE_METRICS", "take_lives"]

LEAST_KEPT = 16 * 1024.0
"""Bytes: less counts as this. Estimates and tables have as much to and fro; of a thousand lives,
16 bytes each are more."""
KEPT = {f"memory.life_{name}": name for name in LIVES_KEPT}
INSTRUCTIONS = {f"instructions.{name}": name for name in LIVES}
LIFE_METRICS = (*KEPT, *INSTRUCTIONS)


def take_lives(sheets: Sheets, cores: Sequence[str], time_left: Callable[[], bool]) -> None:
    """Every one of LIFE_METRICS that is wanted."""
    reason = unavailable()
    wanted = sheets[0].wanted
    jobs: list[Job] = [
        *(
            ((side, "instructions"), partial(_instructions, core))
            for side, core in enumerate(cores)
            if any(map(wanted, INSTRUCTIONS)) and not reason
        ),
        *(
            ((side, "kept"), partial(_kept, core))
            for side, core in enumerate(cores)
            if any(map(wanted, KEPT))
        ),
    ]
    found = side_by_side(jobs, time_left)
    for side, sheet in enumerate(sheets):
        if (side, "kept") in found:
            for name in KEPT:
                note(sheet, name, Kind.EXACT, "bytes", found[side, "kept"])
        results = [found[side, "instructions"]] if (side, "instructions") in found else []
        for name in INSTRUCTIONS.values() if results or reason else ():
            note_instructions(sheet, name, results, reason)


@cache  # exact figures need not be counted twice: whoever tries many heads has one base
def _kept(core: str) -> dict[str, float]:
    with LifeLab(core) as lab:
        return {f"memory.life_{name}": max(LEAST_KEPT, kept) for name, kept in lab.kept().items()}


@cache
def _instructions(core: str) -> InstructionCount:
    return count_instructions(core, list(LIVES), SEEDS[0], late=True)
