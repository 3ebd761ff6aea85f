"""How long a micro benchmark takes: processor time of runs, each met by a fresh situation."""

from __future__ import annotations

import gc
import os
import time

from benchmarks.common.ruler.pairs import Pair
from benchmarks.common.ruler.small_core import SmallCore
from benchmarks.micro.prepared import Prepared

__all__ = ["PAIRS", "beside_ruler", "processor_seconds"]

BLOCK_S = 0.0015  # a thousand times the timer's resolution, and short against most spells
PAIRS = 2 if os.environ.get("P2PCORE_QUICK") == "1" else 40
RULER_WORKS = 2  # a block of the ruler, about as long as one of the subject
AT_ONCE = 16  # runs between two looks at the processor's time, which take a microsecond each


def processor_seconds(prepared: Prepared, loops: int) -> float:
    """Seconds of processor time that so many runs take. Nothing here waits, so what the clock would
    show beyond that is other processes' work."""
    run, fresh, clock, total = prepared.run, prepared.fresh, time.process_time, 0.0
    for start in range(0, loops, AT_ONCE):
        states = [fresh() for _ in range(min(AT_ONCE, loops - start))]
        begin = clock()
        for state in states:
            run(state)
        total += clock() - begin
    return total


def beside_ruler(prepared: Prepared, operations: int) -> list[Pair]:
    """Blocks of runs, of so many operations each, in turn with the ruler's: seconds of processor
    time per operation, beside those of a piece of the ruler's work.

    Garbage is collected between blocks: its cost is its maker's.
    """
    ruler = SmallCore()
    processor_seconds(prepared, 2)  # what Python specialises and caches
    _ruler_seconds(ruler)
    once = processor_seconds(prepared, 3) / 3
    loops = max(1, round(BLOCK_S / max(once, 1e-6)))
    gc.collect()
    gc.freeze()
    try:
        return _pairs(prepared, loops, loops * operations, ruler)
    finally:
        gc.unfreeze()


def _pairs(prepared: Prepared, loops: int, operations: int, ruler: SmallCore) -> list[Pair]:
    pairs, before = [], _ruler_seconds(ruler)
    for _ in range(PAIRS):
        gc.collect()
        block = processor_seconds(prepared, loops)
        after = _ruler_seconds(ruler)
        pairs.append(Pair(block / operations, before, after))
        before = after
    return pairs


def _ruler_seconds(ruler: SmallCore) -> float:
    """Seconds of processor time of a piece of the ruler's work, which must go right."""
    gc.collect()
    begin = time.process_time()
    for _ in range(RULER_WORKS):
        found = ruler.work()
    seconds = (time.process_time() - begin) / RULER_WORKS
    ruler.check(found)
    return seconds
