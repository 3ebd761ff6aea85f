"""The metrics of p2pcore as data: names, kinds, labels and bounds, each said here and nowhere else.

Rules, alerts and dashboards are made from this table, and tests hold the endpoint to it. The names
keep to Prometheus' rules: one namespace, base units, `_total` for counters. Every label has a fixed
set of values, so that the number of series has a bound: a peer's id is never a label.

Rule: data; imports nothing of p2pcore.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = [
    "BOUNDS_S", "EXCUSED", "FAILED", "FAMILIES", "KINDS_OF_REQUEST", "NAMESPACE", "OPERATIONS",
    "RESULTS", "SERVED", "STATES_OF_PEER", "Family", "FamilyKind", "families",
]  # fmt: skip

NAMESPACE = "p2pcore"

FIRST_BOUND_S = 0.0001  # of buckets, which double up to the last one
LAST_BOUND_S = 10.0
TARGETS_S = (0.001, 0.005, 0.02, 0.2)
"""The latency thresholds of `perflab/readiness/targets.toml`: the share of operations within one of
them is the count of one bucket over the count of all. A test compares the two."""


def _bounds_s() -> tuple[float, ...]:
    doubled = (FIRST_BOUND_S * 2**k for k in range(64))
    below = {round(bound, 9) for bound in doubled if bound < LAST_BOUND_S}
    return tuple(sorted(below | {*TARGETS_S, LAST_BOUND_S}))


BOUNDS_S = _bounds_s()
"""The upper ends of the buckets of every histogram, in seconds; the last bucket has none."""

OPERATIONS = ("store", "retrieve", "delete", "store_many", "retrieve_many", "scan", "put", "get")
"""What an application calls; and what a node does for a client that does not reach enough replicas
itself: `put` is a store or delete, `get` a retrieve. A batch is one operation, and so is each step
of a scan."""

SERVED = ("ok", "not_found")
"""Results of operations that did what they are for."""
FAILED = (
    "partial", "busy", "deadline", "quorum", "unreachable", "storage_full", "storage_broken",
    "clock_offset", "refused", "error",
)  # fmt: skip
"""Results that count against an objective. `partial`: a batch of which some items failed."""
EXCUSED = ("misuse", "cancelled", "closed")
"""Results that are the caller's own doing, and count for nothing in an objective."""
RESULTS = (*SERVED, *FAILED, *EXCUSED)

KINDS_OF_REQUEST = ("store", "fetch")
STATES_OF_PEER = ("well", "outlier", "late", "suspect", "lost")
"""Each linked node is in the last of the first four that applies to it (as `stats` shows it); those
that are lost are looked for, for a day."""


class FamilyKind(StrEnum):
    """What Prometheus calls the type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


@dataclass(frozen=True, kw_only=True)
class Family:
    """One metric with all its series.

    Attributes:
        name: as PromQL has it; a histogram's series have `_bucket`, `_count` and `_sum` behind it.
        kind: its type.
        help: what it counts or measures, in a sentence.
        labels: by name, all values that each can have; empty: that of the build (`BUILD_LABELS`).
        bounds_s: the buckets of a histogram.
        on_node: whether nodes tell it.
        on_client: whether clients tell it.
        needs_disk: whether only nodes with a data directory have it.
    """

    name: str
    kind: FamilyKind
    help: str
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bounds_s: tuple[float, ...] = ()
    on_node: bool = True
    on_client: bool = False
    needs_disk: bool = False

    @property
    def series(self) -> int:
        """How many time series there are of it at most, from one process."""
        combined = 1
        for values in self.labels.values():
            combined *= max(1, len(values))
        return combined * (len(self.bounds_s) + 3 if self.bounds_s else 1)


def _named(rest: str) -> str:
    return f"{NAMESPACE}_{rest}"


BUILD_LABELS = ("version", "python", "role", "durability")

FAMILIES: tuple[Family, ...] = (
    Family(
        name=_named("operations_total"),
        kind=FamilyKind.COUNTER,
        help="Operations that ended, by what was asked and how it ended.",
        labels={"op": OPERATIONS, "result": RESULTS},
        on_client=True,
    ),
    Family(
        name=_named("operation_duration_seconds"),
        kind=FamilyKind.HISTOGRAM,
        help="Time from the call of an operation to its end; without those that were excused.",
        labels={"op": OPERATIONS},
        bounds_s=BOUNDS_S,
        on_client=True,
    ),
    Family(
        name=_named("replica_requests_total"),
        kind=FamilyKind.COUNTER,
        help="Records that this node was asked to keep or to give, batches and repairs included.",
        labels={"kind": KINDS_OF_REQUEST},
    ),
    Family(
        name=_named("store_records"),
        kind=FamilyKind.GAUGE,
        help="Records kept here, tombstones included.",
    ),
    Family(
        name=_named("store_bytes"),
        kind=FamilyKind.GAUGE,
        help="Room that the records kept here take, as the limit of the store counts it.",
    ),
    Family(
        name=_named("repair_bytes_total"),
        kind=FamilyKind.COUNTER,
        help="Bytes of records pulled from other nodes and pushed to them, overheads included.",
    ),
    Family(
        name=_named("queue_delay_seconds"),
        kind=FamilyKind.HISTOGRAM,
        help="How long requests that were read had waited for this process, once for each read.",
        bounds_s=BOUNDS_S,
    ),
    Family(
        name=_named("loop_lag_seconds"),
        kind=FamilyKind.HISTOGRAM,
        help="How late the event loop was with a timer, ten times a second.",
        bounds_s=BOUNDS_S,
        on_client=True,
    ),
    Family(
        name=_named("peers"),
        kind=FamilyKind.GAUGE,
        help="Nodes that this process is linked to by what it thinks of them, and those it lost.",
        labels={"state": STATES_OF_PEER},
        on_client=True,
    ),
    Family(
        name=_named("under_replicated_records"),
        kind=FamilyKind.GAUGE,
        help="Records kept here of which another replica was lost, and not replaced yet as far as "
        "this node knows. Each other replica tells the same ones.",
    ),
    Family(
        name=_named("busy_total"),
        kind=FamilyKind.COUNTER,
        help="Operations that waited in vain for room at nodes, and requests refused by this node "
        "for want of room or because their time was over.",
        on_client=True,
    ),
    Family(
        name=_named("wal_sync_duration_seconds"),
        kind=FamilyKind.HISTOGRAM,
        help="Time to commit a group of changes to disk; with the durability `synced`, its sync.",
        bounds_s=BOUNDS_S,
        needs_disk=True,
    ),
    Family(
        name=_named("build_info"),
        kind=FamilyKind.INFO,
        help="What runs here; always 1.",
        labels=dict.fromkeys(BUILD_LABELS, ()),
        on_client=True,
    ),
)


def families(*, node: bool, disk: bool) -> tuple[Family, ...]:
    """Those that a node (or else a client) tells, `disk`: one with a data directory."""
    return tuple(
        each
        for each in FAMILIES
        if (each.on_node if node else each.on_client) and (disk or not each.needs_disk)
    )
