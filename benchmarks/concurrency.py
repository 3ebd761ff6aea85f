"""What operations cost when several are in flight on a network of eight nodes.

Three replicas, two of which have to acknowledge or answer; records of 1 KiB. The operations of one
client share connections, and joining their messages is the core's main lever: this is where it
shows.
"""

from __future__ import annotations

from benchmarks.common.sampling import BLOCKS, Record, Samples, as_samples, read, record

NODES = 8
SIZE_BYTES = 1024
OPERATIONS = ["store", "retrieve"]
IN_FLIGHT = [1, 2, 4, 8, 16]
PER_BLOCK = {1: 150, 2: 200, 4: 300, 8: 400, 16: 600}  # a block lasts some 60 ms


def _blocks() -> Record:
    """Blocks of stores and of retrieves at each number in flight, all of them in turn.

    In turn, so that a slow spell of the machine falls on all numbers and not on one.
    """
    from benchmarks.common.records import summarize
    from benchmarks.common.swarm import Swarm
    from benchmarks.common.workload import Values, WorkloadOutcome, closed_loop

    found: Record = {}
    with Swarm(layout="A", nodes=NODES) as swarm:
        client = swarm.client

        def note(operation: str, outcome: WorkloadOutcome) -> None:
            outcome.require_clean()
            latency = summarize(outcome.latencies_s)
            for what, value in (
                ("seconds", outcome.seconds_per_operation),
                ("p50", latency.p50_s),
                ("p99", latency.p99_s),
            ):
                found.setdefault((what, operation, outcome.in_flight), []).append(value)

        async def block(in_flight: int, edition: int) -> None:
            values, count = Values(SIZE_BYTES, edition), PER_BLOCK[in_flight]
            stored = await closed_loop(
                lambda n: client.store(f"{in_flight}-{n}", values.value(n)),
                operations=count,
                in_flight=in_flight,
            )
            note("store", stored)
            retrieved = await closed_loop(
                lambda n: client.retrieve(f"{in_flight}-{n}"),
                operations=count,
                in_flight=in_flight,
                check=values.check,
            )
            note("retrieve", retrieved)

        for edition in range(BLOCKS + 1):
            if edition == 1:
                found.clear()  # the first block met cold caches
            for in_flight in IN_FLIGHT:
                swarm.run(block(in_flight, edition))
    return found


def setup_cache() -> object:
    return record(_blocks)


class Throughput:
    """Catches: fewer operations per second with 1 to 16 in flight, as more seconds for each.

    Cannot see: what an overloaded node does: a closed loop never sends more than is answered.
    """

    kind = "observed"
    layout = "A"
    version = "2"
    unit = "seconds"
    timeout = 60
    params = (OPERATIONS, IN_FLIGHT)
    param_names = ("operation", "in_flight")

    def setup(self, found: Record, operation: str, in_flight: int) -> None:
        read(found, "seconds", operation, in_flight)

    def track_seconds_per_operation(self, found: Record, operation: str, in_flight: int) -> Samples:
        return as_samples(read(found, "seconds", operation, in_flight))


class Latency:
    """Catches: operations that wait for each other, in the middle (P50) or at the end (P99).

    Cannot see: a stall's true length, for a closed loop stops sending during it; the tail past P99.
    """

    kind = "observed"
    layout = "A"
    version = "2"
    unit = "seconds"
    timeout = 60
    params = (OPERATIONS, IN_FLIGHT)
    param_names = ("operation", "in_flight")

    def setup(self, found: Record, operation: str, in_flight: int) -> None:
        read(found, "p50", operation, in_flight)

    def track_p50(self, found: Record, operation: str, in_flight: int) -> Samples:
        return as_samples(read(found, "p50", operation, in_flight))

    def track_p99(self, found: Record, operation: str, in_flight: int) -> Samples:
        return as_samples(read(found, "p99", operation, in_flight))
