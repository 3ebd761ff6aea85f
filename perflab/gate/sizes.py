"""Instructions of what is counted and not timed: the edge, and what depends on the size of values.

The hash seed moves these by less than their floor, so one is used, in two processes a side. Beside
each size stands its *growth*, what it takes more than the size before it: what makes large values
dearer shows there, however cheap the small ones are.

Rule: counts and notes; what a difference means is `judge.py`'s matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from benchmarks.micro.edge import EDGE
from benchmarks.micro.sizes import GROWTHS, SIZES
from perflab.gate.counts import Sheets, note_instructions, side_by_side
from perflab.gate.instructions import (
    SEEDS,
    InstructionCount,
    InstructionError,
    count_instructions,
    unavailable,
)
from perflab.gate.record import Kind
from perflab.gate.recorder import Recorder

__all__ = ["LEAST", "SIZE_METRICS", "note_growths", "take_sizes"]

SEED = SEEDS[0]
LEAST = 1000.0
"""Instructions: a smaller growth counts as this. The store's does not depend on the size, and what
is left of it are a few hundred instructions that vary."""
NO_OTHER: Mapping[str, float] = {}
MAPPED = {"MALLOC_MMAP_THRESHOLD_": str(4 * 1024)}
"""Blocks of 4 KiB and more come from the kernel and go back to it: else, where one lies, and
whether it can grow in its place, follows from what other code has freed before."""
PREFIX = "instructions."
SIZE_METRICS = tuple(PREFIX + name for name in (*EDGE, *SIZES, *GROWTHS))


def take_sizes(
    sheets: Sheets,
    cores: Sequence[str],
    wanted: Callable[[str], bool],
    time_left: Callable[[], bool],
) -> None:
    """Instructions per operation at the edge and at each size, and their growth: exact."""
    reason = unavailable()
    groups = [
        [name for name in EDGE if wanted(PREFIX + name)],
        [name for name in SIZES if any(wanted(PREFIX + each) for each in _with_growth(name))],
    ]
    jobs = [
        ((side, number), partial(count_instructions, core, names, SEED, MAPPED))
        for number, names in enumerate(groups)
        for side, core in enumerate(cores)
        if names
    ]
    found = {} if reason else side_by_side(jobs, time_left)
    for side, sheet in enumerate(sheets):
        for number, names in enumerate(groups):
            for name in names:
                note_instructions(sheet, name, [found[side, number]] if found else [], reason)
        note_growths(sheet, GROWTHS, found.get((side, 1)), reason)


def _with_growth(size: str) -> list[str]:
    return [size, *(name for name, between in GROWTHS.items() if size in between)]


def note_growths(
    sheet: Recorder,
    growths: Mapping[str, tuple[str, str]],
    result: Any,
    reason: str,
    least: Mapping[str, float] = NO_OTHER,
) -> None:
    """What the second of two micro benchmarks takes more than the first, LEAST or what is said for
    it at least; `result` is what one process counted, or the error it raised."""
    count = result if isinstance(result, InstructionCount) else InstructionCount()
    for name, between in growths.items():
        small, large = (count.per_operation.get(each) for each in between)
        if small is None or large is None:
            why = reason or next((count.missing[e] for e in between if e in count.missing), "")
            error = InstructionError(f"{' or '.join(between)} was not counted")
            note_instructions(sheet, name, [error], why)
        else:
            growth = round(max(least.get(name, LEAST), large - small), 3)
            sheet.add(PREFIX + name, Kind.EXACT, "instructions", growth)
