"""What a blocking client tells monitoring systems, once somebody wants it.

Theory of operation. Until `metrics` or `instrument` is called, nothing of this is loaded and
nothing is timed. Threads count what they asked for under a lock, for several may end at once. A
registry reads in a thread of its own, within the driver's section: while no other thread is at work
at the machine, however long they wait. What a forked process has is a copy that nobody works at.

Rule: sets hooks; what is made of the figures is for `p2pcore/metrics`.
"""

import os
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from p2pcore.errors import UsageError
from p2pcore.machine import Machine
from p2pcore.requests import checked_count

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from p2pcore.blocking.driver import Driver
    from p2pcore.metrics.collector import MetricsCollector, Readings

__all__ = ["MeasuredClient"]


class MeasuredClient:
    """The methods of a blocking client that have it measured."""

    _driver: "Driver | None" = None
    """Once it is in the network; another one after it was broken."""
    _metered: "_Metered | None" = None
    _instrumented = False

    def _machine(self) -> Machine:
        """One that is not connected."""
        raise NotImplementedError

    def metrics(self, *, sample: int = 1000) -> "MetricsCollector":
        """What monitoring systems want to know: a collector for a registry of prometheus-client, as
        of `AdaptiveClient.metrics`. It may be read in any thread. There is no lag of an event loop.

        Args:
            sample: one operation in so many is logged, and an exemplar of its bucket; 0: none. Of
                the first call, that is: later ones change nothing.

        Raises:
            ConfigError: prometheus-client is not installed; it comes with `p2pcore[metrics]`.
            UsageError: `sample` is no whole number of 0 or more.
        """
        if self._metered is None:
            if sample != 0:
                checked_count("sample", sample)
            self._metered = _Metered(self, sample)
        return self._metered.collector

    def instrument(self, *, meter_provider: "MeterProvider | None" = None) -> None:
        """Tell OpenTelemetry how long operations take: see `AdaptiveClient.instrument`.

        Raises:
            ConfigError: opentelemetry-api is not installed; it comes with `p2pcore[otel]`.
            UsageError: this client is instrumented already.
        """
        from p2pcore.metrics.telemetry import Telemetry
        from p2pcore.metrics.timed import time_calls

        if self._instrumented:
            raise UsageError("this client is instrumented already")
        time_calls(self, Telemetry(meter_provider).tell)
        self._instrumented = True


class _Metered:
    """The collector of one client, and the lock of those who tell it."""

    def __init__(self, owner: MeasuredClient, sample: int) -> None:
        from p2pcore.metrics.collector import MetricsCollector
        from p2pcore.metrics.timed import time_calls

        self._owner, self._driver = weakref.ref(owner), owner._driver
        self.collector = MetricsCollector(owner._machine(), "none", sample, has_loop=False)
        self.collector.through = self._within
        self._process = os.getpid()
        self._telling = threading.RLock()  # a signal handler may come in between, and tell, too
        time_calls(owner, self._tell)

    def _tell(self, op: str, outcome: object, seconds: float) -> None:
        with self._telling:
            self.collector.operations.add(op, outcome, seconds)

    def _within(self, read: "Callable[[], Readings]") -> "Readings":
        if self._process != os.getpid():
            return read()  # whoever held a lock when it was forked is not here
        with self._telling:
            if owner := self._owner():
                self._driver = owner._driver
            if self._driver is None:
                return read()  # not connected yet
            self.collector.machine = self._driver.machine
            return self._driver.look(read)
