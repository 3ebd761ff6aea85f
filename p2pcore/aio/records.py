"""What nodes and clients alike can do with records: store, retrieve and delete them.

Rule: turns arguments into calls of the machine; what a quorum is, is decided there.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, overload

from p2pcore.aio.host import Host, now
from p2pcore.aio.inquiries import Inquiries
from p2pcore.aio.scans import NameScan
from p2pcore.errors import ClosedError, UsageError
from p2pcore.ids import key_of
from p2pcore.replication.operations import StoreReceipt
from p2pcore.replication.scan import NamesFound, Scan
from p2pcore.requests import (
    PAGE_NAMES,
    Name,
    Value,
    checked_count,
    checked_priority,
    checked_value,
    lifetime_ms,
    listed_name,
    listed_names,
    placed_items,
    placed_names,
    receipts_of,
    room_for_one,
    values_of,
)
from p2pcore.routing.waiting import Priority
from p2pcore.session.trace import Trace

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from p2pcore.aio.metered import Metered
    from p2pcore.metrics.collector import MetricsCollector

__all__ = ["RecordOperations"]


class RecordOperations(Inquiries):
    """The methods that `AdaptiveClient` and `AdaptiveCoordinator` have in common."""

    _host: Host | None = None
    _unopened: str
    """What is said to somebody who did not open it first."""
    _max_in_flight: int
    _durability = "none"
    _metered: "Metered | None" = None
    _instrumented = False

    def metrics(self, *, sample: int = 1000) -> "MetricsCollector":
        """What monitoring systems want to know: a collector for a registry of prometheus-client, as
        in `REGISTRY.register(client.metrics())`. Each call returns the same one. Operations are
        counted from the first call on, which is made in the event loop, or before there is one.

        Args:
            sample: one operation in so many is logged, and an exemplar of its bucket; 0: none. Of
                the first call, that is: later ones change nothing.

        Raises:
            ConfigError: prometheus-client is not installed; it comes with `p2pcore[metrics]`.
            UsageError: `sample` is no whole number of 0 or more, or this is not its event loop.
        """
        if self._metered is None:
            from p2pcore.aio.metered import Metered

            if sample != 0:
                checked_count("sample", sample)
            if self._host is not None:
                self._host.check_home()
            self._metered = Metered(self, self._machine, self._durability, sample)
            if self._host is not None and not self._host.closed:
                self._begin_metering(self._host)
        return self._metered.collector

    def instrument(self, *, meter_provider: "MeterProvider | None" = None) -> None:
        """Tell OpenTelemetry how long operations take, from now on: the histogram
        `db.client.operation.duration` of its semantic conventions for database clients, through its
        API. Where figures go, the application's SDK says; without one, nowhere. Spans are the
        application's own.

        Args:
            meter_provider: whose meter is told; the application's global one by default.

        Raises:
            ConfigError: opentelemetry-api is not installed; it comes with `p2pcore[otel]`.
            UsageError: this is instrumented already.
        """
        from p2pcore.metrics.telemetry import Telemetry
        from p2pcore.metrics.timed import time_calls

        if self._instrumented:
            raise UsageError("this is instrumented already")
        time_calls(self, Telemetry(meter_provider).tell)
        self._instrumented = True

    def _begin_metering(self, host: Host) -> None:
        if self._metered is not None:
            self._metered.begin(host)

    async def store(
        self,
        key: str | bytes,
        value: Value,
        *,
        ttl_s: float | None = None,
        listed: bool = False,
        timeout_s: float | None = None,
        priority: Priority = Priority.NORMAL,
        trace: Trace | None = None,
    ) -> StoreReceipt:
        """Store a value; returns once a write quorum of replicas has confirmed it.

        Args:
            key: 1 to 65,536 bytes, or as much text.
            value: up to 1 MiB; a bytearray or memoryview is copied.
            ttl_s: seconds until it expires; None for never.
            listed: keep the key beside the value, so that `scan` finds it; it has up to 1,024 bytes
                then. A later store without this, or a delete, ends it.
            timeout_s: the deadline of this call; the configuration's by default.
            priority: whether it goes before or after others while nodes have no room for all.
            trace: a new one is told where the time of this call goes.

        Raises:
            UsageError: the key, value or ttl can't be meant.
            QuorumError: the network has fewer nodes than the write quorum.
            DeadlineError: too few replicas confirmed in time; the value may be stored or not.
            StorageFullError, ClockOffsetError, BusyError: replicas, or this client, refuse it.
        """
        place = key_of(key)
        stored = checked_value(value)
        ttl_ms = None if ttl_s is None else lifetime_ms(ttl_s)
        name = None if listed is False else listed_name(key, listed)
        deadline_ns, rank = self._deadline_ns(timeout_s), checked_priority(priority)
        host, operation, future = self._begin(trace)
        self._machine.write(operation, place, stored, ttl_ms, deadline_ns, now(), name, rank)
        if trace is not None:
            self._follow(host, operation, future, trace)
        host.pump()
        try:
            receipt: StoreReceipt = await future
        except asyncio.CancelledError:
            self._give_up(host, operation)
            raise
        return receipt

    async def delete(
        self,
        key: str | bytes,
        *,
        timeout_s: float | None = None,
        priority: Priority = Priority.NORMAL,
        trace: Trace | None = None,
    ) -> StoreReceipt:
        """Delete a record; returns once a write quorum has confirmed it. Deleting what is not
        there is no error. Raises what `store` raises."""
        place = key_of(key)
        deadline_ns, rank = self._deadline_ns(timeout_s), checked_priority(priority)
        host, operation, future = self._begin(trace)
        self._machine.write(operation, place, None, None, deadline_ns, now(), None, rank)
        if trace is not None:
            self._follow(host, operation, future, trace)
        host.pump()
        try:
            receipt: StoreReceipt = await future
        except asyncio.CancelledError:
            self._give_up(host, operation)
            raise
        return receipt

    async def retrieve(
        self,
        key: str | bytes,
        *,
        timeout_s: float | None = None,
        priority: Priority = Priority.NORMAL,
        trace: Trace | None = None,
    ) -> bytes:
        """The newest value that a read quorum of replicas knows.

        Raises:
            KeyNotFoundError: there is no such record.
            QuorumError: the network has fewer nodes than the read quorum.
            DeadlineError: too few replicas answered in time.
        """
        place = key_of(key)
        deadline_ns, rank = self._deadline_ns(timeout_s), checked_priority(priority)
        host, operation, future = self._begin(trace)
        self._machine.read(operation, place, key, deadline_ns, now(), rank)
        if trace is not None:
            self._follow(host, operation, future, trace)
        host.pump()
        try:
            value: bytes = await future
        except asyncio.CancelledError:
            self._give_up(host, operation)
            raise
        return value

    async def store_many(
        self,
        items: Mapping[Name, Value] | Iterable[tuple[Name, Value]],
        *,
        ttl_s: float | None = None,
        listed: bool = False,
        timeout_s: float | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> dict[Name, StoreReceipt]:
        """Store many values, each as `store` would, in few messages.

        The items are independent: some may be stored while others fail.

        Args:
            items: keys and their values, as a mapping or as pairs.
            ttl_s: seconds until they expire; None for never.
            listed: keep their keys beside the values; see `store`.
            timeout_s: the deadline of this call; the configuration's by default.
            priority: whether it goes before or after others while nodes have no room for all.

        Raises:
            BatchError: some items failed; it says which and why, and has the others' receipts.
            UsageError: a key, value or the ttl can't be meant; nothing was stored.
        """
        names, placed = placed_items(items)
        ttl_ms, listing = lifetime_ms(ttl_s), listed_names(names, listed)
        deadline_ns, rank = self._deadline_ns(timeout_s), checked_priority(priority)
        host, operation, future = self._begin()
        self._machine.write_many(operation, placed, ttl_ms, deadline_ns, now(), listing, rank)
        host.pump()
        return receipts_of(names, await self._result(host, operation, future))

    async def retrieve_many(
        self,
        keys: Iterable[Name],
        *,
        timeout_s: float | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> dict[Name, bytes]:
        """The newest values of many keys, in few messages. Keys without a record are left out.

        Raises:
            BatchError: some keys could not be read (other than that there is no record); it says
                which and why, and has the others' values.
            UsageError: a key can't be meant, or `keys` is a single one.
        """
        names, places = placed_names(keys)
        deadline_ns, rank = self._deadline_ns(timeout_s), checked_priority(priority)
        host, operation, future = self._begin()
        self._machine.read_many(operation, places, names, deadline_ns, now(), rank)
        host.pump()
        return values_of(names, await self._result(host, operation, future))

    @overload
    def scan(
        self, prefix: str = ..., *, cursor: str = ..., timeout_s: float | None = ...
    ) -> NameScan[str]: ...

    @overload
    def scan(
        self, prefix: bytes, *, cursor: str = ..., timeout_s: float | None = ...
    ) -> NameScan[bytes]: ...

    def scan(
        self, prefix: str | bytes = "", *, cursor: str = "", timeout_s: float | None = None
    ) -> NameScan[str] | NameScan[bytes]:
        """The keys of listed records that begin with `prefix`, all over the network, to be gone
        through with `async for`.

        Every key that was stored with `listed=True` and acknowledged before the scan began, and not
        written since, is among them, under the assumptions of a retrieve; each comes once. One that
        was stored, deleted or has expired shortly before or meanwhile may come or not. They come in
        the order of their hashes, which means nothing, but is the same each time. Errors come while
        it is gone through, and end nothing: gone on with, it tries again.

        Args:
            prefix: "" for all. With text, keys that are no UTF-8 are left out; with bytes (b"" for
                all) they come as bytes.
            cursor: where an earlier scan had come to, to go on from there.
            timeout_s: the deadline of each step, of which there is one for some hundred keys; the
                configuration's by default.

        Raises:
            QuorumError: the network has fewer nodes than the read quorum.
            DeadlineError: too few nodes answered in time.
            IncompatibleError: too many nodes are of an older version, which can't tell.
            UsageError: the prefix or the cursor can't be meant, or two tasks wait for one scan.
        """
        if isinstance(prefix, bytes):
            return NameScan(self._scan_on, prefix, cursor, timeout_s)
        return NameScan(self._scan_on, prefix, cursor, timeout_s)

    async def _scan_on(self, scan: Scan, timeout_s: float | None) -> NamesFound:
        """One step of a scan."""
        machine = self._machine
        found: NamesFound = await self._ask(
            lambda operation, due_ns, now: machine.scan(operation, scan, PAGE_NAMES, due_ns, now),
            timeout_s,
        )
        return found

    def _begin(self, trace: Trace | None = None) -> tuple[Host, int, asyncio.Future[Any]]:
        if trace is not None and not isinstance(trace, Trace):
            raise UsageError(f"trace is a Trace, not {type(trace).__name__}")
        host = self._host
        if host is None:
            raise ClosedError(self._unopened)
        if len(host.futures) >= self._max_in_flight:
            room_for_one(len(host.futures), self._max_in_flight)
        operation, future = host.operation()
        return host, operation, future

    def _follow(
        self, host: Host, operation: int, future: asyncio.Future[Any], trace: Trace
    ) -> None:
        """Trace an operation that was begun just now, and let it go on."""
        try:
            self._machine.follow(operation, trace)
        except BaseException:
            host.forget(operation)
            self._machine.cancel(operation)
            raise
        future.add_done_callback(lambda _: trace.close())
        host.pump()
        # Behind the flush of this turn, which `pump` has asked for at the latest.
        asyncio.get_running_loop().call_soon(_stamp, trace)


def _stamp(trace: Trace) -> None:
    trace.written_ns = time.monotonic_ns()
