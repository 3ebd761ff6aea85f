"""`python -m perflab scaling`: what an operation and a node cost, by the size of the network.

Rule: reads options, goes on with the record that is there, prints the report.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from benchmarks.common import subject
from benchmarks.common.children import ChildError
from benchmarks.common.records import now_utc
from benchmarks.common.simulated.lab import play_one
from benchmarks.common.swarm import SwarmError
from perflab.results.checkout import source_of
from perflab.scaling.record import (
    ScalingError,
    ScalingHead,
    ScalingRow,
    append_scaling,
    read_scaling,
)
from perflab.scaling.report import scaling_report
from perflab.scaling.run import LARGEST, core_limits, on_sockets, questions

__all__ = ["EPILOG", "add_arguments", "main"]

ANSWER_S = 3600.0  # one network; the largest takes some minutes of one processor
MOST_NODES = 16_384  # half a gigabyte
LEAST_NODES = 1024  # five sizes from 64 on

EPILOG = """\
What was done is kept: the same call goes on where the last one ended, by Ctrl-C or after --minutes.

  python -m perflab scaling                                      (up to 4,096 nodes: an hour)
  python -m perflab scaling --nodes 16384                        (and an hour more)
  python -m perflab scaling --report                             (what is there, and nothing more)

exit codes: 0 done, 2 something could not be measured or is missing, 130 interrupted
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `scaling`."""
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(".asv/scaling"),
        metavar="DIR",
        help="where the record is, and goes on (default: %(default)s)",
    )
    parser.add_argument(
        "--nodes",
        type=int,
        default=LARGEST,
        metavar="N",
        help=f"the largest network, {LEAST_NODES} to {MOST_NODES} (default: %(default)s)",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        metavar="X",
        help="begin no network after so many minutes (default: go on to the end)",
    )
    parser.add_argument(
        "--report", action="store_true", help="measure nothing, say what the record says"
    )


def main(options: argparse.Namespace) -> int:
    """Measure what is missing, and print the report."""
    if not LEAST_NODES <= options.nodes <= MOST_NODES:
        what = f"--nodes is {LEAST_NODES} to {MOST_NODES}, not {options.nodes}"
        print(f"scaling: {what}", file=sys.stderr)
        return 2
    file = options.out / "scaling.jsonl"
    try:
        whole = options.report or _go_on(file, options.nodes, options.minutes)
        if not whole:
            print(f"scaling: not done yet; the same call goes on: {file}", file=sys.stderr)
            return 2
        print(scaling_report(*read_scaling(file)))
    except (ChildError, OSError, ScalingError, SwarmError) as error:
        print(f"scaling: {error}", file=sys.stderr)
        return 2
    return 0


def _go_on(file: Path, largest: int, minutes: float | None) -> bool:
    """Play what the record lacks; False if time was over before all of it was there."""
    core = subject.core_dir()
    source = source_of(Path(core))
    commit = source.commit + ("+" if source.uncommitted else "")
    if not file.exists():
        append_scaling(file, ScalingHead(commit=commit, began=now_utc(), limits=core_limits()))
    head, rows = read_scaling(file)
    if head.commit != commit:
        raise ScalingError(
            f"{file} is of commit {head.commit[:8]}, this is {commit[:8]}; take another --out"
        )
    there = {(row.play, row.nodes, row.seed) for row in rows}
    wanted = [each for each in questions(largest) if each[:3] not in there]
    ends_s = time.monotonic() + 60 * (minutes if minutes is not None else float("inf"))
    for number, (play, nodes, seed, arguments) in enumerate(wanted, 1):
        if time.monotonic() >= ends_s:
            return False
        begin_s = time.monotonic()
        if play == "sockets":
            figures = on_sockets(nodes, seed)
        else:
            question = {"play": play, "nodes": nodes, "seed": seed, **arguments}
            figures = play_one(question, core, ANSWER_S)
            if not figures:
                raise ScalingError(f"this p2pcore has no simulator that can play {play}")
        append_scaling(file, ScalingRow(play=play, nodes=nodes, seed=seed, figures=figures))
        took_s = time.monotonic() - begin_s
        print(f"{number} of {len(wanted)}: {play}, {nodes} nodes, seed {seed}: {took_s:.0f} s",
              file=sys.stderr, flush=True)  # fmt: skip
    return True
