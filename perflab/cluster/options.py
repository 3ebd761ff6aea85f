"""The options of commands that can run on several machines.

Rule: options in, a scheduler out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from perflab.cluster.addresses import open_scheduler
from perflab.cluster.scheduler import Scheduler, SchedulerError, Tls

__all__ = ["add_scheduler_arguments", "scheduler_of"]


def add_scheduler_arguments(parser: argparse.ArgumentParser, what: str) -> None:
    """`--scheduler` and what belongs to it; `what` is done on each of its seats."""
    group = parser.add_argument_group("on several machines (docs/cluster.md)")
    group.add_argument(
        "--scheduler", metavar="WHERE", help=f"{what}: local:N for N processes here, or the "
        "tcp://HOST:PORT or tls://HOST:PORT of a scheduler of Dask, one for each of its workers"
    )  # fmt: skip
    for name, words in (
        ("ca", "certificate of the authority"),
        ("cert", "our own certificate"),
        ("key", "and its key"),
    ):
        group.add_argument(f"--tls-{name}", type=Path, metavar="FILE", help=f"of tls://: {words}")


def scheduler_of(options: argparse.Namespace) -> Scheduler | None:
    """What was asked for, not entered; None if nothing was. SchedulerError if it makes no sense."""
    files = [options.tls_ca, options.tls_cert, options.tls_key]
    if any(files) and (not all(files) or not options.scheduler):
        raise SchedulerError("tls:// needs all of --scheduler, --tls-ca, --tls-cert and --tls-key")
    if options.scheduler is None:
        return None
    tls = Tls(ca=files[0], cert=files[1], key=files[2]) if all(files) else None
    return open_scheduler(options.scheduler, tls)
