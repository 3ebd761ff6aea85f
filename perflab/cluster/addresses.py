"""Schedulers by their addresses.

Rule: imports Dask only for an address of it.
"""

from __future__ import annotations

import re

from perflab.cluster.local import LocalScheduler
from perflab.cluster.scheduler import Scheduler, SchedulerError

__all__ = ["MOST_LOCAL", "open_scheduler"]

MOST_LOCAL = 64
LOCAL = re.compile(r"local:(\d{1,4})")


def open_scheduler(address: str) -> Scheduler:
    """`local:N`; SchedulerError for anything else."""
    local = LOCAL.fullmatch(address)
    if local is None:
        raise SchedulerError(f"a scheduler is local:N, not {address!r}")
    many = int(local[1])
    if not 1 <= many <= MOST_LOCAL:
        raise SchedulerError(f"local:N takes 1 to {MOST_LOCAL} processes, not {many}")
    return LocalScheduler(many)
