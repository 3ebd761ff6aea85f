"""The pyperf script: `entry.py benchmarks.micro.script CORE_DIR NAMES [pyperf's options]`.

Theory of operation. pyperf runs every value in a worker process of its own, which is this script
again, with the same names. A worker prepares the one micro benchmark that it is to time. The script
and its workers end when their standard input does, so they cannot outlive who started them.

Rule: started by `rig/micro.py`, which knows which names this commit can do.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from benchmarks.micro.catalogue import MICROS
from benchmarks.micro.prepared import Micro
from benchmarks.rig import entry, subject

__all__ = ["run_child"]

AT_ONCE = 16  # runs between two looks at the processor's time, which take a microsecond each


def run_child(arguments: list[str]) -> None:
    """Time the micro benchmarks named in the first argument, with commas between them."""
    import pyperf

    names, *options = arguments
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_input, daemon=True).start()
    place = str(Path(entry.__file__).resolve())
    runner = pyperf.Runner(
        program_args=("-P", place, "benchmarks.micro.script", subject.core_dir(), names)
    )
    runner.parse_args(options)
    for name in names.split(","):
        micro = MICROS[name]
        runner.bench_time_func(name, _timer(micro), inner_loops=micro.operations)


def _timer(micro: Micro) -> Callable[[int], float]:
    """Seconds of processor time that so many runs take. Nothing here waits, so what the clock would
    show beyond that is other processes' work."""
    prepare = cache(micro.prepare)  # in the worker that times it, and there once

    def seconds(loops: int) -> float:
        prepared = prepare()
        run, fresh, clock, total = prepared.run, prepared.fresh, time.process_time, 0.0
        for start in range(0, loops, AT_ONCE):
            states = [fresh() for _ in range(min(AT_ONCE, loops - start))]
            begin = clock()
            for state in states:
                run(state)
            total += clock() - begin
        return total

    return seconds


def _end_with_input() -> None:
    while os.read(0, 1):
        pass
    os._exit(3)
