"""What one operation costs on one node, with nothing else going on.

The floor under every other figure: a request, its answer, encryption, the store. One replica and
quorums of one, because a network of one node has to say so.
"""

from __future__ import annotations

from benchmarks.common import subject
from benchmarks.common.records import Layout
from benchmarks.common.sampling import BLOCKS, Record, Samples, as_samples, read, record

OPERATIONS = ["store", "retrieve", "delete"]
SIZES = [64, 1024, 65536]
PER_BLOCK = {64: 100, 1024: 100, 65536: 25}  # a block lasts some 30 ms, longer than a time slice


def _cycles(layout: Layout) -> Record:
    """Store, retrieve and delete the same keys in turn; seconds of clock and processor per block.

    Each retrieve is compared with what was stored, and after the deletes a key must be gone.
    """
    from benchmarks.common.swarm import Swarm
    from benchmarks.common.workload import Values, WorkloadOutcome, closed_loop

    found: Record = {}
    alone = subject.NetworkSettings(replication=1, write_quorum=1, read_quorum=1)
    with Swarm(layout=layout, nodes=1, network=alone) as swarm:
        client = swarm.client

        def note(operation: str, size: int, outcome: WorkloadOutcome) -> None:
            outcome.require_clean()
            found.setdefault(("clock", operation, size), []).append(outcome.seconds_per_operation)
            found.setdefault(("cpu", operation, size), []).append(
                outcome.cpu_s / outcome.operations
            )

        async def cycle(size: int, edition: int) -> None:
            values, count = Values(size, edition), PER_BLOCK[size]
            names = [f"{size}-{number}" for number in range(count)]
            stored = await closed_loop(
                lambda n: client.store(names[n], values.value(n)), operations=count, in_flight=1
            )
            note("store", size, stored)
            retrieved = await closed_loop(
                lambda n: client.retrieve(names[n]),
                operations=count,
                in_flight=1,
                check=values.check,
            )
            note("retrieve", size, retrieved)
            if subject.supports("delete"):
                deleted = await closed_loop(
                    lambda n: client.delete(names[n]), operations=count, in_flight=1
                )
                note("delete", size, deleted)
                await subject.must_be_gone(client, names[-1])

        for edition in range(BLOCKS + 1):
            if edition == 1:
                found.clear()  # the first block met cold caches
            for size in SIZES:
                swarm.run(cycle(size, edition))
    return found


class Clock:
    """Catches: an operation on an idle node that waits longer, on either side of the socket.

    Cannot see: what replicas, other load or a real network add; a few percent, in a noisy hour.
    """

    kind = "observed"
    layout = "A"
    version = "1"
    unit = "seconds"
    timeout = 60
    params = (OPERATIONS, SIZES)
    param_names = ("operation", "size_bytes")

    def setup_cache(self) -> object:
        return record(lambda: _cycles("A"))

    def setup(self, found: Record, operation: str, size: int) -> None:
        read(found, "clock", operation, size)

    def track_seconds(self, found: Record, operation: str, size: int) -> Samples:
        return as_samples(read(found, "clock", operation, size))


class Cpu:
    """Catches: an operation that takes more processor time, client and node together.

    Cannot see: which of the two it was, nor anything that waits instead of working.
    """

    kind = "paired"
    layout = "C"
    version = "1"
    unit = "seconds"
    timeout = 60
    params = (OPERATIONS, SIZES)
    param_names = ("operation", "size_bytes")

    def setup_cache(self) -> object:
        return record(lambda: _cycles("C"))

    def setup(self, found: Record, operation: str, size: int) -> None:
        read(found, "cpu", operation, size)

    def track_cpu_seconds(self, found: Record, operation: str, size: int) -> Samples:
        return as_samples(read(found, "cpu", operation, size))
