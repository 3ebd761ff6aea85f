"""Seats on this machine: a station each, held by a thread.

Rule: no Dask; what it does is `station.py`'s.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from types import TracebackType
from typing import Any, Self

from benchmarks.common import subject
from benchmarks.common.entry import SUITE_PARENT
from perflab.cluster.scheduler import RETRIES, Seat, TaskError
from perflab.cluster.station import Station, about, run_task

__all__ = ["LocalScheduler", "LocalSeat"]


class LocalSeat:
    """One of them."""

    here = True

    def __init__(self, number: int) -> None:
        self.name = f"local {number}"
        self.clock_ns = time.perf_counter_ns
        self._station: Station | None = None
        self._holder: threading.Thread | None = None

    def about(self) -> dict[str, str]:
        return about(SUITE_PARENT, subject.core_dir())

    def start(self, module: str, arguments: list[str], environment: Mapping[str, str]) -> int:
        core = subject.core_dir()
        self._station = Station(SUITE_PARENT, module, core, arguments, dict(environment))
        self._holder = threading.Thread(target=self._station.hold, name=self.name)
        self._holder.start()
        return self._station.pid

    def look(self, lines: int, sizes: dict[str, int], tell: bytes = b"") -> dict[str, Any]:
        return self._held.look(lines, sizes, tell)

    def digests(self) -> dict[str, str]:
        return self._held.digests()

    def end(self) -> None:
        self._held.end()

    def let_go(self) -> None:
        """Returns when the process is gone and its folder with it."""
        self._held.let_go()
        assert self._holder is not None
        self._holder.join()

    def trouble(self) -> str:
        return ""

    @property
    def _held(self) -> Station:
        assert self._station is not None
        return self._station


class LocalScheduler:
    """So many seats."""

    def __init__(self, many: int) -> None:
        self.name = f"local:{many}"
        self._seats = [LocalSeat(number) for number in range(many)]

    @property
    def seats(self) -> list[Seat]:
        return list(self._seats)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Whoever started something has let it go."""

    def tasks(
        self, module: str, orders: Iterable[list[str]]
    ) -> Iterator[tuple[int, str | TaskError]]:
        """`Scheduler.tasks`, with a thread for each seat."""
        core, stop = subject.core_dir(), threading.Event()

        def carry_out(order: list[str]) -> str | TaskError:
            words = ""
            for _ in range(1 + RETRIES):
                try:
                    return run_task(SUITE_PARENT, core, module, order, stop)
                except RuntimeError as error:
                    words = str(error)
                    if stop.is_set():
                        break
            return TaskError(words)

        pool = ThreadPoolExecutor(len(self._seats))
        try:
            futures = {pool.submit(carry_out, order): n for n, order in enumerate(orders)}
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
