"""What a node or a client measures of itself once somebody wants its metrics.

Theory of operation. Until then nothing of this is loaded and nothing is timed: the hooks are put in
place by the first call of `metrics`. The calls of an application are timed by `timed.py`;
delays of requests, by turns that tell; commits to disk, around the writer's; what is run for peers,
where it ends. A timer tells how late the loop is.

A registry may be read in another thread than the machine's: then the machine's event loop reads,
and the thread waits for it.

Rule: sets hooks, and takes them away; what is made of the figures is for `p2pcore/metrics`.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future

from p2pcore.aio.durable import DiskRecords
from p2pcore.aio.host import Host
from p2pcore.machine import Machine
from p2pcore.metrics.collector import MetricsCollector, Readings
from p2pcore.metrics.timed import time_calls
from p2pcore.node import Node

__all__ = ["Metered"]

LAG_EVERY_S = 0.1
PATIENCE_S = 5.0  # of another thread, for the loop; half of what Prometheus waits by default


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
        time_calls(owner, self.collector.operations.add)
        if isinstance(machine, Node):
            machine.coordinating.on_over = self._over

    def begin(self, host: Host, records: DiskRecords | None = None) -> None:
        """The machine has its host, and its disk if it has one. Call it in the host's loop."""
        self._host = host
        self.collector.through = self._in_loop
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

    def _in_loop(self, read: Callable[[], Readings]) -> Readings:
        """All figures of one moment, in any thread. Raises TimeoutError."""
        assert self._host is not None
        loop = self._host.home
        if not loop.is_running() or asyncio._get_running_loop() is loop:
            return read()
        told: Future[Readings] = Future()

        def tell() -> None:
            if told.set_running_or_notify_cancel():
                try:
                    told.set_result(read())
                except BaseException as error:
                    told.set_exception(error)

        try:
            loop.call_soon_threadsafe(tell)
        except RuntimeError:  # it was closed just now
            return read()
        try:
            return told.result(PATIENCE_S)
        except TimeoutError:
            text = f"the event loop has not answered for {PATIENCE_S:g} s"
            raise TimeoutError(text) from None
        finally:
            told.cancel()

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
