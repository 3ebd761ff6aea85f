"""Schedulers by their addresses.

Rule: imports Dask only for an address of it.
"""

from __future__ import annotations

import re

from perflab.cluster.local import LocalScheduler
from perflab.cluster.scheduler import Scheduler, SchedulerError, Tls

__all__ = ["MOST_LOCAL", "open_scheduler"]

MOST_LOCAL = 64
LOCAL = re.compile(r"local:(\d{1,4})")
REMOTE = re.compile(r"(tcp|tls)://[^\s/]+:\d{1,5}")


def open_scheduler(address: str, tls: Tls | None = None) -> Scheduler:
    """`local:N`, `tcp://HOST:PORT` or `tls://HOST:PORT`; SchedulerError for anything else."""
    if local := LOCAL.fullmatch(address):
        many = int(local[1])
        if not 1 <= many <= MOST_LOCAL:
            raise SchedulerError(f"local:N takes 1 to {MOST_LOCAL} processes, not {many}")
        if tls is not None:
            raise SchedulerError("TLS is for a scheduler by address: tls://HOST:PORT")
        return LocalScheduler(many)
    remote = REMOTE.fullmatch(address)
    if remote is None:
        raise SchedulerError(
            f"a scheduler is local:N, tcp://HOST:PORT or tls://HOST:PORT, not {address!r}"
        )
    if (remote[1] == "tls") != (tls is not None):
        raise SchedulerError("tls:// needs --tls-ca, --tls-cert and --tls-key, and tcp:// none")
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise SchedulerError(
            f"{address} is Dask's, which is not installed here: pip install 'p2pcore[cluster]'"
        ) from error
    from perflab.cluster.on_dask import DaskScheduler

    return DaskScheduler(address, tls)
