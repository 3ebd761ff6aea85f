"""The collector that an application registers with its registry of prometheus-client.

Theory of operation. Most figures are counters and sizes that the machine keeps anyway, read when
somebody asks. What only metrics want to know (how long operations took, and the like) is told here
by hooks that the edge sets when the collector is made (`metered.py` of either edge). A registry may
be read in any thread; where a machine may be, its edge knows, and reads there (`through`).

Rule: reads; nothing here changes a machine.
"""

import logging
import platform
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from p2pcore.errors import ConfigError
from p2pcore.machine import Machine
from p2pcore.metrics.durations import Durations
from p2pcore.metrics.operations import SAMPLE, OperationCounts
from p2pcore.metrics.table import BOUNDS_S, RESULTS, Family, FamilyKind, families
from p2pcore.node import Node
from p2pcore.storage.store import RecordStore
from p2pcore.version import __version__

if TYPE_CHECKING:
    from prometheus_client import Metric
    from prometheus_client.samples import Exemplar

__all__ = ["MetricsCollector", "Reading", "Readings", "library", "metric_of"]

log = logging.getLogger("p2pcore")

ITS_OWN = ("store", "retrieve", "delete", "store_many", "retrieve_many", "scan")
FOR_PEERS = ("put", "get")


class Reading(NamedTuple):
    """One series of a family, or all those of one histogram."""

    labels: Sequence[str]
    value: float | Durations


Readings = list[tuple[Family, list[Reading]]]


def _at_once(read: Callable[[], Readings]) -> Readings:
    return read()


def library() -> ModuleType:
    """prometheus-client, which is loaded by who wants metrics alone. Raises ConfigError."""
    try:
        import prometheus_client
    except ImportError as error:
        text = "metrics need prometheus-client: pip install 'p2pcore[metrics]'"
        raise ConfigError(text) from error
    return prometheus_client


class MetricsCollector:
    """What one node or client tells; `registry.register(node.metrics())` adds it to a registry.

    Two nodes of one process need a registry each: their series have the same names.

    Args:
        machine: whose figures these are.
        durability: what "stored" means to it.
        sample: one operation in so many is an example (see `OperationCounts`).
        has_loop: whether it lives in an event loop, which may be late.

    Raises:
        ConfigError: prometheus-client is not installed.
    """

    def __init__(
        self, machine: Machine, durability: str, sample: int = SAMPLE, *, has_loop: bool = True
    ) -> None:
        library()
        self.machine = machine
        """Whose figures are read; its edge may put another one of the kind in its place."""
        self._build = (
            __version__,
            f"{platform.python_implementation()} {platform.python_version()}",
            "node" if isinstance(machine, Node) else "client",
            durability,
        )
        self.operations = OperationCounts(sample)
        self.queue_delays, self.loop_lags, self.commits = Durations(), Durations(), Durations()
        self.through: Callable[[Callable[[], Readings]], Readings] = _at_once
        """Reads where the machine may be read; may raise TimeoutError."""
        disk = durability in ("synced", "buffered")
        self._families = tuple(
            each
            for each in families(node=isinstance(machine, Node), disk=disk)
            if has_loop or each.name != "p2pcore_loop_lag_seconds"
        )
        self._read_by_name: dict[str, Callable[[], list[Reading]]] = {
            "p2pcore_operations_total": self._operations,
            "p2pcore_operation_duration_seconds": self._operation_times,
            "p2pcore_replica_requests_total": self._requests,
            "p2pcore_store_records": lambda: [Reading((), len(self._node.store))],
            "p2pcore_store_bytes": lambda: [Reading((), self._node.store.size_bytes)],
            "p2pcore_repair_bytes_total": lambda: [Reading((), self.machine.counters.repair_bytes)],
            "p2pcore_queue_delay_seconds": lambda: [Reading((), self.queue_delays.copy())],
            "p2pcore_loop_lag_seconds": lambda: [Reading((), self.loop_lags.copy())],
            "p2pcore_peers": self._peers,
            "p2pcore_under_replicated_records": self._under_replicated,
            "p2pcore_busy_total": self._busy,
            "p2pcore_wal_sync_duration_seconds": lambda: [Reading((), self.commits.copy())],
            "p2pcore_build_info": lambda: [Reading(self._build, 1)],
        }

    # What prometheus-client calls

    def collect(self) -> Iterator["Metric"]:
        """All families as they are now; none where the machine's loop does not answer in time."""
        try:
            readings = self.read()
        except TimeoutError as error:
            log.warning("no metrics: %s", error)
            return
        for family, found in readings:
            yield metric_of(family, found)

    def describe(self) -> Iterator["Metric"]:
        """The families without figures: a registry asks for the names when it is told of this."""
        for family in self._families:
            yield metric_of(family, [])

    def read(self) -> Readings:
        """All figures of one moment, in any thread. Raises TimeoutError."""
        return self.through(self._read)

    # What is read, where the machine may be

    def _read(self) -> Readings:
        return [(family, self._read_by_name[family.name]()) for family in self._families]

    @property
    def _node(self) -> Node:
        assert isinstance(self.machine, Node)
        return self.machine

    @property
    def _asked(self) -> tuple[str, ...]:
        """The operations that there can be: each has a series from the start, for rates. Of a node,
        an application's own only once there was one: `p2pcore serve` has none."""
        if not isinstance(self.machine, Node):
            return ITS_OWN
        is_used = any(op in ITS_OWN for op, _ in self.operations.ended)
        return ITS_OWN + FOR_PEERS if is_used else FOR_PEERS

    def _operations(self) -> list[Reading]:
        ended = self.operations.ended
        pairs = ((op, result) for op in self._asked for result in RESULTS)
        return [Reading(pair, ended.get(pair, 0)) for pair in pairs]

    def _operation_times(self) -> list[Reading]:
        return [Reading((op,), self.operations.durations[op].copy()) for op in self._asked]

    def _requests(self) -> list[Reading]:
        counters = self.machine.counters
        return [Reading(("store",), counters.stores), Reading(("fetch",), counters.fetches)]

    def _peers(self) -> list[Reading]:
        states = Counter(peer.state for peer in self.machine.peers())
        found = [Reading((s,), states[s]) for s in ("well", "outlier", "late", "suspect")]
        if isinstance(self.machine, Node):
            found.append(Reading(("lost",), len(self.machine.lost)))
        return found

    def _under_replicated(self) -> list[Reading]:
        return [Reading((), self._node.ownership.short(_sizes(self._node.store)))]

    def _busy(self) -> list[Reading]:
        counters = self.machine.counters
        refused = counters.requests_refused + counters.requests_too_late
        return [Reading((), counters.refused_busy + refused)]


def _sizes(store: RecordStore) -> Iterator[tuple[int, int]]:
    """How many records are in each slot; worked out if somebody asks."""
    for slot, _ in store.sums():
        if count := store.count(slot):
            yield slot, count


def metric_of(family: Family, readings: list[Reading]) -> "Metric":
    """A family as prometheus-client knows it."""
    from prometheus_client import core

    labels = tuple(family.labels)
    match family.kind:
        case FamilyKind.COUNTER:
            counter = core.CounterMetricFamily(family.name, family.help, labels=labels)
            for labelled, value in readings:
                assert not isinstance(value, Durations)
                counter.add_metric(labelled, value)
            return counter
        case FamilyKind.GAUGE:
            gauge = core.GaugeMetricFamily(family.name, family.help, labels=labels)
            for labelled, value in readings:
                assert not isinstance(value, Durations)
                gauge.add_metric(labelled, value)
            return gauge
        case FamilyKind.INFO:
            name = family.name.removesuffix("_info")
            info = core.InfoMetricFamily(name, family.help)
            for labelled, _ in readings:
                info.add_metric((), dict(zip(labels, labelled, strict=True)))
            return info
        case FamilyKind.HISTOGRAM:
            histogram = core.HistogramMetricFamily(family.name, family.help, labels=labels)
            for labelled, value in readings:
                assert isinstance(value, Durations)
                buckets: Any = _buckets_of(value)  # no example is None, which its types leave out
                histogram.add_metric(labelled, buckets, value.sum_s)
            return histogram


def _buckets_of(durations: Durations) -> "list[tuple[str, float, Exemplar | None]]":
    """(upper end, how many up to it, an example), as `HistogramMetricFamily` takes it."""
    from prometheus_client.samples import Exemplar

    buckets: list[tuple[str, float, Exemplar | None]] = []
    total = 0
    ends = [*map(repr, BOUNDS_S), "+Inf"]
    for place, (end, count) in enumerate(zip(ends, durations.counts, strict=True)):
        total += count
        example = durations.examples.get(place)
        shown = None
        if example is not None:
            labels = {"trace_id": example.trace_id}
            shown = Exemplar(labels, example.seconds, example.wall_s)
        buckets.append((end, total, shown))
    return buckets
