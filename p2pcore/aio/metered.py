"""What a node or a client measures of itself once somebody wants its metrics.

Theory of operation. Until then nothing of this is loaded and nothing is timed: the hooks are put in
place by the first call of `metrics`. The calls of an application are timed by functions of the
object's own that come before those of its class; delays of requests, by turns that tell; commits to
disk, around the writer's; what is run for peers, where it ends. A timer tells how late the loop is.

Rule: sets hooks, and takes them away; what is made of the figures is for `p2pcore/metrics`.
"""

import asyncio
import time
import weakref
from collections.abc import Callable
from typing import Any

from p2pcore.aio.durable import DiskRecords
from p2pcore.aio.host import Host
from p2pcore.machine import Machine
from p2pcore.metrics.collector import MetricsCollector
from p2pcore.node import Node

__all__ = ["Metered"]

TIMED = {
    "store": "store", "retrieve": "retrieve", "delete": "delete", "store_many": "store_many",
    "retrieve_many": "retrieve_many", "_scan_on": "scan",
}  # fmt: skip
"""The methods that are timed, and what the table calls them."""

LAG_EVERY_S = 0.1


class Metered:
    """The hooks of one node or client.

    Args:
        owner: its calls are timed; it is not kept alive.
        machine: what it drives.
        durability: what "stored" means to it.
        sample: one operation in so many is an example; 0: none.

    Raises:
        ConfigError: prometheus-client is not installed.
    """

    def __init__(self, owner: object, machine: Machine, durability: str, sample: int) -> None:
        self.collector = MetricsCollector(machine, durability, sample)
        self._timer: asyncio.TimerHandle | None = None
        self._due_ns = 0
        self._host: Host | None = None
        for method, op in TIMED.items():
            setattr(owner, method, _timed(owner, method, op, self.collector))
        if isinstance(machine, Node):
            machine.coordinating.on_over = self._over

    def begin(self, host: Host, records: DiskRecords | None = None) -> None:
        """The machine has its host, and its disk if it has one. Call it in the host's loop."""
        self._host = host
        self.collector.loop = host.home
        if host.serves:
            host.intake.tell_delays(self.collector.queue_delays.add)
        if records is not None:
            records.tell_commits(self.collector.commits.add)
        self._set_timer()

    def end(self) -> None:
        """The host is closed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _over(self, op: str, result: object, took_ns: int) -> None:
        self.collector.operations.add(op, result, took_ns / 1e9)

    def _set_timer(self) -> None:
        assert self._host is not None
        self._due_ns = time.monotonic_ns() + round(LAG_EVERY_S * 1e9)
        self._timer = self._host.home.call_later(LAG_EVERY_S, self._on_timer)

    def _on_timer(self) -> None:
        assert self._host is not None
        if self._host.closed:
            self._timer = None
            return
        # uvloop counts in whole milliseconds, and may be early by one.
        self.collector.loop_lags.add(max(0, time.monotonic_ns() - self._due_ns) / 1e9)
        self._set_timer()


def _timed(owner: object, method: str, op: str, collector: MetricsCollector) -> Callable[..., Any]:
    """The method of this object, timed."""
    call = getattr(type(owner), method)
    kept = weakref.ref(owner)  # who drops it unclosed is told so at once
    add, clock = collector.operations.add, time.perf_counter

    async def timed(*args: Any, **kwargs: Any) -> Any:
        began_s = clock()
        outcome: object = None
        try:
            return await call(kept(), *args, **kwargs)
        except BaseException as error:
            outcome = error
            raise
        finally:
            add(op, outcome, clock() - began_s)

    return timed
