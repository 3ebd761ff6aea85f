"""What the number of nodes costs, up to thousands of them, in virtual time.

Beside `scale`, which asks the same of real processes. The nodes of a *warm* network were put in
their places without joining (`common.simulated.scale`); *joins* are measured by joining. Networks
are in one place, but for the classes that say *Distant*: there, nodes and clients are spread over
twelve regions of the world. Everything follows from the seeds, so the figures are the same on any
machine; one more draw of chance in the core moves them.

P2PCORE_NIGHTLY=1 has 16,384 nodes measured too, and churn with 4,096 and more. asv knows the
parameters of the first commit that it looks at only, so the list is the same with and without, and
they are n/a without.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from benchmarks.common.sampling import QUICK, Record, Samples, as_samples, few, read, record

if TYPE_CHECKING:
    from benchmarks.common.simulated.lab import Question

NIGHTLY = 16384
NODES = [64, 512, 4096, NIGHTLY]
FEW = [64, 512]
OPERATIONS = ["lookup", "store", "retrieve"]
DISTANT = ["store", "retrieve"]
QUANTILES = ["p50", "p99"]
# Six where it is cheap; the larger the network, the less chance there is in a mean.
SEEDS = {64: 6, 512: 6, 4096: 2, NIGHTLY: 1}
JOIN_SEEDS = {64: 6, 512: 1}
DISTANT_SEEDS = {64: 6, 512: 1}
# Seeds, seconds and operations per second. In 20 s at 20 per second, none of 64 nodes went, and one
# of 512. Now 10,000 operations begin or more, and some 4 to 6 nodes go, with 4,096 and more 17.
CHURN = {64: (6, 120, 15), 512: (2, 30, 175)}
QUICK_S = 4
CHURN_NIGHTLY = {4096: (1, 30, 340), NIGHTLY: (1, 10, 1020)}
LOOKUPS = 48
PER_CLIENT = 8
DISTANT_PER_CLIENT = 4


def _figures(questions: list[Question]) -> Record:
    from benchmarks.common.simulated.lab import play

    found: Record = {}
    for question, figures in zip(questions, play(questions), strict=True):
        for what, value in figures.items():
            found.setdefault((what, question["nodes"]), []).append(value)
    return found


def _is_nightly() -> bool:
    return os.environ.get("P2PCORE_NIGHTLY") == "1"


def _questions(what: str, seeds: dict[int, int], **arguments: float) -> list[Question]:
    return [
        {"play": what, "nodes": nodes, "seed": seed, **arguments}
        for nodes, count in seeds.items()
        if nodes != NIGHTLY or _is_nightly()
        for seed in few(count)
    ]


def _operations() -> Record:
    """With the slope of hops, seed by seed, from the networks that have as many."""
    found = _figures(_questions("operations", SEEDS, lookups=LOOKUPS, per_client=PER_CLIENT))
    hops = {nodes: found["lookup_hops", nodes] for nodes in NODES if nodes != NIGHTLY}
    found["slope",] = [
        _slope({nodes: values[seed] for nodes, values in hops.items()})
        for seed in range(min(map(len, hops.values())))
    ]
    return found


def _slope(hops: dict[int, float]) -> float:
    """Hops more each time the number of nodes doubles, by least squares."""
    from math import log2
    from statistics import linear_regression

    return linear_regression([log2(nodes) for nodes in hops], list(hops.values())).slope


def _joins() -> Record:
    return _figures(_questions("joins", JOIN_SEEDS))


def _distant() -> Record:
    return _figures(_questions("distant", DISTANT_SEEDS, per_client=DISTANT_PER_CLIENT))


def _churn() -> Record:
    sizes = CHURN | (CHURN_NIGHTLY if _is_nightly() else {})
    return _figures(
        [
            {"play": "churn", "nodes": n, "seed": seed, "seconds": seconds, "rate_per_s": rate}
            for n, (seeds, longest_s, rate) in sizes.items()
            for seconds in (min(longest_s, QUICK_S) if QUICK else longest_s,)
            for seed in few(seeds)
        ]
    )


class _Warm:
    """The record that the classes of warm networks in one place share."""

    kind = "seeded"
    layout = "S"
    timeout = 300

    def setup_cache(self) -> object:
        return record(_operations, "simulator")


class WarmHops(_Warm):
    """Catches: lookups that take more steps one after the other.

    Cannot see: tables as joining leaves them; how long a step takes.
    """

    version = "1"
    unit = "hops"
    params = (NODES,)
    param_names = ("nodes_warm",)

    def setup(self, found: Record, nodes: int) -> None:
        read(found, "lookup_hops", nodes)

    def track_hops_per_lookup(self, found: Record, nodes: int) -> Samples:
        return as_samples(read(found, "lookup_hops", nodes))


class WarmSlope(_Warm):
    """Catches: hops that grow faster each time the number of nodes doubles, from 64 to 4,096.

    Cannot see: a number of hops too many at each size.
    """

    version = "1"
    unit = "hops"

    def setup(self, found: Record) -> None:
        read(found, "slope")

    def track_hops_per_doubling(self, found: Record) -> Samples:
        return as_samples(read(found, "slope"))


class WarmMisses(_Warm):
    """Catches: lookups that do not find the closest node there is, and operations that fail.

    Cannot see: faults; the suite `chaos` and the classes of churn are for them.
    """

    version = "1"
    unit = "ppm"
    params = (NODES,)
    param_names = ("nodes_warm",)

    def setup(self, found: Record, nodes: int) -> None:
        read(found, "lookup_missed_ppm", nodes)

    def track_missed_lookups(self, found: Record, nodes: int) -> Samples:
        return as_samples(read(found, "lookup_missed_ppm", nodes))

    def track_failed_stores(self, found: Record, nodes: int) -> Samples:
        return as_samples(read(found, "store_failed_ppm", nodes))

    def track_failed_retrieves(self, found: Record, nodes: int) -> Samples:
        return as_samples(read(found, "retrieve_failed_ppm", nodes))


class WarmMessages(_Warm):
    """Catches: more messages because of an operation, among nodes that do not know each other yet.

    Cannot see: how many of them its caller waits for.
    """

    version = "1"
    unit = "messages"
    params = (OPERATIONS, NODES)
    param_names = ("operation", "nodes_warm")

    def setup(self, found: Record, operation: str, nodes: int) -> None:
        read(found, f"{operation}_messages", nodes)

    def track_messages(self, found: Record, operation: str, nodes: int) -> Samples:
        return as_samples(read(found, f"{operation}_messages", nodes))


class WarmBytes(_Warm):
    """Catches: more bytes in the frames that an operation causes, values of 1 KiB included.

    Cannot see: bytes of TLS and TCP.
    """

    version = "1"
    unit = "bytes"
    params = (OPERATIONS, NODES)
    param_names = ("operation", "nodes_warm")

    def setup(self, found: Record, operation: str, nodes: int) -> None:
        read(found, f"{operation}_bytes", nodes)

    def track_bytes(self, found: Record, operation: str, nodes: int) -> Samples:
        return as_samples(read(found, f"{operation}_bytes", nodes))


class _Joins:
    """The record that the classes of joining share."""

    kind = "seeded"
    layout = "S"
    timeout = 300

    def setup_cache(self) -> object:
        return record(_joins, "simulator")


class JoinMessages(_Joins):
    """Catches: networks that need more messages per node to grow from nothing until all are ready.

    Cannot see: records that are handed over; `counts` has them.
    """

    version = "1"
    unit = "messages"
    params = (FEW,)
    param_names = ("nodes",)

    def setup(self, found: Record, nodes: int) -> None:
        read(found, "join_messages", nodes)

    def track_messages_per_node(self, found: Record, nodes: int) -> Samples:
        return as_samples(read(found, "join_messages", nodes))


class JoinBytes(_Joins):
    """Catches: networks that need more bytes per node to grow from nothing until all are ready.

    Cannot see: bytes of TLS and TCP.
    """

    version = "1"
    unit = "bytes"
    params = (FEW,)
    param_names = ("nodes",)

    def setup(self, found: Record, nodes: int) -> None:
        read(found, "join_bytes", nodes)

    def track_bytes_per_node(self, found: Record, nodes: int) -> Samples:
        return as_samples(read(found, "join_bytes", nodes))


class JoinLatency(_Joins):
    """Catches: a newcomer that is a member later.

    Cannot see: when it is ready; processors and TLS.
    """

    version = "1"
    unit = "seconds"
    params = (QUANTILES, FEW)
    param_names = ("quantile", "nodes")

    def setup(self, found: Record, quantile: str, nodes: int) -> None:
        read(found, f"join_s_{quantile}", nodes)

    def track_latency(self, found: Record, quantile: str, nodes: int) -> Samples:
        return as_samples(read(found, f"join_s_{quantile}", nodes))


class _Distant:
    """The record that the classes of warm networks all over the world share."""

    kind = "seeded"
    layout = "S"
    timeout = 300

    def setup_cache(self) -> object:
        return record(_distant, "simulator")


class DistantWarmLatency(_Distant):
    """Catches: operations that wait for more round trips between the regions of the world.

    Cannot see: processors and TLS; an operation that fails counts until it does.
    """

    version = "1"
    unit = "seconds"
    params = (DISTANT, QUANTILES, FEW)
    param_names = ("operation", "quantile", "nodes_warm")

    def setup(self, found: Record, operation: str, quantile: str, nodes: int) -> None:
        read(found, f"{operation}_s_{quantile}", nodes)

    def track_latency(self, found: Record, operation: str, quantile: str, nodes: int) -> Samples:
        return as_samples(read(found, f"{operation}_s_{quantile}", nodes))


class DistantWarmFailures(_Distant):
    """Catches: operations between the regions of the world that are not done in their 5 s.

    Cannot see: clients that try again.
    """

    version = "1"
    unit = "ppm"
    params = (DISTANT, FEW)
    param_names = ("operation", "nodes_warm")

    def setup(self, found: Record, operation: str, nodes: int) -> None:
        read(found, f"{operation}_failed_ppm", nodes)

    def track_failed(self, found: Record, operation: str, nodes: int) -> Samples:
        return as_samples(read(found, f"{operation}_failed_ppm", nodes))


class WarmChurn:
    """Catches: operations that fail while half the nodes are replaced per hour.

    Cannot see: what takes longer than a minute or two to go wrong.
    """

    kind = "seeded"
    layout = "S"
    version = "2"
    unit = "ppm"
    timeout = 300
    params = (NODES,)
    param_names = ("nodes_warm",)

    def setup_cache(self) -> object:
        return record(_churn, "simulator")

    def setup(self, found: Record, nodes: int) -> None:
        read(found, "failed_ppm", nodes)

    def track_failed(self, found: Record, nodes: int) -> Samples:
        return as_samples(read(found, "failed_ppm", nodes))
