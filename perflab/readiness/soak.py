"""A swarm under a steady load on a fixed set of records, watched: what a leak is looked for in.

Theory of operation. What may grow must be kept from growing: the records are written once before
the clock starts and then only overwritten and read, values have one size, every node has been
talked to, no node comes or goes. What then still grows is growth per operation. In the
environment `EXACT` the children's heap is counted to the byte (`heap_lab`); in the usual one
resident memory has to do.

The load is paced: every `SLICE_S` its share of operations is started, `IN_FLIGHT` at a time. Its
latencies are nobody's business here; the load generator is for those.

Rule: drives and records; whether memory grew is for verdict.leaks to say.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

from benchmarks.common.self_metrics import SelfMetrics, self_metrics_file
from benchmarks.common.swarm import Swarm
from benchmarks.common.workload import Values, closed_loop
from perflab.monitor.leaks import OPERATIONS, TRACED, WARM
from perflab.monitor.monitor import Monitor

__all__ = ["EXACT", "Soak"]

RECORDS = 400
SIZE_BYTES = 1024
SLICE_S = 0.1
IN_FLIGHT = 8
LAG_S = 20.0
EXACT = {"PYTHONMALLOC": "malloc"}


class Soak:
    """A load on a swarm whose children were made with `watched=True`.

    `rate` is in operations per second, every other one a store; `operations` counts those that
    succeeded. An operation that fails ends it with RuntimeError: its figures would be of
    something else.
    """

    def __init__(self, swarm: Swarm, rate: float) -> None:
        if not 10 <= rate <= 100_000:
            raise ValueError(f"a rate of 10 to 100,000 operations per second, not {rate:g}")
        self._swarm, self._rate = swarm, rate
        self._values = Values(SIZE_BYTES)
        self.operations = 0

    def run(
        self,
        monitor: Monitor,
        warm_up_s: float,
        seconds: float,
        goes_on: Callable[[], bool] = bool,
    ) -> None:
        """Fill, warm up, mark, and go on for so many seconds, everything under watch. Then
        `goes_on` is asked whether to go on for as long again, and so each time."""
        self_metrics = SelfMetrics(self_metrics_file())
        self_metrics.register(OPERATIONS, "1", "counter", lambda: self.operations)
        monitor.watch(os.getpid(), "client", self_metrics.path)
        self_metrics.path.unlink()  # both have it open, and whoever is killed can leave nothing
        for number, child in enumerate(self._swarm.children):
            monitor.watch(child.pid, f"nodes {number}", child.self_metrics)
        self._swarm.run(self._run(monitor, self_metrics, warm_up_s, seconds, goes_on))

    def trace(self, monitor: Monitor, seconds: float) -> None:
        """Go on with the allocations of every child traced, and file where they grew.

        Each record is written anew before the first snapshot, or its value would be a growth.
        """
        monitor.mark(TRACED)
        children = self._swarm.children
        for child in children:
            child.trace_begin()
        stored = self._stored()
        self._swarm.run(self._some(self._store, RECORDS))
        self._await_copies(stored + RECORDS * self._swarm.network.replication)
        before = [child.ask({"ask": "usage"})["messages_in"] for child in children]
        for child in children:
            child.trace_begin()
        self._swarm.run(self._load(seconds))
        for child, earlier in zip(children, before, strict=True):
            received = child.ask({"ask": "usage"})["messages_in"] - earlier
            monitor.sites(child.pid, received, child.trace_end())

    def _stored(self) -> int:
        """Copies that all nodes have written so far."""
        return sum(int(row.get("stores", 0)) for row in self._swarm.usage())

    def _await_copies(self, wanted: int) -> None:
        """A node that is traced may lag behind those that acknowledge: wait for it, up to LAG_S."""
        end = time.monotonic() + LAG_S
        while self._stored() < wanted and time.monotonic() < end:
            self._swarm.run(asyncio.sleep(SLICE_S))

    async def _run(
        self,
        monitor: Monitor,
        self_metrics: SelfMetrics,
        warm_up_s: float,
        seconds: float,
        goes_on: Callable[[], bool],
    ) -> None:
        self_metrics.start()
        try:
            await self._some(self._store, RECORDS)
            await self._load(warm_up_s)
            monitor.mark(WARM)
            await self._load(seconds)
            while goes_on():
                await self._load(seconds)
        finally:
            self_metrics.close()

    async def _load(self, seconds: float) -> None:
        """Start each slice's operations when it is due; one that overran is followed at once."""
        share = max(1, round(self._rate * SLICE_S))
        due = time.monotonic()
        end = due + seconds
        while due < end:
            await self._some(self._store, share - share // 2)
            await self._some(self._retrieve, share // 2)
            due = max(due + SLICE_S, time.monotonic())
            await asyncio.sleep(due - time.monotonic())

    async def _some(self, operation: Callable[[int], Awaitable[None]], many: int) -> None:
        outcome = await closed_loop(operation, operations=many, in_flight=IN_FLIGHT)
        outcome.require_clean()
        self.operations += many

    async def _store(self, number: int) -> None:
        record = (self.operations + number) % RECORDS
        await self._swarm.client.store(f"soak-{record}", self._values.value(record))

    async def _retrieve(self, number: int) -> None:
        record = (self.operations + number) % RECORDS
        self._values.check(record, await self._swarm.client.retrieve(f"soak-{record}"))
