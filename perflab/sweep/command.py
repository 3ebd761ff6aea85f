"""`python -m perflab sweep`: the same question for many seeds, here or on many machines.

Rule: reads options, prints, decides on exit codes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

from benchmarks.common import subject
from benchmarks.common.entry import SUITE_PARENT
from benchmarks.common.records import now_utc
from perflab.cluster.addresses import open_scheduler
from perflab.cluster.options import add_scheduler_arguments, scheduler_of
from perflab.cluster.station import about
from perflab.forms import one_line
from perflab.results.checkout import source_of
from perflab.sweep.kinds import KINDS
from perflab.sweep.record import SweepFileError, SweepPlan, SweepResult
from perflab.sweep.run import run_sweep

__all__ = ["EPILOG", "add_arguments", "main"]

EPILOG = """Ctrl-C or the death of a worker loses nothing that was filed: the same command goes on.

exit codes: 0 no seed is broken; 1 one is; 2 some could not be played, or bad input; 130
interrupted"""
SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `sweep`."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--seeds", type=int, default=200, metavar="N", help="how many (200)")
    common.add_argument("--first", type=int, default=1, metavar="SEED", help="the first (1)")
    common.add_argument(
        "--at-once", type=int, metavar="N", help="seeds of one task (default: half a minute's)"
    )
    common.add_argument(
        "--out", type=Path, metavar="DIR", help="where results are filed, and were before "
        "(default: .asv/sweep/KIND-…, by settings and code)"
    )  # fmt: skip
    add_scheduler_arguments(common, "where seeds are played (default: local:1)")
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="WHAT")
    for name, kind in KINDS.items():
        kind.add_arguments(kinds.add_parser(name, help=kind.about, parents=[common]))


def main(options: argparse.Namespace, root: Path) -> int:
    """Play, file and tell; the exit code as EPILOG has it."""
    kind = KINDS[options.kind]
    try:
        if options.at_once is not None and options.at_once < 1:
            raise SweepFileError(f"--at-once is 1 or more, not {options.at_once}")
        source = source_of(Path(subject.core_dir()))
        plan = SweepPlan(
            kind=options.kind,
            settings={name: getattr(options, name) for name in kind.settings},
            package=about(SUITE_PARENT, subject.core_dir())["package"],
            first=options.first,
            seeds=options.seeds,
            commit=source.commit + ("+" if source.uncommitted else ""),
            began=now_utc(),
        )
        kind.check(plan.settings)
        directory = options.out or _directory(plan, root)
        with scheduler_of(options) or open_scheduler("local:1") as scheduler:
            print(f"{kind.about} {plan.seeds:,} seeds on {scheduler.name}, {len(scheduler.seats)} "
                  f"at a time; results in {directory}", flush=True)  # fmt: skip
            at_once = options.at_once or kind.at_once
            result = run_sweep(plan, directory, scheduler, at_once, _say)
    except (RuntimeError, ValueError, OSError) as error:  # SchedulerError and SweepFileError, too
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    _tell(result)
    if result.broken:
        return 1
    return 2 if result.left else 0


def _directory(plan: SweepPlan, root: Path) -> Path:
    """One for each question that can be asked of this code."""
    asked = hashlib.sha256(json.dumps([plan.settings, plan.package]).encode()).hexdigest()
    return root / ".asv" / "sweep" / f"{plan.kind}-{asked[:12]}"


def _tell(result: SweepResult) -> None:
    for line in KINDS[result.plan.kind].told(result.figures):
        print(line)
    for seed, words in sorted(result.broken.items())[:SHOWN]:
        print(f"BROKEN seed {seed}: {words}")
    print(f"{len(result.played):,} of {result.plan.seeds:,} seeds played, each once; "
          f"{len(result.broken):,} broken, {result.left:,} not played")  # fmt: skip


def _say(text: str) -> None:
    print(text, flush=True)
