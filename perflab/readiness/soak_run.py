"""`python -m perflab.readiness.soak_run`: a soak of a swarm of its own, to find leaks in.

The children's heap is counted to the byte. Where a process' growth may be too much or not, the load
goes on for as long again, twice at most: nodes that write to a disk need two minutes or three, as
what their groups and checkpoints hold goes up and down. If the recording shows a leak, some seconds
more follow with every allocation traced, so that the file also tells where it grew.

Rule: drives and files; what a leak is, is for verdict.leaks to say.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import subject
from benchmarks.common.children import ChildError
from benchmarks.common.swarm import Swarm, SwarmError
from perflab.monitor.leaks import find_leaks
from perflab.monitor.monitor import Monitor
from perflab.monitor.record import read_recording
from perflab.readiness.soak import EXACT, Soak

__all__ = ["main"]

TRACED_S = 5.0
MOST_TIMES = 3  # that it goes on for `--seconds`


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak and file; 0, or 2 if it could not be measured."""
    options = _options(arguments)
    times = 1

    def goes_on() -> bool:
        nonlocal times
        found = {growth.state for growth in find_leaks(read_recording(options.out))}
        if "undecided" not in found or "leak" in found or times == MOST_TIMES:
            return False
        times += 1
        print(f"undecided: going on, {times * options.seconds:g} s in all", flush=True)
        return True

    try:
        subject.require("network")
        with (
            Swarm(
                layout="B",
                nodes=options.nodes,
                watched=True,
                environment=EXACT,
                keeping=options.durability,
            ) as swarm,
            Monitor(options.out) as monitor,
        ):
            soak = Soak(swarm, options.rate)
            soak.run(monitor, options.warm_up, options.seconds, goes_on)
            if any(growth.state == "leak" for growth in find_leaks(read_recording(options.out))):
                print("memory grows: tracing allocations", flush=True)
                soak.trace(monitor, TRACED_S)
    except (
        NotImplementedError,
        SwarmError,
        ChildError,
        RuntimeError,
        ValueError,
        OSError,
    ) as error:
        print(f"soak: could not be measured: {error}", file=sys.stderr)
        return 2
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m perflab.readiness.soak_run")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--nodes", type=int, choices=range(3, 17), default=3, metavar="3…16")
    parser.add_argument("--durability", choices=["memory", "buffered", "synced"], default="memory")
    parser.add_argument("--rate", type=float, default=300.0, help="operations per second")
    parser.add_argument("--warm-up", type=float, default=5.0, metavar="SECONDS")
    parser.add_argument(
        "--seconds",
        type=float,
        default=55.0,
        metavar="SECONDS",
        help="after the warm-up, up to three times this where it cannot be decided (55)",
    )
    options = parser.parse_args(arguments)
    if not 0 <= options.warm_up < math.inf:
        parser.error(f"--warm-up takes 0 seconds or more, not {options.warm_up:g}")
    if not 0 < options.seconds < math.inf:
        parser.error(f"--seconds takes more than 0, not {options.seconds:g}")
    if not options.out.parent.is_dir():
        parser.error(f"--out {options.out}: there is no folder {options.out.parent}")
    return options


if __name__ == "__main__":
    sys.exit(main())
