"""The pyperf script: `entry.py benchmarks.micro.script CORE_DIR NAMES [pyperf's options]`.

Theory of operation. pyperf runs every value in a worker process of its own, which is this script
again, with the same names. A worker prepares the one micro benchmark that it is to time. The script
and its workers end when their standard input does, so they cannot outlive who started them.

Rule: started by `perflab/micro.py`, which knows which names this commit can do.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

from benchmarks.common import entry, subject
from benchmarks.micro.catalogue import MICROS
from benchmarks.micro.prepared import Micro
from benchmarks.micro.timer import processor_seconds

__all__ = ["run_child"]


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
    prepare = cache(micro.prepare)  # in the worker that times it, and there once
    return lambda loops: processor_seconds(prepare(), loops)


def _end_with_input() -> None:
    while os.read(0, 1):
        pass
    os._exit(3)
