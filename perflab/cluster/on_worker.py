"""What runs in a worker of Dask: it holds a station, passes calls on to it, and carries out tasks.

Travels to the worker by value, as `station.py` does: the worker has nothing of ours installed.

Rule: the standard library, `station.py`, and what Dask hands in.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from perflab.cluster.station import Station, about, run_task, unpack

__all__ = ["Unpacks", "about_worker", "call", "clock_ns", "hold", "task"]

STATIONS, ROOT = "p2pcore_stations", "p2pcore_root"


class Unpacks:
    """A plugin of Dask: each worker, also one that comes later, has the checkout unpacked."""

    def __init__(self, name: str, archive: bytes) -> None:
        self.name, self.archive = name, archive

    def setup(self, worker: Any) -> None:
        setattr(worker, ROOT, unpack(self.archive, self.name, worker.local_directory))

    def teardown(self, worker: Any) -> None:
        """The folder goes with the worker's own."""


def hold(token: str, module: str, arguments: list[str], environment: dict[str, str]) -> int:
    """The one long task of a share: start its process, and stay until it is let go."""
    from distributed import get_worker

    worker = get_worker()
    root = getattr(worker, ROOT)
    station = Station(root, module, root, arguments, environment)
    stations = vars(worker).setdefault(STATIONS, {})
    stations[token] = station
    try:
        return station.hold()
    finally:
        del stations[token]


def call(token: str, name: str, arguments: tuple[Any, ...], dask_worker: Any) -> Any:
    """What a method of a station gives, or its attribute; None if it is not there."""
    station = vars(dask_worker).get(STATIONS, {}).get(token)
    if station is None:
        return None
    found = getattr(station, name)
    return found(*arguments) if callable(found) else found


def clock_ns() -> int:
    """The performance counter of the machine."""
    return time.perf_counter_ns()


def about_worker(dask_worker: Any) -> dict[str, str]:
    """`station.about` of what was unpacked there."""
    root = getattr(dask_worker, ROOT)
    return about(root, root)


def task(module: str, arguments: list[str]) -> str:
    """One of many tasks, each of which is as good on another worker, and as good twice."""
    from distributed import get_worker

    root = getattr(get_worker(), ROOT)
    return run_task(root, root, module, arguments, threading.Event())
