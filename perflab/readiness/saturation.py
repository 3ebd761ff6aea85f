"""`python -m perflab.readiness.saturation`: what a swarm does with 1 to 256 in flight.

Theory of operation. One client keeps so many operations in flight, at each level in turn and all of
them again in each repeat, so that a slow spell of the machine falls on all levels of a repeat. The
highest level's rate is what the network can be made to do; the curve over the levels is what
capacity is fitted to. With `--sizes` the same is asked of swarms of several sizes, one after the
other, at one level.

A closed loop tells throughput; latency at a given rate is for the open loop.

Rule: measures and writes a run's record; judges nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import subject
from benchmarks.common.disk import Keeping
from benchmarks.common.records import (
    Layout,
    Measurement,
    Run,
    now_utc,
    summarize,
    this_machine,
    write_run,
)
from benchmarks.common.swarm import Swarm, SwarmError
from benchmarks.common.workload import Values, WorkloadOutcome, closed_loop

__all__ = ["LEVELS", "main", "saturate"]

LEVELS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SIZE_BYTES = 1024
SIZES_LEVEL = 64  # in flight, where sizes are compared
FEWEST, MOST = 100, 3000  # operations of a block: some 100 ms at what a level usually reaches
PER_LEVEL = 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write; 0, or 2 if something could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m perflab.readiness.saturation")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--nodes", type=int, choices=range(3, 65), default=5, metavar="3…64")
    parser.add_argument("--layout", choices=["A", "B"], default="A")
    parser.add_argument("--durability", choices=["memory", "buffered", "synced"], default="memory")
    parser.add_argument("--repeats", type=int, choices=range(1, 101), default=7, metavar="1…100")
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        choices=range(3, 65),
        default=[],
        metavar="3…64",
        help="also swarms of so many nodes, a process each",
    )
    options = parser.parse_args(arguments)
    began = now_utc()
    try:
        subject.require("network")
        keeping, repeats = options.durability, options.repeats
        found = saturate(options.layout, options.nodes, LEVELS, repeats, keeping=keeping)
        for nodes in options.sizes:
            found += saturate("B", nodes, (SIZES_LEVEL,), repeats, name="by size", keeping=keeping)
    except (NotImplementedError, SwarmError, RuntimeError, OSError) as error:
        print(f"saturation: could not be measured: {error}", file=sys.stderr)
        return 2
    who = subject.identity(subject.default_loop())
    run = Run(
        machine=this_machine(),
        commit=who.commit,
        versions=who.versions(),
        began=began,
        measurements=found,
    )
    write_run(run, options.out)
    return 0


def saturate(
    layout: Layout,
    nodes: int,
    levels: Sequence[int],
    repeats: int,
    *,
    name: str = "by level",
    keeping: Keeping = "memory",
) -> list[Measurement]:
    """Rates, P50 and P99 of stores and retrieves at each level; RuntimeError if one failed."""
    found: dict[tuple[str, int, str], list[float]] = {}
    with Swarm(layout=layout, nodes=nodes, keeping=keeping) as swarm:
        for edition in range(repeats + 1):
            for level in levels:
                if edition:  # the first one met cold caches
                    print(f"repeat {edition} of {repeats}, {level} in flight", flush=True)
                for kind, outcome in swarm.run(_block(swarm, level, edition)):
                    latency = summarize(outcome.require_clean().latencies_s)
                    figures = {
                        "rate": 1 / outcome.seconds_per_operation,
                        "p50": latency.p50_s,
                        "p99": latency.p99_s,
                        "cpu": outcome.cpu_s / outcome.elapsed_s,
                    }
                    for what, value in figures.items():
                        values = found.setdefault((kind, level, what), [])
                        if edition:
                            values.append(value)
        processes = swarm.processes
    units = {"rate": "1/s", "p50": "s", "p99": "s", "cpu": "cores"}
    return [
        Measurement(
            name=f"{kind}: {what}",
            subject="p2pcore",
            kind="observed",
            layout=layout,
            nodes=nodes,
            processes=processes,
            unit=units[what],
            values=values,
            parameters={
                "series": name,
                "in_flight": level,
                "value_bytes": SIZE_BYTES,
                "durability": keeping,
            },
        )
        for (kind, level, what), values in found.items()
    ]


async def _block(swarm: Swarm, level: int, edition: int) -> list[tuple[str, WorkloadOutcome]]:
    """Stores and then retrieves of the same records; every edition writes other values."""
    values = Values(SIZE_BYTES, edition)
    operations = min(max(FEWEST, level * PER_LEVEL), MOST)
    stored = await closed_loop(
        lambda n: swarm.client.store(f"{level}-{n}", values.value(n)),
        operations=operations,
        in_flight=level,
    )
    retrieved = await closed_loop(
        lambda n: swarm.client.retrieve(f"{level}-{n}"),
        operations=operations,
        in_flight=level,
        check=values.check,
    )
    return [("store", stored), ("retrieve", retrieved)]


if __name__ == "__main__":
    sys.exit(main())
