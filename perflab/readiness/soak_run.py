"""`python -m perflab.readiness.soak_run`: a soak of a swarm of its own, to find leaks in.

The children's heap is counted to the byte. If the recording shows a leak, the load goes on for some
seconds with every allocation traced, so that the file also tells where it grew.

Rule: drives and files; what a leak is, is for verdict.leaks to say.
"""

from __future__ import annotations

import argparse
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak and file; 0, or 2 if it could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m perflab.readiness.soak_run")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--nodes", type=int, choices=range(3, 17), default=3, metavar="3…16")
    parser.add_argument("--durability", choices=["memory", "buffered", "synced"], default="memory")
    parser.add_argument("--rate", type=float, default=300.0, help="operations per second")
    parser.add_argument("--warm-up", type=float, default=5.0, metavar="SECONDS")
    parser.add_argument("--seconds", type=float, default=55.0, metavar="SECONDS")
    options = parser.parse_args(arguments)
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
            soak.run(monitor, options.warm_up, options.seconds)
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


if __name__ == "__main__":
    sys.exit(main())
