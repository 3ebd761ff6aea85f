"""How long a micro benchmark takes: processor time of runs, each met by a fresh situation."""

from __future__ import annotations

import time

from benchmarks.micro.prepared import Prepared

__all__ = ["processor_seconds"]

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
