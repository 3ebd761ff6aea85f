"""How long a micro benchmark takes: processor time of runs, each met by a fresh situation."""

from __future__ import annotations

import time

from benchmarks.micro.prepared import Prepared

__all__ = ["BLOCK_S", "least_block", "processor_seconds"]

BLOCK_S = 0.005  # long against the timer's microsecond, short against what disturbs it
BLOCKS = 12  # 60 ms; a second of machine time per commit and function, over eight rounds
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


def least_block(prepared: Prepared, operations: int) -> float:
    """Seconds of processor time per operation in the least of BLOCKS short blocks, of runs with so
    many operations: noise only adds time."""
    processor_seconds(prepared, 2)  # what Python specialises and caches
    once = processor_seconds(prepared, 3) / 3
    loops = max(1, round(BLOCK_S / max(once, 1e-6)))
    return min(processor_seconds(prepared, loops) for _ in range(BLOCKS)) / loops / operations
