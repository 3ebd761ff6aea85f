"""The options of commands that can run on several machines.

Rule: options in, a scheduler out.
"""

from __future__ import annotations

import argparse

from perflab.cluster.addresses import open_scheduler
from perflab.cluster.scheduler import Scheduler

__all__ = ["add_scheduler_arguments", "scheduler_of"]


def add_scheduler_arguments(parser: argparse.ArgumentParser, what: str) -> None:
    """`--scheduler` and what belongs to it; `what` is done on each of its seats."""
    group = parser.add_argument_group("on several machines (docs/cluster.md)")
    group.add_argument(
        "--scheduler", metavar="WHERE", help=f"{what}: local:N for N processes here"
    )  # fmt: skip


def scheduler_of(options: argparse.Namespace) -> Scheduler | None:
    """What was asked for, not entered; None if nothing was. SchedulerError if it makes no sense."""
    return None if options.scheduler is None else open_scheduler(options.scheduler)
