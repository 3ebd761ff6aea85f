"""What very many records, links or contacts cost a node: instructions, lines and slices; all exact.

Of what a message or a turn of time takes only the *growth* is judged: what the whole of a crowd
takes more than half of it. In the rest are the figures of few.

Rule: counts and notes; what a difference means is `judge.py`'s matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

from benchmarks.common.counting.crowd_lab import CROWD_COUNTS, CrowdLab
from benchmarks.micro.populations import POPULATION_GROWTHS, POPULATIONS
from perflab.gate.counts import Sheets, note, side_by_side
from perflab.gate.instructions import SEEDS, InstructionCount, count_instructions, unavailable
from perflab.gate.record import Kind
from perflab.gate.sizes import note_growths

__all__ = ["POPULATION_METRICS", "take_populations"]

CROWD_METRICS = {f"counts.{name}": name for name in CROWD_COUNTS}
GROWTH_METRICS = tuple(f"instructions.{name}" for name in POPULATION_GROWTHS)
LARGE = 2_000_000.0
LEASTS = dict.fromkeys(("records_compare_growth", "records_end_growth"), LARGE)
"""Instructions: of what looks at hundreds of records, smaller growths are none. What each has in
memory varies by a tenth of that; to look at 50,000 records takes as much, in C."""
POPULATION_METRICS = (*CROWD_METRICS, *GROWTH_METRICS)


def take_populations(sheets: Sheets, cores: Sequence[str], time_left: Callable[[], bool]) -> None:
    """Every one of POPULATION_METRICS that is wanted."""
    reason = unavailable()
    parts: dict[str, Callable[[str], Any]] = {}
    growths = {
        name: between
        for name, between in POPULATION_GROWTHS.items()
        if sheets[0].wanted(f"instructions.{name}")
    }
    if growths and not reason:
        counted = {each for between in growths.values() for each in between}
        names = tuple(each for each in POPULATIONS if each in counted)
        parts["instructions"] = partial(_instructions, names)
    if any(map(sheets[0].wanted, CROWD_METRICS)):
        parts["lines"] = _lines
    jobs = [
        ((side, part), partial(find, core))
        for part, find in parts.items()
        for side, core in enumerate(cores)
    ]
    for (side, part), result in side_by_side(jobs, time_left).items():
        if part == "instructions":
            note_growths(sheets[side], growths, result, "", LEASTS)
        else:
            for name in CROWD_METRICS:
                note(sheets[side], name, Kind.EXACT, "lines", result)
    if reason:
        for sheet in sheets:
            note_growths(sheet, growths, None, reason, LEASTS)


@cache  # exact figures need not be counted twice: whoever tries many heads has one base
def _instructions(names: tuple[str, ...], core: str) -> InstructionCount:
    return count_instructions(core, list(names), SEEDS[0], late=True)


@cache
def _lines(core: str) -> dict[str, float]:
    with CrowdLab(core) as lab:
        return {f"counts.{name}": value for name, value in lab.count().items()}
